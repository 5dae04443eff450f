"""Part 7: induction heads, one layer and two, on the right task and the wrong one."""

from collections.abc import Mapping

import numpy as np
from jaxtyping import Float

from nnguide.plots.lettering import label, percent, reference_line, title
from nnguide.plots.style import (
    DASHES,
    LABEL,
    Axes,
    Figure,
    Number,
    Theme,
    figure,
    palette_of,
)

Curve = tuple[np.ndarray, np.ndarray]
_NAMES = {1: "one layer", 2: "two layers"}


def layers_and_tasks(
    theme: Theme, curves: Mapping[str, Mapping[int, Curve]], elsewhere: Number
) -> Figure:
    """Draws how one layer and two learn to copy, on two tasks side by side.

    Args:
      theme: of the picture.
      curves: task -> layers, 1 and 2 -> steps and accuracies; the right task comes
        first.
      elsewhere: accuracy on the right task of one layer trained on the other.

    Returns:
      The figure.
    """
    drawing, panels = figure(theme, 12, 5.8, ncols=2, sharex=True, sharey=True)
    ends = {
        task: {layers: float(accuracy[-1]) for layers, (_, accuracy) in each.items()}
        for task, each in curves.items()
    }
    for axes, each in zip(panels, curves.values(), strict=True):
        _draw_layers(axes, each)
        axes.set_xlabel("steps of training (logarithmic)")
    panels[0].set_ylabel("right predictions where the row repeats")
    right, wrong = ends.values()
    title(
        panels[0],
        "Random period: it takes two layers",
        "8 to 40 random tokens, repeated to 64",
    )
    title(
        panels[1],
        "Fixed length: one layer looks 31 places back",
        f"32 random tokens twice; on random periods that layer gets {elsewhere:.0%}",
    )
    title(
        drawing,
        f"Copying what came after the last time: one layer gets {right[1]:.0%} right, "
        f"two get {right[2]:.0%}. The popular task hides it: one layer gets "
        f"{wrong[1]:.0%}",
        "One model each, attention alone, 64 wide, 4 heads; judged on rows it was not "
        "trained on.",
    )
    return drawing


def _draw_layers(axes: Axes, curves: Mapping[int, Curve]) -> None:
    colours = palette_of(axes)
    axes.set_xscale("log")
    axes.set_ylim(-0.02, 1.1)
    percent(axes)
    axes.xaxis.set_major_formatter("{x:,.0f}")
    axes.xaxis.set_minor_formatter("")
    looks = {1: (colours.negative, DASHES[1], "s"), 2: (colours.positive, "-", "o")}
    for layers, (steps, accuracy) in curves.items():
        colour, dashes, marker = looks[layers]
        axes.plot(
            steps, accuracy, color=colour, linestyle=dashes, marker=marker,
            markersize=5, linewidth=2.2, zorder=4 - layers,
        )  # fmt: skip
    longest = max(steps[-1] for steps, _ in curves.values())
    highs = 0
    for layers, (steps, accuracy) in curves.items():
        high = accuracy[-1] > 0.9
        label(
            axes, steps[-1], accuracy[-1], f"{_NAMES[layers]}: {accuracy[-1]:.0%}",
            offset=(0, -14 - 16 * highs) if high else (0, 14),
            ha="right" if steps[-1] == longest and not high else "left",
            color=looks[layers][0], weight="bold", size=LABEL,
        )  # fmt: skip
        highs += high
    reference_line(axes, 0.2, "20%")
    reference_line(axes, 0.99, "99%")


def patterns(
    theme: Theme,
    *,
    writes: Float[np.ndarray, "T T"],
    copies: Float[np.ndarray, "T T"],
    shortcut: Float[np.ndarray, "T T"],
    shortcut_elsewhere: Float[np.ndarray, "T T"],
    score: Number,
    elsewhere: Number,
) -> Figure:
    """Draws what four heads look at, each on one row.

    Args:
      theme: of the picture.
      writes: the first layer's head that looks at the token before, of two layers.
      copies: the second layer's head that looks at what came after the last time.
      shortcut: one layer trained on the fixed length, on its own task.
      shortcut_elsewhere: the same head where the period is another one.
      score: induction score of the third.
      elsewhere: accuracy of the fourth's model.

    Returns:
      The figure: queries down, keys to the right; each query's row sums to 1.
    """
    drawing, panels = figure(theme, 12, 5.0, ncols=4, sharey=True)
    for axes, pattern in zip(
        panels, (writes, copies, shortcut, shortcut_elsewhere), strict=True
    ):
        draw_pattern(axes, pattern)
        axes.set_xlabel("looked at")
    panels[0].set_ylabel("the token that looks")
    title(panels[0], "Layer 1 of 2, on a random period", "the token before")
    title(panels[1], "Layer 2 of 2, on the same row", "what came after the last times")
    title(panels[2], "One layer, on the fixed length", "31 places back")
    title(panels[3], "The same on a random period", "31 places back, whatever is there")
    title(
        drawing,
        "Two layers follow the text. One layer counts places: an induction score of "
        f"{score:.2f}, and {elsewhere:.0%} right on other periods",
        "Patterns of one head each, one row of 64 tokens. The darker, the more "
        "attention.",
    )
    return drawing


