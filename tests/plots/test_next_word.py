import pytest
from matplotlib.colors import to_rgba
from matplotlib.patches import Rectangle

from nnguide.plots.next_word import next_words, stages

LIKELY = [("e", 0.5), (" ", 0.25), ("\n", 0.125), ("$", 0.0625), ("q", 0.03)]


@pytest.mark.smoke
def test_the_drawn_one_is_yellow_and_goes_on(check_readable):
    steps = [(LIKELY, (" ", 0.25)), (LIKELY, ("x", 0.001)), (LIKELY, ("e", 0.5))]
    figure = next_words("light", "Behold, a wild pi creature", steps, 0.62, "character")
    check_readable(figure)
    for axes, (_, chosen) in zip(figure.axes, steps, strict=True):
        bars = [bar for bar in axes.patches if isinstance(bar, Rectangle)]
        yellow = [bar for bar in bars if bar.get_facecolor() == to_rgba("#ffc629")]
        assert [bar.get_width() for bar in yellow] == [chosen[1]]  # be it rare
        assert len(bars) == len(LIKELY)
    finding = " ".join(figure.texts[0].get_text().split())
    assert finding.endswith("62% of the time; here chance goes on with “␣xe”")


def test_words_of_other_tokenizers_fit(check_readable):
    words = [(" basketball", 0.4), ("Ġcreature", 0.3), (" unbelievable", 0.1)]
    figure = next_words("dark", "A b", [(words, words[0])] * 6, 0.3, "token")
    check_readable(figure)


def test_stages_stand_above_one_another_on_one_scale(check_readable):
    sure = [("S", 0.97), ("G", 0.02)]
    rows = {
        "pre-trained": [(LIKELY, LIKELY[1])] * 6,
        "fine-tuned": [(sure, sure[0])] * 6,
    }
    figure = stages("light", "User: hello?\nAI:", rows)
    check_readable(figure)
    assert len(figure.axes) == 12
    finding = " ".join(figure.texts[0].get_text().split())
    assert (
        "pre-trained model gives its best guess 50%, the fine-tuned one 97%" in finding
    )
