"""Eight virtual CPU devices, rank promotion forbidden, flags parsed."""

import jax
import pytest
from absl import flags

jax.config.update("jax_num_cpu_devices", 8)
jax.config.update("jax_platforms", "cpu")
jax.config.update("jax_numpy_rank_promotion", "raise")
flags.FLAGS.mark_as_parsed()  # Grain reads its flags


@pytest.fixture(scope="session", autouse=True)
def _compile_once(tmp_path_factory) -> None:
    """Tests build the same small programs again and again."""
    folder = tmp_path_factory.mktemp("compiled")
    jax.config.update("jax_compilation_cache_dir", str(folder))
    jax.config.update("jax_persistent_cache_min_compile_time_secs", 0.0)


@pytest.fixture
def key() -> jax.Array:
    return jax.random.key(0)
