import numpy as np
import pytest

from nnguide.network.minibatch import expected_cosine
from nnguide.plots.minibatch import cosines, drunk_walk


@pytest.mark.smoke
@pytest.mark.parametrize("theme", ["light", "dark"])
def test_cosines_are_drawn_with_their_theory(theme, check_readable):
    sizes = np.array([1, 10, 100, 1000])
    scales = {"born": 0.6, "early": 17.0, "trained": 1154.0}
    measured = {
        stage: np.array([[expected_cosine(scale, float(size))] * 5 for size in sizes])
        for stage, scale in scales.items()
    }
    figure = cosines(theme, sizes, measured, scales, expected_cosine)
    check_readable(figure)
    finding = " ".join(figure.texts[0].get_text().split())
    assert "with a cosine of 0.997 at birth, of 0.28 when trained" in finding
    (axes,) = figure.axes
    words = [text.get_text() for text in axes.texts]
    assert "when trained\nnoise scale 1,154" in words


def _walks():
    step = np.linspace(0, 1, 41)
    straight = np.stack([10 * step, 3 * np.sin(3 * step)], axis=1)
    drunk = straight + np.random.default_rng(0).normal(0, 0.05, straight.shape)
    seen = np.array([1, 3, 10, 40])
    falling = np.array([0.9, 0.8, 0.6, 0.3])
    return {
        "seen": seen,
        "costs": {4000: falling, 100: falling + 0.01, 10: falling + 0.1},
        "wandering": {4000: 1.1, 100: 3.6, 10: 9.6},
        "places": {4000: straight, 100: drunk, 10: drunk + 0.2},
        "axes": np.array([np.linspace(-1, 11, 8), np.linspace(-2, 5, 8)]),
        "map": np.add.outer(np.arange(8.0), np.arange(8.0)),
        "spread": 0.95,
    }


def test_the_walks_title_says_what_the_steps_bought(check_readable):
    figure = drunk_walk("light", _walks(), 4000)
    check_readable(figure)
    assert " ".join(figure.texts[0].get_text().split()) == (
        "40 steps on batches of 100 come down to a cost of 0.310; on all 4,000 "
        "examples, 40 times as many, to 0.300"
    )
    near = next(axes for axes in figure.axes if axes.get_xlim()[1] < 3)
    assert "all examples: 1.1" in [text.get_text() for text in near.texts]
