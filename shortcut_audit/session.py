"""One run of the harness: options -> cases -> findings -> report and files. Knows nothing of pytest.

torch is imported when the first case needs evidence, not before.
"""

from __future__ import annotations

import inspect
import os
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from shortcut_audit import registry
from shortcut_audit.errors import ModelError, ShortcutAuditError, UsageError
from shortcut_audit.planning import VALUES, blocks, plan
from shortcut_audit.progress import told
from shortcut_audit.records import Case, Decision, Finding, Report, Verdict
from shortcut_audit.reporting import record
from shortcut_audit.reporting.assembly import assemble
from shortcut_audit.reporting.matrix import Paint, disagreements, matrix, reasons, unpainted
from shortcut_audit.scenario import load_scenario
from shortcut_audit.subjects.manifest import read_candidates
from shortcut_audit.subjects.material import Material

if TYPE_CHECKING:
    from shortcut_audit.cases import Harness


class Run:
    """What `--models`, `--scenario` and `--reports` ask for, and what came of it.

    Raises:
        UsageError: the folder of models is empty or not there, or the scenario cannot be read.
    """

    def __init__(self, models: str, scenario: str, reports: Path, settings: Mapping[str, Any]) -> None:
        if not scenario:
            raise UsageError("audits need a scenario: name one with --scenario FILE, or as `scenario` in the ini file")
        self.models = Path(models)
        self.candidates = read_candidates(self.models)
        self.scenario_path = Path(scenario)
        self.scenario = load_scenario(self.scenario_path, settings.get("data"))
        self.reports = reports
        self.settings = settings
        self.suite: list[Path] = []
        self.progress: Callable[[str], None] | None = None
        self.report: Report | None = None
        self.notes: set[str] = set()  # files that could not be read, evidence that could not be kept
        self._findings: list[Finding] = []

    def header(self) -> str:
        """The line under pytest's own."""
        references = sum(candidate.reference for candidate in self.candidates)
        models = f"models: {self.models} ({len(self.candidates)}, {references} of them references)"
        return f"{models}\nscenario: {self.scenario_path}, reports: {self.reports}"

    def plan(self, wanted: Collection[str]) -> list[Case]:
        """The cases of an audit that asks for these fixtures."""
        return plan(wanted, self.candidates, self.scenario)

    def model_of(self, nodeid: str) -> str:
        """The model that a test is mostly about: of a pair the second, which is the one that is not the reference."""
        text = nodeid.partition("[")[2].removesuffix("]").rpartition("+")[2]
        fitting = [candidate.name for candidate in self.candidates if f"{text}-".startswith(f"{candidate.name}-")]
        return max(fitting, key=len, default=nodeid)

    @cached_property
    def harness(self) -> Harness:
        """Evidence and judging; made when the first case needs it."""
        import torch

        from shortcut_audit.cases import Harness
        from shortcut_audit.evidence.collection import Evidence
        from shortcut_audit.store import Store

        workers = self.settings.get("workers", 1)
        if workers > 1:
            torch.set_num_threads(max(1, (os.cpu_count() or 1) // workers))
        store = Store(self.reports / "evidence")
        trust = bool(self.settings.get("trust_code"))
        return Harness(Evidence(self.scenario, self.candidates, store, self._device(), trust, told(self._show)))

    def _device(self) -> str:
        import torch

        asked = str(self.settings.get("device", "auto"))
        if asked != "auto":
            return asked
        count = torch.cuda.device_count() if torch.cuda.is_available() else 0
        return f"cuda:{self.settings.get('worker', 0) % count}" if count else "cpu"

    def _show(self, line: str) -> None:
        if self.progress is not None:
            self.progress(line)

    def take_notes(self) -> list[str]:
        """What this process could not read or keep, a sentence each."""
        if "harness" in self.__dict__:
            evidence = self.harness.evidence
            self.notes |= {*evidence.material.broken, *evidence.store.problems}
        return sorted(self.notes)

    def handed_over(self) -> dict[str, Any]:
        """What a worker tells the process that writes the report, in plain values."""
        return {"notes": self.take_notes(), "suite": [str(path) for path in self.suite]}

    def take_over(self, said: Mapping[str, Any]) -> None:
        """Takes what a worker handed over; one that was killed says nothing."""
        self.notes |= set(said.get("notes", ()))
        self.suite = sorted({*self.suite, *map(Path, said.get("suite", ()))})

    # ---- findings ----

    def judge(self, function: Callable[..., Any], params: Mapping[str, Any], arguments: Mapping[str, Any]) -> list[Finding]:
        """Every check of one audit on one case."""
        given = {name: arguments[name] for name in inspect.signature(function).parameters if name not in {*VALUES, "audit"}}
        return self.harness.judge(function, given, params[CASE], audit_name(function.__name__, params))

    def broken(self, function: str, params: Mapping[str, Any], error: BaseException | None) -> Finding:
        """The finding of a case where nothing could be measured.

        A checkpoint at fault is VIOLATED, so that its model is rejected; anything else leaves it UNDECIDED.
        """
        case: Case = params[CASE]
        audit = audit_name(function, params)
        charged = isinstance(error, ModelError)
        text = str(error) if isinstance(error, ShortcutAuditError) else f"{case.id}: {audit} broke: {error!r}"
        verdict = Verdict.VIOLATED if charged else Verdict.UNDECIDED
        return Finding(audit, case.models, case.decoy, verdict, blocks(self.scenario, audit), claim=text, error=True)

    # ---- the record and the report ----

    def begin(self) -> None:
        """Checks that data and decoys are what the scenario says, makes the folder and a new record.

        Raises:
            UsageError, DataError: the folder cannot be written, or the scenario names what is not there.
        """
        material = Material(self.scenario)
        for decoy in self.scenario.decoys:
            if self.scenario.target(decoy) is not None:
                material.bait(decoy)
        material.try_decoys(self.scenario.decoys, max((each.size for each in self.candidates), default=0) or 64)
        if self.settings.get("device", "auto") != "auto":
            from shortcut_audit.subjects.device import chosen_device

            chosen_device(str(self.settings["device"]))
        registry.build("explainer", self.scenario.masks.explainer, self.scenario.masks.options)
        registry.build("influence", self.scenario.influence.method, self.scenario.influence.options)
        try:
            self.reports.mkdir(parents=True, exist_ok=True)
            self._record.write_text("", encoding="utf-8")
        except OSError as error:
            raise UsageError(f"cannot write to '{self.reports}': {error.strerror}; name another folder with --reports") from None

    @property
    def _record(self) -> Path:
        return self.reports / "record.jsonl"

    def add(self, rows: list[dict[str, Any]]) -> None:
        """Takes the findings of one test, and writes them down at once."""
        if rows:
            record.append(self._record, rows)
            self._findings += [record.from_row(row) for row in rows]

    def _assembled(self) -> Report:
        return assemble(self._findings, self.candidates, self.scenario, str(self.scenario_path), self.suite)

    def left_out(self) -> dict[str, str]:
        """Models that lack a blocking finding though nothing else stops them: name -> the sentence that says so."""
        models = self._assembled().models.items()
        return {
            name: model.sentence
            for name, model in models
            if model.decision is Decision.UNDECIDED and not any(finding.claim == model.sentence for finding in model.findings)
        }

    def finish(self, interrupted: int | None = None) -> Report:
        """Writes every file of the report; `interrupted` is pytest's exit code where the run did not come to its end."""
        report = self._assembled()
        multiplicity = self._multiplicity() if self._findings and interrupted is None else {}
        provenance = {**report.provenance, "notes": self.take_notes()}
        code = report.exit_code if interrupted is None else interrupted
        self.report = replace(report, provenance=provenance, exit_code=code, multiplicity=multiplicity)
        for name in registry.names("reporter"):
            registry.build("reporter", name).write(self.report, self.reports)
        return self.report

    def _multiplicity(self) -> dict[str, Any]:
        """How far the set's members disagree; what keeps it from being measured is a note, for no verdict depends on it."""
        from shortcut_audit.reporting.divided import multiplicity

        try:
            return multiplicity(self.harness.evidence, self._findings)
        except (ShortcutAuditError, OSError, ValueError, RuntimeError) as error:
            self.notes.add(f"how far the models disagree could not be measured: {error}")
            return {}

    def summary(self, paint: Paint = unpainted) -> Iterator[str]:
        """The matrix, a sentence for each model that is not promoted, and where the files are."""
        if self.report is None:
            return
        yield from matrix(self.report, paint)
        yield ""
        yield from reasons(self.report, paint)
        yield from disagreements(self.report)
        yield from sorted(self.notes)
        yield f"verdict: {self.reports / 'verdict.json'}"


CASE = "audit_case"  # the parameter that holds a test's case


def audit_name(function: str, params: Mapping[str, Any]) -> str:
    """`test_influence_precision` with k = 50 -> `influence_precision@50`."""
    rest = [str(value) for name, value in params.items() if name != CASE]
    return "@".join([function.removeprefix("test_"), *rest])
