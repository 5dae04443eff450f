"""Times hot paths side by side with other implementations of the same work.

Standard output holds one JSON line a case and implementation and nothing else. All
contenders of a case take turns in one process, so that a noisy machine hurts them
alike; the ratio is the median of the rounds' ratios.
"""

import dataclasses
import importlib
import json
import statistics
import sys
import time
from collections.abc import Callable, Sequence
from typing import Literal, NamedTuple

from experiments import border, tables
from experiments.launcher import keep_compiled_programs
from nnguide.config import InputError, define_flags


@dataclasses.dataclass(frozen=True)
class Config:
    """What to time.

    Attributes:
      what: mlp is one epoch of the guide's training; gpt 50 steps of a small GPT;
        generate its writing with a cache and without; rollout its answers to many
        prompts; grpo an iteration of learning from them; unet training steps of a
        denoiser, sampler its drawing of digits; analogies GloVe's test set;
        superposition a phase diagram of toy models; startup the time to part 1's first
        step.
      peers: run the twins in other libraries too.
      rounds: how often every contender has its turn.
      json: print JSON lines; --nojson prints a table.
    """

    what: Literal[
        "mlp",
        "gpt",
        "generate",
        "rollout",
        "grpo",
        "unet",
        "sampler",
        "analogies",
        "superposition",
        "startup",
    ] = "mlp"
    peers: bool = True
    rounds: int = 15
    json: bool = True

    def __post_init__(self) -> None:
        if self.rounds < 3:
            raise InputError(f"--rounds={self.rounds}: a median needs 3 or more.")


SETTLE = 0.3  # seconds: thread pools spin for a while after their work, in our way


class Case(NamedTuple):
    """The same work in several implementations.

    Attributes:
      name: what is done.
      amount: how much of `unit` one turn does.
      unit: of the rate, before "/s".
      contenders: implementation -> a function that does one turn and returns when it is
        done, or the seconds that count where they are not all of the turn's; "nnguide"
        is ours, the rest are compared with it.
      peak_bytes: of memory that ours holds at most, where that is part of the case.
    """

    name: str
    amount: int
    unit: str
    contenders: dict[str, Callable[[], float | None]]
    peak_bytes: int | None = None


def measure(case: Case, rounds: int) -> dict[str, list[float]]:
    """Seconds of every turn; the first turn of each, which compiles, is left out."""
    for run in case.contenders.values():
        run()
    seconds: dict[str, list[float]] = {name: [] for name in case.contenders}
    for number in range(rounds):
        for name, run in case.contenders.items():
            time.sleep(SETTLE)
            started = time.perf_counter()
            counted = run()
            whole = time.perf_counter() - started
            seconds[name].append(whole if counted is None else counted)
        print(f"{case.name}: round {number + 1}/{rounds}", end="\r", file=sys.stderr)
    print(file=sys.stderr)
    return seconds


def lines(what: str, case: Case, seconds: dict[str, list[float]]) -> list[dict]:
    """One JSON object an implementation."""
    found = []
    for name, each in seconds.items():
        first, _, third = statistics.quantiles(each, n=4)
        median = statistics.median(each)
        paired = zip(each, seconds["nnguide"], strict=True)
        found.append(
            {
                "what": what,
                "case": case.name,
                "implementation": name,
                "median_ms": round(median * 1e3, 4),
                "iqr_ms": round((third - first) * 1e3, 4),
                "rate": round(case.amount / median, 2),
                "unit": f"{case.unit}/s",
                "ratio": round(statistics.median(t / ours for t, ours in paired), 3),
            }
        )
        if name == "nnguide" and case.peak_bytes is not None:
            found[-1]["peak_mib"] = round(case.peak_bytes / 2**20, 1)
    return found


def _show(found: Sequence[dict], as_json: bool) -> None:
    if as_json:
        for line in found:
            print(json.dumps(line), flush=True)
        return
    tables.print_table(
        ("implementation", "median ms", "quartiles apart", "rate", "times", "peak"),
        [
            (
                line["implementation"],
                f"{line['median_ms']:.3f}",
                f"{line['iqr_ms']:.3f}",
                f"{line['rate']:,.1f} {line['unit']}",
                f"x{line['ratio']:.2f}",
                f"{line['peak_mib']} MiB" if "peak_mib" in line else "",
            )
            for line in found
        ],
        right=range(1, 6),
    )


def main(config: Config) -> None:
    """Runs every case of what was asked for."""
    keep_compiled_programs()
    module = importlib.import_module(f"experiments.benchmarks.{config.what}")
    for case in module.cases(config.peers):
        if not config.json:
            tables.print_lines(case.name)
        _show(lines(config.what, case, measure(case, config.rounds)), config.json)


if __name__ == "__main__":
    read_flags = define_flags(Config())

    border.start(lambda _: main(read_flags()))
