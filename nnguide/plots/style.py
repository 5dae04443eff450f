"""The house style: one look for every picture, and the way a picture is written.

The colours are the series': positive blue, negative red, highlight yellow. An inch is
100 px of a page, so that a picture 12 inches wide fills a page of 1,200 px and one of 6
inches half of it; the PNG holds twice the pixels. Every figure stands on matplotlib's
object-oriented API with the Agg canvas: no display, no global state.
"""

import dataclasses
import io
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from nnguide.config import InputError
from nnguide.results import write_whole

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.colors import Colormap
    from matplotlib.figure import Figure
else:  # the tests read annotations at run time, before matplotlib is imported
    Axes = Colormap = Figure = Any

Theme = Literal["light", "dark"]
Number = float | int | np.floating | np.integer  # what a launcher may hold
PIXELS_PER_INCH = 200  # of the file: twice the page's
# Points; the smallest is 11.8 px in a picture 12 inches wide, shown 1,200 px wide.
TITLE, NOTE, LABEL, TICK, SMALL = 15.0, 11.0, 10.5, 9.5, 8.5
DASHES: tuple[Any, ...] = (
    "-",
    (0, (5, 2)),
    (0, (1, 1.2)),
    (0, (7, 2, 1, 2)),
    (0, (3, 5)),
)
MARGIN_INCHES = 0.16


@dataclasses.dataclass(frozen=True)
class Palette:
    """The colours of a theme, as "#rrggbb".

    Blue and red differ in lightness by 18 of 100, so that a grey print and every kind
    of colour blindness keep them apart.

    Attributes:
      positive: blue; positive weights, the network's own curve.
      negative: red; negative weights, what is compared with it.
      highlight: yellow, for areas: the answer, the mark on what matters.
      accent: the same hue, dark enough on the ground for lines and letters.
      neutral: grey of what is neither, and of reference lines.
      faint: grey of grids, spines and what is left out.
      ink: letters and outlines.
      on_highlight: letters on the highlight.
      ground: behind everything.
    """

    positive: str
    negative: str
    highlight: str
    accent: str
    neutral: str
    faint: str
    ink: str
    on_highlight: str
    ground: str

    @property
    def series(self) -> tuple[str, ...]:
        """Colours of several curves, told apart by `DASHES` too."""
        return self.positive, self.negative, self.accent, self.neutral, self.ink


_PALETTES: dict[Theme, Palette] = {
    "light": Palette(
        positive="#0b5394",
        negative="#e0483e",
        highlight="#ffc629",
        accent="#946300",
        neutral="#6b7280",
        faint="#d5d8dd",
        ink="#1a1d21",
        on_highlight="#1a1d21",
        ground="#ffffff",
    ),
    "dark": Palette(
        positive="#58c4dd",
        negative="#ea4c43",
        highlight="#ffd93d",
        accent="#f2cc3a",
        neutral="#9aa3ae",
        faint="#3a4048",
        ink="#eceef1",
        on_highlight="#12151a",
        ground="#12151a",
    ),
}


def require_matplotlib() -> None:
    """Finds out, before anything is trained, whether pictures can be drawn.

    Raises:
      InputError: matplotlib is not installed.
    """
    try:
        import matplotlib  # noqa: F401  only its presence matters
    except ImportError:
        raise InputError(
            "matplotlib is missing, and every picture needs it: "
            "install the extra guide (pip install 'nnguide[guide]')."
        ) from None


def palette(theme: Theme) -> Palette:
    """The colours of a theme."""
    return _PALETTES[theme]


def palette_of(where: Axes | Figure) -> Palette:
    """The colours of the theme that `figure` drew this figure or these axes in."""
    from matplotlib.colors import to_hex

    ground = to_hex(where.get_facecolor())
    return next(p for p in _PALETTES.values() if p.ground == ground)


def weight_map(colours: Palette) -> Colormap:
    """Red over the ground to blue; give it limits symmetric about zero."""
    from matplotlib.colors import LinearSegmentedColormap

    stops = [colours.negative, colours.ground, colours.positive]
    return LinearSegmentedColormap.from_list("weights", stops).with_extremes(
        bad=colours.faint
    )


