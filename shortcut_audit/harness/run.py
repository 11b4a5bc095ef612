"""One run of the harness: options -> cases -> findings -> report and files.

torch is imported when the first case needs evidence, not before.
"""

from __future__ import annotations

import hashlib
import inspect
import os
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import replace
from functools import cached_property
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Any

from shortcut_audit import registry
from shortcut_audit.errors import UsageError
from shortcut_audit.harness.kinds import KINDS
from shortcut_audit.harness.observed import Observed
from shortcut_audit.harness.plan import (
    CASE,
    Settings,
    audit_name,
    not_compared,
    not_measured,
    plan,
    without_a_case,
)
from shortcut_audit.progress import shown_as_lines
from shortcut_audit.records import Case, Finding, Report
from shortcut_audit.reporting import record
from shortcut_audit.reporting import suite as suites
from shortcut_audit.reporting.assembly import assemble
from shortcut_audit.reporting.conclusion import (
    FAILED,
    INTERRUPTED,
    NOT_WRITTEN,
    nobody,
    not_asked,
    not_written,
    report_files,
)
from shortcut_audit.reporting.matrix import Paint, disagreements, matrix, reasons, unpainted
from shortcut_audit.scenario import load_scenario
from shortcut_audit.subjects.manifest.candidates import read_candidates
from shortcut_audit.subjects.pictures.material import Material

if TYPE_CHECKING:
    from shortcut_audit.harness.judge import Harness