def draw_pattern(axes: Axes, pattern: Float[np.ndarray, "T S"]) -> None:
    """Draws a pattern as an image: the ground is 0, blue is 1; places count from 1."""
    from matplotlib.colors import LinearSegmentedColormap

    colours = palette_of(axes)
    shades = LinearSegmentedColormap.from_list(
        "attention", [colours.ground, colours.positive]
    )
    queries, keys = pattern.shape
    extent = (0.5, keys + 0.5, queries + 0.5, 0.5)
    axes.imshow(
        pattern, cmap=shades, vmin=0, vmax=1, interpolation="nearest", extent=extent
    )
    ticks = [place for place in (1, 16, 32, 48, 64) if place <= keys]
    axes.set_xticks(ticks)
    axes.set_yticks(ticks)
    axes.spines[["top", "right"]].set_visible(True)
    axes.spines[:].set_color(colours.faint)


def heads_removed(
    theme: Theme,
    before: Float[np.ndarray, "L H"],
    induction: Float[np.ndarray, "L H"],
    losses: Float[np.ndarray, "removed"],
    one_layer: Number,
    guessing: Number,
) -> Figure:
    """Draws what the heads of two layers do, and the loss as the first layer's go.

    Args:
      theme: of the picture.
      before: each head's attention to the token before.
      induction: to what came after earlier occurrences.
      losses: without 0, 1, ... heads of the first layer, in nats.
      one_layer: loss of a model that has one layer.
      guessing: loss where all tokens are equally likely.

    Returns:
      The figure.
    """
    drawing, (left, right) = figure(theme, 12, 5.6, ncols=2, width_ratios=(5, 6))
    _draw_roles(left, before, induction)
    colours = palette_of(right)
    places = np.arange(len(losses))
    right.bar(places, losses, color=colours.positive, width=0.62, zorder=2)
    for place, loss in zip(places, losses, strict=True):
        label(right, place, loss, f"{loss:.2f}", offset=(0, 8), size=LABEL, ha="center")
    reference_line(right, one_layer, f"a model of one layer: {one_layer:.2f}", at=0.01)
    reference_line(right, guessing, f"guessing among all: {guessing:.2f}", at=0.01)
    right.set_xticks(places, ["none", *(str(place) for place in places[1:])])
    right.set_xlabel("heads of the first layer that are removed")
    right.set_ylabel("loss where the row repeats, nats")
    right.set_ylim(0, 1.12 * max(float(losses.max()), float(one_layer)))
    title(left, "The first layer looks one back, the second copies")
    title(right, "Removed one by one, the best previous-token head first")
    title(
        drawing,
        f"One previous-token head removed costs {losses[1] - losses[0]:.2f} nats, all "
        f"{len(losses) - 1} cost {losses[-1] - losses[0]:.1f}: they stand in for each "
        "other",
        f"Two layers on random periods; loss {losses[0]:.3f} with all heads.",
    )
    return drawing


def _draw_roles(axes: Axes, before: np.ndarray, induction: np.ndarray) -> None:
    """A dot a head: attention one back against attention to what came after."""
    colours = palette_of(axes)
    looks = ((colours.negative, "s", "first"), (colours.positive, "o", "second"))
    for layer, (colour, marker, name) in enumerate(looks):
        x, y = before[layer], induction[layer]
        axes.scatter(
            x, y, color=colour, marker=marker, s=80, alpha=0.75, linewidths=0, zorder=3
        )
        low = y.mean() < 0.5
        label(
            axes, float(x.mean()), float(y.max() if low else y.min()),
            f"{len(x)} heads of the {name} layer",
            offset=(0, 14 if low else -14), color=colour, weight="bold",
            ha="right" if x.mean() > 0.5 else "left",
        )  # fmt: skip
    axes.set(xlim=(-0.04, 1.04), ylim=(-0.04, 1.04))
    axes.set_xlabel("attention to the token before, first period")
    axes.set_ylabel("attention to what came after earlier occurrences")
    percent(axes, "x")
    percent(axes)
