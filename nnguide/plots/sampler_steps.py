"""Part 9: how many steps a sampler needs, and what no number of steps repairs."""

from collections.abc import Mapping

import numpy as np
from jaxtyping import Float, Int

from nnguide.plots.lettering import end_labels, percent, reference_line, title
from nnguide.plots.style import DASHES, Axes, Figure, Theme, figure, palette_of

NAMES = {
    "ddpm_without_noise": "DDPM\nwithout noise",
    "ddpm": "DDPM",
    "ddim": "DDIM",
    "dpmpp_2m": "DPM-Solver++",
}
_GUIDE = (50, 100)  # steps, as the guide has it


def steps_of_samplers(
    theme: Theme,
    steps: Int[np.ndarray, "counts"],
    variation: Mapping[str, Float[np.ndarray, "counts"]],
    coverage: Mapping[str, Float[np.ndarray, "counts"]],
    samples: int,
) -> Figure:
    """Draws how far samplers are from the data at each number of steps.

    Args:
      theme: of the picture.
      steps: of the samplers, ascending, 50 among them.
      variation: sampler, ddpm_without_noise first -> total variation of the shares
        that 20 parts of the spiral get.
      coverage: sampler -> share of those parts that are covered.
      samples: behind each number.

    Returns:
      The figure: total variation left, coverage right.
    """
    drawing, (left, right) = figure(theme, 12, 5.8, ncols=2)
    for axes in (left, right):
        axes.set_xscale("log")
        axes.set_xlim(steps[0], steps[-1])
        axes.set_xticks(steps, [str(count) for count in steps])
        axes.set_xticks([], minor=True)
        axes.set_xlabel("steps from noise to sample (logarithmic)")
        axes.axvspan(*_GUIDE, color=palette_of(axes).highlight, alpha=0.25, lw=0)
    left.set_ylim(0, 1)
    right.set_ylim(0, 1.05)
    _draw(left, steps, variation, "{:.2f}")
    fair = _fair_variation(samples, 20)
    reference_line(left, fair, "")
    left.set_ylabel("total variation from the data, 0 to 1")
    title(
        left,
        "How wrong the shares of the spiral's parts are",
        f"dashed: what fair samples have, {fair:.2f}",
    )
    _draw(right, steps, coverage, "{:.0%}")
    percent(right)
    right.set_ylabel("parts of the spiral covered")
    title(right, "How much of the spiral is reached")
    at_guide = list(steps).index(_GUIDE[0])
    without = coverage["ddpm_without_noise"][at_guide]
    title(
        drawing,
        f"50 steps are enough, and no number of steps replaces the noise: without it "
        f"DDPM keeps {without:.0%} of the spiral",
        f"The exact score of 100 points, {samples:,} samples of each; yellow: the "
        "guide's 50 to 100 steps. DDIM adds no noise either: it keeps what it sees; "
        "DPM-Solver++ is of second order.",
    )
    return drawing


def _draw(
    axes: Axes,
    steps: np.ndarray,
    lines: Mapping[str, np.ndarray],
    form: str,
) -> None:
    colours = palette_of(axes)
    inks = (colours.negative, colours.positive, colours.accent, colours.ink)
    together: dict[float, list[tuple[str, str]]] = {}
    for (name, values), ink, dashes in zip(lines.items(), inks, DASHES, strict=False):
        axes.plot(
            steps, values, color=ink, linestyle=dashes, lw=2.2, marker="o", ms=4.5,
            clip_on=False, zorder=3,
        )  # fmt: skip
        together.setdefault(float(values[-1]), []).append((NAMES[name], ink))
    ends = []
    for value, named in together.items():
        words = ", ".join(name for name, _ in named)
        ink = named[0][1] if len(named) == 1 else colours.ink
        gap = "\n" if len(words) > len("DPM-Solver++") else " "
        ends.append((value, f"{words}:{gap}{form.format(value)}", ink))
    end_labels(axes, ends)


def _fair_variation(samples: int, parts: int) -> float:
    """Expected total variation of a sample of the uniform distribution itself."""
    return float(np.sqrt((parts - 1) / (2 * np.pi * samples)))
