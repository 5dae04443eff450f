"""What is claimed of how many facts a block holds, and what is expected."""

from collections.abc import Mapping

from nnguide.results import Band, Claim

_GUIDE = "3Blue1Brown, How might LLMs store facts; "
# name, statement, unit, where it holds, where a correct implementation lands, source
_CLAIMS: tuple[tuple[str, str, str, Band, Band, str], ...] = (
    (
        "fits", "one MLP block learns a fact for every four of its parameters",
        "recall, the lowest of all widths", (0.99, 1), (0.97, 1),
        _GUIDE + "100% in earlier runs at 64 and 256 neurons",
    ),
    (
        "cliff", "twice as many no longer fit, and half of all are lost",
        "recall, mean of all widths", (0.4, 0.65), (0.45, 0.6),
        _GUIDE + "45% to 52% in earlier runs",
    ),
    (
        "bits", "it holds about one bit a parameter",
        "bits a parameter at the best load, mean of all widths", (0.7, 1.4),
        (0.95, 1.3),
        "0.95 in earlier runs over a coarser ladder; whole language models: 2 bits at "
        "1,000 exposures, 1 at 100 (Allen-Zhu and Li, arXiv 2404.05405), 3.6 (Morris "
        "et al., arXiv 2505.24832)",
    ),
    (
        "same_at_widths", "at every width alike",
        "bits a parameter, the highest width over the lowest", (1, 1.2), (1, 1.2),
        "0.95 at 64 neurons and at 256 in earlier runs",
    ),
    (
        "without_relu", "without the ReLU it holds far less",
        "of the bits with it, at the largest width", (0, 0.3), (0.1, 0.18),
        "the block is one matrix then, 1,040 of 8,320 numbers count at 64 neurons",
    ),
    (
        "counting", "the same for each parameter that counts",
        "bits, without the ReLU over with it", (0.8, 1.25), (0.9, 1.25),
        "one matrix and a bias, seen by 16 answers",
    ),
    (
        "by_hand", "by hand a neuron holds a fact",
        "recall of one neuron a fact, bias -1, the fewest", (0.99, 1), (0.98, 1),
        _GUIDE + "closed form for perpendicular directions",
    ),
    (
        "neurons", "a fact has a neuron of its own",
        "facts a neuron, learned at 99% recall, the largest width", (0, 1.5), (26, 42),
        _GUIDE + "the video too expects superposition instead; a neuron has 130 "
        "parameters",
    ),
)  # fmt: skip


def claims(measured: Mapping[str, float], scored: bool) -> list[Claim]:
    """The claims of the table, each with its number.

    Args:
      measured: name -> number.
      scored: whether the run has the default flags; what is by hand needs none.
    """
    return [
        Claim(
            f"8.capacity_{name}", statement, float(measured[name]), stated, expected,
            source, unit=unit, needs="the default flags",
            scored=scored or name == "by_hand",
        )
        for name, statement, unit, stated, expected, source in _CLAIMS
    ]  # fmt: skip
