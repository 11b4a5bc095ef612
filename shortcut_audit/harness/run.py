"""One run of the harness: options -> cases -> findings -> report and files.

torch is imported when the first case needs evidence, not before.
"""

from __future__ import annotations

import hashlib
import inspect
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict, replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from shortcut_audit.errors import UsageError
from shortcut_audit.harness.course.closing import concluded, disagreeing, shown
from shortcut_audit.harness.course.inputs import Inputs, called, digests
from shortcut_audit.harness.course.ledger import Ledger
from shortcut_audit.harness.course.opening import try_what_is_asked
from shortcut_audit.harness.course.part import Chosen, chosen
from shortcut_audit.harness.course.shard_ledger import ShardLedger
from shortcut_audit.harness.course.shards import Shard
from shortcut_audit.harness.course.work import Planned, as_given, units
from shortcut_audit.harness.kinds import CASE, KINDS
from shortcut_audit.harness.observed import Observed
from shortcut_audit.harness.plan import (
    LOCAL,
    Settings,
    audit_name,
    not_compared,
    not_measured,
    plan,
    refuse_stale_waivers,
    without_a_case,
)
from shortcut_audit.processors import cores
from shortcut_audit.progress import Ahead, Listener, Unit, Watch
from shortcut_audit.records import Case, Finding, Report
from shortcut_audit.reporting import suite as suites
from shortcut_audit.reporting.assembly import assemble
from shortcut_audit.reporting.conclusion import NOT_WRITTEN, nobody
from shortcut_audit.scenario import load_scenario
from shortcut_audit.subjects.manifest.candidates import read_candidates
from shortcut_audit.waivers import unmatched