class Run:
    """What `--models`, `--scenario` and `--audit-reports` ask for, and what came of it.

    `refusal`: why no case may be judged, where this process reads other files than the one that
    began the run.

    Raises:
        UsageError: the folder of models is empty or not there, or the scenario cannot be read.
    """

    def __init__(self, models: str, scenario: str, reports: Path, settings: Settings) -> None:
        if not scenario:
            word = settings.scenario_word
            raise UsageError(
                f"audits need a scenario: name one with {word} FILE, "
                "or as `scenario` in the ini file"
            )
        if (data := settings.data) is not None and not data.is_dir():
            raise UsageError(
                f"--audit-data '{data}' is no folder: "
                "name the one in which the data set's paths start"
            )
        self.models = Path(models)
        self.candidates = read_candidates(self.models)
        self.scenario_path = Path(scenario)
        self.scenario = load_scenario(self.scenario_path, data)
        self.reports = reports
        self.settings = settings
        self.observed = Observed()
        self.progress: Callable[[str], None] | None = None
        self.report: Report | None = None
        self.trouble = ""  # why record or report could not be written
        self.refusal = self._refusal(settings.handed)
        # by test: of one that is run again the last counts
        self._findings: dict[str, list[Finding]] = {}

    def identity(self) -> dict[str, str]:
        """Digests of what this process read, for the others of the same run to be held against."""
        described = hashlib.sha256(repr(self.candidates).encode()).hexdigest()
        return {
            f"the scenario '{self.scenario_path}'": self.scenario.digest,
            f"the models in '{self.models}'": described,
        }

    def _refusal(self, handed: Mapping[str, str] | None) -> str:
        if handed is None or handed == self.identity():
            return ""
        other = [what for what, digest in self.identity().items() if handed.get(what) != digest]
        what = " and ".join(other)
        return f"{what} changed after the run had begun: nothing was judged, run the audits again"

    def header(self) -> str:
        """The line under pytest's own."""
        from shortcut_audit.harness.prospects import foreseen

        count, references = len(self.candidates), sum(each.reference for each in self.candidates)
        models = f"models: {self.models} ({count}, {references} of them references)"
        scenario = f"scenario: {self.scenario_path}, reports: {self.reports}"
        return "\n".join([models, scenario, *foreseen(self.scenario, self.candidates)])

    def plan(self, wanted: Collection[str]) -> list[Case]:
        """The cases of an audit that asks for these fixtures."""
        if "pair" in wanted and (note := not_compared(self.candidates)):
            self.observed.notes.add(note)
        return plan(wanted, self.candidates, self.scenario)

    def without_a_case(self, function: str, wanted: Collection[str]) -> str:
        """Why `plan` gives none."""
        return without_a_case(audit_name(function, {}), wanted, self.candidates, self.scenario)

    def collected(self, audits: Iterable[Path], conftests: Iterable[Path]) -> None:
        """Takes down what the suite is, before the first audit runs."""
        self.observed.suite = suites.read_suite(audits, conftests)

    def model_of(self, nodeid: str) -> str:
        """The model that a test is mostly about: of a pair the second, which is the one that is not
        the reference.
        """
        text = nodeid.partition("[")[2].removesuffix("]").rpartition("+")[2]
        names = [candidate.name for candidate in self.candidates]
        fitting = [name for name in names if f"{text}-".startswith(f"{name}-")]
        return max(fitting, key=len, default=nodeid)

    @cached_property
    def harness(self) -> Harness:
        """Evidence and judging; made when the first case needs it."""
        import torch

        from shortcut_audit.evidence.collection import Evidence
        from shortcut_audit.files.store import Store
        from shortcut_audit.harness.judge import Harness

        workers = self.settings.workers
        if workers > 1:
            torch.set_num_threads(max(1, (os.cpu_count() or 1) // workers))
        store = Store(self.reports / "evidence")
        trust = self.settings.trust_code
        evidence = Evidence(
            self.scenario, self.candidates, store, self._device(), trust, shown_as_lines(self._show)
        )
        return Harness(evidence, turn=self.settings.worker / workers)

    def _device(self) -> str:
        import torch

        asked = self.settings.device
        if asked != "auto":
            return asked
        count = torch.cuda.device_count() if torch.cuda.is_available() else 0
        return f"cuda:{self.settings.worker % count}" if count else "cpu"

    def _show(self, line: str) -> None:
        if self.progress is not None:
            self.progress(line)

    def take_notes(self) -> list[str]:
        """What this process could not read or keep, a sentence each."""
        if "harness" in self.__dict__:
            evidence = self.harness.evidence
            self.observed.notes |= {*evidence.material.broken, *evidence.store.problems}
            self.observed.saw(evidence.material.digests())
        return sorted(self.observed.notes)

    def handed_over(self) -> dict[str, Any]:
        """What a worker tells the process that writes the report, in plain values."""
        self.take_notes()
        return self.observed.handed_over()

    def take_over(self, said: Mapping[str, Any]) -> None:
        """Takes what a worker handed over; one that was killed says nothing."""
        self.observed.take_over(said)

    # ---- findings ----

    def judge(
        self, function: Callable[..., Any], params: Mapping[str, Any], arguments: Mapping[str, Any]
    ) -> list[Finding]:
        """Every check of one audit on one case."""
        given = {
            name: arguments[name]
            for name in inspect.signature(function).parameters
            if name not in {*KINDS, "audit"}
        }
        name = audit_name(function.__name__, params)
        if "audit" not in arguments:
            raise UsageError(
                f"{name} hands over no numbers: let it ask for `audit`, "
                "and call audit.check(values, control, at_most(...))"
            )
        return self.harness.judge(function, given, params[CASE], name, measured=arguments["audit"])

    def broken(
        self, function: str, params: Mapping[str, Any], error: BaseException | None
    ) -> Finding:
        """The finding of a case where nothing could be measured."""
        return not_measured(self.scenario, params[CASE], audit_name(function, params), error)

    # ---- the record and the report ----

    def begin(self, check: bool = True) -> None:
        """Makes the folder and a new record, and checks that data and decoys are what the scenario
        says.

        Raises:
            UsageError, DataError: the folder cannot be written, or the scenario names what is
                not there.
        """
        try:
            self.reports.mkdir(parents=True, exist_ok=True)
            record.begin(self._record, self._about())
        except OSError as error:
            raise UsageError(
                f"cannot write to '{self.reports}': {error.strerror}; "
                "name another folder with --audit-reports"
            ) from None
        if check:
            self._try_what_is_asked()

    def _try_what_is_asked(self) -> None:
        material = Material(self.scenario)
        material.check(self.scenario.decoys)
        material.try_decoys(
            self.scenario.decoys, max((each.size for each in self.candidates), default=0) or 64
        )
        if self.settings.device != "auto":
            from shortcut_audit.subjects.loading.device import chosen_device

            chosen_device(self.settings.device)
        registry.build("explainer", self.scenario.masks.explainer, self.scenario.masks.options)
        registry.build("influence", self.scenario.influence.method, self.scenario.influence.options)

    def _about(self) -> dict[str, Any]:
        """What a report can be made of where the run is killed."""
        models = {}
        for each in self.candidates:
            models[each.name] = {"file": str(each.file), "reference": each.reference}
        scenario = {"path": str(self.scenario_path), "digest": self.scenario.digest}
        return {"scenario": scenario, "models": models}

    @property
    def _record(self) -> Path:
        return self.reports / record.NAME

    def add(self, case: str, rows: list[dict[str, Any]]) -> None:
        """Takes the findings of one test, and writes them down at once."""
        if rows:
            self._findings[case] = [record.from_row(row) for row in rows]
            self._write_down(lambda: record.append(self._record, rows))

    def forget(self, case: str) -> None:
        """A test begins: what an earlier try of it found does not count."""
        if self._findings.pop(case, None):
            self._write_down(lambda: record.forget(self._record, case))

    def _write_down(self, write: Callable[[], None]) -> None:
        if self.trouble:
            return  # said once
        try:
            write()
        except OSError as error:
            self.trouble = not_written(error, self._record)

    def close(self, interrupted: str, code: int, failed: bool) -> Report:
        """The report of the run as far as it went; nothing is written yet.

        Args:
            interrupted: why the run did not come to its end, as a sentence; empty where it did.
                Then nobody is promoted.
            code: pytest's own exit code, which stands where the run was interrupted.
            failed: whether pytest counts a failure or an error, an audit's or another test's.
        """
        self.observed.doubts |= set(suites.changed(self.observed.suite))
        found = list(chain.from_iterable(self._findings.values()))
        suite = suites.described(self.observed.suite)
        report = assemble(found, self.candidates, self.scenario, str(self.scenario_path), suite)
        multiplicity = self._multiplicity(found) if found and not interrupted else {}
        provenance = {**report.provenance, "notes": self.take_notes()}
        report = replace(
            report,
            provenance=provenance,
            multiplicity=multiplicity,
            data=self.observed.pictures,
            finished=not interrupted,
        )
        if interrupted:
            return replace(nobody(report, interrupted), exit_code=code or INTERRUPTED)
        if self.observed.doubts:
            return replace(
                nobody(report, "; ".join(sorted(self.observed.doubts))), exit_code=FAILED
            )
        return replace(report, exit_code=report.exit_code or (FAILED if failed else 0))

    def write(self, report: Report) -> int:
        """Writes every file of the report and returns the exit code: the report's own, or 3 where
        not all could be written.

        Law: where one file cannot be written none is left, so that no verdict stands that is
            not the whole run's.
        """
        self.report = report
        if not self.trouble:
            try:
                for name in registry.names("reporter"):
                    registry.build("reporter", name).write(report, self.reports)
            except OSError as error:
                self.trouble = not_written(error, self.reports)
        return self.withdraw(self.trouble) if self.trouble else report.exit_code

    def withdraw(self, trouble: str) -> int:
        """Takes the report's files away because of this trouble, and returns the exit code."""
        self.trouble = trouble
        for path in report_files(self.reports):
            with suppress(OSError):
                path.unlink(missing_ok=True)
        if self.report is not None:
            self.report = replace(self.report, exit_code=NOT_WRITTEN, finished=False)
        return NOT_WRITTEN

    def _multiplicity(self, findings: list[Finding]) -> dict[str, Any]:
        """How far the set's members disagree; what keeps it from being measured is a note, for no
        verdict depends on it.
        """
        from shortcut_audit.harness.disagreement import multiplicity

        try:
            return multiplicity(self.harness.evidence, findings)
        except (Exception, SystemExit) as error:
            self.observed.notes.add(f"how far the models disagree could not be measured: {error}")
            return {}

    def summary(self, paint: Paint = unpainted) -> Iterator[str]:
        """The matrix, a sentence for each model that is not promoted, and where the files are."""
        if self.report is None:
            return
        yield from matrix(self.report, paint)
        yield ""
        yield from reasons(self.report, paint)
        yield from disagreements(self.report)
        yield from not_asked(self.report)
        yield from sorted(self.observed.notes)
        yield (
            f"no verdict: {self.trouble}"
            if self.trouble
            else f"verdict: {self.reports / 'verdict.json'}"
        )
