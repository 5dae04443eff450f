"""Tables on the terminal: in columns where there is room, else a block a row.

All that a launcher prints by way of rich passes here. Cells are text: what looks like
markup, a style or an emoji code in a statement, a path or a token stays as it is.
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

NARROW = 80  # characters; below, rows are stacked
PLAIN = 120  # characters of a line where the output is no terminal


class Cell(NamedTuple):
    """Text with a colour of its own.

    Attributes:
      text: shown as it is.
      style: rich's; "" for none.
    """

    text: str
    style: str = ""


def width(plain: int = PLAIN) -> int:
    """Characters in a line: $COLUMNS, else the terminal's, else `plain`."""
    size = shutil.get_terminal_size((plain, 24)).columns
    return max(size, 20)


def text_of(cell: str | Cell | Text) -> Text:
    """A cell as rich takes it, nothing in it read as markup."""
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
      headings: of the columns; the first names a row.
      rows: the cells of each, as many as there are headings or fewer.
      right: columns that are aligned to the right.
      columns: characters in a line; 0 asks `width`.
      least: characters that the columns need; with fewer each row is a block, its first
        cell above a line for each other cell that is not empty.
    """
    columns = columns or width()
    # A pipe of any encoding gets what plain print would write.
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
    """Prints lines, folded between words."""
    console = Console(width=width(), file=sys.stdout, highlight=False)
    for line in lines:
        console.print(Text(line))
