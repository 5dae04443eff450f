"""Tables on the terminal: in columns if the terminal is wide enough, else stacked.

All output through rich goes through this module. Cells are plain text: rich does not
interpret markup, styles or emoji codes in a statement, a path or a token.
"""

import shutil
import sys
from collections.abc import Collection, Sequence
from typing import Any, NamedTuple

from rich import box
from rich.console import Console
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

NARROW = 80  # characters; tables narrower than this are stacked
PLAIN = 120  # characters in a line if the output is not a terminal


class Cell(NamedTuple):
    """Text with a style of its own.

    Attributes:
      text: shown literally.
      style: a style of rich; "" for none.
    """

    text: str
    style: str = ""


def width(plain: int = PLAIN) -> int:
    """The width of a line in characters: $COLUMNS, the terminal's width or `plain`."""
    size = shutil.get_terminal_size((plain, 24)).columns
    return max(size, 20)


def text_of(cell: str | Cell | Text) -> Text:
    """Converts a cell to rich's Text, without interpreting markup."""
    if isinstance(cell, Text):
        return cell
    return Text(*cell) if isinstance(cell, Cell) else Text(cell)


def print_table(
    headings: Sequence[str],
    rows: Sequence[Sequence[str | Cell | Text]],
    *,
    right: Collection[int] = (),
    columns: int = 0,
    least: int = NARROW,
) -> None:
    """Prints a table.

    Args:
      headings: column headings; the first column names the row.
      rows: the cells of each row; trailing cells may be missing.
      right: indices of the right-aligned columns.
      columns: width of a line in characters; 0 calls `width`.
      least: the smallest width for a table in columns. Below it each row is printed as
        a block: its first cell, then a line for each other cell that is not empty.
    """
    columns = columns or width()
    # sys.stdout is passed so that its encoding and error handler apply, as in print.
    console = Console(width=columns, file=sys.stdout, highlight=False)
    if columns < least:
        for row in rows:
            _print_block(console, headings, [text_of(cell) for cell in row])
        return
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    for number, heading in enumerate(headings):
        justify: Any = "right" if number in right else "left"
        table.add_column(Text(heading), overflow="fold", justify=justify)
    for row in rows:
        table.add_row(*map(text_of, row))
    console.print(table)


def _print_block(console: Console, headings: Sequence[str], row: list[Text]) -> None:
    console.print(row[0])
    for heading, cell in zip(headings[1:], row[1:], strict=False):
        if cell.plain:
            name = " ".join(heading.split()) + ": " if heading else ""
            lines = Text(", ").join(cell.split("\n"))
            console.print(Padding.indent(Text.assemble(name, lines), 2))
    console.print()


def print_lines(*lines: str) -> None:
    """Prints lines, wrapped between words."""
    console = Console(width=width(), file=sys.stdout, highlight=False)
    for line in lines:
        console.print(Text(line))
