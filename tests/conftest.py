"""Eight virtual CPU devices, rank promotion forbidden, flags parsed."""

import os

# Of the launchers that tests start, too. They compile more than they compute.
os.environ["JAX_DISABLE_MOST_OPTIMIZATIONS"] = "1"
os.environ["JAX_PLATFORMS"] = "cpu"
os.environ.pop("COLUMNS", None)  # tables take their width from it

import jax
import pytest
from absl import flags

jax.config.update("jax_num_cpu_devices", 8)
jax.config.update("jax_numpy_rank_promotion", "raise")
flags.FLAGS.mark_as_parsed()  # Grain reads its flags


@pytest.fixture(scope="session", autouse=True)
def _compile_once(tmp_path_factory) -> None:
    """Tests build the same small programs again and again, in every worker."""
    folder = tmp_path_factory.getbasetemp()
    if "PYTEST_XDIST_WORKER" in os.environ:
        folder = folder.parent  # of all workers of this run
    jax.config.update("jax_compilation_cache_dir", str(folder / "compiled"))
    jax.config.update("jax_persistent_cache_min_compile_time_secs", 0.0)


@pytest.fixture
def key() -> jax.Array:
    return jax.random.key(0)
