"""Plants small faults in the library, one at a time, and lists those no test notices.

`make mutants` plants 100; `python tests/mutants.py --count=20 --seed=1
nnguide/training nnguide/diffusion` chooses. Each fault changes one place of one file,
in a copy of the tree: a comparison, an operator, a constant, a condition, a function's
twin, a random key. The tests that mirror the file run (of `nnguide/a/b.py`
`tests/a/test_b.py`, else all of `tests/a`) and, where they pass, all of `tests/a`. What
survives both is printed: a test is missing, or the change means nothing.
"""

import argparse
import ast
import copy
import random
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from queue import SimpleQueue
from typing import Any, NamedTuple

ROOT = Path(__file__).parents[1]
COPIED = ("nnguide", "experiments", "tests", "pyproject.toml", "README.md")
MODULES = ("training", "transformer", "language", "diffusion")
_TWINS = (
    (ast.Lt, ast.LtE), (ast.Gt, ast.GtE), (ast.Eq, ast.NotEq), (ast.Is, ast.IsNot),
    (ast.In, ast.NotIn), (ast.And, ast.Or), (ast.Add, ast.Sub), (ast.Mult, ast.Div),
    (ast.BitAnd, ast.BitOr), (ast.FloorDiv, ast.Mod),
)  # fmt: skip
_OPERATORS: dict[type, Any] = {
    one: other for pair in _TWINS for one, other in (pair, pair[::-1])
}
_NAMES = {
    one: other
    for pair in (
        ("min", "max"), ("minimum", "maximum"), ("sin", "cos"), ("argmin", "argmax"),
        ("sum", "mean"), ("floor", "ceil"), ("any", "all"), ("zeros", "ones"),
        ("zeros_like", "ones_like"), ("exp", "expm1"), ("log", "log1p"),
    )
    for one, other in (pair, pair[::-1])
}  # fmt: skip


class Fault(NamedTuple):
    """One changed place: the file (relative), the line from 1, what stands there."""

    path: Path
    line: int
    before: str
    after: str
    source: str


def faults(path: Path) -> Iterator[Fault]:
    """Every fault that this tool knows for a file."""
    source = (ROOT / path).read_text()
    lines = source.splitlines(keepends=True)
    starts = [0]
    for line in lines:
        starts.append(starts[-1] + len(line.encode()))
    code = source.encode()
    for node in _expressions(ast.parse(source)):
        begin = starts[node.lineno - 1] + node.col_offset
        end = starts[(node.end_lineno or 0) - 1] + (node.end_col_offset or 0)
        for changed in _changes(node):
            after = f"({ast.unparse(changed)})"
            text = (code[:begin] + after.encode() + code[end:]).decode()
            yield Fault(path, node.lineno, code[begin:end].decode(), after, text)


def _expressions(tree: ast.AST) -> Iterator[ast.expr]:
    """The expressions that compute: no annotation, no decorator, no text."""
    for name, value in ast.iter_fields(tree):
        if name in ("annotation", "returns", "decorator_list", "type_params"):
            continue
        for child in value if isinstance(value, list) else [value]:
            if isinstance(
                child, ast.Raise | ast.Import | ast.ImportFrom | ast.JoinedStr
            ):
                continue
            if isinstance(child, ast.expr):
                yield child
            if isinstance(child, ast.AST):
                yield from _expressions(child)


def _changes(node: ast.expr) -> Iterator[ast.expr]:
    """The node with one thing other than it was."""
    yield from _other_operators(node)
    yield from _other_values(node)
    if isinstance(node, ast.Call):
        yield from _other_calls(node)


def _other_operators(node: ast.expr) -> Iterator[ast.expr]:
    match node:
        case ast.Compare(ops=[operator]) if type(operator) in _OPERATORS:
            yield _with(node, ops=[_OPERATORS[type(operator)]()])
        case ast.BoolOp() | ast.BinOp() if type(node.op) in _OPERATORS:
            yield _with(node, op=_OPERATORS[type(node.op)]())
        case ast.UnaryOp(op=ast.Not() | ast.USub(), operand=operand):
            yield operand


