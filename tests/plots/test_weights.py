import numpy as np
import pytest

from nnguide.plots.style import Theme
from nnguide.plots.weights import hidden_weights


def _weights(neurons, seed):
    """Of standard deviation 1, up to rounding."""
    random = np.random.default_rng(seed)
    return random.choice([-1.0, 1.0], size=(neurons, 28, 28)).astype(np.float32)


def _dead():
    dead = np.zeros((28, 28), bool)
    dead[:3] = True
    return dead


MORAN = {"initial": -0.001, "trained": 0.434, "masked": 0.57}


def _picture(theme: Theme = "light", neurons=16, dead=None, filters=None):
    initial, trained = 0.036 * _weights(neurons, 0), _weights(neurons, 1)
    dead = _dead() if dead is None else dead
    return hidden_weights(theme, initial, trained, dead, MORAN, filters)


@pytest.mark.smoke
@pytest.mark.parametrize("theme", ["light", "dark"])
def test_three_columns_and_filters_with_their_numbers(theme, check_readable):
    filters = np.random.default_rng(2).normal(size=(8, 5, 5))
    figure = _picture(theme, filters=filters)
    check_readable(figure)
    finding, note = (" ".join(text.get_text().split()) for text in figure.texts)
    assert finding == (
        "Neighbouring weights correlate 0.00 before training, 0.43 after"
    )
    assert "was 0.036 before training and is now 1 at pixels that light up" in note
    assert "at the 84 of 784 that no training digit lights" in note
    panels = {axes.get_label(): axes for axes in figure.axes}
    for name, words in (("initial", "0.00"), ("trained", "0.43"), ("masked", "0.57")):
        assert panels[name].texts[0].get_text() == f"neighbours correlate {words}"
    assert "5 by 5 filters" in panels["filters"].texts[1].get_text()


def test_dead_pixels_let_the_hatching_through_and_scales_are_shared():
    panels = {axes.get_label(): axes for axes in _picture().axes}
    sheets = {
        name: np.asarray(panels[name].images[0].get_array())
        for name in ("initial", "trained", "masked")
    }
    top_left = np.s_[:28, :28]
    dead = _dead()
    assert np.all(sheets["masked"][top_left][dead][:, 3] == 0)
    assert np.all(sheets["masked"][top_left][~dead][:, 3] == 1)
    assert np.all(sheets["trained"][..., 3] == 1)
    live = sheets["masked"][top_left][~dead]
    np.testing.assert_array_equal(live, sheets["trained"][top_left][~dead])
    # 1/28 of the trained weights' size on the same scale: next to white
    assert sheets["initial"][top_left][..., :3].min() > 0.9
    assert sheets["trained"][top_left][..., :3].min() < 0.3


@pytest.mark.parametrize("neurons", [1, 3, 40])
def test_any_number_of_neurons_without_dead_pixels(neurons, check_readable):
    figure = _picture(neurons=neurons, dead=np.zeros((28, 28), bool))
    check_readable(figure)
    note = " ".join(figure.texts[1].get_text().split())
    assert f"into {min(neurons, 16)} of {neurons} hidden neurons" in note
    assert note.endswith("is now 1.")
