"""Grids, strips and trade-offs of generated images are readable."""

from typing import Any

import numpy as np
import pytest

from nnguide.plots import generated_images

CLOTHES = (
    *("T-shirt/top", "Trouser", "Pullover", "Dress", "Coat"),
    *("Sandal", "Shirt", "Sneaker", "Bag", "Ankle boot"),
)


def images(*shape: int) -> np.ndarray:
    return np.random.default_rng(0).uniform(size=shape)


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_a_grid_names_rows_and_columns(theme, check_readable):
    rows = {name: images(10, 28, 28) for name in ("ddpm without\nits noise", "ddpm")}
    drawing = generated_images.image_grid(
        theme, rows, CLOTHES, "A finding", "how", ["variety 47%", "variety 90%"]
    )
    check_readable(drawing)
    axes = drawing.axes[0]
    names = [label.get_text() for label in axes.get_yticklabels()]
    assert names == ["ddpm without\nits noise\nvariety 47%", "ddpm\nvariety 90%"]
    sheet: Any = axes.images[0].get_array()
    assert sheet.shape == (2 * 30, 10 * 30)
    np.testing.assert_array_equal(sheet[31:59, 1:29], rows["ddpm"][0])
    assert sheet.mask[30].all()  # a gap


def test_a_strip_names_moments(check_readable):
    steps = list(range(0, 55, 5))
    sigmas = [20, 12, 7.2, 4.1, 2.2, 1.1, 0.52, 0.23, 0.086, 0.028, 0.0]
    drawing = generated_images.denoising_strip(
        "light", images(11, 4, 28, 28), steps, sigmas, "ddpm"
    )
    check_readable(drawing)
    assert not drawing.axes[0].get_yticklabels()


def test_the_trade_shows_floor_and_shares(check_readable):
    alphas = np.array([0.0, 1.0, 2.0, 4.0])
    shares = {
        "read as asked": np.array([0.9, 0.96, 0.98, 0.99]),
        "recall": np.array([0.9, 0.86, 0.8, 0.7]),
        "precision": np.array([0.7, 0.71, 0.72, 0.73]),
        "coverage": np.array([0.6, 0.6, 0.58, 0.5]),
    }
    drawing = generated_images.guidance_trade(
        "light", alphas, shares, np.array([20.0, 16, 25, 60]), 12.6, 0.981
    )
    check_readable(drawing)
    left, right = drawing.axes
    floor = [
        line for line in right.lines if np.all(np.asarray(line.get_ydata()) == 12.6)
    ]
    assert len(floor) == 1
    assert left.get_ylim() == (0, 1.1)
