"""Part 8: how many facts a block knows, learned and by hand."""

from collections.abc import Mapping

import numpy as np
from jaxtyping import Float, Int

from nnguide.plots.lettering import end_labels, label, percent, reference_line, title
from nnguide.plots.style import (
    DASHES,
    Axes,
    Figure,
    Number,
    Theme,
    figure,
    palette_of,
)

_MARKERS = ("o", "s", "^", "D", "v")
# facts, recall and bits a parameter of the blocks of one width
Curve = tuple[
    Int[np.ndarray, "loads"],
    Float[np.ndarray, "loads networks"],
    Float[np.ndarray, "loads networks"],
]


def capacity(
    theme: Theme,
    curves: Mapping[str, Curve],
    parameters: Int[np.ndarray, "curves"],
    answers: int,
    exposures: int,
    references: Mapping[str, Number],
) -> Figure:
    """Draws recall and bits a parameter over the facts, and over facts a parameter.

    Args:
      theme: of the picture.
      curves: name -> what its blocks know; up to five, the last without the ReLU.
      parameters: of a block of each.
      answers: to choose from, K.
      exposures: how often each fact was shown.
      references: whose bits a parameter -> what they measured.

    Returns:
      The figure: above recall, below bits; at the right all widths on one curve.
    """
    drawing, panels = figure(
        theme, 12, 9, nrows=2, ncols=2, sharex="col", sharey="row",
        width_ratios=(1, 1.12),
    )  # fmt: skip
    least = min(facts[0] for facts, _, _ in curves.values())
    most = max(facts[-1] for facts, _, _ in curves.values())
    panels[0, 0].set_xscale("log", base=2)
    panels[0, 0].set_xlim(least * 0.85, most * 1.15)
    panels[0, 0].xaxis.set_major_formatter("{x:,.0f}")
    panels[0, 1].set_xlim(0, 0.52)
    panels[0, 0].set_ylim(0, 1.08)
    panels[1, 0].set_ylim(0, max(references.values()) * 1.1)
    for column in (0, 1):
        for row in (0, 1):
            divisors = parameters if column else np.ones_like(parameters)
            _draw_curves(panels[row, column], curves, divisors, row, named=column == 1)
    for axes in panels[0]:
        reference_line(axes, 1 / answers, "chance", at=0.02)
    for axes in panels[1]:
        for name, value in references.items():
            words = f"{name}, {value:g} bits"
            reference_line(axes, value, words if axes is panels[1, 0] else "", at=0.02)
    _draw_everything_known(panels[1, 1], answers)
    percent(panels[0, 0])
    panels[0, 0].set_ylabel("recall: facts answered right")
    panels[1, 0].set_ylabel("bits known, a parameter")
    panels[1, 0].set_xlabel("facts given to the block (logarithmic)")
    panels[1, 1].set_xlabel("facts given, for each parameter of the block")
    title(panels[0, 0], "The more neurons, the later the cliff")
    title(panels[0, 1], "A parameter, the cliff is the same")
    peaks = [float(bits.mean(axis=1).max()) for _, _, bits in curves.values()]
    title(panels[1, 0], "Bits are most where the cliff begins")
    title(panels[1, 1], f"Without ReLU the best is {peaks[-1]:.2f} bits")
    low, high = min(peaks[:-1]), max(peaks[:-1])
    span = f"{low:.2f}" if f"{low:.2f}" == f"{high:.2f}" else f"{low:.2f} to {high:.2f}"
    networks = next(iter(curves.values()))[1].shape[1]
    title(
        drawing,
        f"One MLP block holds {span} bits a parameter, whatever its width",
        f"Facts without a rule: a name of two random directions, one of {answers} "
        f"answers, {np.log2(answers):g} bits; each shown {exposures:,} times. A mark a "
        f"block ({networks} for each number of facts), lines through the means.",
    )
    return drawing


