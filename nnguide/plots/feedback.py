"""Part 5: what fine-tuning and human feedback make of a model, and at what price."""

from collections.abc import Mapping, Sequence

import numpy as np
from jaxtyping import Float

from nnguide.plots.lettering import label, title
from nnguide.plots.style import (
    DASHES,
    LABEL,
    TICK,
    Figure,
    Number,
    Theme,
    figure,
    palette_of,
)
from nnguide.plots.written_text import drawable

LETTERS = 24  # of an answer


def answers(
    theme: Theme,
    questions: Sequence[str],
    stages: Mapping[str, tuple[Sequence[str], np.ndarray]],
    means: Mapping[str, Number],
) -> Figure:
    """Writes the stages' answers to the same questions side by side.

    Args:
      theme: of the picture.
      questions: about five.
      stages: name -> its answers to them, and what each is worth to the judge.
      means: name -> what the judge makes of all its answers, from 0 to 1.

    Returns:
      The figure, a row a question; right answers are blue, wrong ones red.
    """
    drawing, axes = figure(theme, 12, 1.9 + 0.42 * len(questions))
    colours = palette_of(axes)
    axes.set(xlim=(0, len(stages) + 1), xticks=[], yticks=[])
    axes.set_ylim(len(questions) + 0.3, -0.9)
    axes.spines[:].set_visible(False)
    for row, question in enumerate(questions):
        label(axes, 0, row, drawable(question), size=LABEL, va="center")
    for column, (name, (texts, worths)) in enumerate(stages.items(), start=1):
        heading = f"{name}: {means[name]:.2f}"
        label(axes, column, -0.8, heading, weight="bold", size=LABEL, va="center")
        for row, (text, worth) in enumerate(zip(texts, worths, strict=True)):
            shown = drawable(text.replace("\n", "↵"))
            shown = shown if len(shown) <= LETTERS else shown[: LETTERS - 1] + "…"
            ink = colours.positive if worth > 0.5 else colours.negative
            weight = "bold" if worth == 1 else "normal"
            label(axes, column, row, shown, color=ink, size=TICK, weight=weight)
    first, *_, last = means.values()
    title(
        drawing,
        f"From {first:.2f} to {last:.2f}: a judge on one model's answers before and "
        "after it learned to please",
        "Answers to questions that no training saw. Blue is right, bold right and "
        "kind, red wrong; the number is the judge's mean opinion, 0 to 1.",
    )
    return drawing


def frontier(
    theme: Theme,
    paths: Mapping[str, tuple[np.ndarray, np.ndarray]],
) -> Figure:
    """Draws the judge's opinion against the distance from the fine-tuned model.

    Args:
      theme: of the picture.
      paths: algorithm -> distances in nats an answer, and the judge's opinions, from
        the fine-tuned model on.

    Returns:
      The figure.
    """
    drawing, axes = figure(theme, 12, 5.4)
    farthest = max(0.1, *(float(kl.max()) for kl, _ in paths.values()))
    opinions = np.concatenate([worth for _, worth in paths.values()])
    low, high = opinions.min() - 0.05, opinions.max() + 0.05
    axes.set(
        xlim=(-0.01 * farthest, farthest * 1.08),
        ylim=(low, high),
        xlabel="distance from the fine-tuned model, KL in nats an answer",
        ylabel="the judge's opinion, 0 to 1",
    )
    series = palette_of(axes).series[: len(paths)]
    for (kl, worth), colour, dashes in zip(
        paths.values(), series, DASHES[: len(paths)], strict=True
    ):
        axes.plot(kl, worth, color=colour, ls=dashes, lw=2, marker="o", ms=5)
    ends = {
        name: (kl[-1] / farthest, (worth[-1] - low) / (high - low))
        for name, (kl, worth) in paths.items()
    }
    raised = _apart(ends)
    for (name, (kl, worth)), colour in zip(paths.items(), series, strict=True):
        beside = (6, 11 + raised[name])
        label(axes, kl[-1], worth[-1], name, offset=beside, color=colour, size=LABEL)
    best = max(paths, key=lambda name: float(paths[name][1].max()))
    kl, worth = paths[best]
    peak = int(worth.argmax())
    further = "" if peak == len(worth) - 1 else f", {worth[-1]:.2f} at its end"
    title(
        drawing,
        f"{best} pleases the judge most, {worth[peak]:.2f} at {kl[peak]:.1f} nats; "
        f"{worth[0]:.2f} before{further}",
        "Each point is a look at the policy after an equal part of its training; "
        "answers to questions that no training saw.",
    )
    return drawing


def _apart(ends: Mapping[str, tuple[Number, Number]]) -> dict[str, float]:
    """By how many points each label is raised, so that none lies on another.

    Args:
      ends: name -> place of the label, both as fractions of the axes.
    """
    height, line, width = 250.0, 15.0, 0.08  # points, points, a fraction of the axes
    placed: list[tuple[Number, float]] = []
    raised = {}
    for name, (x, y) in sorted(ends.items(), key=lambda end: end[1][1]):
        at = float(y) * height
        for other_x, other in placed:
            if abs(x - other_x) < width and at - other < line:
                at = other + line
        placed.append((x, at))
        raised[name] = at - float(y) * height
    return raised


def over_optimization(
    theme: Theme,
    kl: Float[np.ndarray, "points"],
    reward: Float[np.ndarray, "points"],
    worth: Float[np.ndarray, "points"],
    pairs: int,
) -> Figure:
    """Draws what a weak reward model and the judge think of one policy on its way.

    Args:
      theme: of the picture.
      kl: distance from the fine-tuned model, nats an answer.
      reward: the reward model's mean opinion.
      worth: the judge's, from 0 to 1.
      pairs: that the reward model learned from.

    Returns:
      The figure, two panels over the same distances.
    """
    drawing, (above, below) = figure(theme, 12, 6.0, nrows=2, sharex=True)
    colours = palette_of(above)
    for axes, values, colour, name in (
        (above, reward, colours.negative, "the reward model's opinion"),
        (below, worth, colours.positive, "the judge's opinion, 0 to 1"),
    ):
        axes.plot(kl, values, color=colour, lw=2, marker="o", ls="-")
        axes.set_ylabel(name)
    below.set(
        ylim=(0, 1.02),
        xlabel="distance from the fine-tuned model, KL in nats an answer",
    )
    fell = worth.max() - worth[-1]
    finding = (
        f"the judge's falls by {fell:.2f} from its peak"
        if fell > 0.005
        else "and the judge's does not fall"
    )
    title(
        drawing,
        f"The reward model's opinion goes from {reward[0]:.1f} to {reward[-1]:.1f}, "
        f"{finding}",
        f"GRPO without a price for distance, against a reward model of {pairs} pairs.",
    )
    return drawing
