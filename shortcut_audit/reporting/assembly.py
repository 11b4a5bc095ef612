"""Findings -> Report: one verdict for each model, from its blocking findings alone."""

from __future__ import annotations

import hashlib
import platform
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

from shortcut_audit.errors import did_you_mean
from shortcut_audit.files.whole import sha256
from shortcut_audit.promotion import only_noted
from shortcut_audit.records import (
    ABOVE_CHANCE,
    Candidate,
    Decision,
    Finding,
    ModelReport,
    Report,
    Verdict,
)
from shortcut_audit.scenario import Scenario
from shortcut_audit.subjects.manifest.candidates import read_as

OF_THE_EXPLAINER = "explainer_sanity"  # speaks against the explainer, not against the model


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
        own = _once(finding for finding in findings if finding.subjects == (candidate.name,))
        if own:
            models[candidate.name] = model_report(
                candidate, own, scenario, _digests(candidate.name, findings)
            )
    pairs = tuple(
        with_blame(finding, findings) for finding in findings if len(finding.subjects) > 1
    )
    passed = bool(models) and all(
        model.decision in (Decision.PROMOTE, Decision.WAIVED) for model in models.values()
    )
    stopped = any(finding.blocking and finding.verdict is not Verdict.HOLDS for finding in pairs)
    return Report(
        models=models,
        pairs=pairs,
        scenario={"path": scenario_path, "digest": scenario.digest},
        suite=dict(suite),
        provenance=provenance(),
        exit_code=0 if passed and not stopped else 1,
    )