def grey_map(colours: Palette) -> Colormap:
    """Ground to ink, for images in [0, 1] and for counts."""
    from matplotlib.colors import LinearSegmentedColormap

    return LinearSegmentedColormap.from_list("greys", [colours.ground, colours.ink])


def figure(
    theme: Theme,
    width_inches: Number = 12.0,
    height_inches: Number = 6.0,
    *,
    mosaic: Any = None,
    **arrangement: Any,
) -> tuple[Figure, Any]:
    """Makes an empty picture in the house style.

    Args:
      theme: light for print and light pages, dark for the series' look.
      width_inches: 12 fills a page of 1,200 px; not more, or letters get too small.
      height_inches: with titles and notes.
      mosaic: names of panels, as `Figure.subplot_mosaic` takes them ("AB;CC").
      **arrangement: goes to `Figure.subplot_mosaic`, or without a mosaic to
        `Figure.subplots` (nrows, ncols, width_ratios, sharex, ...).

    Returns:
      The figure, and its axes: one, an array of them, or with a mosaic a dict.

    Raises:
      InputError: matplotlib is not installed.
    """
    require_matplotlib()
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    colours = palette(theme)
    size = (float(width_inches), float(height_inches))
    drawing = Figure(size, dpi=PIXELS_PER_INCH, facecolor=colours.ground)
    FigureCanvasAgg(drawing)
    lay_out(drawing)
    if mosaic is None:
        panels = drawing.subplots(**arrangement)
    else:
        panels = drawing.subplot_mosaic(mosaic, **arrangement)
    for axes in drawing.axes:
        _dress(axes, colours)
    return drawing, panels


def lay_out(drawing: Figure, title_inches: float = 0.0) -> None:
    """Keeps the margins, and room for a title above the panels."""
    width, height = drawing.get_size_inches()
    pad = MARGIN_INCHES / 2  # around every panel; the other half is around them all
    x, y, above = pad / width, pad / height, (pad + title_inches) / height
    drawing.set_layout_engine(
        "constrained", w_pad=pad, h_pad=pad, rect=(x, y, 1 - 2 * x, 1 - y - above)
    )


def _dress(axes: Axes, colours: Palette) -> None:
    from cycler import cycler

    axes.set_facecolor(colours.ground)
    axes.spines[["top", "right"]].set_visible(False)
    axes.spines[["left", "bottom"]].set_color(colours.neutral)
    axes.tick_params(
        which="both", color=colours.neutral, labelcolor=colours.ink, labelsize=TICK
    )
    for axis in (axes.xaxis, axes.yaxis):
        axis.label.set(color=colours.ink, size=LABEL)
        axis.offsetText.set(color=colours.ink, size=TICK)
    cycle = cycler(color=colours.series) + cycler(linestyle=DASHES)
    axes.set_prop_cycle(cycle)


def save(drawing: Figure, folder: Path, name: str, /, **arrays: Any) -> str:
    """Writes figures/<name>.png at 2x and the arrays behind it as figures/<name>.npz.

    The same figure gives the same bytes. Each file is written whole or not at all.

    Args:
      drawing: from `figure`.
      folder: a run's working folder.
      name: of the picture; without a suffix.
      **arrays: what the picture shows, by name; numbers, truths or texts.

    Returns:
      "figures/<name>.png", relative to the folder.

    Raises:
      TypeError: an array holds Python objects, which could only be pickled.
    """
    held: dict[str, Any] = {key: np.asarray(array) for key, array in arrays.items()}
    for key, array in held.items():
        if array.dtype.hasobject:
            raise TypeError(f"{name}.npz: {key} holds Python objects; give numbers.")
    picture, numbers = io.BytesIO(), io.BytesIO()
    # matplotlib would write its version into the file, and so change it
    no_version: dict[str, Any] = {"Software": None}
    drawing.savefig(picture, format="png", metadata=no_version)
    np.savez_compressed(numbers, **held)
    figures = folder / "figures"
    figures.mkdir(parents=True, exist_ok=True)
    write_whole(figures / f"{name}.npz", numbers.getvalue())
    write_whole(figures / f"{name}.png", picture.getvalue())
    return f"figures/{name}.png"
