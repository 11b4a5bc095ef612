"""Findings -> Report: one verdict for each model, from its blocking findings alone."""

from __future__ import annotations

import hashlib
import math
import platform
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

from shortcut_audit.errors import did_you_mean
from shortcut_audit.files.whole import sha256
from shortcut_audit.promotion import PROMOTED, only_noted, open_findings
from shortcut_audit.records import (
    ABOVE_CHANCE,
    EXPLAINER,
    Candidate,
    Decision,
    Finding,
    ModelReport,
    Report,
    Verdict,
)
from shortcut_audit.reporting.passes import passed
from shortcut_audit.scenario import Scenario
from shortcut_audit.subjects.manifest.candidates import read_as


def assemble(
    findings: Sequence[Finding],
    candidates: Sequence[Candidate],
    scenario: Scenario,
    scenario_path: str,
    suite: Mapping[str, Any],
) -> Report:
    """The report of a run; models without a single finding (nobody selected them) are not in it.

    The exit code is 0 where every model that was audited may be promoted, and at least one was
    audited.
    """
    models = {}
    for candidate in candidates:
        own = _once([each for each in findings if each.subjects == (candidate.name,)])
        if own:
            digests = _digests(candidate.name, findings)
            models[candidate.name] = model_report(candidate, own, scenario, digests)
    together = [finding for finding in findings if len(finding.subjects) > 1]
    pairs = tuple(with_blame(finding, findings) for finding in together)
    promoted = all(model.decision in PROMOTED for model in models.values())
    stopped = any(each.blocking and each.verdict is not Verdict.HOLDS for each in pairs)
    return Report(
        models=models,
        pairs=pairs,
        scenario={"path": scenario_path, "digest": scenario.digest},
        suite=dict(suite),
        provenance=provenance(),
        exit_code=0 if models and promoted and not stopped else 1,
    )


def model_report(
    candidate: Candidate,
    findings: tuple[Finding, ...],
    scenario: Scenario,
    digests: Collection[str] = (),
) -> ModelReport:
    """Reject if a blocking finding is VIOLATED, undecided if one is UNDECIDED or missing.

    Else waived, or promote. digests: the SHA-256 of every file that was audited under this name.
    Law: nobody is promoted whose file is not, at the end, the one and only one that was audited.
    """
    decision, sentence = _decide(candidate.name, findings, scenario)
    now = sha256(candidate.file) if candidate.file.is_file() else None
    audited = sorted(set(digests).union(*(each.sha256 for each in findings)))
    if audited and audited != [now] and decision in PROMOTED:
        decision, sentence = Decision.UNDECIDED, _changed(candidate, audited, now)
    return ModelReport(
        decision,
        sentence,
        audited[0] if audited else now,
        str(candidate.file),
        candidate.reference,
        findings,
        {} if candidate.problem else read_as(candidate),
    )


def _changed(candidate: Candidate, audited: Sequence[str], now: str | None) -> str:
    """The sentence for a model whose file is not the one that was audited."""
    then = " and ".join(digest[:12] for digest in audited)
    found = "gone" if now is None else f"{now[:12]} now"
    return (
        f"{candidate.name}: '{candidate.file.name}' changed since it was audited "
        f"(SHA-256 {then}, {found}): audit it again"
    )


def _digests(name: str, findings: Iterable[Finding]) -> set[str]:
    """Of every file that was asked under this name, alone or in a pair."""
    found = set()
    for finding in findings:
        if name in finding.subjects and finding.sha256:
            found.add(finding.sha256[finding.subjects.index(name)])
    return found


def _once(findings: Iterable[Finding]) -> tuple[Finding, ...]:
    """Each process that audits a model says how accurate it is; one such finding is enough."""
    kept: list[Finding] = []
    said = False
    for finding in findings:
        if finding.audit != ABOVE_CHANCE or not said:
            kept.append(finding)
        said = said or finding.audit == ABOVE_CHANCE
    return tuple(kept)


