import numpy as np
import pytest

from nnguide.plots.token_merges import token_merges, token_name

WORDS = ["Michael", " Jordan", " plays", "      ", "\n", "$x", " br", "at", "w", "urst"]


@pytest.mark.smoke
@pytest.mark.parametrize("theme", ["light", "dark"])
def test_tokens_are_boxes_and_merges_a_rising_curve(check_readable, theme):
    sizes = np.array([256, 512, 1024, 4096])
    lengths = np.array([1.0, 2.2, 2.9, 4.1])
    ids = np.array([13_256, 8078, 5341, 220, 198, 3, 865, 265, 86, 24_962])
    figure = token_merges(theme, WORDS, ids, sizes, lengths, 0.95 * lengths, 2.75)
    check_readable(figure)
    finding = " ".join(figure.texts[0].get_text().split())
    assert finding == (
        "3,840 merges make a token 3.9 characters long, where a byte is 1"
    )
    above, below = figure.axes
    assert len(above.patches) == len(WORDS)
    widths = [patch.get_width() for patch in above.patches]  # type: ignore[attr-defined]
    assert widths[0] > widths[-2]
    assert np.array_equal(np.asarray(below.lines[0].get_ydata()), lengths)


def test_blanks_are_seen_and_long_runs_counted():
    assert token_name("        ") == "\u2423\u00d78"
    assert token_name(" a") == "\u2423a"
