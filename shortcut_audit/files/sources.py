"""What an answer depends on beside weights and pictures: the code that gave it -> a digest.

Libraries are named by their versions, this package and a user's own code by their source, so that
corrected code is asked again.
"""

from __future__ import annotations

import ast
import hashlib
import sys
import sysconfig
from collections.abc import Iterable, Iterator, Sequence
from functools import cache
from importlib.machinery import ModuleSpec, PathFinder
from importlib.metadata import PackageNotFoundError, packages_distributions, version
from importlib.util import resolve_name
from pathlib import Path

LIBRARIES = ("torch", "torchvision", "timm", "numpy", "scipy", "captum", "pillow")
PACKAGE = Path(__file__).parents[1]
ROOMS = ("subjects", "evidence")  # of this package: what loads a model, and what asks it
INSTALLED = tuple(
    Path(sysconfig.get_path(name)) for name in ("stdlib", "platstdlib", "purelib", "platlib")
)


@cache
def our_code() -> str:
    """A digest of the libraries' versions and of this package's source, where a model is loaded and
    asked.
    """
    whole = hashlib.sha256()
    for library in LIBRARIES:
        whole.update(f"{library} {_version(library)}\n".encode())
    for room in ROOMS:
        for file in sorted((PACKAGE / room).rglob("*.py")):
            whole.update(f"{file.relative_to(PACKAGE).as_posix()}\n".encode() + file.read_bytes())
    return whole.hexdigest()


def code_of(entry: type) -> str:
    """A digest of the source behind a registered class; "" where it is this package's own (see
    `our_code`).
    """
    for value in vars(entry).values():
        code = getattr(getattr(value, "__func__", value), "__code__", None)
        if code is not None and Path(code.co_filename).is_file():
            return _registered(Path(code.co_filename), entry.__module__)
    return code_of_module(entry.__module__)


@cache
def _registered(file: Path, module: str) -> str:
    """As it was when it was first asked for: what is registered is imported once."""
    return "" if file.is_relative_to(PACKAGE) else _digest(_reached(file, module))


def code_of_module(name: str) -> str:
    """A digest of a module's source and of all that it imports: a user's own by source, what is
    installed by version.

    Imports inside functions count. A module that is found by a computed name, and files of data, do
    not: nobody can see them.
    """
    found = _found(name)
    return "" if found is None or found.is_relative_to(PACKAGE) else _digest(_reached(found, name))


def source_of_module(name: str) -> str:
    """As `code_of_module`, by a user's own source alone: the same wherever that is, whatever is
    installed there.
    """
    found = _found(name)
    if found is None or found.is_relative_to(PACKAGE):
        return ""
    return _digest(
        {module: digest for module, digest in _reached(found, name).items() if len(digest) == 64}
    )


def files_of(file: Path, name: str) -> dict[Path, str]:
    """The source of a module and of all of a user's own that it imports: file -> SHA-256. Nothing
    is imported for it.
    """
    found = {file: hashlib.sha256(file.read_bytes()).hexdigest()}
    for module, digest in _reached(file, name).items():
        place = _found(module)
        if place is not None and module != name and len(digest) == 64:
            found[place] = digest
    return found


def _digest(reached: dict[str, str]) -> str:
    return hashlib.sha256(repr(sorted(reached.items())).encode()).hexdigest()


def _reached(file: Path, name: str) -> dict[str, str]:
    """Module -> the SHA-256 of its source, or the version of what is installed; `file` is the first
    of them.
    """
    own = name.partition(".")[0]
    reached: dict[str, str] = {}
    waiting = [(name, file)]
    while waiting:
        module, source = waiting.pop()
        if module in reached:
            continue
        text = source.read_bytes()
        reached[module] = hashlib.sha256(text).hexdigest()
        for other in _imports(text, module, source.name == "__init__.py"):
            top = other.partition(".")[0]
            if top == PACKAGE.name or top in sys.stdlib_module_names or other in reached:
                continue
            if top != own and _installed(top):
                reached[top] = _version(top)
            elif (place := _found(other)) is not None:
                waiting.append((other, place))
    return reached


def _imports(text: bytes, module: str, is_package: bool) -> Iterator[str]:
    """Names of all modules that a source may import; of `from a import b` both a and a.b, and their
    packages.
    """
    package = module if is_package else module.rpartition(".")[0]
    try:
        tree = ast.parse(text)
    except (SyntaxError, ValueError):
        return  # whoever imports it will hear of it
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield from _with_packages(alias.name)
        elif isinstance(node, ast.ImportFrom):
            try:
                base = resolve_name("." * node.level + (node.module or ""), package or None)
            except ImportError:
                continue
            yield from _with_packages(base)
            for alias in node.names:
                yield f"{base}.{alias.name}"


def _with_packages(name: str) -> Iterable[str]:
    parts = name.split(".")
    return [".".join(parts[: length + 1]) for length in range(len(parts))]


def _spec(name: str) -> ModuleSpec | None:
    """Where a module is, found without importing anything: a script among the packages on the way
    would run.
    """
    path: Sequence[str] | None = None
    spec = None
    parts = name.split(".")
    for length in range(1, len(parts) + 1):
        try:
            spec = PathFinder.find_spec(".".join(parts[:length]), path)
        except (ImportError, ValueError):
            return None
        if spec is None or (length < len(parts) and spec.submodule_search_locations is None):
            return None
        path = spec.submodule_search_locations
    return spec


def _found(name: str) -> Path | None:
    """The source file of a module, if it has one."""
    spec = _spec(name)
    if spec is None or spec.origin is None or not spec.origin.endswith(".py"):
        return None
    return Path(spec.origin)


@cache
def _installed(top: str) -> bool:
    """Whether a package lies where installers put it: then its version speaks for it. It is not
    imported for that.
    """
    spec = _spec(top)
    places = [spec.origin, *(spec.submodule_search_locations or ())] if spec else []
    return any(
        Path(place).is_relative_to(folder) for place in places if place for folder in INSTALLED
    )


@cache
def _version(name: str) -> str:
    """The version of the distribution that brings this package."""
    try:
        return version(name)
    except PackageNotFoundError:
        brought = packages_distributions().get(name, [])
    return ", ".join(f"{each} {version(each)}" for each in sorted(set(brought)))
