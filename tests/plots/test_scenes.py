import numpy as np
import pytest

from nnguide.plots import scenes

ALPHAS = (0.0, 1.0, 3.0, 10.0)
IMAGES = np.random.default_rng(0).random((4, 8, 32, 32, 3))
TREE = np.array([0.62, 0.84, 0.97, 0.95])


def words(figure) -> str:
    return " ".join(figure.texts[0].get_text().split())


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_a_row_an_alpha_with_its_share(check_readable, theme):
    figure = scenes.strip(theme, "a tree in a desert", ALPHAS, IMAGES, TREE)
    check_readable(figure)
    assert words(figure) == (
        '"a tree in a desert": 62% of the pictures have it at alpha 0, 97% at alpha 3'
    )
    rows = [axes.get_ylabel() for axes in figure.axes if axes.get_ylabel()]
    assert rows == ["alpha 0\n62%", "alpha 1\n84%", "alpha 3\n97%", "alpha 10\n95%"]
    shown = np.asarray(figure.axes[8].images[0].get_array())
    np.testing.assert_allclose(shown, IMAGES[1, 0])


def test_a_prompt_of_the_user_is_not_counted(check_readable):
    figure = scenes.strip("light", "a rock in a desert", ALPHAS, IMAGES, None)
    check_readable(figure)
    assert words(figure) == '"a rock in a desert"'


def test_what_is_won_and_what_is_lost(check_readable):
    distance, times = np.array([0.06, 0.05, 0.07, 0.18]), np.array([3.9, 3.6, 3, 1.5])
    figure = scenes.trade_off("light", ALPHAS, TREE, TREE - 0.03, distance, times)
    check_readable(figure)
    assert words(figure).startswith(
        "Guidance is a trade: most trees at alpha 3, closest to real scenes at alpha 1"
    )
    titles = [" ".join(axes.texts[-1].get_text().split()) for axes in figure.axes]
    assert titles == [
        "Won: a tree in 62% to 97% of the pictures",
        "Lost: 3.0 times as far from real scenes",
        "Variety: 3.9 to 1.5 of 4 times of day",
    ]
    for axes in figure.axes[1:]:
        assert axes.get_ylim()[0] == 0  # lengths are compared
