"""Part 6: what people call similar, and what vectors do."""

from collections.abc import Mapping

import numpy as np
from jaxtyping import Float

from nnguide.plots.lettering import label, reference_line, title
from nnguide.plots.style import Axes, Figure, Number, Theme, figure, palette_of


def ratings(
    theme: Theme,
    ratings: Float[np.ndarray, "pairs"],
    measures: Mapping[
        str, tuple[Float[np.ndarray, "pairs"], Float[np.ndarray, "random"]]
    ],
    correlations: Mapping[str, Number],
) -> Figure:
    """Draws measures of similarity over people's ratings, with random pairs.

    Args:
      theme: of the picture.
      ratings: of pairs of words.
      measures: name -> of these pairs, and of random pairs of the same words.
      correlations: name -> Spearman's correlation of ratings and measure.

    Returns:
      The figure, a panel a measure.
    """
    drawing, panels = figure(theme, 12, 5.8, ncols=len(measures), squeeze=False)
    for axes, (name, (rated, random)) in zip(panels[0], measures.items(), strict=True):
        _draw(axes, ratings, rated, random)
        axes.set_ylabel(name)
        title(axes, f"By {name}: correlation {correlations[name]:.2f}")
    (name, first), (other, second) = list(correlations.items())[:2]
    title(
        drawing,
        f"What people call similar has a large {name} (rank correlation {first:.2f}) "
        f"and a large {other} ({second:.2f})",
        f"{len(ratings):,} pairs of words. The band holds the middle 95% of random "
        "pairs of the same words. Spearman's correlations.",
    )
    return drawing


def _draw(
    axes: Axes, ratings: np.ndarray, rated: np.ndarray, random: np.ndarray
) -> None:
    colours = palette_of(axes)
    low, high = np.quantile(random, (0.025, 0.975))
    axes.axhspan(low, high, color=colours.faint, alpha=0.5, lw=0, zorder=0)
    reference_line(axes, random.mean(), f"random pairs, mean {random.mean():.3g}")
    axes.scatter(ratings, rated, s=16, color=colours.positive, alpha=0.55, linewidths=0)
    edges = np.quantile(ratings, np.linspace(0, 1, 6))
    group = np.clip(np.searchsorted(edges, ratings, "right") - 1, 0, 4)
    present = np.unique(group)
    middles = [ratings[group == g].mean() for g in present]
    means = [rated[group == g].mean() for g in present]
    axes.plot(middles, means, color=colours.ink, lw=2, ls="-", marker="o", ms=6)
    label(axes, middles[0], means[0], "mean of\na fifth", offset=(0, 22), ha="center")
    axes.set_xlabel("people's rating of how alike they are")