def _draw_curves(
    axes: Axes,
    curves: Mapping[str, Curve],
    divisors: np.ndarray,
    row: int,
    named: bool,
) -> None:
    """A mark a block, and a line through the means of equally many facts."""
    colours, ends = palette_of(axes).series, []
    for number, ((name, (facts, *rows)), divisor) in enumerate(
        zip(curves.items(), divisors, strict=True)
    ):
        x, values, colour = facts / divisor, rows[row], colours[number]
        axes.plot(
            x, values.mean(axis=1), color=colour, linestyle=DASHES[number], lw=1.8
        )
        axes.plot(
            x, values, color=colour, linestyle="", marker=_MARKERS[number], ms=4.5
        )
        last = number == len(curves) - 1
        if last and named:
            label(
                axes, x[-1], values[-1].mean(), name, offset=(8, 6), color=colour,
                weight="bold",
            )  # fmt: skip
        else:
            ends.append((float(values[-1].mean()), name, colour))
    if named:
        end_labels(axes, ends)


def _draw_everything_known(axes: Axes, answers: int) -> None:
    """The line of blocks that know all they were given."""
    share = np.array([0, 0.5])
    colours = palette_of(axes)
    known = np.log2(answers) * share
    axes.plot(share, known, color=colours.neutral, linestyle="-", lw=1, zorder=1.5)
    label(
        axes, 0.8 * share[1], 0.8 * known[1], "everything known", ha="right",
        offset=(-9, 4), color=colours.neutral,
    )  # fmt: skip


def by_hand(
    theme: Theme,
    facts: Int[np.ndarray, "facts"],
    recall: Mapping[float, Float[np.ndarray, "facts draws"]],
    neurons: int,
    learned: int,
    parameters_learned: Number,
    parameters_by_hand: Number,
) -> Figure:
    """Draws what one neuron a fact knows, and what the same neurons learn.

    Args:
      theme: of the picture.
      facts: written by hand, one neuron each.
      recall: bias -> share known, of each draw.
      neurons: of the block that learned.
      learned: facts it knows.
      parameters_learned: that a learned fact takes.
      parameters_by_hand: that a fact by hand takes.

    Returns:
      The figure.
    """
    drawing, (left, right) = figure(theme, 12, 5.2, ncols=2, width_ratios=(1.25, 1))
    colours = palette_of(drawing)
    left.set_xscale("log", base=2)
    left.xaxis.set_major_formatter("{x:,.0f}")
    left.set_xlim(facts[0] * 0.92, facts[-1] * 1.08)
    least = min(float(each.min()) for each in recall.values())
    left.set_ylim(min(0.8, least - 0.05), 1.02)
    ends = []
    for (bias, each), colour, dashes in zip(
        recall.items(), colours.series, DASHES, strict=False
    ):
        look = {"color": colour, "linestyle": dashes, "lw": 2}
        left.plot(facts, each.mean(axis=1), marker="o", ms=5, **look)
        left.fill_between(
            facts, each.min(axis=1), each.max(axis=1), color=colour, alpha=0.25, lw=0
        )
        last = float(each[-1].mean())
        ends.append((last, f"bias {bias:g}\n{last:.1%}", colour))
    end_labels(left, ends)
    percent(left)
    left.set_xlabel("facts by hand, one neuron each (logarithmic)")
    left.set_ylabel("recall")
    title(left, "By hand, where names share halves")
    bars = (neurons, learned)
    right.bar(range(2), bars, width=0.6, color=colours.series[:2])
    costs = (parameters_by_hand, parameters_learned)
    for place, (count, cost) in enumerate(zip(bars, costs, strict=True)):
        words = f"{count:,} facts\n{cost:.3g} parameters each"
        label(right, place, count, words, offset=(0, 16), ha="center")
    right.set_xticks(range(2), ["by hand", "learned"])
    right.set_ylim(0, 1.2 * max(bars))
    right.yaxis.set_visible(False)
    right.spines["left"].set_visible(False)
    title(right, f"What {neurons} neurons hold")
    title(
        drawing,
        f"By hand a neuron holds one fact; learned, {neurons} neurons hold "
        f"{learned:,}, {learned / neurons:.0f} a neuron",
        "By hand a row is first plus last name, a column the answer; bands lowest to "
        "highest draw. Learned facts count where 99% of all that were given are known.",
    )
    return drawing
