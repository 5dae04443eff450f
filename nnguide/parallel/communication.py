"""What a compiled program sends between devices, read off its text.

A collective inside a loop counts as often as the loop runs. The bytes are those that
one device puts on its links if the collective runs as a ring, as XLA's do at these
sizes: of an all-gather's or reduce-scatter's whole array every device sends all but
one part, of an all-reduce's twice that. For TPUs XLA writes a reduce-scatter as a
fusion of an all-reduce and a slice, which is recognized by its name.
"""

import math
import re
from collections import defaultdict
from typing import NamedTuple

KINDS = (
    "all-gather",
    "reduce-scatter",
    "all-reduce",
    "all-to-all",
    "collective-permute",
)
_BYTES = {
    "pred": 1, "s4": 1, "u4": 1, "s8": 1, "u8": 1, "f8e4m3fn": 1, "f8e5m2": 1,
    "s16": 2, "u16": 2, "bf16": 2, "f16": 2, "s32": 4, "u32": 4, "f32": 4,
    "s64": 8, "u64": 8, "f64": 8, "c64": 8, "c128": 16,
}  # fmt: skip
_COMPUTATION = re.compile(r"^(?:ENTRY )?%?([\w.\-]+) \(.*\{\s*$")
_END = re.compile(r"^\}(, execution_thread=.*)?$")  # a kernel's text may have its own }
_REDUCE_SCATTER = "all-reduce-scatter"  # the name of a fusion
_SHAPE = re.compile(r"(\w+)\[([\d,]*)\]")
_CALLED = re.compile(
    r"(?:body|to_apply|calls|condition|true_computation|false_computation)=%?([\w.\-]+)"
)
_BRANCHES = re.compile(r"branch_computations=\{([^}]*)\}")
_TRIPS = re.compile(r'"known_trip_count":\{"n":"(\d+)"\}')
_OPERATION = re.compile(r"= (.*?) ([\w\-]+)\(")


class Traffic(NamedTuple):
    """All collectives of one kind.

    Attributes:
      times: how often a device takes part in one.
      sent: bytes that each device sends in all of them.
    """

    times: int
    sent: int


def traffic(text: str) -> dict[str, Traffic]:
    """The collectives of one run of a compiled program.

    Args:
      text: `compiled.as_text()`.

    Returns:
      Kind -> traffic, of the kinds that occur.

    Raises:
      ValueError: the text has no entry, or a loop with collectives in it does not
        tell how often it runs.
    """
    bodies, entry = _computations(text)
    if entry is None:
        raise ValueError("the program's text has no ENTRY computation")
    counts: dict[str, int] = defaultdict(int)
    sent: dict[str, int] = defaultdict(int)

    def walk(name: str, times: int) -> None:
        for line in bodies.get(name, ()):
            found = _OPERATION.search(line)
            if not found:
                continue
            result, operation = found.groups()
            kind = operation.removesuffix("-start")
            if kind in KINDS:
                bytes_sent = _sent(kind, operation, result, line)
                if name.startswith(_REDUCE_SCATTER):
                    kind, bytes_sent = "reduce-scatter", bytes_sent // 2
                counts[kind] += times
                sent[kind] += times * bytes_sent
            for callee in _called(line):
                walk(callee, times * _trips(operation, line, bodies, callee))

    walk(entry, 1)
    return {kind: Traffic(counts[kind], sent[kind]) for kind in KINDS if counts[kind]}


def _computations(text: str) -> tuple[dict[str, list[str]], str | None]:
    """Name -> lines of each computation, and the entry's name."""
    bodies: dict[str, list[str]] = {}
    name: str | None = None
    entry: str | None = None
    for line in text.splitlines():
        opened = _COMPUTATION.match(line)
        if opened:
            name = str(opened.group(1))
            bodies[name] = []
            entry = name if line.startswith("ENTRY") else entry
        elif _END.match(line):
            name = None
        elif name is not None:
            bodies[name].append(line)
    return bodies, entry


def _called(line: str) -> list[str]:
    names = _CALLED.findall(line)
    for branches in _BRANCHES.findall(line):
        names += [branch.strip().lstrip("%") for branch in branches.split(",")]
    return names


def _trips(operation: str, line: str, bodies: dict[str, list[str]], callee: str) -> int:
    if operation != "while":
        return 1
    told = _TRIPS.search(line)
    if told:
        return int(told.group(1))
    condition = re.search(r"condition=%?([\w.\-]+)", line)
    limit = _limit(bodies.get(condition.group(1), [])) if condition else None
    if limit is not None:
        return limit
    if any(kind in each for each in bodies.get(callee, ()) for kind in KINDS):
        raise ValueError(f"{callee}: a loop with collectives does not tell its length")
    return 1


def _limit(condition: list[str]) -> int | None:
    """N of a condition "i < N"; JAX's scans count from 0 by 1."""
    text = "\n".join(condition)
    compared = re.search(
        r"ROOT .* compare\(%[\w.\-]+, %([\w.\-]+)\), direction=LT", text
    )
    if not compared:
        return None
    name = re.escape(compared.group(1))
    number = re.search(rf"%{name} = .*constant\((\d+)\)", text)
    return int(number.group(1)) if number else None


def _sent(kind: str, operation: str, result: str, line: str) -> int:
    """Bytes that one device sends in one collective."""
    sizes = [
        math.prod(map(int, filter(None, dims.split(",")))) * _BYTES.get(dtype, 0)
        for dtype, dims in _SHAPE.findall(result)
    ]
    size = max(sizes, default=0)  # of an asynchronous one: (operand, result)
    if not operation.endswith("-start"):
        size = sum(sizes)  # several arrays in one collective
    if kind == "collective-permute":
        return size
    group = _group_size(line)
    share = (group - 1) / group
    if kind == "reduce-scatter":  # the text shows one part of the whole
        return round(size * group * share)
    return round(size * share * (2 if kind == "all-reduce" else 1))


def _group_size(line: str) -> int:
    """How many devices take part; XLA writes groups in three ways."""
    counted = re.search(r"replica_groups=\[(\d+),(\d+)\]", line)
    if counted:
        return int(counted.group(2))
    listed = re.search(r"replica_groups=\{\{([\d,]+)\}", line)
    if listed:
        return len(listed.group(1).split(","))
    named = re.search(r"replica_groups=mesh\[([^\]]*)\][^{]*\{([^}]*)\}", line)
    if not named:
        raise ValueError(f"a collective does not tell its devices: {line.strip()}")
    sizes = dict(re.findall(r"'([^']+)'=(\d+)", named.group(1)))
    parts = re.findall(r"'([^']+)'(?::\(\d+\)(\d+))?", named.group(2))
    return math.prod(int(part or sizes[name]) for name, part in parts)
