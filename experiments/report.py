"""A launcher's final report: its claims as a table, and the paths of its files."""

from experiments import tables
from experiments.tables import Cell
from nnguide.results import Claim, Results

HEADINGS = ("the guide says", "measured", "stated", "expected", "verdict", "")
COLOURS = {"holds": "green", "caveat": "yellow", "false": "red"}
SIGNS = {True: "as expected", False: "NOT AS EXPECTED", None: "unscored"}


def print_results(results: Results) -> None:
    """Prints the claims as a table, the paths of the files, and the kept studies."""
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
    """Formats a band: one number, "low to high", or a bound on one side."""
    low, high = ("" if end is None else f"{end:,.5g}" for end in band)
    if low == high:
        return low
    if low and high:
        return f"{low} to {high}"
    return f">= {low}" if low else f"<= {high}"
