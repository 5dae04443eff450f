"""What one example asks for, drawn as the series draws it.

Part 3: arrows on the outputs, and three ways to raise one neuron.
"""

from collections.abc import Mapping, Sequence

import numpy as np
from jaxtyping import Float

from nnguide.plots.lettering import label, reference_line, title
from nnguide.plots.style import (
    LABEL,
    SMALL,
    Axes,
    Figure,
    Theme,
    figure,
    grey_map,
    palette_of,
)


def output_desires(
    theme: Theme,
    image: Float[np.ndarray, "height width"],
    outputs: Float[np.ndarray, " classes"],
    desires: Float[np.ndarray, " classes"],
    names: Sequence[str],
    asked: int,
) -> Figure:
    """Draws how one image wants every output to move.

    Args:
      theme: of the picture.
      image: in [0, 1].
      outputs: of the network for it.
      desires: -dC/da of each output; with the guide's cost 2 (y - a).
      names: of the outputs.
      asked: the right output.

    Returns:
      The figure: the image, and an arrow from each output half its desire long, which
      under the guide's cost ends where the output should be.
    """
    drawing, (left, axes) = figure(theme, 12, 5.4, ncols=2, width_ratios=(1, 3.2))
    colours = palette_of(drawing)
    left.imshow(image, cmap=grey_map(colours), vmin=0, vmax=1)
    left.set(xticks=[], yticks=[])
    left.spines[:].set(visible=True, color=colours.faint)
    title(left, f'The example: "{names[asked]}"')
    _draw_desires(axes, outputs, desires)
    named = zip(names, outputs, strict=True)
    axes.set_xticks(range(len(names)), [f"{name}\n{a:.2f}" for name, a in named])
    axes.get_xticklabels()[asked].set(weight="bold", color=colours.accent)
    axes.axhline(0, color=colours.ink, linewidth=1)
    reference_line(axes, 1.0, "what the right output should be")
    axes.set_ylim(min(0.0, float((outputs + desires / 2).min())) - 0.02, 1.22)
    axes.set_xlabel("output, and its activation below")
    axes.set_ylabel("activation")
    others = np.delete(desires, asked)
    falling = f"{np.sum(others < 0)} of {len(others)}"
    if (others < 0).all():
        falling = f"all {len(others)}"
    title(
        drawing,
        f'This "{names[asked]}" asks its own output to rise ({desires[asked]:+.2f}) '
        f"and {falling} others to fall "
        f"({others.max():+.2f} to {others.min():+.2f})",
        "Numbers are desires, -dC/da = 2 (y - a): the further an output is from what "
        "is wanted, the more. The network has its random first weights.",
    )
    return drawing


def _draw_desires(axes: Axes, outputs: np.ndarray, desires: np.ndarray) -> None:
    """A bar an output, and its arrow."""
    colours = palette_of(axes)
    places = np.arange(len(outputs))
    axes.bar(places, outputs, width=0.62, color=colours.faint, zorder=1)
    for place, output, desire in zip(places, outputs, desires, strict=True):
        colour = colours.positive if desire > 0 else colours.negative
        axes.annotate(
            "", (place, output + desire / 2), (place, output), zorder=4,
            arrowprops={"arrowstyle": "-|>,head_width=0.35,head_length=0.6",
                        "lw": 3.2, "color": colour, "shrinkA": 0, "shrinkB": 0},
        )  # fmt: skip
        above = max(output, output + desire / 2)
        label(
            axes, place, above, f"{desire:+.2f}", offset=(0, 10), ha="center",
            color=colour, weight="bold", size=LABEL,
        )  # fmt: skip


