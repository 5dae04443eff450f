"""What a launcher prints: the claims as a table, or the plan of a run.

`--dry` describes the plan: config, parameters, FLOPs and bytes, nothing trained.
"""

import sys
from typing import Any, NamedTuple

import jax
import numpy as np
import optax

from nnguide import flops
from nnguide.config import leaves
from nnguide.results import Results
from nnguide.training import Batches, Task
from nnguide.training.step import initial_state, make_step


class Plan(NamedTuple):
    """What a launcher is about to train, for `--dry`."""

    task: Task
    optimizer: optax.GradientTransformation
    batches: Batches


def print_results(results: Results) -> None:
    """The claims as a table, and where the pictures are."""
    from rich import box
    from rich.console import Console
    from rich.table import Table

    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    for heading in ("the guide says", "measured", "stated", "expected", "verdict", ""):
        table.add_column(heading, overflow="fold")
    colours = {"holds": "green", "caveat": "yellow", "false": "red"}
    for claim in results.claims:
        unit = f" {claim.unit}" if claim.unit else ""
        verdict = f"[{colours[claim.verdict]}]{claim.verdict}[/]"
        sign = {True: "as expected", False: "NOT AS EXPECTED", None: "unscored"}
        table.add_row(
            claim.statement,
            f"{claim.measured:,.5g}{unit}",
            _band(claim.stated),
            _band(claim.expected),
            verdict,
            sign[claim.as_expected],
        )
    width = None if sys.stdout.isatty() else 120
    console = Console(width=width)
    if results.claims:
        console.print(table)
    for claim in results.claims:
        if claim.verdict == "caveat" and claim.caveat:
            console.print(f"caveat  {claim.statement}: {claim.caveat.says}")
    for figure in results.figures:
        print(f"picture {results.workdir / figure}")
    print(f"results {results.workdir / 'results.json'}")
    print(f"{results.wall_seconds:.1f} s")


def _band(band: tuple[float | None, float | None]) -> str:
    low, high = ("" if end is None else f"{end:,.5g}" for end in band)
    if low == high:
        return low
    return (
        f"{low} to {high}" if low and high else (f">= {low}" if low else f"<= {high}")
    )


def print_plan(config: Any, plan: Plan | None) -> None:
    """Config, parameters, FLOPs a step and bytes; nothing is trained."""
    for name, value in leaves(config):
        print(f"--{name}={value}")
    if plan is None:
        return
    key = jax.random.key(0)
    state = jax.eval_shape(
        lambda key: initial_state(plan.task, plan.optimizer, key), key
    )
    print(f"\n{'parameter':40} {'shape':>16} {'number':>12}")
    for path, leaf in jax.tree_util.tree_leaves_with_path(state.params):
        name = jax.tree_util.keystr(path, simple=True, separator="/")
        print(f"{name:40} {leaf.shape!s:>16} {leaf.size:12,}")
    parameters = jax.tree.leaves(state.params)
    print(f"{'all':57} {sum(leaf.size for leaf in parameters):12,}\n")
    rows, shared = next(plan.batches.stream(0)), (plan.batches.arrays, {})
    step = make_step(plan.task, plan.optimizer, plan.batches)
    count = flops.count(lambda s, r, x: step(s, r, x, None), state, rows, shared)
    print(f"FLOPs a step              {count:16,}")
    for name, tree in (
        ("params", state.params),
        ("optimizer", state.opt_state),
        ("data on the device", plan.batches.arrays),
    ):
        print(f"bytes, {name:18} {_bytes(tree):16,}")


def _bytes(tree: Any) -> int:
    return sum(
        int(np.prod(leaf.shape)) * leaf.dtype.itemsize for leaf in jax.tree.leaves(tree)
    )
