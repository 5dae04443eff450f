"""Where a transformer's parameters are: the guide's table, and models, to scale.

Part 6. Both pictures take plain numbers; from `nnguide.transformer.parameter_count`:

    rows = guide_table(GPT3)
    parameter_table(
        theme, "GPT-3", [row.name for row in rows],
        np.array([row.shape for row in rows]),
        np.array([(row.heads, row.layers) for row in rows]),
        [row.part for row in rows], left_out(GPT3),
    )
    configs = {"GPT-2 small": GPT2, "GPT-2 XL": GPT2_XL, "GPT-3": GPT3}
    sizes = {name: totals(every_parameter(config)) for name, config in configs.items()}
    model_sizes(theme, sizes)
"""

from collections.abc import Mapping, Sequence

import numpy as np
from jaxtyping import Int

from nnguide.plots.lettering import label, percent, title
from nnguide.plots.parameter_areas import (
    EMBEDDINGS,
    LEFT_OUT,
    draw_specks,
    draw_square,
    part_look,
)
from nnguide.plots.style import (
    LABEL,
    TICK,
    Axes,
    Figure,
    Theme,
    figure,
    palette_of,
)

_NAME_END, _NUMBER_END = 0.215, 0.86  # of the table's width


def parameter_table(
    theme: Theme,
    model: str,
    names: Sequence[str],
    shapes: Int[np.ndarray, "rows 2"],
    copies: Int[np.ndarray, "rows 2"],
    parts: Sequence[str],
    left_out: Mapping[str, int],
) -> Figure:
    """Draws the guide's table: bars and areas to scale, and what it leaves out.

    Args:
      theme: of the picture.
      model: its name.
      names: of the rows, the guide's matrices.
      shapes: rows and columns of one matrix.
      copies: heads in a layer that have one, and layers.
      parts: which each row belongs to: "embedding", "attention", "mlp", "unembedding".
      left_out: part -> parameters that the table lacks; negative for those that it
        counts twice.

    Returns:
      The figure: the table, and a square of all its weights.
    """
    numbers = shapes.prod(axis=1) * copies.prod(axis=1)
    whole = int(numbers.sum())
    drawing, (left, right) = figure(theme, 12, 8.2, ncols=2, width_ratios=(1.12, 1))
    _draw_table(left, names, shapes, copies, parts, left_out)
    corner = draw_square(right, names, numbers, parts)
    draw_specks(right, corner, left_out)
    shares = {
        part: sum(
            number for number, of in zip(numbers, parts, strict=True) if of == part
        )
        / whole
        for part in set(parts)
    }
    title(
        drawing,
        f"{shares.get('mlp', 0):.0%} of {model}'s weights are in its MLP blocks, "
        f"{shares.get('attention', 0):.0%} in its attention blocks",
        f"The guide's table counts {whole:,} weights in matrices; the model holds "
        f"{whole + sum(left_out.values()):,} parameters. Bars and areas are to scale.",
    )
    return drawing


def model_sizes(theme: Theme, sizes: Mapping[str, Mapping[str, int]]) -> Figure:
    """Draws models as squares, one parameter the same area in all, and their parts.

    Args:
      theme: of the picture.
      sizes: model -> part -> parameters, the parts named as in `parameter_count`; the
        smallest model first, the largest last.

    Returns:
      The figure: the squares, and the shares of the parts.
    """
    models = list(sizes)
    shares = np.array([_shares(sizes[model]) for model in models])
    counts = [sum(sizes[model].values()) for model in models]
    drawing, (left, right) = figure(theme, 12, 6.4, ncols=2, width_ratios=(1.5, 1))
    _draw_models(left, models, counts, shares)
    _draw_shares(right, models, shares)
    title(
        drawing,
        f"{models[-1]} is {counts[-1] / counts[0]:,.0f} times {models[0]}; the "
        f"embedding shrinks from {shares[0, 2]:.0%} of the parameters to "
        f"{100 * shares[-1, 2]:.2g}%",
        "Left: every parameter has the same area. Right: the same parts as shares of "
        "each model; the thin grey end is positions, biases and norms.",
    )
    return drawing


def _draw_table(
    axes: Axes,
    names: Sequence[str],
    shapes: np.ndarray,
    copies: np.ndarray,
    parts: Sequence[str],
    left_out: Mapping[str, int],
) -> None:
    """A line for each row with its bar below it, then sums and what is left out."""
    colours = palette_of(axes)
    numbers = shapes.prod(axis=1) * copies.prod(axis=1)
    whole = int(numbers.sum())
    axes.set_axis_off()
    axes.set_xlim(0, float(numbers.max()))
    for row, (name, number, part) in enumerate(zip(names, numbers, parts, strict=True)):
        fill, _ = part_look(colours, part)
        axes.barh(row + 0.24, number, height=0.36, color=fill)
        formula = _formula(shapes[row], copies[row])
        _write_row(
            axes, row - 0.22, name, formula, int(number), f"{number / whole:.2%}"
        )
    line = float(len(names))
    _write_sum(axes, line, "The guide's total", whole)
    for part, number in left_out.items():
        line += 0.62
        text, sign = LEFT_OUT[part], "+" if number > 0 else "\N{MINUS SIGN}"
        _write_row(axes, line, "", text, abs(number), "", sign)
    total = whole + sum(left_out.values())
    _write_sum(axes, line + 0.75, "The model's parameters", total)
    axes.set_ylim(line + 1.2, -0.6)


