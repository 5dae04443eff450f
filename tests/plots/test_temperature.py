import numpy as np
import pytest

from nnguide.plots.temperature import Measures, temperature

VALUES = np.array([0.0, 0.25, 0.5, 0.8, 1.0, 1.5, 2.0, 5.0])
MEASURES = Measures(
    np.array([0.6, 0.5, 0.5, 1.0, 1.5, 3.1, 4.5, 6.2]),
    np.array([0.17, 0.3, 0.32, 0.69, 0.84, 0.97, 0.99, 1.0]),
    np.array([0.99, 0.95, 0.91, 0.71, 0.53, 0.13, 0.04, 0.005]),
    np.array([0.62, 0.62, 0.42, 0.04, 0, 0, 0, 0]),
)


@pytest.mark.smoke
def test_texts_and_measures_are_drawn(check_readable):
    texts = {0.0: "the string of " * 20, 1.0: "a $ in\n it " * 25, 5.0: "q%j$z_K " * 32}
    shown = ("A prompt\n  here", texts)
    figure = temperature("light", VALUES, MEASURES, (0.95, 4.63), shown, "character")
    check_readable(figure)
    shares, surprise = figure.axes[:2]
    drawn = [np.asarray(line.get_ydata()) for line in shares.lines[:3]]
    np.testing.assert_array_equal(
        drawn, [MEASURES.known, MEASURES.distinct, MEASURES.loops]
    )
    np.testing.assert_array_equal(surprise.lines[0].get_ydata(), MEASURES.surprise)
    finding = " ".join(figure.texts[0].get_text().split())
    assert finding == (
        "Cold, 62% of the texts end in a loop (T = 0); hot, 0.5% of the words exist "
        "(T = 5)"
    )


def test_one_temperature_can_be_drawn(check_readable):
    measures = Measures(*(column[4:5] for column in MEASURES))
    figure = temperature(
        "dark", VALUES[4:5], measures, (0.9, 4.2), ("A", {1.0: "text"}), "token"
    )
    check_readable(figure)
