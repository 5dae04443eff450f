import numpy as np
import pytest

from nnguide.plots import clip

RNG = np.random.default_rng(0)


def words(figure) -> str:
    return " ".join(figure.texts[0].get_text().split())


def test_all_moments_share_one_scale(check_readable):
    cosines = np.stack([0.1 * RNG.normal(size=(16, 16)), np.eye(16)])
    figure = clip.similarities("light", [0, 1200], cosines, 0.984, 256)
    check_readable(figure)
    assert "98% of the pictures find their own among 256" in words(figure)
    images = [axes.images[0] for axes in figure.axes]
    assert {image.get_clim() for image in images} == {(-1.0, 1.0)}
    assert "own captions 1.00" in figure.axes[1].get_xlabel()
    assert "others 0.00" in figure.axes[1].get_xlabel()


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_the_words_are_ranked_and_the_right_one_is_blue(check_readable, theme):
    word = np.eye(8)[0]
    without = RNG.normal(size=(20, 8)) * [0.02, *np.full(7, 0.2)]
    vectors = np.stack([without, without + 0.4 * word])
    ranked = [("hat", 0.5), ("umbrella", 0.2), ("wall", 0.1), ("an", -0.05)]
    images = RNG.random((2, 32, 32, 3))
    figure = clip.difference(theme, images, vectors, word, "hat", ranked, -0.01, 0.97)
    check_readable(figure)
    assert words(figure).startswith('(with a hat) - (without) points to "hat" before')
    assert "97% of 20 people" in words(figure)
    arrows, bars = figure.axes[0], figure.axes[1]
    grey, blue = (np.asarray(dots.get_offsets()) for dots in arrows.collections)
    np.testing.assert_allclose(blue[:, 1] - grey[:, 1], 0.4, rtol=1e-6)
    np.testing.assert_allclose(blue[:, 0], grey[:, 0], atol=1e-6)
    colours = [bar.get_facecolor() for bar in bars.patches]
    assert colours[0] != colours[1] == colours[2] == colours[3]


def test_every_attribute_has_both_answers_and_chance(check_readable):
    accuracies = {"kind": (1.0, 1.0, 0.5), "accessory": (0.71, 0.965, 1 / 7)}
    figure = clip.attributes("light", accuracies, 0.95)
    check_readable(figure)
    assert "accessory worst with 96.5%" in words(figure)
    chance, single, ensemble = figure.axes[0].lines[:3]
    np.testing.assert_allclose(np.asarray(chance.get_xdata()), [0.5, 1 / 7])
    np.testing.assert_allclose(np.asarray(single.get_xdata()), [1, 0.71])
    np.testing.assert_allclose(np.asarray(ensemble.get_xdata()), [1, 0.965])
