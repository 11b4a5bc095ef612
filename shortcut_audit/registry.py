"""The one way to add an entry of any kind.

The package's own entries are files in the kind's folder; a user's are classes under the decorator
`register`, in a `conftest.py`. A folder is listed without being imported, and an entry's file is
imported when it is first asked for: `names("decoy")` never imports torch.
"""

from __future__ import annotations

import importlib
import pkgutil
import re
from collections.abc import Callable, Mapping
from dataclasses import fields
from importlib.util import find_spec
from typing import Any, Literal, TypeVar, overload

from pydantic import TypeAdapter, ValidationError

from shortcut_audit.contracts import (
    Architecture,
    CheckpointFormat,
    Dataset,
    Decoy,
    Engine,
    Experiment,
    Explainer,
    InfluenceMethod,
    Proposer,
    Reporter,
)
from shortcut_audit.errors import UsageError, did_you_mean
from shortcut_audit.files.checking import Problem, converted, problem_of

FOLDERS = {
    "checkpoint": "shortcut_audit.subjects.checkpoints",
    "architecture": "shortcut_audit.subjects.architectures",
    "dataset": "shortcut_audit.subjects.datasets",
    "decoy": "shortcut_audit.subjects.decoys",
    "explainer": "shortcut_audit.evidence.masks.explainers",
    "influence": "shortcut_audit.evidence.gradients.influence",
    "proposer": "shortcut_audit.discovery.proposers",
    "engine": "shortcut_audit.gathering.engines",
    "reporter": "shortcut_audit.reporting.reporters",
    "experiment": "shortcut_audit.study.experiments",
}

_registered: dict[tuple[str, str], type[Any]] = {}
Entry = TypeVar("Entry", bound=type[Any])
Options = Mapping[str, Any] | None


def register(kind: str) -> Callable[[Entry], Entry]:
    """A class decorator that enters a frozen dataclass under its own name in snake case.

    In the package the file has the same name: class `StopSign` in `decoys/stop_sign.py` is
    `stop_sign`.
    """

    def add(entry: Entry) -> Entry:
        _registered[kind, snake_case(entry.__name__)] = entry
        return entry

    return add


def names(kind: str) -> list[str]:
    """All entries of a kind, sorted: the files of its folder and what a user registered."""
    registered = [name for of, name in _registered if of == kind]
    return sorted({*_files(kind), *registered})


def lookup(kind: str, name: str) -> type[Any]:
    """The class behind a name.

    Raises:
        UsageError: `no decoy called 'stopsign'; did you mean 'stop_sign'?`
    """
    if (kind, name) not in _registered and name in _files(kind):
        importlib.import_module(f"{FOLDERS[kind]}.{name}")
    if (kind, name) not in _registered:
        raise UsageError(f"no {kind} called '{name}'{did_you_mean(name, names(kind))}")
    return _registered[kind, name]


@overload
def build(kind: Literal["dataset"], name: str, options: Options = None) -> Dataset: ...
@overload
def build(kind: Literal["decoy"], name: str, options: Options = None) -> Decoy: ...
@overload
def build(kind: Literal["architecture"], name: str, options: Options = None) -> Architecture: ...
@overload
def build(kind: Literal["checkpoint"], name: str, options: Options = None) -> CheckpointFormat: ...
@overload
def build(kind: Literal["explainer"], name: str, options: Options = None) -> Explainer: ...
@overload
def build(kind: Literal["influence"], name: str, options: Options = None) -> InfluenceMethod: ...
@overload
def build(kind: Literal["proposer"], name: str, options: Options = None) -> Proposer: ...
@overload
def build(kind: Literal["reporter"], name: str, options: Options = None) -> Reporter: ...
@overload
def build(kind: Literal["engine"], name: str, options: Options = None) -> Engine: ...
@overload
def build(kind: Literal["experiment"], name: str, options: Options = None) -> Experiment: ...
def build(kind: str, name: str, options: Options = None) -> Any:
    """An instance of the entry with these options, which keeps its kind's contract.

    Each option is checked against the class's fields and their types.

    Raises:
        UsageError: unknown entry, unknown option, or an option of the wrong type; names which.
    """
    entry = lookup(kind, name)
    options = dict(options or {})
    known = {field.name for field in fields(entry)}
    for option in options:
        if option not in known:
            raise UsageError(
                f"{kind} '{name}' has no option '{option}'{did_you_mean(option, known)}"
            )
    problem: Problem | None
    try:
        built = TypeAdapter(entry).validate_python(options)
    except ValidationError as error:
        problem = problem_of(error)
    else:
        problem = next(converted(options, built), None)
        if problem is None:
            return built
    asked = f" '{problem.where}'" if problem.where else ""
    raise UsageError(
        f"{kind} '{name}': option{asked} cannot be {problem.found!r}: {problem.reason}"
    )


def snake_case(name: str) -> str:
    """`StopSign` -> `stop_sign`, `ImageNet10` -> `image_net10`."""
    return re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", name).lower()


def _files(kind: str) -> set[str]:
    spec = find_spec(FOLDERS[kind])
    locations = list(spec.submodule_search_locations or []) if spec else []
    return {module.name for module in pkgutil.iter_modules(locations)}
