"""What every picture owes its reader, checked on the drawn figure."""

from collections.abc import Callable

import pytest

from nnguide.plots.style import Figure

SMALLEST_PIXELS = 11.0  # of letters, in a picture shown 1,200 px wide


def _texts(figure: Figure):
    from matplotlib.text import Text

    hidden = set()  # labels of ticks beyond the ends of their axis
    for axes in figure.axes:
        for axis in (axes.xaxis, axes.yaxis):
            low, high = sorted(axis.get_view_interval())
            for tick in [*axis.get_major_ticks(), *axis.get_minor_ticks()]:
                off = not axes.axison or not axis.get_visible()
                if off or not low <= tick.get_loc() <= high:
                    hidden |= {tick.label1, tick.label2}
    for text in figure.findobj(Text):
        if text.get_visible() and text.get_text().strip() and text not in hidden:
            yield text


@pytest.fixture
def check_readable() -> Callable[[Figure], None]:
    """Letters of 11 px or more, all inside the picture, none on another."""

    def check(figure: Figure) -> None:
        from matplotlib.text import Text

        figure.draw_without_rendering()
        boxes = []
        for text in _texts(figure):
            pixels = (
                float(text.get_fontsize()) / 72 * 1200 / figure.get_size_inches()[0]
            )
            assert pixels >= SMALLEST_PIXELS, f"{text.get_text()!r}: {pixels:.1f} px"
            box = Text.get_window_extent(text)  # without an annotation's arrow
            boxes.append((text.get_text(), box.padded(-1)))
        width, height = figure.bbox.size
        for words, box in boxes:
            inside = (
                box.x0 >= 0 and box.x1 <= width and box.y0 >= 0 and box.y1 <= height
            )
            assert inside, f"{words!r} leaves the picture"
        for place, (words, box) in enumerate(boxes):
            for other, beside in boxes[place + 1 :]:
                assert not box.overlaps(beside), f"{words!r} lies on {other!r}"

    return check
