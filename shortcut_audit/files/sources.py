"""The code that gave an answer -> a digest: what it depends on beside weights and pictures.

Libraries are named by their versions, this package and a user's own code by their source, so that
corrected code is asked again.
"""

from __future__ import annotations

import ast
import hashlib
import sys
import sysconfig
from collections.abc import Iterator, Sequence
from functools import cache
from importlib.machinery import ModuleSpec, PathFinder
from importlib.metadata import PackageNotFoundError, packages_distributions, version
from importlib.util import resolve_name
from pathlib import Path

from shortcut_audit.errors import UsageError

LIBRARIES = ("torch", "torchvision", "timm", "numpy", "scipy", "captum", "pillow")
PACKAGE = Path(__file__).parents[1]
ROOMS = ("subjects", "evidence")  # of this package: what loads a model, and what asks it
MODULES = ("rows.py", "gathering/placing.py")  # and what says which pictures it is asked about
INSTALLED = tuple(
    Path(sysconfig.get_path(name)) for name in ("stdlib", "platstdlib", "purelib", "platlib")
)


def shipped_audits() -> Path:
    """The folder of the audits of this version: in the wheel, or beside the package in a checkout.

    Raises:
        UsageError: neither is there.
    """
    for folder in (PACKAGE / "audits", PACKAGE.parent / "audits"):
        if (folder / "test_decoy_insertion.py").is_file():
            return folder
    raise UsageError(f"no audits lie in or beside '{PACKAGE}': install shortcut-audit again")


def shipped_calibration() -> Path | None:
    """How often the audits of this version err; None where it is not there."""
    return _shipped("calibration.json")


def shipped_discovery() -> Path | None:
    """What the search for unnamed shortcuts finds of those that are known; None: not there."""
    return _shipped("discovery.json")


def _shipped(name: str) -> Path | None:
    """A figure of this version: in the wheel, or among the documents of a checkout."""
    for folder in (PACKAGE, PACKAGE.parent / "docs"):
        if (folder / name).is_file():
            return folder / name
    return None


@cache
def our_code(rooms: tuple[str, ...] = ROOMS) -> str:
    """A digest of the libraries' versions and of this package's source.

    Of the package only these rooms count: those in which a model is loaded and asked.
    """
    whole = hashlib.sha256()
    for library in LIBRARIES:
        whole.update(f"{library} {_version(library)}\n".encode())
    files = [PACKAGE / name for name in MODULES]
    for room in rooms:
        files += sorted((PACKAGE / room).rglob("*.py"))
    for file in files:
        whole.update(f"{file.relative_to(PACKAGE).as_posix()}\n".encode() + file.read_bytes())
    return whole.hexdigest()


def code_of(entry: type) -> str:
    """A digest of the source behind a registered class; "" where it is this package's own.

    For the package's own see `our_code`.
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
    """A digest of a module's source and of all that it imports.

    A user's own modules count by their source, what is installed by its version. Imports inside
    functions count. A module that is imported by a computed name, and files of data, do not: they
    cannot be seen in the source.
    """
    found = _found(name)
    return "" if found is None or found.is_relative_to(PACKAGE) else _digest(_reached(found, name))


def source_of_module(name: str) -> str:
    """As `code_of_module`, by a user's own source alone.

    It is the same wherever that source is, whatever is installed there.
    """
    found = _found(name)
    if found is None or found.is_relative_to(PACKAGE):
        return ""
    return _digest(_own_source(_reached(found, name)))


def files_of(file: Path, name: str) -> dict[Path, str]:
    """The source of a module and of all of a user's own that it imports: file -> SHA-256.

    Nothing is imported for it.
    """
    found = {file: hashlib.sha256(file.read_bytes()).hexdigest()}
    for module, digest in _own_source(_reached(file, name)).items():
        place = _found(module)
        if place is not None and module != name:
            found[place] = digest
    return found


def _own_source(reached: dict[str, str]) -> dict[str, str]:
    """Those of the modules that have the SHA-256 of their source, and not a version."""
    return {module: digest for module, digest in reached.items() if len(digest) == 64}


def _digest(reached: dict[str, str]) -> str:
    return hashlib.sha256(repr(sorted(reached.items())).encode()).hexdigest()


def _reached(file: Path, name: str) -> dict[str, str]:
    """Module -> the SHA-256 of its source, or the version of what is installed.

    `file` is the source of the module `name`, from which the others are reached.
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
    """Names of all modules that a source may import, and of their packages.

    Of `from a import b` these are both a and a.b.
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
            relative = "." * node.level + (node.module or "")
            try:
                base = resolve_name(relative, package or None)
            except ImportError:
                continue
            yield from _with_packages(base)
            for alias in node.names:
                yield f"{base}.{alias.name}"


def _with_packages(name: str) -> Iterator[str]:
    """`a`, `a.b` and `a.b.c` for `a.b.c`."""
    parts = name.split(".")
    for length in range(1, len(parts) + 1):
        yield ".".join(parts[:length])


def _spec(name: str) -> ModuleSpec | None:
    """Where a module is, found without importing anything.

    An import would run a script that is among the packages on the way.
    """
    path: Sequence[str] | None = None
    spec = None
    parts = name.split(".")
    for length in range(1, len(parts) + 1):
        try:
            spec = PathFinder.find_spec(".".join(parts[:length]), path)
        except (ImportError, ValueError, KeyError):
            return None  # KeyError: a namespace package in a package that nobody has imported
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
    """Whether a package lies where installers put it, so that its version speaks for it.

    It is not imported for that.
    """
    spec = _spec(top)
    places = [spec.origin, *(spec.submodule_search_locations or ())] if spec else []
    return any(_is_installed(Path(place)) for place in places if place)


def _is_installed(path: Path) -> bool:
    return any(path.is_relative_to(folder) for folder in INSTALLED)


@cache
def _version(name: str) -> str:
    """The version of the distribution that brings this package."""
    try:
        return version(name)
    except PackageNotFoundError:
        brought = packages_distributions().get(name, [])
    return ", ".join(f"{name} {version(name)}" for name in sorted(set(brought)))
