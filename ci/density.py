"""How dense the code is, held against its limits: `python ci/density.py [--list]`. `make check`
runs it.
"""

from __future__ import annotations

import argparse
import ast
import statistics
import sys
from collections import defaultdict
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from pathlib import Path

PACKAGE = Path("shortcut_audit")
COMPREHENSIONS = (ast.ListComp, ast.SetComp, ast.DictComp, ast.GeneratorExp)
FUNCTIONS = (ast.FunctionDef, ast.AsyncFunctionDef)
LONGEST_LINE, MOST_PARAMETERS, LONGEST_BODY = 100, 6, 40
# the folder of a registry, or of the commands, lists its entries, however many there are
ROOM, REGISTRIES = 12, {"decoys", "commands"}


@dataclass(frozen=True)
class Figure:
    """One thing that is counted, how much of it may be, and where it is."""

    name: str
    value: float
    limit: float
    places: tuple[str, ...] = ()
    at_least: bool = False

    @property
    def kept(self) -> bool:
        """Whether the figure is inside its limit."""
        return self.value >= self.limit if self.at_least else self.value <= self.limit


@dataclass(frozen=True)
class Source:
    """A file with its syntax tree."""

    path: Path
    lines: tuple[str, ...]
    tree: ast.Module

    def at(self, node: ast.AST, what: str = "") -> str:
        """`file:line what`, as editors open it."""
        return f"{self.path}:{getattr(node, 'lineno', 1)} {what}".rstrip()


def read(path: Path) -> Source:
    """One file of the package."""
    text = path.read_text(encoding="utf-8")
    return Source(path, tuple(text.splitlines()), ast.parse(text))


def nested(source: Source) -> Iterator[str]:
    """Comprehensions inside comprehensions, and those with two `for`s."""
    for node in ast.walk(source.tree):
        if not isinstance(node, COMPREHENSIONS):
            continue
        inside = [
            each for each in ast.walk(node) if each is not node and isinstance(each, COMPREHENSIONS)
        ]
        if inside or len(node.generators) > 1:
            yield source.at(node)


def body_lines(function: ast.FunctionDef | ast.AsyncFunctionDef) -> int:
    """Lines of a function's body without its docstring."""
    body = function.body[1:] if ast.get_docstring(function) is not None else function.body
    return (body[-1].end_lineno or 0) - body[0].lineno + 1 if body else 0


def parameters(function: ast.FunctionDef | ast.AsyncFunctionDef) -> int:
    """How many a caller may give; `self` is none of them."""
    given = function.args
    names = [each.arg for each in (*given.posonlyargs, *given.args, *given.kwonlyargs)]
    return len([name for name in names if name not in ("self", "cls")])


def private(node: ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef) -> bool:
    """Whether it needs no docstring: it begins with `_`, or is the signature of an `@overload`."""
    decorators = [ast.unparse(each) for each in node.decorator_list]
    return node.name.startswith("_") or "overload" in decorators or "typing.overload" in decorators


def public(source: Source) -> Iterator[tuple[str, bool]]:
    """Each public module, class, function and method, and whether it has a docstring."""
    yield source.at(source.tree, "module"), ast.get_docstring(source.tree) is not None
    for node in source.tree.body:
        if not isinstance(node, (ast.ClassDef, *FUNCTIONS)) or private(node):
            continue
        yield source.at(node, node.name), ast.get_docstring(node) is not None
        for inner in node.body if isinstance(node, ast.ClassDef) else ():
            if isinstance(inner, FUNCTIONS) and not private(inner):
                yield (
                    source.at(inner, f"{node.name}.{inner.name}"),
                    ast.get_docstring(inner) is not None,
                )


def imported(source: Source, modules: Collection[str]) -> Iterator[str]:
    """Those of the modules that a file imports when it is loaded."""
    for node in source.tree.body:
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names if alias.name in modules)
        elif isinstance(node, ast.ImportFrom) and node.module:
            for alias in node.names:
                inner = f"{node.module}.{alias.name}"
                name = inner if inner in modules else node.module
                if name in modules:
                    yield name


