"""Part 8: directions of features that share dimensions, and the phases of two."""

import numpy as np
from jaxtyping import Bool, Float, Int

from nnguide.plots.lettering import label, reference_line, title
from nnguide.plots.style import (
    LABEL,
    SMALL,
    TICK,
    Axes,
    Figure,
    Theme,
    figure,
    grey_map,
    palette_of,
)

_REACH = 1.32  # of the arrows' panels, in lengths
_FRACTIONS = {1.0: "1", 0.5: "½", 0.4: "⅖"}


def directions(
    theme: Theme,
    sparsity: Float[np.ndarray, "N"],
    weight: Float[np.ndarray, "N 2 F"],
    represented: Bool[np.ndarray, "N F"],
    dimensionality: Float[np.ndarray, "N F"],
) -> Figure:
    """Draws the columns of W as arrows, one panel a sparsity.

    Args:
      theme: of the picture.
      sparsity: share of the time a feature is absent, ascending.
      weight: the directions.
      represented: which features count as having one.
      dimensionality: share of a dimension of each.

    Returns:
      The figure.
    """
    drawing, panels = figure(theme, 12, 3.9, ncols=len(sparsity))
    counts = represented.sum(axis=1)
    for number, axes in enumerate(panels):
        axes.set(aspect="equal", xlim=(-_REACH, _REACH), ylim=(-_REACH, _REACH))
        axes.set_axis_off()
        _draw_arrows(axes, weight[number], represented[number])
        shares = dimensionality[number][represented[number]]
        share = float(shares.mean()) if len(shares) else 0.0
        near = [
            words for value, words in _FRACTIONS.items() if abs(share - value) < 0.02
        ]
        each = near[0] if near else f"{share:.2f}"
        says = f"{counts[number]} features,\n{each} dimension each"
        label(
            axes, 0.5, -0.02, says, within="axes fraction", ha="center", va="top",
            linespacing=1.3,
        )  # fmt: skip
        title(axes, f"absent {sparsity[number]:.0%}")
    title(
        drawing,
        f"The rarer five features are, the more of them two dimensions hold: "
        f"{counts[0]}, then {counts[1]}, then {counts[-1]}",
        "Columns of W in x' = ReLU(WᵀW x + b): an arrow a feature, a circle of length "
        "1. Dots are features without a direction. Equally important features, but for "
        "the first panel, where each has 0.9 times the importance of the one "
        "before. The best of all starts by loss.",
    )
    return drawing


def _draw_arrows(axes: Axes, weight: np.ndarray, represented: np.ndarray) -> None:
    colours = palette_of(axes)
    angle = np.linspace(0, 2 * np.pi, 181)
    faint = {"color": colours.faint, "linestyle": "-", "zorder": 0}
    axes.plot(np.cos(angle), np.sin(angle), lw=1.2, **faint)
    kept = weight[:, represented]
    if kept.shape[1] > 2:  # the polygon that the ends form
        around = kept[:, np.argsort(np.arctan2(kept[1], kept[0]))]
        axes.fill(*around, color=colours.highlight, alpha=0.25, lw=0, zorder=1)
    for feature in weight[:, ~represented].T:
        axes.plot(*feature, marker="o", ms=5, color=colours.negative, zorder=3)
    for feature in kept.T:
        axes.annotate(
            "", tuple(feature), (0, 0), zorder=4,
            arrowprops={"arrowstyle": "-|>", "lw": 2.4, "color": colours.positive,
                        "shrinkA": 0, "shrinkB": 0, "mutation_scale": 14},
        )  # fmt: skip


def phases(
    theme: Theme,
    presence: Float[np.ndarray, "P"],
    importance: Float[np.ndarray, "R"],
    phase: Int[np.ndarray, "P R"],
    boundary: Float[np.ndarray, "R"],
    seeds: int,
) -> Figure:
    """Draws what becomes of the second of two features that have one dimension.

    Args:
      theme: of the picture.
      presence: of both features, ascending, evenly spaced in the logarithm.
      importance: of the second feature over the first's, likewise.
      phase: 0 not represented, 1 alone, 2 in superposition.
      boundary: the presence below which sharing pays, in closed form.
      seeds: starts of each cell.

    Returns:
      The figure.
    """
    from matplotlib.colors import ListedColormap

    drawing, (axes, side) = figure(theme, 12, 6.6, ncols=2, width_ratios=(3, 1))
    colours = palette_of(drawing)
    shades = ListedColormap([colours.faint, colours.negative, colours.positive])
    axes.pcolormesh(
        importance, presence, phase, cmap=shades, vmin=-0.5, vmax=2.5, alpha=0.85,
        shading="nearest", rasterized=True,
    )  # fmt: skip
    axes.set(xscale="log", yscale="log")
    axes.invert_yaxis()
    axes.plot(importance, boundary, color=colours.ink, linestyle=(0, (4, 3)), lw=2)
    axes.set_xlabel("importance of the second feature over the first's")
    axes.set_ylabel("how often each feature is present")
    axes.set_xticks([0.1, 0.3, 1, 3, 10], ["0.1", "0.3", "1", "3", "10"])
    axes.set_yticks([0.01, 0.03, 0.1, 0.3, 1], ["1%", "3%", "10%", "30%", "100%"])
    axes.minorticks_off()
    words = {"ha": "center", "weight": "bold", "size": LABEL, "path_effects": []}
    label(axes, 1, 0.04, "both share the dimension", color=colours.ground, **words)
    label(
        axes, 0.24, 0.75, "the second is\nnot represented", color=colours.ink, **words
    )
    label(
        axes, 4.2, 0.75, "the second has\nthe dimension alone", color=colours.ground,
        **words,
    )  # fmt: skip
    label(
        axes, 1, 0.37, "closed form: 4r / (2 + 5r)", ha="center", size=LABEL,
        color=colours.ground, path_effects=[],
    )  # fmt: skip
    _draw_shares(side, presence, phase)
    share = float((phase == 2).mean())
    title(
        drawing,
        f"Two features, one dimension: rare ones share it, in {share:.0%} of the "
        "cells, and always present ones never do",
        f"{len(presence)} x {len(importance)} toy models, each the best by loss of "
        f"{seeds} starts, all trained in one program; where a cell stands out all "
        "got stuck. Dashed: where algebra says that sharing stops to pay; r is the "
        "smaller importance over the larger.",
    )
    return drawing


