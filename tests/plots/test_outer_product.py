import numpy as np
import pytest

from nnguide.plots.outer_product import fire_together, outer_product


@pytest.mark.smoke
@pytest.mark.parametrize("theme", ["light", "dark"])
def test_nudges_lie_on_lines_through_0(theme, check_readable):
    random = np.random.default_rng(0)
    a_before, asks = random.random(16), -random.random(10)
    asks[2] = 0.7
    values = {1: np.array([1.0, 1e-8] + 14 * [1e-9]), 100: np.geomspace(1, 1e-2, 16)}
    names = [str(number) for number in range(10)]
    nudges = np.outer(asks, a_before)
    figure = outer_product(theme, a_before, asks, nudges, values, names, 2)
    check_readable(figure)
    assert "is 1e-08 of the first" in " ".join(figure.texts[0].get_text().split())
    _, lines, spectrum = figure.axes
    words = {text.get_text() for text in (*lines.texts, *spectrum.texts)}
    worst = names[int(np.argmin(asks))]
    assert {'into "2"', f'into "{worst}"', "1 example: rank 1"} <= words
    ends = [np.asarray(line.get_xydata())[1] for line in lines.lines[:2]]
    slopes = [y / x for x, y in ends]
    np.testing.assert_allclose(slopes, [0.7, asks.min()])


def test_the_picture_of_hebb_carries_both_correlations(check_readable):
    together = np.random.default_rng(0).random((10, 16))
    changes = {
        "rise": (together, 2e-4 * together),
        "fall": (together, -3e-4 * together),
    }
    figure = fire_together("light", changes, {"rise": 1.0, "fall": -1.0})
    check_readable(figure)
    assert "(+1.00), and part where" in figure.texts[0].get_text().replace("\n", " ")
    rising, falling = figure.axes
    assert len(rising.collections) == len(falling.collections) == 10
    assert rising.get_ylim() == falling.get_ylim()
