import numpy as np
import pytest

from nnguide.plots.cross_token import cross_token


@pytest.mark.smoke
@pytest.mark.parametrize("theme", ["light", "dark"])
def test_zeros_are_empty_and_pairs_counted(check_readable, theme):
    words = ["The", " quick", " brown", " fox", "        ", "\n"]
    alone = np.eye(6)
    heard = np.tri(6) * np.logspace(0, -3, 6)[None]
    norms = {"norm": alone, "mlp": 3 * alone, "attention": heard, "transformer": heard}
    figure = cross_token(theme, words, norms)
    check_readable(figure)
    first, second, third, _ = figure.axes
    for axes in (first, second):
        shown = np.ma.asarray(axes.images[0].get_array())
        assert np.array_equal(np.ma.getmaskarray(shown), ~np.eye(6, dtype=bool))
    shown = np.ma.asarray(third.images[0].get_array())
    assert np.array_equal(np.ma.getmaskarray(shown), ~np.tri(6, dtype=bool))
    assert shown[5, 0] == 1
    assert 0.1 < shown[5, 5] < 0.2  # the smallest is seen
    words_of = [" ".join(text.get_text().split()) for text in third.texts]
    assert "15 of 30 pairs of tokens" in words_of
    assert "0 of 30 pairs of tokens" in [text.get_text() for text in first.texts]
