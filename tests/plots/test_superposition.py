"""The pictures of superposition and of the dictionaries that take it apart."""

import numpy as np
import pytest

from nnguide.plots.dictionary_recovery import recovery
from nnguide.plots.superposition import crowding, directions, phases


def finding(drawing) -> str:
    return " ".join(drawing.texts[0].get_text().split())


@pytest.mark.smoke
@pytest.mark.parametrize("theme", ["light", "dark"])
def test_arrows_of_two_four_and_five_features(theme, check_readable):
    weight = np.zeros((6, 2, 5))
    for number, corners in enumerate((2, 4, 4, 5, 5, 5)):
        angle = 2 * np.pi * np.arange(corners) / max(corners, 4)
        weight[number, :, :corners] = np.cos(angle), np.sin(angle)
    kept = np.linalg.norm(weight, axis=1) > 0.5
    share = np.where(kept, np.array([1, 0.5, 0.5, 0.4, 0.4, 0.33])[:, None], 0)
    sparsity = np.array([0, 0.5, 0.7, 0.8, 0.9, 0.99])
    drawing = directions(theme, sparsity, weight, kept, share)
    check_readable(drawing)
    assert finding(drawing).endswith("two dimensions hold: 2, then 4, then 5")
    texts = [[text.get_text() for text in axes.texts] for axes in drawing.axes]
    says = [next(words for words in each if "features" in words) for each in texts]
    assert says[0] == "2 features,\n1 dimension each"
    assert says[1] == "4 features,\n½ dimension each"
    assert says[-1] == "5 features,\n0.33 dimension each"


@pytest.mark.smoke
def test_the_phase_diagram_names_its_three_phases(check_readable):
    presence, importance = np.geomspace(0.01, 1, 12), np.geomspace(0.1, 10, 12)
    phase = np.where(importance < 1, 0, 1)[None] + np.zeros((12, 12), int)
    phase[:9] = 2
    drawing = phases("light", presence, importance, phase, importance / 20, 4)
    check_readable(drawing)
    assert "in 75% of the cells" in finding(drawing)
    shares = np.asarray(drawing.axes[1].lines[0].get_xdata())
    np.testing.assert_allclose(shares[[0, -1]], [1, 0])


def test_twenty_features_crowd_five_dimensions(check_readable):
    presence = np.array(
        [1, 0.7, 0.5, 0.3, 0.2, 0.1, 0.05, 0.03, 0.02, 0.01, 3e-3, 1e-3]
    )
    norms = (np.arange(20)[None] < np.arange(5, 17)[:, None]).astype(float)
    counts = np.stack([np.arange(5, 17), np.arange(4, 16)])
    shares = 5 / counts
    drawing = crowding("light", presence, norms, counts, shares, np.zeros(12, int))
    check_readable(drawing)
    assert finding(drawing).startswith("Five dimensions hold 5 features")
    assert "and 16 that are there 0.1% of the time" in finding(drawing)


@pytest.mark.parametrize("penalties", [(0.4,), (0.1, 0.2, 0.4)])
def test_dictionaries_of_growing_size(penalties, check_readable):
    sizes = np.array([5, 10, 20, 40])
    best = (
        np.linspace(0.5, 1, 4)[None] * np.linspace(1, 0.8, len(penalties))[::-1, None]
    )
    cosine = np.stack([best, best - 0.02])
    recovered = np.where(best > 0.95, 20, 3)
    random = np.array([0.5, 0.6, 0.7, 0.8])
    drawing = recovery(
        "light", sizes, np.array(penalties), cosine=cosine, recovered=recovered,
        best=best, random=random, features=20,
    )  # fmt: skip
    check_readable(drawing)
    assert "a sparse autoencoder finds 20 of 20 in five" in finding(drawing)