def raise_a_neuron(
    theme: Theme,
    a_before: Float[np.ndarray, " neurons"],
    weights: Float[np.ndarray, " neurons"],
    rises: Mapping[str, tuple[float, float]],
    length: float,
    name: str,
) -> Figure:
    """Draws the three avenues by which one output can rise.

    Args:
      theme: of the picture.
      a_before: activations of the layer before.
      weights: into the output.
      rises: "bias", "weights" and "activations" -> the rise that a nudge promises to
        first order, and the one it brings.
      length: of each nudge.
      name: of the output.

    Returns:
      The figure: one panel a way, with the nudge in proportion as arrows and edges.
    """
    drawing, panels = figure(theme, 12, 6.6, ncols=3)
    edges = {
        "bias": np.zeros_like(weights),
        "weights": a_before,
        "activations": weights,
    }
    says = {
        "bias": "Raise the bias b",
        "weights": "Raise each weight in proportion to its activation",
        "activations": "Move each activation in proportion to its weight",
    }
    for axes, (way, (promised, brought)) in zip(panels, rises.items(), strict=True):
        _draw_neurons(axes, a_before, edges[way], way)
        title(
            axes,
            says[way],
            f"raises it by {brought:.2e}; promised {promised:.2e}",
        )
    brought = {way: rise[1] for way, rise in rises.items()}
    best = max(brought, key=lambda way: brought[way])
    off = max(abs(rise[1] / rise[0] - 1) for rise in rises.values())
    title(
        drawing,
        f'Three ways to raise the "{name}": equal nudges of its {best} bring '
        f"{brought[best] / brought['bias']:.1f} times as much as one of its bias",
        "Neurons are filled as far as they are active. Every nudge has length "
        f"{length:g} and brings what the derivative promises, to {off:.2%}.",
    )
    return drawing


def _draw_neurons(
    axes: Axes, a_before: np.ndarray, strengths: np.ndarray, way: str
) -> None:
    """A column of neurons, their edges to one, and the nudge of this way."""
    colours = palette_of(axes)
    axes.set_axis_off()
    count = len(a_before)
    y = np.linspace(count - 1, 0, count)
    middle = (count - 1) / 2
    largest = float(np.abs(strengths).max()) or 1.0
    for place, strength in zip(y, strengths / largest, strict=True):
        colour = colours.positive if strength > 0 else colours.negative
        plain = {"color": colours.faint, "linewidth": 1.0}
        look = {"color": colour, "linewidth": 0.5 + 4.5 * abs(strength)}
        axes.plot(
            [0, 2.4], [place, middle], linestyle="-", zorder=1,
            **(plain if way == "bias" else look),
        )  # fmt: skip
    size = min(230.0, 3600.0 / count)
    axes.scatter(
        np.zeros(count), y, s=size, c=np.clip(a_before, 0, 1), cmap=grey_map(colours),
        vmin=0, vmax=1, edgecolors=colours.ink, linewidths=1, zorder=3,
    )  # fmt: skip
    axes.scatter(
        2.4, middle, s=900, color=colours.highlight, edgecolors=colours.ink, zorder=3
    )
    axes.text(
        2.4, middle, "+b" if way == "bias" else "a", ha="center", va="center",
        color=colours.on_highlight, size=LABEL, weight="bold", zorder=4,
    )  # fmt: skip
    if way == "activations":
        _draw_arrows(axes, y, strengths / largest)
    for place, a, strength in zip(y, a_before, strengths, strict=True):
        text = f"{strength:+.2f}" if way == "activations" else f"{a:.2f}"
        label(axes, -0.62, place, text, ha="right", size=SMALL, color=colours.neutral)
    words = "weight" if way == "activations" else "activation"
    label(axes, -0.62, count - 0.1, words, ha="right", size=SMALL)
    axes.set(xlim=(-1.7, 2.9), ylim=(-0.8, count + 0.3))


def _draw_arrows(axes: Axes, y: np.ndarray, strengths: np.ndarray) -> None:
    colours = palette_of(axes)
    for place, strength in zip(y, strengths, strict=True):
        if abs(strength) < 0.1:  # shorter than an arrow's head
            continue
        colour = colours.positive if strength > 0 else colours.negative
        axes.annotate(
            "", (-0.36, place + 0.48 * strength), (-0.36, place - 0.48 * strength),
            arrowprops={"arrowstyle": "-|>,head_width=0.18,head_length=0.26",
                        "lw": 1.8, "color": colour, "shrinkA": 0, "shrinkB": 0},
        )  # fmt: skip
