import numpy as np
import pytest

from nnguide.plots.numbers import draw_column, draw_on_diagonal
from nnguide.plots.style import figure, palette


def test_a_column_has_a_signed_number_and_a_bar_for_each_component(check_readable):
    values = np.array([3.16, -1.224, np.nan, 0.0, -0.0004])
    drawing, axes = figure("light", 6, 4)
    draw_column(axes, ["w 1", "w 2", "", "b 1", "b 2"], values)
    check_readable(drawing)
    assert [text.get_text() for text in axes.texts] == [
        "+3.16",
        "-1.22",
        "⋮",
        "+0",
        "-0.0004",
    ]
    colours = palette("light")
    blue, red, grey = colours.positive, colours.negative, colours.neutral
    assert [text.get_color() for text in axes.texts] == [blue, red, grey, grey, red]
    lengths = [bar.get_width() for bar in axes.patches]
    np.testing.assert_allclose(lengths, [3.16, -1.224, 0, 0, -0.0004])
    low, high = axes.get_xlim()
    assert low == -high  # zero is in the middle


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_predictions_that_hold_lie_on_the_diagonal(theme, check_readable):
    predicted = np.linspace(-0.03, 0.05, 30)
    drawing, axes = figure(theme, 6, 6)
    draw_on_diagonal(axes, predicted, predicted)
    check_readable(drawing)
    assert axes.get_xlim() == axes.get_ylim()
    (line,) = axes.lines
    np.testing.assert_array_equal(line.get_xdata(), line.get_ydata())
    points = np.asarray(axes.collections[0].get_offsets())
    np.testing.assert_array_equal(points[:, 0], points[:, 1])
    assert axes.get_xlim()[0] < points.min() < points.max() < axes.get_xlim()[1]
