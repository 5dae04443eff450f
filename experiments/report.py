"""What a launcher prints: the claims as a table, or the plan of a run.

`--dry` describes the plan: config, parameters, FLOPs and bytes, nothing trained.
"""

import sys

from nnguide.results import Results


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
