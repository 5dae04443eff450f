import numpy as np
import pytest

from nnguide.plots.gradient_check import hand_and_autodiff, price, u_curve


@pytest.mark.smoke
@pytest.mark.parametrize("theme", ["light", "dark"])
def test_the_bottoms_of_both_curves_are_in_the_title(theme, check_readable):
    double, single = 10.0 ** np.arange(-1, -11, -1), 10.0 ** np.arange(0, -7, -1)
    curves = {
        "float64": (double, 0.1 * double**2 + 1e-15 / double),
        "float32": (single, 0.1 * single**2 + 1e-6 / single),
    }
    figure = u_curve(theme, curves, 13_002)
    check_readable(figure)
    assert " ".join(figure.texts[0].get_text().split()) == (
        "Nudging 13,002 parameters confirms backpropagation to 1e-10 in float64, in "
        "float32 only to 1e-04"
    )


@pytest.mark.parametrize("unequal", [0, 12])
def test_differences_are_drawn_by_decade_and_zeros_are_empty(unequal, check_readable):
    shapes = [(16, 784), (16, 16), (10, 16)]
    differences = [np.full(shape, 1e-9) for shape in shapes]
    differences[0][:, 0] = 0
    differences[2][0, 0] = 2e-8
    gradients = [np.full(shape, 0.1) for shape in shapes]
    figure = hand_and_autodiff("light", differences, gradients, (28, 28), unequal)
    check_readable(figure)
    finding = " ".join(figure.texts[0].get_text().split())
    assert "at most 2e-08 from the exact one" in finding
    assert ("bit for bit" if unequal == 0 else "but for 12 derivatives") in finding
    tiles = np.asarray(figure.axes[0].images[0].get_array(), float)
    assert tiles.shape == (4 * 29, 4 * 29)
    assert np.isnan(tiles[0, 0])
    np.testing.assert_allclose(tiles[0, 1], -9)


def test_the_price_is_told_in_both_units(check_readable):
    forward, backward, nudging = "one forward pass", "backpropagation", "nudging"
    work = {forward: 260_000, backward: 520_000, nudging: 6_760_520_000}
    seconds = {forward: 3e-5, backward: 6e-5, nudging: 0.6}
    figure = price("light", work, seconds, 13_002)
    check_readable(figure)
    finding, note = (" ".join(text.get_text().split()) for text in figure.texts)
    assert "costs 2.0 forward passes, nudging every parameter 13,001 times" in finding
    assert "took 10,000 times as long" in note
