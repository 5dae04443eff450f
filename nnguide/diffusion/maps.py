"""What is done to maps of features without parameters: fold, unfold, halve, double.

Folding moves pixels into channels, so that a network has less to do at full size.
"""

import jax.numpy as jnp
from jaxtyping import Float

from nnguide.array_types import Array

Maps = Float[Array, "B height width C"]
Resized = Float[Array, "B rows columns channels"]


def fold(maps: Maps, side: int) -> Resized:
    """Puts each square of side x side pixels into the channels of one place.

    Channel (row * side + column) * C + c of a place is channel c of the pixel at that
    row and column of its square. The side divides height and width.
    """
    if side == 1:
        return maps
    squares = _squares(maps, side).swapaxes(2, 3)
    batch, height, width = squares.shape[:3]
    return squares.reshape(batch, height, width, -1)


def unfold(maps: Maps, side: int) -> Resized:
    """The inverse of `fold`."""
    if side == 1:
        return maps
    batch, height, width, channels = maps.shape
    squares = maps.reshape(batch, height, width, side, side, channels // side**2)
    return squares.swapaxes(2, 3).reshape(
        batch, height * side, width * side, channels // side**2
    )


def halve(maps: Maps) -> Resized:
    """The mean of each square of 2 x 2; height and width are even."""
    return _squares(maps, 2).mean((2, 4))


def double(maps: Maps) -> Resized:
    """Each place four times, as nearest-neighbour resizing does."""
    batch, height, width, channels = maps.shape
    shape = (batch, height, 2, width, 2, channels)
    wide = jnp.broadcast_to(maps[:, :, None, :, None], shape)
    return wide.reshape(batch, 2 * height, 2 * width, channels)


def _squares(maps: Maps, side: int) -> Float[Array, "B rows side columns side C"]:
    batch, height, width, channels = maps.shape
    return maps.reshape(batch, height // side, side, width // side, side, channels)
