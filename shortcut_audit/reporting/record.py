"""Finding <-> a line of `record.jsonl`, written as results come so that a crash loses none of them."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import asdict, fields
from enum import Enum
from pathlib import Path
from typing import Any

from shortcut_audit.errors import UsageError
from shortcut_audit.records import Finding, Verdict


def as_row(finding: Finding) -> dict[str, Any]:
    """Plain JSON values; a figure that is not finite becomes null."""
    return {key: _plain(value) for key, value in asdict(finding).items()}


def from_row(row: Mapping[str, Any]) -> Finding:
    """The finding that `as_row` wrote."""
    known = {field.name for field in fields(Finding)}
    values = {key: value for key, value in row.items() if key in known}
    lists = {"subjects": tuple(row["subjects"]), "sha256": tuple(row.get("sha256", ()))}
    return Finding(**{**values, **lists, "verdict": Verdict(row["verdict"])})


def append(path: Path, rows: list[dict[str, Any]]) -> None:
    """Adds lines and flushes them."""
    with path.open("a", encoding="utf-8") as record:
        record.writelines(json.dumps(row) + "\n" for row in rows)


def forget(path: Path, case: str) -> None:
    """Says that what stands above of this test does not count: it is run again."""
    append(path, [{"case": case, "again": True}])


def read(path: Path) -> list[Finding]:
    """All findings of a record, of a test that was run again the last ones; a line cut off by a
    crash is left out.

    Raises:
        UsageError: there is no record.
    """
    if not path.is_file():
        raise UsageError(f"no record at '{path}': run `pytest audits/ --models DIR` first")
    findings: list[Finding] = []
    for line in path.read_text(encoding="utf-8").splitlines():
        try:
            row = json.loads(line)
            if row.get("again"):
                findings = [finding for finding in findings if finding.case != row["case"]]
            else:
                findings.append(from_row(row))
        except (json.JSONDecodeError, KeyError, TypeError, ValueError, AttributeError):
            continue
    return findings


def _plain(value: Any) -> Any:
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, Enum):
        return value.value  # xdist carries plain values only
    return list(value) if isinstance(value, tuple) else value
