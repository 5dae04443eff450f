"""Part 9: pictures and captions in one space, and what a difference points to."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from jaxtyping import Float

from nnguide.plots.lettering import label, percent, reference_line, title
from nnguide.plots.style import (
    TICK,
    Axes,
    Figure,
    Number,
    Theme,
    figure,
    palette_of,
    weight_map,
)


def similarities(
    theme: Theme,
    steps: Sequence[Number],
    cosines: Float[np.ndarray, "moments pairs pairs"],
    recall: Number,
    scenes: Number,
) -> Figure:
    """Draws how well every picture fits every caption, as training goes on.

    Args:
      theme: of the picture.
      steps: of training, one a panel.
      cosines: of pictures (rows) with captions (columns); a pair lies on the diagonal.
      recall: the share of pictures whose own caption comes first at the end.
      scenes: among how many.

    Returns:
      The figure, all panels on one scale.
    """
    drawing, panels = figure(theme, 12, 4.5, ncols=len(steps), sharey=True)
    colours, own = palette_of(drawing), np.eye(cosines.shape[1], dtype=bool)
    for axes, step, matrix in zip(panels, steps, cosines, strict=True):
        axes.imshow(matrix, cmap=weight_map(colours), vmin=-1, vmax=1)
        axes.set(xticks=[], yticks=[])
        axes.spines[:].set_visible(False)
        axes.set_xlabel(
            f"own captions {matrix[own].mean():.2f}\nothers {matrix[~own].mean():.2f}",
            size=TICK,
        )
        title(axes, f"step {step:,}")
    panels[0].set_ylabel("pictures")
    title(
        drawing,
        f"The diagonal brightens: {recall:.0%} of the pictures find their own among "
        f"{scenes} captions that training never showed",
        f"Cosine of {cosines.shape[1]} pictures (rows) with their {cosines.shape[1]} "
        "captions (columns), mean below. Blue is 1, red -1, the ground 0. Captions "
        "that differ in one word stay alike.",
    )
    return drawing


def difference(
    theme: Theme,
    images: Float[np.ndarray, "2 height width 3"],
    vectors: Float[np.ndarray, "2 N D"],
    word: Float[np.ndarray, "D"],
    name: str,
    ranked: Sequence[tuple[str, Number]],
    control: Number,
    first: Number,
) -> Figure:
    """Draws (with it) - (without it) as arrows, and the words they point to.

    Args:
      theme: of the picture.
      images: one picture without it and the same with it, in [0, 1].
      vectors: of pictures without it and with it.
      word: the vector of its word.
      name: the word.
      ranked: the best words and the mean cosine of the difference with each.
      control: the word's mean cosine with differences of two people without it.
      first: the share of differences for which the word comes first.

    Returns:
      The figure.
    """
    drawing, panels = figure(theme, 12, 5.4, mosaic="ac", width_ratios=(2, 1.1))
    _draw_arrows(panels["a"], images, vectors, word, name)
    _draw_ranked(panels["c"], ranked, name)
    title(
        panels["c"], "Words it points to",
        f'The difference of two random people: {control:+.2f} with "{name}"',
    )  # fmt: skip
    count = vectors.shape[1]
    title(
        drawing,
        f'(with a {name}) - (without) points to "{name}" before all other words for '
        f"{first:.0%} of {count} people",
        "Scenes that training never showed; the pictures of a pair differ in nothing "
        "else.",
    )
    return drawing


def _draw_arrows(
    axes: Axes, images: np.ndarray, vectors: np.ndarray, word: np.ndarray, name: str
) -> None:
    """Pictures' places in the plane of the word and of what else differs most."""
    colours = palette_of(axes)
    up = word / np.linalg.norm(word)
    flat = vectors[0] - vectors[0].mean(axis=0)
    flat = flat - np.outer(flat @ up, up)
    across = np.linalg.svd(flat, full_matrices=False)[2][0]
    places = vectors @ np.stack([across, up], axis=1)
    shown = slice(0, 40)
    for start, end in zip(places[0, shown], places[1, shown], strict=True):
        axes.annotate(
            "", tuple(end), tuple(start),
            arrowprops={"arrowstyle": "-|>", "color": colours.faint, "lw": 1.0,
                        "shrinkA": 2, "shrinkB": 2},
        )  # fmt: skip
    axes.scatter(*places[0, shown].T, s=22, color=colours.neutral, lw=0, zorder=3)
    axes.scatter(*places[1, shown].T, s=26, color=colours.positive, lw=0, zorder=3)
    low, high = places[..., 1].min(), places[..., 1].max()
    room = high - low
    left, right = places[..., 0].min(), places[..., 0].max()
    axes.set(
        xlim=(left - 0.05, right + 0.05), ylim=(low - 0.3 * room, high + 0.4 * room)
    )
    middle = (left + right) / 2
    _inset(axes, images[1], (0.02, 0.8), colours.positive)
    _inset(axes, images[0], (0.02, 0.0), colours.neutral)
    words: dict[str, Any] = {"ha": "center", "weight": "bold"}
    label(
        axes,
        middle,
        high + 0.22 * room,
        f"with a {name}",
        color=colours.positive,
        **words,
    )
    label(axes, middle, low - 0.16 * room, "the same people without",
          color=colours.neutral, **words)  # fmt: skip
    axes.set_xlabel("what differs most between people")
    axes.set_ylabel(f'cosine with the word "{name}"')


