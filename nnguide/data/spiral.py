"""A spiral of points in the plane, the smallest data set that diffusion has a use for.

The spiral's place at angle t is (t cos t, t sin t) / 5 pi, t from pi / 2 to 11 pi / 2:
radii from 0.1 to 1.1, two and a half turns. The data are a hundred points at equal
steps of t.

Source: the Swiss roll of smalldiffusion (C. Yuan), which the video "But how do AI
images and videos actually work" animates.
"""

from typing import NamedTuple

import numpy as np
from jaxtyping import Float, Float32, Float64, Int

CLASSES = 3
_FIRST, _LENGTH = np.pi / 2, 5 * np.pi  # of t
_PIECES = 2000  # 0.005 long, where places on the spiral are looked for


class Spiral(NamedTuple):
    """Points along the spiral, from the inside out.

    Attributes:
      points: places in the plane.
      label: which third of the angles; the last class is the outer arm.
    """

    points: Float32[np.ndarray, "N 2"]
    label: Int[np.ndarray, "N"]


def place(along: Float[np.ndarray, "*shape"]) -> Float[np.ndarray, "*shape 2"]:
    """Where the spiral is, at shares of its range of angles: 0 inside, 1 outside."""
    t = _FIRST + _LENGTH * along
    return np.stack([t * np.cos(t), t * np.sin(t)], axis=-1) / _LENGTH


def spiral(points: int = 100) -> Spiral:
    """That many points at equal steps of the angle."""
    along = np.linspace(0, 1, points)
    label = np.minimum((along * CLASSES).astype(int), CLASSES - 1)
    return Spiral(place(along).astype(np.float32), label)


def nearest(
    x: Float[np.ndarray, "B 2"],
) -> tuple[Float64[np.ndarray, "B"], Float64[np.ndarray, "B"]]:
    """How far each place is from the spiral, and where along it is nearest."""
    along = np.linspace(0, 1, _PIECES + 1)
    curve, x = place(along), x.astype(np.float64)
    squared = (x**2).sum(1)[:, None] - 2 * x @ curve.T + (curve**2).sum(1)
    best = squared.argmin(axis=1)
    distance = np.sqrt(((x - curve[best]) ** 2).sum(axis=1))
    return distance, along[best]