def _module(path: Path) -> str:
    """`shortcut_audit.judging` for its `__init__.py`, `shortcut_audit.judging.power` for a file."""
    return ".".join(path.with_suffix("").parts).removesuffix(".__init__")


def cycles(sources: list[Source]) -> Iterator[str]:
    """Modules that reach themselves by what they import when they are loaded."""
    names = {_module(source.path): source for source in sources}
    edges = {name: set(imported(source, names)) for name, source in names.items()}
    for start in names:
        reached, waiting = set(), list(edges[start])
        while waiting:
            name = waiting.pop()
            if name not in reached:
                reached.add(name)
                waiting += edges[name]
        if start in reached:
            yield start


def crowded() -> Iterator[str]:
    """Rooms that hold more than can be taken in at a look."""
    inside: dict[Path, set[str]] = defaultdict(set)
    for path in PACKAGE.rglob("*.py"):
        if path.name != "__init__.py":
            inside[path.parent].add(path.name)
            inside[path.parent.parent].add(path.parent.name)
    for room, entries in inside.items():
        if PACKAGE not in room.parents or room.name in REGISTRIES:
            continue
        if len(entries) > ROOM:
            yield f"{room}: {len(entries)} entries"


def figures(sources: list[Source]) -> list[Figure]:
    """Everything that is counted."""
    lines = sum(len(source.lines) for source in sources)
    long = [
        f"{source.path}:{number}"
        for source in sources
        for number, line in enumerate(source.lines, 1)
        if len(line) > LONGEST_LINE
    ]
    functions, comprehensions, documented, inner = [], [], [], []
    for source in sources:
        nodes = list(ast.walk(source.tree))
        functions += [(source, node) for node in nodes if isinstance(node, FUNCTIONS)]
        comprehensions += [source.at(node) for node in nodes if isinstance(node, COMPREHENSIONS)]
        documented += list(public(source))
        inner += list(nested(source))
    many = [
        source.at(node, node.name)
        for source, node in functions
        if parameters(node) > MOST_PARAMETERS
    ]
    bodies = [body_lines(node) for _, node in functions]
    tall = [
        source.at(node, node.name) for source, node in functions if body_lines(node) > LONGEST_BODY
    ]
    silent = [place for place, has in documented if not has]
    share = 100 * (1 - len(silent) / len(documented))
    going_round, full = list(cycles(sources)), list(crowded())
    return [
        Figure("nested comprehensions", len(inner), 0, tuple(inner)),
        Figure(
            "comprehensions per 100 lines",
            100 * len(comprehensions) / lines,
            3,
            tuple(comprehensions),
        ),
        Figure(f"lines over {LONGEST_LINE} characters", len(long), 0, tuple(long)),
        Figure(f"functions with more than {MOST_PARAMETERS} parameters", len(many), 5, tuple(many)),
        Figure("public docstrings, per cent", share, 95, tuple(silent), at_least=True),
        Figure("modules in import cycles", len(going_round), 0, tuple(going_round)),
        Figure(f"bodies over {LONGEST_BODY} lines", len(tall), 0, tuple(tall)),
        Figure("median body, lines", statistics.median(bodies), 5),
        Figure(f"rooms with more than {ROOM} entries", len(full), 0, tuple(full)),
    ]


def main() -> int:
    """0 if every figure is inside its limit."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument(
        "--list", action="store_true", help="name the places of what is beyond its limit"
    )
    asked = parser.parse_args()
    sources = [read(path) for path in sorted(PACKAGE.rglob("*.py"))]
    found = figures(sources)
    for figure in found:
        bound = "at least" if figure.at_least else "at most"
        mark = "" if figure.kept else "  <-- beyond it"
        print(f"{figure.value:8.1f}  {figure.name} ({bound} {figure.limit:g}){mark}")
        for place in figure.places if asked.list and not figure.kept else ():
            print(f"          {place}")
    return 0 if all(figure.kept for figure in found) else 1


if __name__ == "__main__":
    sys.exit(main())
