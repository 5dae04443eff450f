"""Johnson and Lindenstrauss: a random projection keeps all distances, roughly.

n points keep their squared distances within 1 +- e in k >= 4 ln(n) / (e^2/2 - e^3/3)
dimensions, however many they had.

Source: Dasgupta and Gupta 2003, "An elementary proof of a theorem of Johnson and
Lindenstrauss".
"""

import math
from functools import partial

import jax
import jax.numpy as jnp
from jaxtyping import Float

from nnguide.array_types import Array, Key


def enough_dimensions(count: int, distortion: float) -> int:
    """Dimensions in which a projection of `count` points exists that distorts no more.

    Cut to a whole number, as tables of the bound do.

    Args:
      count: of points.
      distortion: of squared distances, a share between 0 and 1.
    """
    return int(4 * math.log(count) / (distortion**2 / 2 - distortion**3 / 3))


def squared_distances(points: Float[Array, "N D"]) -> Float[Array, "N N"]:
    """Squared distances of all pairs."""
    lengths = (points**2).sum(axis=1)
    products = points @ points.T
    return jnp.maximum(lengths[:, None] + lengths[None] - 2 * products, 0)


@partial(jax.jit, static_argnames="dimensions")
def distortion(
    points: Float[Array, "N D"], dimensions: int, key: Key
) -> tuple[Float[Array, ""], Float[Array, ""]]:
    """Projects points at random and compares all their squared distances.

    Args:
      points: no two of them equal.
      dimensions: to project to.
      key: of the projection's entries, which are normal with variance 1/dimensions.

    Returns:
      The largest and the root mean square |after / before - 1| of all pairs.
    """
    shape = (points.shape[1], dimensions)
    projection = jax.random.normal(key, shape, jnp.float32) / math.sqrt(dimensions)
    itself = jnp.eye(len(points), dtype=jnp.float32)
    before = squared_distances(points) + itself
    off = (1 - itself) * (squared_distances(points @ projection) / before - 1)
    pairs = len(points) * (len(points) - 1)
    return jnp.abs(off).max(), jnp.sqrt((off**2).sum() / pairs)
