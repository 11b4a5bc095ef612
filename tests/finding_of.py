"""A finding with its judgement's figures as plain keyword arguments, as a line of the record has them."""

from __future__ import annotations

from typing import Any

from shortcut_audit.records import Finding, Verdict
from shortcut_audit.reporting import record


def finding_of(
    audit: str,
    subjects: tuple[str, ...],
    decoy: str | None,
    verdict: Verdict,
    blocking: bool,
    claim: str = "",
    value: float | None = None,
    **more: Any,
) -> Finding:
    """What `record.from_row` makes of these."""
    row = {"audit": audit, "subjects": subjects, "decoy": decoy, "verdict": verdict}
    return record.from_row({**row, "blocking": blocking, "claim": claim, "value": value, **more})
