import numpy as np
import pytest

from nnguide.plots import lettering, style


def test_a_long_title_is_broken_inside_the_picture(check_readable):
    drawing, axes = style.figure("light", 6, 4)
    axes.plot([0, 1], [0, 1])
    lettering.title(drawing, "A finding " * 20, "with a note " * 20)
    title, note = drawing.texts
    assert title.get_text().count("\n") >= 3
    assert title.get_text().split() == ["A", "finding"] * 20
    assert note.get_window_extent().y1 < title.get_window_extent().y0
    check_readable(drawing)
    assert axes.get_tightbbox().y1 < note.get_window_extent().y0


def test_a_panel_title_keeps_to_its_panel(check_readable):
    drawing, (left, right) = style.figure("dark", 12, 4, ncols=2)
    for axes in (left, right):
        lettering.title(axes, "A finding " * 12, "with a note " * 12)
    check_readable(drawing)
    assert left.get_tightbbox().x1 < right.get_tightbbox().x0


def test_reference_lines_stand_at_their_value_and_say_their_name(check_readable):
    drawing, axes = style.figure("light", 6, 4)
    axes.set(xlim=(0, 10), ylim=(0, 1))
    lettering.reference_line(axes, 0.9542, "Nielsen 95.42%")
    lettering.reference_line(axes, 0.5, "half", at=0.0, side="below")
    lettering.reference_line(axes, 3.0, "epoch 3", vertical=True, at=0.3)
    lettering.reference_line(axes, 6.0, "epoch 6", vertical=True, side="below", at=0.8)
    lettering.reference_line(axes, 0.2, "")
    assert [line.get_ydata()[0] for line in axes.lines[:2]] == [0.9542, 0.5]
    assert [line.get_xdata()[0] for line in axes.lines[2:4]] == [3.0, 6.0]
    assert len(axes.lines) == 5
    assert len(axes.texts) == 4
    check_readable(drawing)
    nielsen, half, third, sixth = (text.get_window_extent() for text in axes.texts)
    to_pixels = axes.transData.transform
    assert nielsen.y0 > to_pixels((0, 0.9542))[1]
    assert half.y1 < to_pixels((0, 0.5))[1]
    assert third.x0 > to_pixels((3, 0))[0]
    assert sixth.x1 < to_pixels((6, 0))[0]


@pytest.mark.smoke
@pytest.mark.parametrize("scale", ["linear", "log"])
def test_labels_of_ends_that_coincide_move_apart(scale, check_readable):
    drawing, axes = style.figure("light", 8, 4)
    axes.set_yscale(scale)
    axes.set(xlim=(0, 1), ylim=(0.1, 1))
    ends = [(0.5, "five", "#000000"), (0.5, "two\nlines", "#000000")]
    ends += [(0.51, "close", "#000000"), (0.9, "alone", "#000000")]
    lettering.end_labels(axes, ends)
    check_readable(drawing)
    heights = {text.get_text(): text.get_window_extent().y0 for text in axes.texts}
    assert heights["five"] < heights["close"] < heights["alone"]
    led = {text.get_text(): text.arrow_patch is not None for text in axes.texts}
    assert led["five"]
    assert led["close"]
    assert not led["alone"]


def test_a_lone_end_label_stands_at_its_end():
    drawing, axes = style.figure("light", 8, 4)
    axes.set(xlim=(0, 1), ylim=(1, 0))  # downwards
    lettering.end_labels(axes, [(0.25, "here", "#000000")])
    drawing.draw_without_rendering()
    box = axes.texts[0].get_window_extent()
    wanted = axes.transData.transform((1, 0.25))[1]
    assert abs((box.y0 + box.y1) / 2 - wanted) < 6


def test_percent_writes_shares_as_percent():
    _, axes = style.figure("light", 6, 4)
    lettering.percent(axes)
    lettering.percent(axes, "x")
    for axis in (axes.xaxis, axes.yaxis):
        words = [axis.get_major_formatter()(share, 0) for share in (0, 0.5, 0.9542)]
        assert words == ["0%", "50%", "95.42%"]


def test_a_label_takes_its_place_and_offset():
    drawing, axes = style.figure("light", 6, 4)
    axes.set(xlim=(0, 1), ylim=(0, 1))
    text = lettering.label(axes, 0.5, 0.5, "here", offset=(10, 0))
    drawing.draw_without_rendering()
    x, _ = axes.transData.transform((0.5, 0.5))
    points = style.PIXELS_PER_INCH / 72
    assert np.isclose(text.get_window_extent().x0, x + 10 * points, atol=4)
