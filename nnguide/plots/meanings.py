"""Part 7: one word, three meanings, and the arrows that its contexts refine."""

from collections.abc import Mapping, Sequence

import numpy as np
from jaxtyping import Float, Int

from nnguide.plots.lettering import end_labels, label, percent, reference_line, title
from nnguide.plots.style import (
    DASHES,
    SMALL,
    TICK,
    Axes,
    Figure,
    Theme,
    figure,
    palette_of,
)

_VIEW = np.array([[1.0, 0.0], [0.0, 0.42], [0.0, 1.0]])  # of the ground, from above
_MARKERS = ("o", "s", "^")


def refined_meanings(
    theme: Theme,
    places: Mapping[str, Float[np.ndarray, "N 3"]],
    sense: Int[np.ndarray, "N"],
    sentences: Sequence[str],
) -> Figure:
    """Draws the directions of a word's vectors before and after contexts refine them.

    Args:
      theme: of the picture.
      places: stage -> the word's vectors of length 1, in three dimensions; the third
        is along its embedding. The first stage is the embedding itself.
      sense: the meaning in each sentence, from 0.
      sentences: one a meaning, which name them.

    Returns:
      The figure: the embedding, the first and the last stage after it.
    """
    stages = list(places)
    shown = (stages[0], stages[1], stages[-1])
    drawing, panels = figure(theme, 12, 4.5, ncols=3)
    for axes, stage in zip(panels, shown, strict=True):
        axes.set_axis_off()
        axes.set(aspect="equal", xlim=(-1.15, 1.15), ylim=(-0.5, 1.15))
        _draw_ground(axes)
        flat = places[stage] @ _VIEW
        if stage == stages[0]:
            _draw_arrow(axes, flat[0], palette_of(axes).ink)
            label(axes, flat[0, 0], flat[0, 1], '"mole"', offset=(9, -4), weight="bold")
        else:
            _draw_senses(axes, flat, sense, sentences)
    title(panels[0], "The embedding: one direction in every context")
    title(panels[1], f"After {shown[1]}: one direction a meaning")
    title(panels[2], f"After {shown[2]}, the end of the model")
    title(
        drawing,
        f"One generic arrow becomes {len(sentences)} refined ones: "
        f'"mole" in {len(sense)} contexts',
        "Directions; upwards is the embedding's, the ground is the plane in which the "
        "three meanings lie. One dot a context, one arrow a meaning (the mean of its "
        "dots). A toy language; the sentences stand for its three subjects.",
    )
    return drawing


def _draw_ground(axes: Axes) -> None:
    colours = palette_of(axes)
    angle = np.linspace(0, 2 * np.pi, 181)
    circle = np.stack([np.cos(angle), np.sin(angle), 0 * angle], axis=1) @ _VIEW
    axes.fill(*circle.T, color=colours.faint, alpha=0.3, lw=0, zorder=0)
    axes.plot([0, 0], [0, 1], color=colours.faint, linestyle="-", lw=1.2, zorder=0)


def _draw_arrow(axes: Axes, end: np.ndarray, colour: str) -> None:
    axes.annotate(
        "", (float(end[0]), float(end[1])), (0, 0), zorder=4,
        arrowprops={"arrowstyle": "-|>", "lw": 2.6, "color": colour,
                    "shrinkA": 0, "shrinkB": 0, "mutation_scale": 16},
    )  # fmt: skip


def _draw_senses(
    axes: Axes, places: np.ndarray, sense: np.ndarray, sentences: Sequence[str]
) -> None:
    colours = palette_of(axes)
    for number, (words, marker) in enumerate(zip(sentences, _MARKERS, strict=True)):
        own, colour = places[sense == number], colours.series[number]
        if not len(own):
            continue
        axes.scatter(*own.T, s=10, color=colour, marker=marker, alpha=0.35, lw=0)
        end = own.mean(axis=0)
        _draw_arrow(axes, end, colour)
        below = end[1] < 0.1
        label(
            axes, end[0], end[1], words, color=colour, weight="bold", size=TICK,
            ha="center", va="top" if below else "bottom",
            offset=(0, -14 if below else 14),
        )  # fmt: skip


