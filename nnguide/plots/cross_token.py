"""Part 6: which token's vector depends on which, in each part of a transformer."""

import math
from collections.abc import Mapping, Sequence

import numpy as np
from jaxtyping import Float

from nnguide.plots.lettering import label, title
from nnguide.plots.style import (
    SMALL,
    Axes,
    Figure,
    Theme,
    figure,
    grey_map,
    palette_of,
)
from nnguide.plots.token_merges import token_name

_NAMES = {
    "norm": "Norm",
    "mlp": "MLP block",
    "attention": "Attention block",
    "transformer": "The whole transformer",
}


def cross_token(
    theme: Theme, words: Sequence[str], norms: Mapping[str, Float[np.ndarray, "T S"]]
) -> Figure:
    """Draws the norms of Jacobians' blocks, one panel a part.

    Args:
      theme: of the picture.
      words: the tokens that were read.
      norms: of "norm", "mlp", "attention" and "transformer": how much what leaves at
        token t (row) depends on what enters at token s (column).

    Returns:
      The figure. A block that is exactly 0 is empty; the others are darker the larger.
    """
    drawing, panels = figure(theme, 12, 10.6, nrows=2, ncols=2)
    smallest = min(float((of[of > 0] / of.max()).min()) for of in norms.values())
    decades = math.ceil(max(1.0, -math.log10(smallest)))
    for axes, (name, heading) in zip(panels.flat, _NAMES.items(), strict=True):
        _draw(axes, norms[name], decades)
        apart = int(np.count_nonzero(norms[name] * ~np.eye(len(words), dtype=bool)))
        pairs = len(words) * (len(words) - 1)
        says = "each hears those before it" if apart else "no token hears another"
        title(axes, f"{heading}: {says}", f"{apart} of {pairs} pairs of tokens")
    for axes in panels.flat:
        _name_tokens(axes, words)
    title(
        drawing,
        "Tokens hear each other in attention alone; norms and MLP blocks have a "
        "cross-token Jacobian of exactly 0",
        "How much what leaves at a token (row) depends on what enters at a token "
        "(column): the size of that block of the Jacobian, on a logarithmic scale over "
        f"{decades} decades below the largest of each panel. Empty is exactly 0.",
    )
    return drawing


def _draw(axes: Axes, norms: Float[np.ndarray, "T S"], decades: int) -> None:
    colours = palette_of(axes)
    with np.errstate(divide="ignore"):
        height = np.log10(norms / norms.max())
    # the smallest that are not 0 must be seen: the map begins away from the ground
    shade = 0.15 + 0.85 * np.clip(1 + height / decades, 0, 1)
    shade = np.ma.masked_where(norms == 0, shade)
    axes.imshow(shade, cmap=grey_map(colours).with_extremes(bad=colours.ground),
                vmin=0, vmax=1, interpolation="nearest")  # fmt: skip
    size = len(norms)
    axes.set_xticks(np.arange(size + 1) - 0.5, minor=True)
    axes.set_yticks(np.arange(size + 1) - 0.5, minor=True)
    axes.grid(which="minor", color=colours.faint, linewidth=0.5)
    axes.tick_params(which="both", length=0)
    axes.spines[:].set_visible(False)
    if not np.triu(norms, 1).any() and np.tril(norms, -1).any():
        place = {"ha": "center", "color": colours.neutral, "path_effects": []}
        label(axes, 0.72, 0.72, "later tokens:\nexactly 0",
              within="axes fraction", **place)  # fmt: skip


def _name_tokens(axes: Axes, words: Sequence[str]) -> None:
    shown = list(map(token_name, words))
    axes.set_xticks(range(len(words)), shown, rotation=90, size=SMALL)
    axes.set_yticks(range(len(words)), shown, size=SMALL)
    axes.set_xlabel("enters at")
    axes.set_ylabel("leaves at")
