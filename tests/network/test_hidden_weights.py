"""Noise, smoothness and edges told apart by number."""

import numpy as np
import pytest

from nnguide.network.hidden_weights import edge_fit, neighbour_autocorrelation


def test_noise_is_0_a_ramp_near_1_a_chequerboard_minus_1():
    noise = np.random.default_rng(0).normal(size=(200, 200))
    ramp = np.add.outer(np.arange(28.0), np.arange(28.0))
    squares = np.indices((28, 28)).sum(0) % 2 * 2.0 - 1
    assert abs(neighbour_autocorrelation(noise)) < 0.01
    assert neighbour_autocorrelation(ramp) > 0.9
    assert neighbour_autocorrelation(squares) == pytest.approx(-1)


def test_a_mask_leaves_pixels_out():
    image = np.add.outer(np.arange(28.0), np.arange(28.0))
    counts = np.ones((28, 28), bool)
    counts[:, :10] = False
    disturbed = image.copy()
    disturbed[:, :10] = np.random.default_rng(0).normal(size=(28, 10)) * 100
    assert neighbour_autocorrelation(disturbed, counts) == pytest.approx(
        neighbour_autocorrelation(image, counts)
    )
    assert neighbour_autocorrelation(disturbed) < 0.2


@pytest.mark.smoke
def test_a_gabor_patch_is_an_edge_and_noise_is_not():
    y, x = np.mgrid[:28, :28]
    envelope = np.exp(-((x - 14) ** 2 + (y - 14) ** 2) / (2 * 4.5**2))
    patch = envelope * np.sin(2 * np.pi * (x - 14) / 9 + 0.3)
    noise = np.random.default_rng(0).normal(size=(50, 28, 28))
    assert edge_fit(patch[None])[0] > 0.95
    assert edge_fit(noise).max() < 0.1
    assert edge_fit(7 * patch[None] + 3)[0] == pytest.approx(edge_fit(patch[None])[0])


def test_a_small_filter_of_noise_is_half_explained_by_luck():
    noise = np.random.default_rng(0).normal(size=(500, 5, 5))
    fit = edge_fit(noise)
    assert 0.2 < fit.mean() < 0.5
    assert ((fit >= 0) & (fit <= 1)).all()
