"""Finding <-> a line of `record.jsonl`, written as results come: a crash loses none of them."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import fields, replace
from enum import Enum
from pathlib import Path
from typing import Any

from shortcut_audit.errors import UsageError
from shortcut_audit.records import UNMEASURED, Finding, Judgement, Verdict

NAME = "record.jsonl"
# what a line says of the judgement, and of its estimate
JUDGED = (
    "limit",
    "observed",
    "control",
    "p",
    "p_adjusted",
    "null",
    "needed",
    "detectable",
    "planted",
    "excess",
    "excess_high",
)
ESTIMATED = ("value", "low", "high", "level", "n", "method")
NUMBERS = ("limit", "observed", "value", "low", "high", "level")  # NaN where nothing was measured
OWN = tuple(field.name for field in fields(Finding) if field.name != "judgement")


def as_row(finding: Finding) -> dict[str, Any]:
    """Plain JSON values, the judgement's figures among them; one that is not finite is null."""
    row = {name: getattr(finding, name) for name in OWN}
    row |= {name: getattr(finding.judgement, name) for name in JUDGED}
    row |= {name: getattr(finding.judgement.estimate, name) for name in ESTIMATED}
    return {name: _plain(value) for name, value in row.items()}


def from_row(row: Mapping[str, Any]) -> Finding:
    """The finding that `as_row` wrote; its advice is in its claim alone.

    Raises:
        KeyError, ValueError: the row is no finding.
    """
    own = {name: row[name] for name in OWN if name in row}
    own |= {"subjects": tuple(row["subjects"]), "sha256": tuple(row.get("sha256", ()))}
    own["verdict"] = Verdict(row["verdict"])
    return Finding(**own, judgement=_judgement(row))


def _judgement(row: Mapping[str, Any]) -> Judgement:
    known: dict[str, Any] = {}
    for name in (*JUDGED, *ESTIMATED):
        if name in row:
            unknown = row[name] is None and name in NUMBERS
            known[name] = math.nan if unknown else row[name]
    estimated = {name: known.pop(name) for name in ESTIMATED if name in known}
    estimate = replace(UNMEASURED.estimate, **estimated)
    return replace(UNMEASURED, verdict=Verdict(row["verdict"]), estimate=estimate, **known)


def begin(path: Path, run: Mapping[str, Any]) -> None:
    """Starts a new record: its first line says what the run is about."""
    path.write_text(json.dumps({"run": run}) + "\n", encoding="utf-8")


def append(path: Path, rows: list[dict[str, Any]]) -> None:
    """Adds lines and flushes them."""
    with path.open("a", encoding="utf-8") as record:
        record.writelines(json.dumps(row) + "\n" for row in rows)


def forget(path: Path, case: str) -> None:
    """Says that what stands above of this test does not count: it is run again."""
    append(path, [{"case": case, "again": True}])


def read(path: Path) -> tuple[dict[str, Any], list[Finding]]:
    """What the run is about, and all findings; of a test that was run again the last ones.

    A line that a crash cut off is left out.

    Raises:
        UsageError: there is no record.
    """
    if not path.is_file():
        raise UsageError(f"no record at '{path}': run `pytest audits/ --models DIR` first")
    run: dict[str, Any] = {}
    findings: list[Finding] = []
    for line in path.read_text(encoding="utf-8").splitlines():
        try:
            row = json.loads(line)
            if "run" in row:
                run = dict(row["run"])
            elif row.get("again"):
                findings = [finding for finding in findings if finding.case != row["case"]]
            else:
                findings.append(from_row(row))
        except (json.JSONDecodeError, KeyError, TypeError, ValueError, AttributeError):
            continue
    return run, findings


def _plain(value: Any) -> Any:
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, Enum):
        return value.value  # xdist carries plain values only
    return list(value) if isinstance(value, tuple) else value