def with_blame(pair: Finding, findings: Sequence[Finding]) -> Finding:
    """A pair's finding that is VIOLATED, with the models that other evidence speaks against.

    That is evidence of their own about the same decoy. A pair cannot say which of the two is at
    fault, so that the finding never rejects a model.
    """
    if pair.verdict is not Verdict.VIOLATED or pair.error:
        return pair
    blamed = []
    for model in pair.subjects:
        audits = [each.audit for each in findings if _speaks_against(each, model, pair.decoy)]
        if audits:
            blamed.append(f"{model} ({', '.join(audits)})")
    words = "no evidence of its own speaks against either alone"
    if blamed:
        words = f"evidence of its own speaks against {' and '.join(blamed)}"
    return replace(pair, claim=f"{pair.claim}; {words}")


def _speaks_against(finding: Finding, model: str, decoy: str | None) -> bool:
    violated = finding.verdict is Verdict.VIOLATED and not finding.error
    about = finding.subjects == (model,) and finding.decoy == decoy
    return violated and about and finding.role != EXPLAINER


def _decide(name: str, findings: tuple[Finding, ...], scenario: Scenario) -> tuple[Decision, str]:
    open_ones = open_findings(findings)
    violated = [finding for finding in open_ones if finding.verdict is Verdict.VIOLATED]
    if violated:
        return Decision.REJECT, max(violated, key=_beyond).claim
    if open_ones:
        return Decision.UNDECIDED, max(open_ones, key=_beyond).claim
    if not scenario.decoys:
        why = "the scenario names no decoy, so that nothing was looked for: add one to 'decoys'"
        return Decision.UNDECIDED, f"{name}: {why}"
    missing = []
    for audit in scenario.blocking:
        missing += _lacking(audit, findings, scenario)
    if missing:
        hint = _hint(findings, scenario)
        why = f"was not audited by {', '.join(missing)}: run the whole suite to promote it{hint}"
        return Decision.UNDECIDED, f"{name} {why}"
    blocking = [finding for finding in findings if finding.blocking]
    looked_at = {finding.decoy for finding in blocking}
    unseen = [decoy for decoy in scenario.decoys if decoy not in looked_at]
    if unseen:
        return Decision.UNDECIDED, (
            f"{name}: no audit that blocks looked at {', '.join(unseen)}: "
            "add one that does to 'blocking', such as decoy_insertion"
        )
    waived = [finding for finding in blocking if finding.waived]
    if waived:
        return Decision.WAIVED, f"{waived[0].claim}; waived: {waived[0].waived}"
    return Decision.PROMOTE, passed(name, blocking)


def _hint(findings: Sequence[Finding], scenario: Scenario) -> str:
    """Which audit was probably meant by one that blocks and that nobody knows; "" where none."""
    known = {finding.audit.partition("@")[0] for finding in findings}
    for audit in scenario.blocking:
        if audit.partition("@")[0] not in known:
            hint = did_you_mean(audit, known)
            if "did you mean" in hint:
                return hint
    return ""


def _lacking(audit: str, findings: Sequence[Finding], scenario: Scenario) -> list[str]:
    """What a blocking audit has not looked at: itself, or some of the decoys."""
    seen = set()
    for each in findings:
        noted = only_noted(scenario, each.role, each.verdict)
        counts = each.blocking or not each.applies or noted
        if counts and audit in (each.audit, each.audit.partition("@")[0]):
            seen.add(each.decoy)
    if not seen:
        return [audit]
    if None in seen:
        return []
    return [f"{audit} with {decoy}" for decoy in scenario.decoys if decoy not in seen]


def _beyond(finding: Finding) -> tuple[bool, bool, float]:
    """For the worst: where nothing was measured, then what was named, then by how much."""
    named = not finding.audit.endswith(("@elsewhere", "@stronger"))
    value, limit = finding.judgement.estimate.value, finding.judgement.limit
    value, limit = (0.0 if math.isnan(each) else each for each in (value, limit))
    return finding.error, named, value - limit


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
