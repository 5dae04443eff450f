"""Part 5: very long times on one axis, from a second to the age of the Earth."""

from collections.abc import Mapping

import numpy as np

from nnguide.plots.lettering import label, reference_line, title
from nnguide.plots.style import Axes, Figure, Number, Theme, figure, palette_of

YEAR = 365.25 * 24 * 3600
GUIDE = "the guide:\n100 million years"
LANDMARKS = {
    "a second": 1.0,
    "an hour": 3600.0,
    "a day": 86_400.0,
    "a year": YEAR,
    "a life": 80 * YEAR,
    "since the\nfirst writing": 5200 * YEAR,
    "since the\nfirst humans": 300e3 * YEAR,
    "since the\ndinosaurs": 66e6 * YEAR,
    "the age of\nthe Earth": 4.54e9 * YEAR,
}


def long_times(
    theme: Theme,
    reading: Mapping[str, Number],
    computing: Mapping[str, Number],
    own: Mapping[str, Number],
    flop_a_second: Number,
) -> Figure:
    """Draws times of reading and of computing over a logarithmic axis.

    Args:
      theme: of the picture.
      reading: what is read and how fast -> years.
      computing: what is trained at a billion operations a second -> years; the first
        is GPT-3.
      own: what concerns this run's own speed -> seconds.
      flop_a_second: of this run.

    Returns:
      The figure.
    """
    rows = len(reading) + len(computing) + len(own)
    drawing, axes = figure(theme, 12, 2.6 + 0.36 * rows)
    colours = palette_of(axes)
    groups = (
        ("read day and night", {k: float(v) * YEAR for k, v in reading.items()},
         colours.accent),
        ("one billion operations a second", {k: float(v) * YEAR for k, v in
         computing.items()}, colours.negative),
        ("this run", {k: float(v) for k, v in own.items()}, colours.positive),
    )  # fmt: skip
    place, names, places = 0.0, [], []
    for heading, times, colour in groups:
        names.append(heading)
        places.append(place)
        for name, seconds in times.items():
            place += 1
            _draw_time(axes, place, name, seconds, colour)
        place += 1.6
    axes.set_yticks(places, names, weight="bold", ha="left")
    axes.tick_params(axis="y", length=0, pad=-4)
    axes.set_ylim(place - 0.6, -1.0)
    axes.spines["left"].set_visible(False)
    axes.set_xscale("log")
    axes.set_xlim(0.5, 3e21)
    axes.set_xticks(list(LANDMARKS.values()), list(LANDMARKS))
    axes.minorticks_off()
    for years, words in ((2600, "the guide: 2,600 years"), (1e8, GUIDE)):
        reference_line(axes, years * YEAR, words, vertical=True, side="below")
    times = [float(years) / 1e6 for years in computing.values()]
    title(
        drawing,
        f"At a billion operations a second GPT-3 takes {times[0]:.2f} million years, "
        f"not 100 million; the largest published model takes {max(times):,.0f} million",
        f"100 million years are {100 / times[0]:.0f} times GPT-3. The axis is "
        f"logarithmic. This run did {float(flop_a_second) / 1e9:,.3g} billion "
        "operations a second.",
    )
    return drawing


def _draw_time(
    axes: Axes, place: float, name: str, seconds: float, colour: str
) -> None:
    axes.plot(seconds, place, "o", markersize=9, color=colour)
    label(axes, seconds, place, f"{duration(seconds)}: {name}", offset=(9, 0))


def duration(seconds: float) -> str:
    """A time in its largest unit, three digits."""
    units = {"billion years": 1e9 * YEAR, "million years": 1e6 * YEAR, "years": YEAR,
             "days": 86_400.0, "hours": 3600.0, "minutes": 60.0}  # fmt: skip
    for unit, length in units.items():
        if seconds >= length:
            number = seconds / length
            digits = max(0, 2 - int(np.log10(number)))
            return f"{number:,.{digits}f} {unit}"
    return f"{seconds:.2g} seconds"