def _inset(
    axes: Axes, image: np.ndarray, corner: tuple[float, float], edge: str
) -> None:
    inset = axes.inset_axes((*corner, 0.2, 0.2))
    inset.imshow(image)
    inset.set(xticks=[], yticks=[])
    for spine in inset.spines.values():
        spine.set(color=edge, linewidth=2, visible=True)


def _draw_ranked(axes: Axes, ranked: Sequence[tuple[str, Number]], name: str) -> None:
    colours = palette_of(axes)
    rows = np.arange(len(ranked))
    values = np.array([float(value) for _, value in ranked])
    shades = [
        colours.positive if word == name else colours.neutral for word, _ in ranked
    ]
    axes.barh(rows, values, color=shades, height=0.7)
    axes.set_yticks(rows, [word for word, _ in ranked])
    axes.set_ylim(len(ranked) - 0.3, -0.7)
    axes.set_xlim(min(0.0, float(values.min())), 1.18 * values.max())
    axes.tick_params(axis="y", length=0)
    axes.set_xlabel("mean cosine of the difference with the word")
    for row, value in zip(rows, values, strict=True):
        label(axes, value, row, f"{value:.2f}", offset=(5, 0), color=colours.ink)


def attributes(
    theme: Theme,
    accuracies: Mapping[str, tuple[float, float, float]],
    wanted: Number,
) -> Figure:
    """Draws how well prompts read each attribute off pictures.

    Args:
      theme: of the picture.
      accuracies: attribute -> with one prompt a class, with the mean of all, chance.
      wanted: the accuracy asked for.

    Returns:
      The figure.
    """
    drawing, axes = figure(theme, 12, 1.9 + 0.44 * len(accuracies))
    colours, rows = palette_of(drawing), np.arange(len(accuracies))
    single, ensemble, chance = np.array(list(accuracies.values()), float).T
    axes.hlines(rows, single, ensemble, color=colours.faint, linewidth=3, zorder=1)
    axes.plot(chance, rows, "|", color=colours.neutral, markersize=12)
    axes.plot(single, rows, "s", color=colours.negative, markersize=7)
    axes.plot(ensemble, rows, "o", color=colours.positive, markersize=10)
    for row, value in zip(rows, ensemble, strict=True):
        label(
            axes, 1.0, row, f"{value:.1%}", offset=(16, 0), color=colours.positive,
            weight="bold",
        )  # fmt: skip
    axes.set_yticks(rows, list(accuracies))
    axes.tick_params(axis="y", length=0)
    axes.set_ylim(len(rows) - 0.4, -1.3)
    axes.set_xlim(0, 1.07)
    axes.set_xticks(np.linspace(0, 1, 6))
    percent(axes, "x")
    axes.set_xlabel("right answers on new pictures")
    reference_line(
        axes, wanted, f"{wanted:.0%} asked", vertical=True, at=1.0, side="below"
    )
    words: dict[str, Any] = {"ha": "center", "size": TICK}
    label(axes, float(chance[0]), -0.75, "chance", color=colours.neutral, **words)
    worst = int(np.argmin(ensemble))
    names = list(accuracies)
    title(
        drawing,
        f"Without a classifier: prompts read every attribute, {names[worst]} worst "
        f"with {ensemble[worst]:.1%}",
        "Squares: one prompt a class. Discs: the mean of its key word and of prompts "
        "that say one thing more.",
    )
    return drawing
