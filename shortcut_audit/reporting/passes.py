"""The sentence for a model that may be promoted: what it was audited for, and its worth."""

from __future__ import annotations

import math
from collections.abc import Sequence

from shortcut_audit.records import ABOVE_CHANCE, Finding


def passed(name: str, blocking: Sequence[Finding]) -> str:
    """How many decoys, which effect would have been found, and what the pass speaks for."""
    count = len({finding.decoy for finding in blocking if finding.decoy})
    decoys = "decoy" if count == 1 else "decoys"
    found = f"{name} was audited for {count} {decoys}, and no shortcut was found"
    return found + _power(blocking) + _accuracy(blocking) + _tried(blocking) + _innocent(blocking)


def _power(findings: Sequence[Finding]) -> str:
    """The effect that each of these would have found: the largest of the smallest."""
    least = []
    for finding in findings:
        if finding.decoy and finding.judgement.detectable is not None:
            least.append(finding.judgement.detectable)
    return f"; an effect of {100 * max(least):.0f} points would have been found" if least else ""


def _accuracy(findings: Sequence[Finding]) -> str:
    """How often the model is right on plain pictures."""
    for finding in findings:
        estimate = finding.judgement.estimate
        if finding.audit == ABOVE_CHANCE and not math.isnan(estimate.value):
            return f"; it is right on {100 * estimate.value:.0f} % of {estimate.n} plain images"
    return ""


def _tried(findings: Sequence[Finding]) -> str:
    """Which sizes, opacities and places of each decoy were tried: a pass speaks for these alone."""
    tried: dict[str | None, str] = {}
    for finding in findings:
        tried[finding.decoy] = max(tried.get(finding.decoy, ""), finding.tried, key=len)
    words = ", ".join(each for each in tried.values() if each)
    return f"; this speaks for {words}, and for nothing else" if words else ""


def _innocent(findings: Sequence[Finding]) -> str:
    """Where a decoy does much, and its control as much: why this is no shortcut."""
    loud = [finding for finding in findings if _is_loud(finding)]
    if not loud:
        return ""
    loudest = max(loud, key=lambda finding: finding.judgement.observed)
    innocent = loudest.judgement.excess is not None
    by = "clean reference models do" if innocent else "a neutral control does"
    return f"; what {by} as well is none: {loudest.claim}"


def _is_loud(finding: Finding) -> bool:
    """Whether the decoy that is named does more than the limit, before its control is taken off."""
    judged = finding.judgement
    if not finding.decoy or finding.audit.endswith(("@elsewhere", "@stronger")):
        return False
    compared = judged.control is not None and judged.limit > 0
    return compared and judged.observed > judged.limit
