"""Part 8: how well sparse autoencoders find the features in superposition."""

import numpy as np
from jaxtyping import Float, Int

from nnguide.plots.lettering import end_labels, reference_line, title
from nnguide.plots.style import DASHES, Axes, Figure, Theme, figure, palette_of


def recovery(
    theme: Theme,
    sizes: Int[np.ndarray, "sizes"],
    penalties: Float[np.ndarray, "penalties"],
    *,
    cosine: Float[np.ndarray, "seeds penalties sizes"],
    recovered: Int[np.ndarray, "penalties sizes"],
    best: Float[np.ndarray, "penalties sizes"],
    random: Float[np.ndarray, "sizes"],
    features: int,
) -> Figure:
    """Draws how near dictionaries of growing size come to the true features.

    Args:
      theme: of the picture.
      sizes: directions of the dictionaries.
      penalties: on their codes, one to four, ascending.
      cosine: mean cosine of a feature with the nearest direction, of every start.
      recovered: features with a cosine above 0.95, of the best start.
      best: `cosine` of the best start.
      random: `cosine` of random directions.
      features: how many there are.

    Returns:
      The figure: cosines, and features recovered.
    """
    drawing, (left, right) = figure(theme, 12, 5.6, ncols=2)
    colours = palette_of(drawing)
    ends, counts = [], []
    for number, penalty in enumerate(penalties):
        # the largest penalty, which works, in the network's own colour
        rank = len(penalties) - 1 - number
        look = {"color": colours.series[rank], "linestyle": DASHES[rank]}
        left.fill_between(
            sizes, cosine[:, number].min(0), cosine[:, number].max(0),
            color=look["color"], alpha=0.15, lw=0,
        )  # fmt: skip
        left.plot(sizes, best[number], marker="o", ms=5, lw=2.2, **look)
        right.plot(sizes, recovered[number], marker="o", ms=5, lw=2.2, **look)
        name = f"penalty {penalty:g}"
        ends.append((float(best[number, -1]), name, look["color"]))
        counts.append((float(recovered[number, -1]), name, look["color"]))
    left.plot(sizes, random, color=colours.neutral, linestyle=DASHES[-1], lw=1.8)
    ends.append((float(random[-1]), "random\ndirections", colours.neutral))
    left.set_ylim(min(0.4, float(best.min()) - 0.03), 1.03)
    right.set_ylim(-0.5, features * 1.06)
    right.locator_params(axis="y", integer=True)
    reference_line(left, 0.95, "recovered: 0.95", at=0.02)
    reference_line(right, features, f"all {features}", at=0.02, side="below")
    for axes, names, height in ((left, ends, 0.02), (right, counts, 0.68)):
        _set_sizes(axes, sizes)
        reference_line(axes, features, "as many as\nfeatures", vertical=True, at=height)
        end_labels(axes, names)
    title(left, "Mean cosine of a feature with the nearest direction")
    title(right, f"Features recovered, of {features}")
    found = int(recovered[-1, -1])
    place = int(np.argmin(abs(sizes - features)))
    title(
        drawing,
        f"Told nothing of the features, a sparse autoencoder finds {found} of "
        f"{features} in five dimensions, if its codes are made sparse enough",
        f"A dictionary of {sizes[place]} directions has a mean cosine of "
        f"{best[-1, place]:.2f} with penalty {penalties[-1]:g} on its codes and of "
        f"{best[0, place]:.2f} with {penalties[0]:g}. Line: the best start "
        "by loss; band: all starts.",
    )
    return drawing


def _set_sizes(axes: Axes, sizes: np.ndarray) -> None:
    axes.set_xlim(0, sizes[-1] * 1.02)
    axes.set_xticks(sizes)
    axes.set_xlabel("directions in the dictionary")
