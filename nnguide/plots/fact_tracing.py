"""Part 8: where a small GPT keeps its facts, and what editing them does."""

from collections.abc import Mapping, Sequence

import numpy as np
from jaxtyping import Float

from nnguide.plots.lettering import label, percent, title
from nnguide.plots.style import SMALL, TICK, Axes, Figure, Theme, figure, palette_of

_PARTS = (
    ("state", "The whole vector"),
    ("mlp", "What the MLP added"),
    ("attention", "What attention added"),
)


def fact_tracing(
    theme: Theme,
    effects: Float[np.ndarray, "parts L roles"],
    total: float,
    roles: Sequence[str],
    finding: str,
) -> Figure:
    """Draws how much of the answer each restored vector gives back.

    Args:
      theme: of the picture.
      effects: average indirect effect over the average total one; parts are the state,
        the MLP's and the attention's output.
      total: the average total effect, a probability.
      roles: names of the tokens, in the order of the sentence.
      finding: the title.

    Returns:
      The figure: one panel a part, tokens by layers, all on one scale.
    """
    layers = effects.shape[1]
    drawing, panels = figure(theme, 12, 2.6 + 0.42 * len(roles), ncols=3, sharey=True)
    for axes, each, (_, name) in zip(panels, effects, _PARTS, strict=True):
        _draw_map(axes, each.T)
        axes.set_xticks(range(layers), [f"layer {n + 1}" for n in range(layers)])
        title(axes, name)
    panels[0].set_yticks(range(len(roles)), roles)
    title(
        drawing,
        finding,
        f"Noise on the two names takes {total:.0%} of the answer's probability away; "
        "each cell is the share of it that comes back when one vector of the run "
        "without noise is put in. One scale for all three panels.",
    )
    return drawing


def _draw_map(axes: Axes, shares: Float[np.ndarray, "roles L"]) -> None:
    from matplotlib.colors import LinearSegmentedColormap

    colours = palette_of(axes)
    shades = LinearSegmentedColormap.from_list(
        "effect", [colours.ground, colours.positive]
    )
    axes.imshow(shares, cmap=shades, vmin=0, vmax=1, aspect="auto")
    for (row, column), share in np.ndenumerate(shares):
        strong = share > 0.6
        axes.text(
            column, row, f"{share:.0%}".replace("-0%", "0%"), ha="center", va="center",
            color=colours.ground if strong else colours.ink, size=TICK,
        )  # fmt: skip
    axes.tick_params(length=0)
    axes.spines[:].set_visible(False)
    for edge in np.arange(1, shares.shape[0]) - 0.5:
        axes.axhline(edge, color=colours.faint, linewidth=0.8)
    for edge in np.arange(1, shares.shape[1]) - 0.5:
        axes.axvline(edge, color=colours.faint, linewidth=0.8)


def edit_scores(
    theme: Theme,
    scores: Mapping[str, Float[np.ndarray, "L tests"]],
    tests: Sequence[str],
) -> Figure:
    """Draws what edits of each layer change and what they leave.

    Args:
      theme: of the picture.
      scores: method -> shares of right answers, best at 1: rank-one edits at a token,
        and last the control.
      tests: their names.

    Returns:
      The figure: a panel a method, a group of bars a layer.
    """
    drawing, panels = figure(theme, 12, 5.6, ncols=len(scores), sharey=True)
    for axes, (method, each) in zip(panels, scores.items(), strict=True):
        _draw_bars(axes, each, tests)
        rank_one = method != list(scores)[-1]
        title(axes, f"Rank one, at the {method}" if rank_one else f"Control: {method}")
    panels[0].set_ylabel("right answers")
    place, first = next(iter(scores.items()))
    title(
        drawing,
        f"A rank-one edit at the {place} in layer 1 changes {first[0, 0]:.0%} of the "
        f"facts, in other words {first[0, 1]:.0%}, keeps {first[0, 2]:.0%} of the "
        f"neighbours' and {first[0, 3]:.0%} of the person's other facts",
        "Each edit of one down-projection gives one person one new answer, learned in "
        "one wording. Neighbours share a name with the person.",
    )
    return drawing


def _draw_bars(
    axes: Axes, shares: Float[np.ndarray, "L tests"], tests: Sequence[str]
) -> None:
    colours = palette_of(axes)
    layers, width = np.arange(len(shares)), 0.9 / len(tests)
    for number, (test, fill) in enumerate(zip(tests, colours.series, strict=False)):
        places = layers + (number - (len(tests) - 1) / 2) * width
        axes.bar(places, shares[:, number], width=0.92 * width, color=fill)
        for place, share in zip(places, shares[:, number], strict=True):
            tall = share > 0.5
            label(
                axes, place, share, f"{test} {share:.0%}", rotation=90,
                offset=(0, -5 if tall else 5), va="top" if tall else "bottom",
                ha="center", size=SMALL, path_effects=[],
                color=colours.ground if tall else fill,
            )  # fmt: skip
    axes.set_xticks(layers, [f"layer {n + 1}" for n in layers])
    axes.tick_params(axis="x", length=0)
    axes.set_ylim(0, 1.02)
    percent(axes)


def edits_and_effects(
    theme: Theme,
    effects: Mapping[str, Float[np.ndarray, "L"]],
    scores: Mapping[str, Float[np.ndarray, "L"]],
) -> Figure:
    """Draws how well each place edits against how much tracing finds there.

    Args:
      theme: of the picture.
      effects: token -> the MLP's share of the total effect in each layer.
      scores: token -> the score of the edits made there.

    Returns:
      The figure: a dot a token and layer.
    """
    drawing, axes = figure(theme, 12, 5.2)
    colours = palette_of(drawing)
    names, x, y = [], [], []
    for token, colour, marker in zip(effects, colours.series, "os^", strict=False):
        look = {"color": colour, "ms": 10, "linestyle": "none", "zorder": 3}
        axes.plot(effects[token], scores[token], marker, **look)
        for layer, place in enumerate(zip(effects[token], scores[token], strict=True)):
            names.append(f"{token}, layer {layer + 1}")
            x.append(float(place[0]))
            y.append(float(place[1]))
            label(axes, *place, names[-1], offset=(9, -2), color=colour)
    traced, best = int(np.argmax(x)), int(np.argmax(y))
    axes.set(xlim=(-0.02, 1.25 * x[traced]), ylim=(-0.04, 1.05))
    axes.set_xlabel("tracing: share of the answer that the MLP's output restores")
    axes.set_ylabel("editing: all four scores")
    percent(axes, "x")
    percent(axes)
    finding = (
        f"Tracing points to the {names[traced]}: edits there score {y[traced]:.0%}"
    )
    if best != traced:
        finding += f"; at the {names[best]}, they score {y[best]:.0%}"
    title(
        drawing, finding,
        "The score is the harmonic mean of efficacy, paraphrase, neighbourhood and "
        "other facts of rank-one edits of that layer's down-projection at that token.",
    )  # fmt: skip
    return drawing
