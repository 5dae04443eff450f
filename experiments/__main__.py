"""Lists the launchers: `python -m experiments`.

The list shows the first line of each module's docstring. The modules are parsed, not
imported, so that the list appears at once.
"""

import ast
import shutil
import sys
import textwrap
from collections.abc import Iterator, Sequence
from pathlib import Path

GUARD = 'if __name__ == "__main__":'  # every launcher contains this line


def launchers(folder: Path) -> Iterator[tuple[str, str]]:
    """Yields each launcher's name and the first line of its docstring."""
    for path in sorted(folder.glob("*.py")):
        source = path.read_text(encoding="utf-8")
        if path.name != Path(__file__).name and GUARD in source:
            text = ast.get_docstring(ast.parse(source)) or ""
            yield path.stem, text.partition("\n")[0]


def lines(found: Sequence[tuple[str, str]], width: int) -> Iterator[str]:
    """Yields one line per launcher; in narrow terminals the text is below the name."""
    longest = max(len(name) for name, _ in found)
    for name, text in found:
        if width >= longest + 60:
            indent = " " * (longest + 2)
            yield textwrap.fill(
                text, width, initial_indent=f"{name:{longest}}  ",
                subsequent_indent=indent,
            )  # fmt: skip
        else:
            yield name
            yield textwrap.indent(textwrap.fill(text, width - 2), "  ")


def main(arguments: Sequence[str]) -> int:
    """Prints the list; returns the exit status."""
    unknown = [each for each in arguments if each not in ("--help", "-h")]
    found = list(launchers(Path(__file__).parent))
    if unknown:
        name = unknown[0]
        launch = f"python -m experiments.{name}"
        remedy = f"run {launch}" if name in dict(found) else "give none"
        print(f"error: {name}: not an argument; {remedy}.", file=sys.stderr)
        return 1
    print("\n".join(lines(found, max(shutil.get_terminal_size((120, 24)).columns, 20))))
    print("\npython -m experiments.NAME --help lists its flags.")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
