"""Findings -> Report: one verdict for each model, from its blocking findings alone."""

from __future__ import annotations

import hashlib
import platform
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

from shortcut_audit.files import sha256
from shortcut_audit.records import Candidate, Decision, Finding, ModelReport, Report, Verdict
from shortcut_audit.scenario import Scenario


def assemble(
    findings: Sequence[Finding], candidates: Sequence[Candidate], scenario: Scenario, scenario_path: str, suite: Iterable[Path]
) -> Report:
    """The report of a run; models without a single finding (nobody selected them) are not in it.

    The exit code is 0 where every model that was audited may be promoted, and at least one was audited.
    """
    models = {
        candidate.name: model_report(candidate, own, scenario)
        for candidate in candidates
        if (own := tuple(finding for finding in findings if finding.subjects == (candidate.name,)))
    }
    pairs = tuple(finding for finding in findings if len(finding.subjects) > 1)
    passed = bool(models) and all(model.decision in (Decision.PROMOTE, Decision.WAIVED) for model in models.values())
    stopped = any(finding.blocking and finding.verdict is not Verdict.HOLDS for finding in pairs)
    return Report(
        models=models,
        pairs=pairs,
        scenario={"path": scenario_path, "digest": scenario.digest},
        suite={"digest": suite_digest(suite)},
        provenance=provenance(),
        exit_code=0 if passed and not stopped else 1,
    )


def model_report(candidate: Candidate, findings: tuple[Finding, ...], scenario: Scenario) -> ModelReport:
    """Reject if a blocking finding is VIOLATED; undecided if one is UNDECIDED or missing; waived or promote otherwise."""
    decision, sentence = _decide(candidate.name, findings, scenario)
    digest = sha256(candidate.file) if candidate.file.is_file() else None
    return ModelReport(decision, sentence, digest, str(candidate.file), candidate.reference, findings)


def _decide(name: str, findings: tuple[Finding, ...], scenario: Scenario) -> tuple[Decision, str]:
    blocking = [finding for finding in findings if finding.blocking]
    open_ones = [finding for finding in blocking if finding.verdict is not Verdict.HOLDS and not finding.waived]
    violated = [finding for finding in open_ones if finding.verdict is Verdict.VIOLATED]
    if violated:
        return Decision.REJECT, _worst(violated).claim
    if open_ones:
        return Decision.UNDECIDED, _worst(open_ones).claim
    missing = [lack for audit in scenario.blocking for lack in _lacking(audit, blocking, scenario)]
    if missing:
        return Decision.UNDECIDED, f"{name} was not audited by {', '.join(missing)}: run the whole suite to promote it"
    waived = [finding for finding in blocking if finding.waived]
    if waived:
        return Decision.WAIVED, f"{waived[0].claim}; waived: {waived[0].waived}"
    return Decision.PROMOTE, f"{name} was audited for {len(blocking)} shortcuts, and none was found"


def _lacking(audit: str, blocking: list[Finding], scenario: Scenario) -> list[str]:
    """What a blocking audit has not looked at: itself, or some of the decoys."""
    seen = {finding.decoy for finding in blocking if audit in (finding.audit, finding.audit.partition("@")[0])}
    if not seen:
        return [audit]
    return [] if None in seen else [f"{audit} with {decoy}" for decoy in scenario.decoys if decoy not in seen]


def _worst(findings: list[Finding]) -> Finding:
    """The finding that is furthest beyond its limit; one where nothing was measured comes first."""
    return max(findings, key=lambda finding: (finding.error, (finding.value or 0.0) - (finding.limit or 0.0)))


def suite_digest(files: Iterable[Path]) -> str:
    """SHA-256 over the audit files' names and contents."""
    whole = hashlib.sha256()
    for file in sorted(set(files)):
        whole.update(file.name.encode() + b"\0" + file.read_bytes())
    return whole.hexdigest()


def provenance() -> dict[str, Any]:
    """When, on what and with which versions the run was made."""
    packages = ("shortcut-audit", "torch", "torchvision", "numpy", "scipy", "pytest")
    return {
        "time": datetime.now(UTC).isoformat(timespec="seconds"),
        "python": platform.python_version(),
        "machine": f"{platform.system()} {platform.machine()}",
        "packages": {package: version(package) for package in packages},
    }
