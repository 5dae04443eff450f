"""Reads a scene's attributes off its pixels, exactly.

The picture is compared with everything that can be drawn: all maps of regions times
all colours their regions may have, and the nearest one (least squares) tells what is
shown. That is the most likely scene under white noise, however strong. Regions have
independent colours, so the comparison needs but the sum of the pixels in each region:
|x - c|^2 summed is |x|^2 - 2 c (sum of x) + n |c|^2.
"""

import functools
from typing import NamedTuple

import numpy as np
from jaxtyping import Float, Int8

from nnguide.data.scene_shapes import (
    ABSENT,
    COLUMN,
    REGIONS,
    colour_choices,
    shapes,
)

_TOGETHER = 64  # pictures compared at once; their sums fill a few megabytes


class Decoded(NamedTuple):
    """What pictures show.

    Attributes:
      shown: the value of each attribute; ABSENT for those of the other kind. Unlike
        drawn scenes a picture may show a shadow of nothing.
      distance: root of the mean square distance of a pixel's colour to that of the
        nearest scene, in [0, 1]; shades of colours leave about 0.04.
    """

    shown: Int8[np.ndarray, "N attributes"]
    distance: Float[np.ndarray, "N"]


def decode(images: Float[np.ndarray, "N height width 3"]) -> Decoded:
    """Decodes pictures.

    Args:
      images: in [0, 1].
    """
    parts = [
        _decode(images[start : start + _TOGETHER].astype(np.float32))
        for start in range(0, len(images), _TOGETHER)
    ]
    return Decoded(*map(np.concatenate, zip(*parts, strict=True)))


def _decode(images: np.ndarray) -> Decoded:
    number = len(images)
    pixels = images.reshape(number, -1, 3).swapaxes(0, 1).reshape(-1, 3 * number)
    shown = np.repeat(shapes().shown[:, None], number, axis=1)
    explained = np.zeros(shown.shape[:2], np.float32)  # |x|^2 - |x - c|^2
    for label, maps, masks in _masks():
        sums = (masks @ pixels).reshape(-1, 3)
        areas = masks.sum(axis=1)[:, None, None]
        attribute, colours = colour_choices(REGIONS[label])
        products = (sums @ colours.T).reshape(len(maps), number, -1)
        gains = 2 * products - areas * np.square(colours).sum(axis=1)
        choice = gains.argmax(axis=-1)
        if attribute is not None:
            column = COLUMN[attribute]
            fixed = shapes().shown[maps, column]
            if fixed[0] == ABSENT:  # the colour tells: of walls, skins and shirts
                shown[maps, :, column] = choice
            else:  # the map goes with one colour: of skies
                choice = np.repeat(fixed[:, None], number, axis=1)
        explained[maps] += np.take_along_axis(gains, choice[..., None], -1)[..., 0]
    nearest = explained.argmax(axis=0)
    squares = np.square(images).sum(axis=(1, 2, 3)) - explained.max(axis=0)
    distance = np.sqrt(np.maximum(squares, 0) / images[0].size)
    return Decoded(shown[nearest, np.arange(number)], distance)


@functools.cache
def _masks() -> list[tuple[int, np.ndarray, np.ndarray]]:
    """For each region its label, the maps that have it, and where: (maps, pixels)."""
    every = shapes().regions.reshape(len(shapes().regions), -1)
    found = []
    for label in range(len(REGIONS)):
        where = every == label
        maps = np.flatnonzero(where.any(axis=1))
        found.append((label, maps, where[maps].astype(np.float32)))
    return found