if TYPE_CHECKING:
    from shortcut_audit.evidence.collection import Evidence
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
        refuse_stale_waivers(self.scenario, self.candidates, whole=self.models.is_dir())
        self.reports = reports
        self.settings = settings
        self.observed = Observed()
        self.units: frozenset[Unit] = frozenset()  # of evidence that the tests will ask for
        self.conftests: frozenset[Path] = frozenset()
        self.listener: Listener = Ahead()  # hears how far the work is
        self.ledger = self._ledger(settings)
        self.report: Report | None = None
        self.refusal = self._refusal(settings.handed)

    def _ledger(self, settings: Settings) -> Ledger:
        if settings.shard is None:
            return Ledger(self.reports, settings.reporting)
        return ShardLedger(settings.shard, self.reports, self.observed)

    def identity(self) -> dict[str, str]:
        """Digests of what this process read, for the others of the same run to be held against."""
        described = hashlib.sha256(repr(self.candidates).encode()).hexdigest()
        return {
            f"the scenario '{self.scenario_path}'": self.scenario.digest,
            f"the models in '{self.models}'": described,
            "the shard": str(self.settings.shard or "none"),
        }

    def _refusal(self, handed: Mapping[str, str] | None) -> str:
        if handed is None or handed == self.identity():
            return ""
        other = [what for what, digest in self.identity().items() if handed.get(what) != digest]
        what = " and ".join(other)
        return f"{what} changed after the run had begun: nothing was judged, run the audits again"

    def header(self) -> str:
        """The line under pytest's own."""
        from shortcut_audit.harness.course.prospects import foreseen

        count, references = len(self.candidates), sum(each.reference for each in self.candidates)
        models = f"models: {self.models} ({count}, {references} of them references)"
        scenario = f"scenario: {self.scenario_path}, reports: {self.ledger.folder}"
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
        self.conftests = frozenset(conftests)
        self.observed.suite = suites.read_suite(audits, self.conftests)

    def model_of(self, nodeid: str) -> str:
        """The model that a test is mostly about: of a pair the second, which is the one that is not
        the reference.
        """
        text = nodeid.partition("[")[2].removesuffix("]").rpartition("+")[2]
        names = [candidate.name for candidate in self.candidates]
        fitting = [name for name in names if f"{text}-".startswith(f"{name}-")]
        return max(fitting, key=len, default=nodeid)

    def choose(
        self, collected: Iterable[str], selected: Sequence[str], cases: Iterable[str]
    ) -> Collection[str]:
        """Which of the selected tests this process is to run: those of its shard.

        Args:
            collected: the node ids of all tests, by which models are dealt out to shards.
            selected: of those that are to be run in any shard, in their order.
            cases: of those that audit a model.
        """
        shard = self.settings.shard
        if shard is None:
            return selected
        every = {*collected, *selected}
        models = {nodeid: self.model_of(as_given(nodeid)) for nodeid in every}
        self.ledger.chosen = chosen(shard, models, selected, frozenset(cases))
        return self.ledger.chosen.own

    def expect(self, tests: Iterable[Planned]) -> None:
        """Forecasts what evidence the tests will ask for, which the time left is told from."""
        # whatever is wrong with data or decoys is said when they are needed
        with suppress(Exception):
            self.units = frozenset(units(tests, self.candidates, self.scenario))
            self.listener.planned(self.units)

    def gather(self) -> None:
        """Has an engine compute what was forecast, before the first test runs.

        Raises:
            UsageError: there is no such engine, or it cannot work here; says what to do.
        """
        if self.settings.engine == LOCAL:
            return
        from shortcut_audit.gathering.gather import ahead

        evidence, conftests = self.harness.evidence, sorted(self.conftests)
        self.observed.notes |= ahead(self.settings.engine, self.units, evidence, conftests)

    @cached_property
    def harness(self) -> Harness:
        """Evidence and judging; made when the first case needs it."""
        import torch

        from shortcut_audit.files.store import Store
        from shortcut_audit.gathering.meanwhile import Meanwhile
        from shortcut_audit.harness.course.timed import Timed
        from shortcut_audit.harness.judge import Harness

        workers = self.settings.workers
        if workers > 1:
            torch.set_num_threads(max(1, cores() // workers))
        store = Store(self.settings.store or self.reports / "evidence")
        watch = Watch(self.listener)
        trust, device = self.settings.trust_code, self._device()
        evidence = Timed(
            self.scenario, self.candidates, store, device, trust, watch.at, watch=watch
        )
        part = self.settings.shard or Shard(1, 1)
        turn = (part.number - 1 + self.settings.worker / workers) / part.of
        if workers > 1:
            store.meanwhile = Meanwhile(self.units, evidence, turn)
        return Harness(evidence, turn)

    def _device(self) -> str:
        import torch

        asked = self.settings.device
        if asked != "auto":
            return asked
        count = torch.cuda.device_count() if torch.cuda.is_available() else 0
        return f"cuda:{self.settings.worker % count}" if count else "cpu"

    def take_notes(self) -> list[str]:
        """What this process could not read or keep, a sentence each."""
        if "harness" in self.__dict__:
            evidence = self.harness.evidence
            self.observed.notes |= {*evidence.material.broken, *evidence.store.problems}
            self.observed.saw(evidence.material.digests())
            self.observed.devices.add(evidence.device)
        return sorted(self.observed.notes)

    def handed_over(self) -> dict[str, Any]:
        """What a worker tells the process that writes the report, in plain values."""
        self.take_notes()
        own = self.ledger.chosen
        return self.observed.handed_over() | ({"chosen": asdict(own)} if own else {})

    def take_over(self, said: Mapping[str, Any]) -> None:
        """Takes what a worker handed over; one that was killed says nothing."""
        self.observed.take_over(said)
        if "chosen" in said:
            self.ledger.chosen = Chosen(**said["chosen"])

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
        self.ledger.begin(self._about())
        if check:
            try_what_is_asked(self.scenario, self.candidates, self.settings)

    def _about(self) -> dict[str, Any]:
        """What a report can be made of where the run is killed."""
        models = {}
        for each in self.candidates:
            models[each.name] = {"file": str(each.file), "reference": each.reference}
        scenario = {"path": str(self.scenario_path), "digest": self.scenario.digest}
        about = {"scenario": scenario, "models": models}
        return about if self.settings.shard is None else about | asdict(self.inputs())

    def inputs(self) -> Inputs:
        """How it was called and what it reads, for its shards to be held against each other."""
        call = called(self.models, self.scenario_path, self.settings)
        return Inputs(call, digests(self.scenario, self.candidates))

    def close(self, interrupted: str, code: int, failed: bool) -> Report:
        """The report of the run as far as it went; nothing is written yet.

        Args:
            interrupted: why the run did not come to its end, as a sentence; empty where it did.
                Then nobody is promoted.
            code: pytest's own exit code, which stands where the run was interrupted.
            failed: whether pytest counts a failure or an error, an audit's or another test's.
        """
        interrupted = interrupted or self.ledger.unfinished()
        self.ledger.failed = failed
        self.observed.doubts |= set(suites.changed(self.observed.suite))
        found = self.ledger.findings
        suite = suites.described(self.observed.suite)
        report = assemble(found, self.candidates, self.scenario, str(self.scenario_path), suite)
        of_pairs = [each for each in self.scenario.waivers if each.models]
        self.observed.notes |= set(unmatched(of_pairs, report.pairs, self.scenario.named))
        # of a shard nothing is shown: that is for the whole run
        measured = [] if interrupted or self.settings.shard else found
        multiplicity = disagreeing(self._evidence, measured, self.observed.notes)
        self.take_notes()
        data = dict(self.observed.pictures)  # of what was audited: a report alone may read more
        exhibits = (
            shown(self._evidence, report, self.reports, self.observed.notes) if measured else ()
        )
        report = replace(
            report,
            multiplicity=multiplicity,
            exhibits=exhibits,
            provenance=report.provenance | self._provenance(),
            data=data,
            finished=not interrupted,
        )
        own = self.ledger.chosen
        if own and len(own.own) < own.tests and not report.models:
            report = replace(report, exit_code=0)  # all models are in other shards
        told = code if interrupted else int(failed)
        return concluded(report, interrupted, self.observed.doubts, told)

    def _evidence(self) -> Evidence:
        return self.harness.evidence

    def _provenance(self) -> dict[str, Any]:
        """How the run was called, on which devices models were asked, and what was noted."""
        notes, devices = self.take_notes(), sorted(self.observed.devices)
        return {"command": self.settings.command, "device": ", ".join(devices), "notes": notes}

    def write(self, report: Report) -> int:
        """Writes every file of the report and returns the exit code: the report's own, or 3 where
        not all could be written.
        """
        self.report = report
        self.ledger.publish(report)
        return self._not_written() if self.ledger.trouble else report.exit_code

    def withdraw(self, trouble: str) -> int:
        """Takes the report's files away because of this trouble, and returns the exit code."""
        self.ledger.withdraw(trouble)
        return self._not_written()

    def _not_written(self) -> int:
        if self.report is not None:
            report = nobody(self.report, "no verdict could be written")
            self.report = replace(report, exit_code=NOT_WRITTEN, finished=False)
        return NOT_WRITTEN