def _other_values(node: ast.expr) -> Iterator[ast.expr]:
    match node:
        case ast.IfExp(body=body, orelse=orelse):
            yield from (body, orelse)
        case ast.Constant(value=bool(value)):
            yield ast.Constant(not value)
        case ast.Constant(value=int(value)):
            yield ast.Constant(value + 1)
        case ast.Constant(value=float(value)):
            yield ast.Constant(2 * value if value else 1.0)


def _other_calls(node: ast.Call) -> Iterator[ast.expr]:
    name = ast.unparse(node.func).rpartition(".")[2]
    match name, node.args:
        case "fold_in", [key, _]:
            yield key
        case "where", [_, one, other]:
            yield from (one, other)
        case "stop_gradient", [value]:
            yield value
    if name in _NAMES and isinstance(node.func, ast.Attribute):
        yield _with(node, func=_with(node.func, attr=_NAMES[name]))


def _with(node: ast.expr, **changes: object) -> ast.expr:
    changed = copy.copy(node)
    for name, value in changes.items():
        setattr(changed, name, value)
    return changed


def suites(path: Path) -> list[str]:
    """What to run for a file, the quickest first."""
    folder = Path("tests", *path.parts[1:-1])
    mirror = folder / f"test_{path.stem}.py"
    return [str(each) for each in (mirror, folder) if (ROOT / each).exists()]


def survives(fault: Fault, tree: Path, seconds: float) -> bool:
    """Whether all tests pass with the fault in a copy of the tree."""
    target = tree / fault.path
    target.write_text(fault.source)
    try:
        for suite in suites(fault.path):
            done = subprocess.run(
                [sys.executable, "-m", "pytest", "-q", "-x", "-p", "no:cacheprovider",
                 suite],
                cwd=tree, capture_output=True, timeout=seconds, check=False,
                stdin=subprocess.DEVNULL,
            )  # fmt: skip
            if done.returncode:
                return False
    except subprocess.TimeoutExpired:
        return False
    finally:
        shutil.copyfile(ROOT / fault.path, target)
    return True


def main() -> None:
    """Draws the faults, tries them and prints the survivors."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--count", type=int, default=100)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--processes", type=int, default=2)
    parser.add_argument("--seconds", type=float, default=600, help="of one test run")
    parser.add_argument("paths", nargs="*", default=[f"nnguide/{m}" for m in MODULES])
    options = parser.parse_args()
    files = sorted(
        file.relative_to(ROOT)
        for path in options.paths
        for file in (
            (ROOT / path).rglob("*.py") if (ROOT / path).is_dir() else [ROOT / path]
        )
    )
    every = [fault for file in files if suites(file) for fault in faults(file)]
    drawn = random.Random(options.seed).sample(every, min(options.count, len(every)))
    print(f"{len(drawn)} of {len(every):,} faults, seed {options.seed}", flush=True)
    with tempfile.TemporaryDirectory() as home:
        trees: SimpleQueue[Path] = SimpleQueue()
        for number in range(options.processes):
            trees.put(_copy(Path(home, str(number))))

        def try_one(fault: Fault) -> bool:
            tree = trees.get()
            try:
                return survives(fault, tree, options.seconds)
            finally:
                trees.put(tree)

        lived = 0
        with ThreadPoolExecutor(options.processes) as pool:
            for number, (fault, alive) in enumerate(
                zip(drawn, pool.map(try_one, drawn), strict=True), 1
            ):
                lived += alive
                said = "LIVED " if alive else "caught"
                before = " ".join(fault.before.split())
                print(f"{number:4} {said} {fault.path}:{fault.line}  {before}  ->  "
                      f"{fault.after}", flush=True)  # fmt: skip
    print(f"caught {len(drawn) - lived} of {len(drawn)}")


def _copy(tree: Path) -> Path:
    tree.mkdir()
    for name in COPIED:
        source = ROOT / name
        copier = shutil.copytree if source.is_dir() else shutil.copyfile
        copier(source, tree / name)
    return tree


if __name__ == "__main__":
    main()