def _draw_shares(axes: Axes, presence: np.ndarray, phase: np.ndarray) -> None:
    colours = palette_of(axes)
    shared = (phase == 2).mean(axis=1)
    axes.plot(shared, presence, color=colours.positive, linestyle="-", lw=2.4)
    axes.set(yscale="log", xlim=(0, 1.03), ylim=(presence[-1], presence[0]))
    axes.set_yticks([0.01, 0.03, 0.1, 0.3, 1], ["1%", "3%", "10%", "30%", "100%"])
    axes.set_xticks([0, 0.5, 1], ["0%", "50%", "100%"])
    axes.minorticks_off()
    axes.set_xlabel("share of the row that shares")
    title(axes, "From all to none")


def crowding(
    theme: Theme,
    presence: Float[np.ndarray, "N"],
    norms: Float[np.ndarray, "N F"],
    counts: Int[np.ndarray, "seeds N"],
    dimensions_per_feature: Float[np.ndarray, "seeds N"],
    chosen: Int[np.ndarray, "N"],
) -> Figure:
    """Draws twenty features of falling importance that crowd five dimensions.

    Args:
      theme: of the picture.
      presence: how often a feature is present, falling.
      norms: of the features' directions in the best start.
      counts: features represented, of every start.
      dimensions_per_feature: D*, of every start.
      chosen: the best start.

    Returns:
      The figure: lengths of all directions, the count, D*.
    """
    drawing, (left, middle, right) = figure(
        theme, 12, 5.2, ncols=3, width_ratios=(1.5, 1, 1)
    )
    places, features = np.arange(len(presence)), norms.shape[1]
    left.imshow(
        norms.T, cmap=grey_map(palette_of(left)), vmin=0, vmax=1.2, aspect="auto",
        extent=(-0.5, len(presence) - 0.5, features + 0.5, 0.5),
    )  # fmt: skip
    left.set_yticks([1, 5, 10, 15, 20])
    left.set_ylabel("feature, the most important first")
    left.axhline(5.5, color=palette_of(left).accent, linestyle=(0, (4, 3)), lw=1.4)
    label(
        left, -0.4, 5.5, "5 dimensions", offset=(0, -9), ha="left",
        color=palette_of(left).accent, size=TICK,
    )  # fmt: skip
    title(left, "Length of each direction, 0 to 1.2, by shade")
    best = chosen, places
    _draw_starts(middle, counts, counts[best])
    middle.set_ylim(0, features)
    middle.set_yticks([0, 5, 10, 15, 20])
    reference_line(middle, 5, "as many as dimensions", at=0.98, side="below")
    title(middle, "Features that have a direction")
    _draw_starts(right, dimensions_per_feature, dimensions_per_feature[best])
    right.set_ylim(0, 1.1)
    reference_line(right, 1, "a dimension each", at=0.98)
    reference_line(right, 0.5, "pairs: 1/2", at=0.02, side="below")
    title(right, "Dimensions a feature, D*")
    for axes in (left, middle, right):
        shown = places[::2] if axes is not left else places
        axes.set_xticks(shown, [_percent(presence[k]) for k in shown], size=SMALL)
        axes.set_xlabel("how often a feature is present")
    first, last = counts[best][[0, -1]]
    title(
        drawing,
        f"Five dimensions hold {first} features that are always there, and "
        f"{last} that are there {_percent(presence[-1])} of the time",
        f"{features} features, each 0.7 times as important as the one before. Line: "
        "the best start by loss; dots: the others. A direction is longer than half.",
    )
    return drawing


def _percent(share: float) -> str:
    return f"{100 * share:g}%"


def _draw_starts(axes: Axes, every: np.ndarray, best: np.ndarray) -> None:
    colours = palette_of(axes)
    places = np.arange(every.shape[1])
    look = {"color": colours.neutral, "alpha": 0.6, "lw": 0}
    for start in every:
        axes.scatter(places, start, s=16, **look)
    axes.plot(
        places, best, color=colours.positive, linestyle="-", marker="o", ms=5, lw=2.2
    )
    axes.set_xlim(-0.5, len(places) - 0.5)
