"""Part 1: what do the weights of a hidden neuron look like? Measured, not looked at.

The guide hopes for little edges and finds "almost random" patterns. Two numbers say how
far an image of weights is from noise: Moran's autocorrelation of neighbouring pixels (0
for noise, near 1 for something smooth), and how much of it one Gabor patch, the usual
model of an edge detector, can explain.

Source: 3Blue1Brown, "Gradient descent, how neural networks learn".
"""

import numpy as np
from jaxtyping import Bool, Float

_ORIENTATIONS = np.arange(8) * np.pi / 8


def neighbour_autocorrelation(
    image: Float[np.ndarray, "height width"],
    counts: Bool[np.ndarray, "height width"] | None = None,
) -> float:
    """Moran's I over horizontal and vertical neighbours.

    Args:
      image: weights, in any unit.
      counts: pixels that take part; None takes all.

    Returns:
      About 0 for noise, 1 for a smooth image, negative for a chequerboard.
    """
    counts = np.ones(image.shape, bool) if counts is None else counts
    deviation = np.where(counts, image - image[counts].mean(), 0.0)
    products, pairs = 0.0, 0
    for one, other in (
        (np.s_[:, 1:], np.s_[:, :-1]),
        (np.s_[1:, :], np.s_[:-1, :]),
    ):
        products += (deviation[one] * deviation[other]).sum()
        pairs += (counts[one] & counts[other]).sum()
    return float(products / pairs / (deviation**2).sum() * counts.sum())


def edge_fit(
    images: Float[np.ndarray, "neurons height width"],
) -> Float[np.ndarray, "neurons"]:
    """The share of each image's variance that its best Gabor patch explains.

    The bank has 8 orientations, wavelengths from 3 pixels to the image's width, every
    second place, and any phase (a sine and a cosine are fitted together).

    Args:
      images: weights, in any unit; the mean of each is taken off.

    Returns:
      R squared, 0 to 1. What noise of this size reaches must be measured beside it:
      the smaller the image, the more a bank explains by luck.
    """
    neurons, height, width = images.shape
    centred = images.reshape(neurons, -1)
    centred = centred - centred.mean(axis=1, keepdims=True)
    sine, cosine = _gabor_bank(height, width)
    explained = (centred @ sine.T) ** 2 + (centred @ cosine.T) ** 2
    return explained.max(axis=1) / (centred**2).sum(axis=1)


def _gabor_bank(height: int, width: int) -> tuple[np.ndarray, np.ndarray]:
    """Orthonormal pairs of patches without a mean, each (patches, height * width)."""
    y, x = np.mgrid[:height, :width]
    wavelengths = np.geomspace(3, width, 5)
    pairs = []
    for centre_y in range(0, height, 2):
        for centre_x in range(0, width, 2):
            for wavelength in wavelengths:
                distance = (x - centre_x) ** 2 + (y - centre_y) ** 2
                envelope = np.exp(-distance / (2 * (wavelength / 2) ** 2))
                for angle in _ORIENTATIONS:
                    along = (x - centre_x) * np.cos(angle) + (y - centre_y) * np.sin(
                        angle
                    )
                    phase = 2 * np.pi * along / wavelength
                    pairs.append((envelope * np.sin(phase), envelope * np.cos(phase)))
    bank = np.asarray(pairs).reshape(len(pairs), 2, -1)
    bank = bank - bank.mean(axis=2, keepdims=True)
    sine, cosine = bank[:, 0], bank[:, 1]
    sine = sine / np.linalg.norm(sine, axis=1, keepdims=True)
    cosine = cosine - (cosine * sine).sum(axis=1, keepdims=True) * sine
    return sine, cosine / np.linalg.norm(cosine, axis=1, keepdims=True)
