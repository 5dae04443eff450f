import numpy as np
import pytest
from matplotlib.patches import Rectangle

from nnguide.plots.ladder import Curve, learning, staircase

BITS = {"uniform": 6.69, "unigram": 4.67, "bigram": 3.34, "trigram": 2.47, "GPT": 2.04}


@pytest.mark.smoke
@pytest.mark.parametrize("theme", ["light", "dark"])
def test_the_stairs_are_as_high_as_the_bits(check_readable, theme):
    figure = staircase(theme, BITS, ("the best table", 1.9), "character", "A note.")
    check_readable(figure)
    heights = [
        bar.get_height() for bar in figure.axes[0].patches if isinstance(bar, Rectangle)
    ]
    assert heights == pytest.approx(list(BITS.values()))
    assert figure.axes[0].get_ylim()[0] == 0  # heights are compared
    finding = " ".join(figure.texts[0].get_text().split())
    assert finding == (
        "The GPT needs 2.04 bits a character: 0.43 fewer than the table of counts "
        "before it, 4.65 fewer than knowing nothing"
    )


def test_a_model_worse_than_counting_is_said_to_be(check_readable):
    figure = staircase("light", {**BITS, "GPT": 5.0}, ("5-grams", 1.9), "token")
    check_readable(figure)
    assert "no fewer than the table of counts" in " ".join(
        figure.texts[0].get_text().split()
    )


def test_learning_passes_one_line_after_another(check_readable):
    steps = np.arange(50, 2001, 50)
    training = Curve(steps, 1.3 + 3 * np.exp(-steps / 300))
    validation = Curve(steps[4::5], 1.4 + 3 * np.exp(-steps[4::5] / 300))
    rungs = {"uniform": 4.63, "unigram": 3.24, "bigram": 2.32, "trigram": 1.71}
    figure = learning("light", training, validation, rungs, "character")
    check_readable(figure)
    finding = " ".join(figure.texts[0].get_text().split())
    assert finding == (
        "Reading on, the model passes the bigram by step 500, the trigram by step 750 "
        "and ends at 1.40 nats a character"
    )


def test_a_training_too_short_says_so(check_readable):
    curve = Curve(np.array([10, 20]), np.array([5.0, 4.9]))
    figure = learning("light", curve, curve, {"uniform": 4.6}, "character")
    check_readable(figure)
    assert figure.texts[0].get_text().startswith("20 steps are too few")
