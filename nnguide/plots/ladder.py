"""Part 5: how far a model gets beyond counting, at the end and on the way there."""

from collections.abc import Mapping
from itertools import pairwise
from typing import NamedTuple

import numpy as np
from jaxtyping import Real

from nnguide.plots.lettering import end_labels, label, reference_line, title
from nnguide.plots.style import LABEL, Axes, Figure, Number, Theme, figure, palette_of


class Curve(NamedTuple):
    """A loss, nats a token, and the steps at which it was measured."""

    steps: Real[np.ndarray, " times"]
    loss: Real[np.ndarray, " times"]


def staircase(
    theme: Theme,
    rungs: Mapping[str, Number],
    best_counting: tuple[str, Number],
    unit: str,
    note: str = "",
) -> Figure:
    """Draws what each way to foresee a text has left to learn, as stairs going down.

    Args:
      theme: of the picture.
      rungs: name -> bits a token, from knowing nothing to the model, which is last.
      best_counting: name and bits of the n-gram that does best, whatever its n.
      unit: what a token is, for instance "character".
      note: of the figure.

    Returns:
      The figure.
    """
    drawing, axes = figure(theme, 12, 6.2)
    colours = palette_of(axes)
    heights = np.array([float(bits) for bits in rungs.values()])
    last = len(heights) - 1
    for place, bits in enumerate(heights):
        colour = colours.positive if place == last else colours.neutral
        step = axes.bar(place, bits, width=1.0, color=colour, linewidth=0)
        step[0].set_alpha(0.9 if place == last else 0.16)
        axes.plot([place - 0.5, place + 0.5], [bits, bits], color=colour, lw=3, ls="-")
        words = f"{bits:.2f} bits"
        among = f"as if among {2**bits:.{0 if 2**bits > 20 else 1}f}"
        bold = {"weight": "bold", "size": LABEL + 2, "ha": "center"}
        ink = colour if place == last else colours.ink
        label(axes, place, bits, words, offset=(0, 25), color=ink, **bold)
        label(axes, place, bits, among, offset=(0, 10), ha="center")
    for place, (before, after) in enumerate(pairwise(heights)):
        side = place + 0.5
        axes.plot([side, side], [before, after], color=colours.neutral, lw=1.2, ls="-")
    name, bits = best_counting
    reference_line(axes, bits, f"{name}: {bits:.2f}", at=0.012, side="below")
    axes.set_xticks(range(len(rungs)), list(rungs), size=LABEL)
    axes.tick_params(axis="x", length=0)
    axes.set_xlim(-0.5, last + 0.5)
    axes.set_ylim(0, 1.17 * heights.max() or 1)
    axes.set_ylabel(f"bits a {unit} of a text never seen")
    model, (first, before, end) = list(rungs)[-1], heights[[0, -2, -1]]
    verb = f"{before - end:.2f} fewer than" if end < before else "no fewer than"
    title(
        drawing,
        f"The {model} needs {end:.2f} bits a {unit}: {verb} the table of counts "
        f"before it, {first - end:.2f} fewer than knowing nothing",
        note,
    )
    return drawing


def learning(
    theme: Theme,
    training: Curve,
    validation: Curve,
    rungs: Mapping[str, Number],
    unit: str,
) -> Figure:
    """Draws the loss over the training, and the lines of counting it passes.

    Args:
      theme: of the picture.
      training: over the batches.
      validation: over the whole validation text.
      rungs: name -> nats a token of what the model is compared with.
      unit: what a token is.

    Returns:
      The figure.
    """
    drawing, axes = figure(theme, 12, 5.8)
    colours = palette_of(axes)
    faint = {"color": colours.positive, "alpha": 0.45, "linestyle": "-"}
    axes.plot(*training, linewidth=1.4, **faint)
    solid = {"color": colours.positive, "linestyle": "-", "marker": "o"}
    axes.plot(*validation, linewidth=2.4, markersize=5, **solid)
    axes.set_xlim(0, max(float(training.steps[-1]), 1.0))
    highest = max(float(training.loss.max()), *(float(nats) for nats in rungs.values()))
    axes.set_ylim(0, 1.04 * highest or 1)
    axes.set_xlabel("steps of training")
    axes.set_ylabel(f"surprise at the next {unit}, nats")
    axes.xaxis.set_major_formatter("{x:,.0f}")
    for nats in rungs.values():
        reference_line(axes, nats, "")
    ends = [
        (nats, f"{name} {nats:.2f}", colours.neutral) for name, nats in rungs.items()
    ]
    last = float(validation.loss[-1])
    ends.append((last, f"on new text {last:.2f}", colours.positive))
    end_labels(axes, ends)
    _name_training(axes, training)
    title(drawing, _passed(validation, rungs, unit),
          "The thin line is the loss on the training batches, the dots the whole "
          "validation text.")  # fmt: skip
    return drawing


def _name_training(axes: Axes, training: Curve) -> None:
    place = len(training.steps) // 3
    where = float(training.steps[place]), float(training.loss[place])
    ink = palette_of(axes).positive
    label(axes, *where, "on batches", offset=(4, 12), color=ink, va="bottom")


def _passed(validation: Curve, rungs: Mapping[str, Number], unit: str) -> str:
    """The finding: by which step the model had passed which rung."""
    passed = []
    for name, nats in rungs.items():
        below = validation.loss < float(nats)
        if below.any():
            step = int(validation.steps[int(np.argmax(below))])
            passed.append(f"the {name} by step {step:,}")
    if not passed:
        return (
            f"{int(validation.steps[-1]):,} steps are too few to do better than chance"
        )
    return f"Reading on, the model passes {', '.join(passed[-2:])} and ends at " + (
        f"{validation.loss[-1]:.2f} nats a {unit}"
    )
