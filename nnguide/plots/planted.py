"""Part 6: a planted language, and the vectors that were learned from it."""

import numpy as np
from jaxtyping import Float, Int

from nnguide.plots.lettering import label, percent, title
from nnguide.plots.style import Axes, Figure, Number, Theme, figure, palette_of

_POINTS = 1500


def planted(
    theme: Theme,
    corpora: Int[np.ndarray, "corpora"],
    right: tuple[
        Float[np.ndarray, "corpora seeds 2"], Float[np.ndarray, "corpora seeds 2"]
    ],
    odds: tuple[Float[np.ndarray, "N M"], Float[np.ndarray, "N M"]],
    learned: tuple[Float[np.ndarray, "N M"], Float[np.ndarray, "N M"]],
    correlations: tuple[Number, Number],
) -> Figure:
    """Draws what vectors learn of log-odds, and the analogies they answer.

    Args:
      theme: of the picture.
      corpora: sizes, pairs of words, ascending.
      right: shares of right answers, inputs excluded and allowed; where log-odds add,
        and where the same numbers do not.
      odds: planted differences of log-odds, in both.
      learned: what the difference of the vectors says of them.
      correlations: of the two, in both.

    Returns:
      The figure: log-odds in both languages, analogies over the size of the corpus.
    """
    drawing, panels = figure(theme, 12, 5.2, ncols=3, width_ratios=(1, 1, 1.3))
    names = ("Log-odds add", "Dealt anew")
    stride = max(1, odds[0].size // _POINTS)
    points = [
        np.stack([x.ravel()[::stride], y.ravel()[::stride]])
        for x, y in zip(odds, learned, strict=True)
    ]
    reach = 1.08 * max(float(np.abs(each).max()) for each in points)
    for axes, name, each, correlation in zip(
        panels, names, points, correlations, strict=False
    ):
        _draw_odds(axes, each, reach)
        title(axes, f"{name}: correlation {correlation:.3f}")
    panels[0].set_ylabel("difference of vectors . context word")
    _draw_right(panels[2], corpora, right)
    title(panels[2], "Analogies over the corpus")
    all_of, control = (float(each[-1, :, 0].mean()) for each in right)
    title(
        drawing,
        f"Vectors of a language whose log-odds add answer {all_of:.0%} of the "
        f"analogies; where the same log-odds do not add, {control:.0%}",
        "GloVe fitted to corpora of 24 words, each a gender, a rank and an age. "
        "In small corpora noise makes the question's own words the nearest.",
    )
    return drawing


def _draw_odds(axes: Axes, points: np.ndarray, reach: float) -> None:
    colours = palette_of(axes)
    axes.plot([-reach, reach], [-reach, reach], color=colours.neutral, lw=1.1,
              ls=(0, (4, 3)))  # fmt: skip
    axes.scatter(
        *points, s=8, color=colours.positive, alpha=0.45, linewidths=0, zorder=3
    )
    axes.set(xlim=(-reach, reach), ylim=(-reach, reach), aspect="equal")
    axes.set_xlabel("planted difference of log-odds, nats")


def _draw_right(
    axes: Axes, corpora: np.ndarray, right: tuple[np.ndarray, np.ndarray]
) -> None:
    colours = palette_of(axes)
    lines = (
        (right[0][..., 0], colours.positive, "-", "inputs excluded", (0, 11), -1),
        (right[0][..., 1], colours.accent, (0, (5, 2)), "inputs allowed", (8, -12), 1),
        (right[1][..., 0], colours.negative, (0, (1, 1.2)), "log-odds do not add,\n"
         "inputs excluded", (0, 20), 1),
    )  # fmt: skip
    axes.set_xscale("log")
    axes.set_ylim(0, 1.12)
    for shares, colour, dashes, name, offset, at in lines:
        middle = shares.mean(axis=1)
        low, high = shares.min(axis=1), shares.max(axis=1)
        axes.fill_between(corpora, low, high, color=colour, alpha=0.2, lw=0)
        axes.plot(corpora, middle, color=colour, ls=dashes, lw=2.2, marker="o", ms=5)
        end = at % len(corpora)
        label(axes, corpora[end], middle[end], name, offset=offset, color=colour,
              ha="right" if at == -1 else "left")  # fmt: skip
    percent(axes)
    axes.set_xticks(corpora, [f"{size:,}" for size in corpora.tolist()])
    axes.xaxis.set_minor_formatter("")
    axes.set_ylabel("analogies answered right")
    axes.set_xlabel("pairs in the corpus (logarithmic)")