def model_report(
    candidate: Candidate,
    findings: tuple[Finding, ...],
    scenario: Scenario,
    digests: Collection[str] = (),
) -> ModelReport:
    """Reject if a blocking finding is VIOLATED; undecided if one is UNDECIDED or missing; waived or
    promote otherwise.

    digests: the SHA-256 of every file that was audited under this name. Law: nobody is promoted
        whose file is not, at the end,
    the one and only one that was audited.
    """
    decision, sentence = _decide(candidate.name, findings, scenario)
    now = sha256(candidate.file) if candidate.file.is_file() else None
    audited = sorted({*digests, *(digest for each in findings for digest in each.sha256)})
    if audited and audited != [now] and decision in (Decision.PROMOTE, Decision.WAIVED):
        then, found = (
            " and ".join(each[:12] for each in audited),
            "gone" if now is None else f"{now[:12]} now",
        )
        decision = Decision.UNDECIDED
        sentence = f"{candidate.name}: '{candidate.file.name}' changed since it was audited (SHA-256 {then}, {found}): audit it again"
    digest = audited[0] if audited else now
    return ModelReport(
        decision,
        sentence,
        digest,
        str(candidate.file),
        candidate.reference,
        findings,
        {} if candidate.problem else read_as(candidate),
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
    for finding in findings:
        told = finding.audit == ABOVE_CHANCE and any(each.audit == ABOVE_CHANCE for each in kept)
        if not told:
            kept.append(finding)
    return tuple(kept)


def with_blame(pair: Finding, findings: Sequence[Finding]) -> Finding:
    """A pair's finding that is VIOLATED, with the models that evidence of their own speaks against
    for the same decoy, or none.

    A pair cannot say which of the two is at fault, so that the finding never rejects a model.
    """
    if pair.verdict is not Verdict.VIOLATED or pair.error:
        return pair
    proven = [
        each
        for each in findings
        if each.verdict is Verdict.VIOLATED and each.decoy == pair.decoy and not each.error
    ]
    against = {
        model: ", ".join(
            each.audit
            for each in proven
            if each.subjects == (model,) and each.audit != OF_THE_EXPLAINER
        )
        for model in pair.subjects
    }
    blame = " and ".join(f"{model} ({audits})" for model, audits in against.items() if audits)
    words = (
        f"evidence of its own speaks against {blame}"
        if blame
        else "no evidence of its own speaks against either alone"
    )
    return replace(pair, claim=f"{pair.claim}; {words}")


def _decide(name: str, findings: tuple[Finding, ...], scenario: Scenario) -> tuple[Decision, str]:
    blocking = [finding for finding in findings if finding.blocking]
    open_ones = [
        finding
        for finding in blocking
        if finding.verdict is not Verdict.HOLDS and not finding.waived
    ]
    violated = [finding for finding in open_ones if finding.verdict is Verdict.VIOLATED]
    if violated:
        return Decision.REJECT, _worst(violated).claim
    if open_ones:
        return Decision.UNDECIDED, _worst(open_ones).claim
    if not scenario.decoys:
        return (
            Decision.UNDECIDED,
            f"{name}: the scenario names no decoy, so that nothing was looked for: add one to 'decoys'",
        )
    missing = [lack for audit in scenario.blocking for lack in _lacking(audit, findings, scenario)]
    if missing:
        known = {finding.audit.partition("@")[0] for finding in findings}
        hints = [
            did_you_mean(audit, known)
            for audit in scenario.blocking
            if audit.partition("@")[0] not in known
        ]
        hint = next((hint for hint in hints if "did you mean" in hint), "")
        return (
            Decision.UNDECIDED,
            f"{name} was not audited by {', '.join(missing)}: run the whole suite to promote it{hint}",
        )
    unseen = [
        decoy
        for decoy in scenario.decoys
        if not any(finding.decoy == decoy for finding in blocking)
    ]
    if unseen:
        words = f"no audit that blocks looked at {', '.join(unseen)}: add one that does to 'blocking', such as decoy_insertion"
        return Decision.UNDECIDED, f"{name}: {words}"
    waived = [finding for finding in blocking if finding.waived]
    if waived:
        return Decision.WAIVED, f"{waived[0].claim}; waived: {waived[0].waived}"
    count = len({finding.decoy for finding in blocking if finding.decoy})
    passed = f"{name} was audited for {count} {'decoy' if count == 1 else 'decoys'}, and no shortcut was found"
    return Decision.PROMOTE, passed + _power(blocking) + _spoken_for(blocking) + _innocent(blocking)


def _power(findings: Sequence[Finding]) -> str:
    """The effect that each of these would have found: the largest of the smallest."""
    known = [
        finding.detectable
        for finding in findings
        if finding.detectable is not None and finding.decoy
    ]
    return f"; an effect of {100 * max(known):.0f} points would have been found" if known else ""


def _spoken_for(findings: Sequence[Finding]) -> str:
    """What a pass speaks for: how accurate the model is, and which sizes, opacities and places of
    each decoy were tried.
    """
    told = [each for each in findings if each.audit == ABOVE_CHANCE and each.value is not None]
    right = (
        f"; it is right on {100 * (told[0].value or 0.0):.0f} % of {told[0].n} plain images"
        if told
        else ""
    )
    tried: dict[str | None, str] = {}
    for finding in findings:
        tried[finding.decoy] = max(tried.get(finding.decoy, ""), finding.tried, key=len)
    words = ", ".join(each for each in tried.values() if each)
    return right + (f"; this speaks for {words}, and for nothing else" if words else "")


def _innocent(findings: Sequence[Finding]) -> str:
    """Where a decoy does much, and its control as much: the sentence that says why this is no
    shortcut.
    """
    loud = [
        each
        for each in findings
        if each.decoy and each.limit and None not in (each.observed, each.control)
    ]
    loud = [each for each in loud if _named(each)]
    loud = [each for each in loud if (each.observed or 0.0) > (each.limit or 0.0)]
    if not loud:
        return ""
    loudest = max(loud, key=lambda finding: finding.observed or 0.0)
    by = "clean reference models do" if loudest.excess is not None else "a neutral control does"
    return f"; what {by} as well is none: {loudest.claim}"


def _lacking(audit: str, findings: Sequence[Finding], scenario: Scenario) -> list[str]:
    """What a blocking audit has not looked at: itself, or some of the decoys."""
    counted = [
        each
        for each in findings
        if each.blocking or not each.applies or only_noted(scenario, each.audit, each.verdict)
    ]
    seen = {each.decoy for each in counted if audit in (each.audit, each.audit.partition("@")[0])}
    if not seen:
        return [audit]
    return (
        []
        if None in seen
        else [f"{audit} with {decoy}" for decoy in scenario.decoys if decoy not in seen]
    )


def _worst(findings: list[Finding]) -> Finding:
    """The finding that is furthest beyond its limit: where nothing was measured, then what was
    named, then the rest.
    """
    return max(
        findings,
        key=lambda each: (each.error, _named(each), (each.value or 0.0) - (each.limit or 0.0)),
    )


def _named(finding: Finding) -> bool:
    """Whether it is about the class and the strength that the scenario names."""
    return not finding.audit.endswith(("@elsewhere", "@stronger"))


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
