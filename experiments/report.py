"""What a launcher prints at its end: its claims as a table, and where pictures are."""

from experiments import tables
from experiments.tables import Cell
from nnguide.results import Claim, Results

HEADINGS = ("the guide says", "measured", "stated", "expected", "verdict", "")
COLOURS = {"holds": "green", "caveat": "yellow", "false": "red"}
SIGNS = {True: "as expected", False: "NOT AS EXPECTED", None: "unscored"}


def print_results(results: Results) -> None:
    """The claims as a table, where the pictures are, and what else is kept."""
    if results.claims:
        rows = [_row(claim) for claim in results.claims]
        tables.print_table(HEADINGS, rows, least=100)
    for claim in results.claims:
        if claim.verdict == "caveat" and claim.caveat:
            tables.print_lines(f"caveat  {claim.statement}: {claim.caveat.says}")
    for figure in results.figures:
        print(f"picture {results.workdir / figure}")
    print(f"results {results.workdir / 'results.json'}")
    if results.kept:
        tables.print_lines(f"kept there from earlier runs: {'; '.join(results.kept)}")
    print(f"{results.wall_seconds:.1f} s")


def _row(claim: Claim) -> list[str | Cell]:
    unit = f" {claim.unit}" if claim.unit else ""
    return [
        claim.statement,
        f"{claim.measured:,.5g}{unit}",
        _band(claim.stated),
        _band(claim.expected),
        Cell(claim.verdict, COLOURS[claim.verdict]),
        SIGNS[claim.as_expected],
    ]


def _band(band: tuple[float | None, float | None]) -> str:
    low, high = ("" if end is None else f"{end:,.5g}" for end in band)
    if low == high:
        return low
    return (
        f"{low} to {high}" if low and high else (f">= {low}" if low else f"<= {high}")
    )