def cosines_by_stage(
    theme: Theme,
    stages: Sequence[str],
    same: Float[np.ndarray, "stages"],
    across: Float[np.ndarray, "stages"],
    random: Float[np.ndarray, "stages"],
    sense: Float[np.ndarray, "stages"],
    accuracies: Mapping[str, tuple[Int[np.ndarray, " _"], Float[np.ndarray, " _"]]],
    best: float,
) -> Figure:
    """Draws how alike a word's vectors are at each stage, and what they tell.

    Args:
      theme: of the picture.
      stages: their names; the first is the embedding.
      same: mean cosine of a word's vectors of one meaning.
      across: of different meanings.
      random: of different words, the baseline.
      sense: share of vectors that tell their meaning.
      accuracies: "with attention" and "without" -> steps, test accuracy.
      best: the highest accuracy possible.

    Returns:
      The figure: cosines, meanings told, accuracy over training.
    """
    drawing, (left, middle, right) = figure(
        theme, 12, 5.4, ncols=3, width_ratios=(1.3, 1.2, 1.2)
    )
    colours = palette_of(drawing)
    x = np.arange(len(stages))
    rows = ((same, "one meaning"), (across, "two meanings"), (random, "other words"))
    left.set_ylim(min(-0.1, float(across.min()) - 0.05), 1.08)
    left.set_xlim(-0.15, len(stages) - 0.9)
    ends = []
    for (values, name), colour, dashes in zip(
        rows, colours.series, DASHES, strict=False
    ):
        left.plot(
            x, values, color=colour, linestyle=dashes, marker="o", ms=5, linewidth=2
        )
        ends.append((float(values[-1]), f"{name}\n{values[-1]:.2f}", colour))
    end_labels(left, ends)
    left.axhline(0, color=colours.faint, linewidth=1, zorder=0)
    left.set_ylabel("mean cosine of two vectors")
    title(left, "Vectors of one word part by meaning")
    middle.bar(x, sense, color=colours.positive, width=0.62)
    for place, share in zip(x, sense, strict=True):
        words = {"ha": "center", "color": colours.ground, "path_effects": []}
        label(middle, place, share, f"{share:.0%}", offset=(0, -9), **words)
    reference_line(middle, 1 / 3, "chance", at=0.0)
    middle.set_ylim(0, 1.08)
    percent(middle)
    title(middle, "Vectors that tell their meaning")
    for axes in (left, middle):
        axes.set_xticks(x, [_in_two_lines(name) for name in stages], size=SMALL)
    _draw_accuracies(right, accuracies, best)
    title(
        drawing,
        f"The embedding tells {sense[0]:.0%} of the meanings, which is chance; after "
        f"one attention block the vector tells {sense[1]:.0%}",
        "An ambiguous word after eleven others. A vector tells its meaning where the "
        "nearest of the word's three mean vectors is the right one.",
    )
    return drawing


def _in_two_lines(stage: str) -> str:
    return {"embedding": "embed-\nding"}.get(stage, stage.replace(" ", "\n"))


def _draw_accuracies(
    axes: Axes,
    accuracies: Mapping[str, tuple[np.ndarray, np.ndarray]],
    best: float,
) -> None:
    colours = palette_of(axes)
    ends = []
    axes.set_ylim(0, 1.08)
    for (name, (steps, accuracy)), colour, dashes in zip(
        accuracies.items(), colours.series, DASHES, strict=False
    ):
        axes.plot(
            steps, accuracy, color=colour, linestyle=dashes, marker="o", ms=4, lw=2
        )
        axes.set_xlim(0, steps[-1])
        words = name.replace(" ", "\n") + f"\n{accuracy[-1]:.1%}"
        ends.append((float(accuracy[-1]), words, colour))
    reference_line(axes, best, f"no reader does better: {best:.1%}", at=0.98)
    reference_line(axes, 1 / 3, "chance", at=0.98)
    end_labels(axes, ends)
    percent(axes)
    axes.set_xlabel("steps of training")
    title(axes, "Test accuracy")
