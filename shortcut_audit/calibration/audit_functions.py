"""A folder of audits -> the functions that the harness calls, found without pytest."""

from __future__ import annotations

import importlib.util
import inspect
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from itertools import product
from pathlib import Path
from typing import Any

from shortcut_audit.errors import UsageError, did_you_mean
from shortcut_audit.harness.plan import audit_name


@dataclass(frozen=True)
class AuditFunction:
    """One audit of a suite, as a plain function: what pytest would call, with one set of its
    parameters.
    """

    name: str  # as in a finding: `influence_precision@50`
    function: Callable[..., Any]
    given: Mapping[str, Any]  # its parameters

    @property
    def wanted(self) -> set[str]:
        """The fixtures that it asks for."""
        return set(inspect.signature(self.function).parameters)


@cache
def audit_functions(suite: Path, audit: str) -> tuple[AuditFunction, ...]:
    """`test_decoy_insertion` of the suite, wherever it stands there, once for each parameter.

    Raises:
        UsageError: no file of the suite has such a function.
    """
    known: dict[str, Callable[..., Any]] = {}
    for file in sorted(suite.glob("test_*.py")):
        spec = importlib.util.spec_from_file_location(file.stem, file)
        # a .py file has a spec and a loader
        module = importlib.util.module_from_spec(spec)  # type: ignore[arg-type]
        spec.loader.exec_module(module)  # type: ignore[union-attr]
        for name, each in vars(module).items():
            if name.startswith("test_") and callable(each):
                known[name] = each
    function = known.get(f"test_{audit}")
    if function is None:
        names = [name.removeprefix("test_") for name in known]
        raise UsageError(f"the folder '{suite}' has no audit '{audit}'{did_you_mean(audit, names)}")
    return tuple(
        AuditFunction(audit_name(f"test_{audit}", given), function, given)
        for given in parameters(getattr(function, "pytestmark", ()))
    )


def parameters(marks: Iterable[Any]) -> list[dict[str, Any]]:
    """Every set that `pytest.mark.parametrize` gives, of one name or several.

    One empty set where there is none.
    """
    sets: list[dict[str, Any]] = [{}]
    for mark in marks:
        if mark.name == "parametrize":
            asked = dict(zip(("argnames", "argvalues"), mark.args, strict=False)) | mark.kwargs
            names = asked["argnames"]
            if isinstance(names, str):
                names = [each.strip() for each in names.split(",")]
            rows = [_row(value, len(names)) for value in asked["argvalues"]]
            more = [dict(zip(names, row, strict=True)) for row in rows]
            sets = [each | added for each, added in product(sets, more)]
    return sets


def _row(value: Any, names: int) -> Sequence[Any]:
    """One value for each name, out of `pytest.param` where it is in one."""
    if hasattr(value, "marks") and hasattr(value, "values"):
        return tuple(value.values)
    return (value,) if names == 1 else tuple(value)
