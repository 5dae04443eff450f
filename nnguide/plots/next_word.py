"""Part 5: bars of what may come next, at step after step of one text."""

from collections.abc import Iterable, Mapping, Sequence

from nnguide.plots.lettering import label, title
from nnguide.plots.style import (
    LABEL,
    TICK,
    Axes,
    Figure,
    Number,
    Theme,
    figure,
    palette_of,
)
from nnguide.plots.written_text import visible

Candidate = tuple[str, float]
Bars = tuple[Sequence[Candidate], Candidate]  # the likeliest ones, the one drawn
TAIL, LONGEST = 17, 10  # letters: of the text above a step with a name; of a name


def next_words(
    theme: Theme,
    prompt: str,
    steps: Sequence[Bars],
    accuracy: Number,
    unit: str,
) -> Figure:
    """Draws the likeliest next tokens of each step as bars, the one drawn in yellow.

    Args:
      theme: of the picture.
      prompt: the text before the first step.
      steps: for each the candidates (text, probability), the likeliest first, and the
        one that was drawn; up to about 7 steps.
      accuracy: how often the likeliest one comes in a text the model has not seen.
      unit: what a token is.

    Returns:
      The figure, one panel a step, all on one scale.
    """
    drawing, row = figure(theme, 12, 5.0, ncols=len(steps), sharex=True, squeeze=False)
    continued = visible(_draw_row(row[0], prompt, steps))
    title(
        drawing,
        f"The likeliest {unit} is the one that comes {accuracy:.0%} of the time; here "
        f"chance goes on with “{continued}”",
        f"What may follow “{visible(prompt)}”, and so on with each {unit} that was "
        "drawn (yellow) at T = 1. ␣ is a blank, ↵ a new line.",
    )
    return drawing


def stages(theme: Theme, prompt: str, rows: Mapping[str, Sequence[Bars]]) -> Figure:
    """Draws how several models go on with the same text, a row of bars each.

    Args:
      theme: of the picture.
      prompt: the text before the first step.
      rows: name -> steps as in `next_words`, as many each.

    Returns:
      The figure, all panels on one scale.
    """
    count = len(next(iter(rows.values())))
    size = (12, 1.0 + 4.2 * len(rows))
    shape = {"nrows": len(rows), "ncols": count}
    drawing, grid = figure(theme, *size, **shape, sharex=True, squeeze=False)
    for (name, steps), row in zip(rows.items(), grid, strict=True):
        _draw_row(row, prompt, steps)
        row[0].set_ylabel(name, size=LABEL + 2, weight="bold")
    sure = {
        name: sum(candidates[0][1] for candidates, _ in steps) / count
        for name, steps in rows.items()
    }
    (first, before), *_, (last, after) = sure.items()
    title(
        drawing,
        f"The {first} model gives its best guess {before:.0%}, the {last} one "
        f"{after:.0%}: it knows what an answer looks like",
        f"What may follow “{visible(prompt)}”, and so on with each token that was "
        "drawn (yellow) at T = 1; means of the steps. ␣ is a blank, ↵ a new line.",
    )
    return drawing


def _draw_row(row: Iterable[Axes], prompt: str, steps: Sequence[Bars]) -> str:
    """Draws the steps of one text; returns what was drawn behind the prompt."""
    so_far = prompt
    for axes, (candidates, chosen) in zip(row, steps, strict=True):
        _draw_step(axes, so_far, candidates, chosen)
        so_far += chosen[0]
    return so_far[len(prompt) :]


def _draw_step(
    axes: Axes, so_far: str, candidates: Sequence[Candidate], chosen: Candidate
) -> None:
    colours = palette_of(axes)
    shown = list(candidates)
    if chosen not in shown:  # a rare one was drawn
        shown[-1] = chosen
    for place, candidate in enumerate(shown):
        drawn = candidate == chosen
        fill = colours.highlight if drawn else colours.positive
        edge = {"edgecolor": colours.ink, "linewidth": 1.0 if drawn else 0.0}
        axes.barh(place, candidate[1], color=fill, height=0.74, **edge)
        words = f"{candidate[1]:.1%}"
        label(axes, candidate[1], place, words, offset=(4, 0), size=TICK - 0.5)
    names = [_short(visible(text)) for text, _ in shown]
    axes.set_yticks(range(len(shown)), names, size=LABEL + 1, family="monospace")
    axes.set_ylim(len(shown) - 0.4, -0.6)
    axes.set_xlim(0, 1.32)
    axes.set_xticks([0, 1], ["0", "100%"])
    axes.tick_params(axis="y", length=0)
    tail = max(6, TAIL - max(map(len, names)))  # long names leave less room
    axes.set_title(
        "… " + visible(so_far[-tail:]),
        size=TICK,
        family="monospace",
        color=colours.ink,
        loc="left",
    )


def _short(name: str) -> str:
    return name if len(name) <= LONGEST else name[: LONGEST - 1] + "…"