def _formula(shape: np.ndarray, copies: np.ndarray) -> str:
    factors = [f"{size:,}" for size in shape]
    for number, of in zip(copies, ("heads", "layers"), strict=True):
        if number > 1:
            factors.append(f"{number} {of}")
    return " \N{MULTIPLICATION SIGN} ".join(factors)


def _write_row(
    axes: Axes, y: float, name: str, text: str, number: int, share: str, sign: str = ""
) -> None:
    colours, within = palette_of(axes), axes.get_yaxis_transform()
    label(axes, 0, y, name, within=within, weight="bold")
    label(axes, _NAME_END, y, text, within=within, color=colours.neutral)
    value = f"{sign} {number:,}".strip()
    label(axes, _NUMBER_END, y, value, within=within, ha="right")
    label(axes, 1, y, share, within=within, ha="right", color=colours.neutral)


def _write_sum(axes: Axes, y: float, text: str, number: int) -> None:
    colours, within = palette_of(axes), axes.get_yaxis_transform()
    axes.axhline(y - 0.34, color=colours.neutral, linewidth=0.9)
    label(axes, 0, y, text, within=within, weight="bold", size=LABEL)
    label(
        axes, _NUMBER_END, y, f"{number:,}",
        within=within, ha="right", weight="bold", size=LABEL,
    )  # fmt: skip


def _shares(parts: Mapping[str, int]) -> list[float]:
    """MLP, attention, embedding (and unembedding), rest, as shares of 1."""
    whole = sum(parts.values())
    tables = sum(parts.get(part, 0) for part in EMBEDDINGS)
    first = [parts.get("mlp", 0), parts.get("attention", 0), tables]
    return [number / whole for number in (*first, whole - sum(first))]


_BANDS = {
    "MLP": "mlp",
    "attention": "attention",
    "embedding": "embedding",
    "rest": "rest",
}


def _draw_models(
    axes: Axes, models: Sequence[str], counts: Sequence[int], shares: np.ndarray
) -> None:
    """The small models in a column, the last one beside them."""
    from matplotlib.patches import Rectangle

    colours = palette_of(axes)
    sides = np.sqrt(np.array(counts, np.float64))
    largest = sides[-1]
    axes.set_axis_off()
    axes.set_aspect("equal")
    below = 0.0
    for model, count, side, of in zip(models, counts, sides, shares, strict=True):
        last = side == largest
        x, y = (0.5 * largest, 0.0) if last else (0.0, below)
        for share, part in zip(of, _BANDS.values(), strict=True):
            band = Rectangle((x, y), share * side, side)
            band.set(facecolor=part_look(colours, part)[0], linewidth=0)
            axes.add_patch(band)
            x += share * side
        if last:
            middle, text = x - side / 2, f"{model}: {count:,} parameters"
            label(axes, middle, side, text, ha="center", va="bottom", offset=(0, 5))
        else:
            text = f"{model}\n{count:,}"
            label(axes, x, y + side / 2, text, offset=(8, 0), linespacing=1.15)
            below += max(side, 0.1 * largest) + 0.09 * largest
    axes.set_xlim(0, 1.51 * largest)
    axes.set_ylim(-0.01 * largest, 1.08 * largest)


def _draw_shares(axes: Axes, models: Sequence[str], shares: np.ndarray) -> None:
    """A bar of parts for each model; a part is named where it is widest."""
    colours = palette_of(axes)
    places = np.arange(len(models))
    starts = np.zeros(len(models))
    for (name, part), of in zip(_BANDS.items(), shares.T, strict=True):
        fill, letters = part_look(colours, part)
        axes.barh(
            places, of, left=starts, height=0.62, color=fill, edgecolor=colours.ground
        )
        middles, widest = starts + of / 2, int(of.argmax())
        if part != "rest":
            above = {"ha": "center", "va": "bottom", "offset": (0, 3)}
            y = places[widest] + 0.31
            label(axes, middles[widest], y, name, weight="bold", **above)
        for middle, place, share in zip(middles, places, of, strict=True):
            if share > 0.06:
                inside = {"color": letters, "path_effects": [], "size": TICK}
                label(axes, middle, place, f"{share:.0%}", ha="center", **inside)
            elif part == "embedding":  # next to the bar's end
                text = f"{100 * share:.2g}%"
                label(axes, 1, place, text, offset=(3, 0), color=fill)
        starts = starts + of
    axes.set_yticks(places, models)
    axes.tick_params(axis="y", length=0)
    axes.spines["left"].set_visible(False)
    axes.set(xlim=(0, 1), ylim=(-0.5, len(models) - 0.2))
    axes.set_xlabel("share of the parameters")
    percent(axes, "x")
