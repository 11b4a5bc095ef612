"""One audit, made as a user would make it: Trial -> Outcome, by the real harness and the real audit
functions.
"""

from __future__ import annotations

import hashlib
import inspect
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

from shortcut_audit import promotion
from shortcut_audit.calibration import behaviour
from shortcut_audit.calibration.audit_functions import audit_functions
from shortcut_audit.calibration.behaviour import elsewhere, fresh, specific_insertion
from shortcut_audit.calibration.population import Trial, settings, trained_by
from shortcut_audit.evidence.collection import Evidence
from shortcut_audit.files.checkpoint_files import digest_of
from shortcut_audit.files.sources import PACKAGE
from shortcut_audit.files.store import Store
from shortcut_audit.harness.judge import Harness
from shortcut_audit.harness.plan import plan
from shortcut_audit.records import Candidate, Decision, Finding
from shortcut_audit.reporting import assembly, record
from shortcut_audit.scenario import Scenario
from shortcut_audit.subjects.manifest.candidates import read_candidates
from shortcut_audit.subjects.pictures.material import Material

JUDGED_BY = ("harness", "judging", "measures", "subjects", "evidence")  # rooms of the package


@dataclass(frozen=True)
class Outcome:
    """What the audit said, and what the model really does."""

    trial: Trial
    decision: Decision
    # each of the trial's decoys -> specific insertion on fresh pictures
    insertion: Mapping[str, float]
    elsewhere: Mapping[str, float]  # the same into the class, but the decoy's own, that gains most
    findings: tuple[Finding, ...]


class TrialRunner:
    """Models, pictures and evidence, loaded once for many trials."""

    def __init__(self, scenario: Scenario, out: Path, suite: Path) -> None:
        self.scenario = scenario
        self.candidates = {each.name: each for each in read_candidates(out / "models")}
        self.store = Store(out / "evidence")
        self.suite = suite
        self.material = Material(scenario)
        self.fresh = Material(fresh(scenario))
        self._digests: dict[str, str] = {}

    def outcome(self, trial: Trial) -> Outcome:
        """The findings of every audit of the trial, the decision that a report would show, and the
        label by behaviour.
        """
        scenario = _narrowed(trained_by(self.scenario, trial.recipe), trial)
        name = trial.job.name
        candidate = replace(self.candidates[name], reference=False)
        others = [replace(self.candidates[each], reference=True) for each in trial.references]
        harness = Harness(self._evidence(scenario, [*others, candidate], self.material))
        findings: list[Finding] = []
        for audit in audits(scenario, trial):
            for check in audit_functions(self.suite, audit):
                for case in plan(check.wanted, [*others, candidate], scenario):
                    if name in case.models:
                        judged = harness.judge(check.function, check.given, case, check.name)
                        findings += judged
        unseen = self._evidence(fresh(scenario), [candidate], self.fresh)
        does = {
            decoy: (unseen.predictions(name, decoy), self.fresh.named_decoy(decoy).target_index)
            for decoy in trial.decoys
        }
        insertion = {decoy: specific_insertion(*each) for decoy, each in does.items()}
        own = tuple(finding for finding in findings if finding.subjects == (name,))
        decision = assembly.model_report(candidate, own, scenario).decision
        return Outcome(
            trial,
            decision,
            insertion,
            {decoy: elsewhere(*each) for decoy, each in does.items()},
            tuple(findings),
        )

    def key(self, trial: Trial) -> str:
        """Everything that the outcome depends on, as a digest: models, data, decoys, limits, the
        suite and who judges.
        """
        scenario = _narrowed(trained_by(self.scenario, trial.recipe), trial)
        depends = {
            "models": [self._sha256(name) for name in (trial.job.name, *trial.references)],
            "scenario": scenario.model_dump(
                mode="json", exclude={"training", "calibration", "folder", "data", "digest"}
            ),
            "fresh": settings(scenario).fresh,
            "supporting": trial.supporting,
            "round": trial.round,
            "pictures": self._pictures,
            "code": self._code,
        }
        return hashlib.sha256(json.dumps(depends, sort_keys=True).encode()).hexdigest()

    def _evidence(
        self, scenario: Scenario, candidates: list[Candidate], material: Material
    ) -> Evidence:
        # the same pictures for all trials: a decoy is put on them once
        return Evidence(scenario, candidates, self.store, pictures=material)

    def _sha256(self, name: str) -> str:
        if name not in self._digests:
            self._digests[name] = digest_of(self.candidates[name].file)
        return self._digests[name]

    @cached_property
    def _pictures(self) -> list[str]:
        """Digests of what is audited and of what labels behaviour: other pictures in the same
        folders are other outcomes.
        """
        size = self.scenario.training.size
        return [each.pictures("validation", size).digest for each in (self.material, self.fresh)]

    @cached_property
    def _code(self) -> str:
        rooms: list[Path] = []
        for room in JUDGED_BY:
            rooms += (PACKAGE / room).rglob("*.py")
        modules = [Path(inspect.getfile(module)) for module in (promotion, assembly, behaviour)]
        return assembly.suite_digest([*modules, *rooms, *self.suite.glob("test_*.py")])


def audits(scenario: Scenario, trial: Trial) -> Iterable[str]:
    """Those that block in the scenario, then the trial's supporting ones, each once."""
    return dict.fromkeys((*scenario.blocking, *trial.supporting))


def _narrowed(scenario: Scenario, trial: Trial) -> Scenario:
    return scenario.model_copy(
        update={"decoys": {name: scenario.decoys[name] for name in trial.decoys}}
    )


def as_line(key: str, outcome: Outcome) -> str:
    """One line of JSON."""
    row = {
        "key": key,
        "model": outcome.trial.job.name,
        "decision": outcome.decision.value,
        "insertion": outcome.insertion,
        "elsewhere": outcome.elsewhere,
        "findings": [record.as_row(finding) for finding in outcome.findings],
    }
    return json.dumps(row)


def from_line(row: Mapping[str, Any], trial: Trial) -> Outcome:
    """The outcome that `as_line` wrote."""
    findings = tuple(record.from_row(each) for each in row["findings"])
    return Outcome(trial, Decision(row["decision"]), row["insertion"], row["elsewhere"], findings)
