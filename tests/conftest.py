"""Eight virtual CPU devices, rank promotion forbidden, flags parsed."""

import jax
import pytest
from absl import flags

jax.config.update("jax_num_cpu_devices", 8)
jax.config.update("jax_platforms", "cpu")
jax.config.update("jax_numpy_rank_promotion", "raise")
flags.FLAGS.mark_as_parsed()  # Grain reads its flags


@pytest.fixture
def key() -> jax.Array:
    return jax.random.key(0)
