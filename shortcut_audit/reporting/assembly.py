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

from shortcut_audit.files.checkpoint_files import digest_if_there
from shortcut_audit.promotion import PROMOTED, decide, open_findings
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
from shortcut_audit.scenario import Scenario
from shortcut_audit.subjects.checkpoints.predictions import ARCH as OF_ANSWERS
from shortcut_audit.subjects.manifest.descriptions import read_as

ON_TRUST = (
    "; its answers to planted pictures were audited, and not the model that gave them: "
    "whoever sent them answers for their being its own"
)


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
    together = [finding for finding in findings if len(finding.subjects) > 1]
    models = {}
    for candidate in candidates:
        own = _once([each for each in findings if each.subjects == (candidate.name,)])
        if own:
            digests = _digests(candidate.name, findings)
            models[candidate.name] = model_report(candidate, own, scenario, digests)
    pairs = tuple(with_blame(finding, findings) for finding in together)
    promoted = all(model.decision in PROMOTED for model in models.values())
    stopped = bool(open_findings(pairs))
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
    """What is decided of a model, and what of it was audited.

    digests: the SHA-256 of every file that was audited under this name.
    Law: nobody is promoted whose file is not, at the end, the one and only one that was audited.
    """
    decision, sentence = decide(candidate.name, findings, scenario)
    now = digest_if_there(candidate.file)
    audited = sorted(set(digests).union(*(each.sha256 for each in findings)))
    if audited and audited != [now] and decision in PROMOTED:
        decision, sentence = Decision.UNDECIDED, _changed(candidate, audited, now)
    if candidate.arch == OF_ANSWERS and decision in PROMOTED:
        sentence += ON_TRUST
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
