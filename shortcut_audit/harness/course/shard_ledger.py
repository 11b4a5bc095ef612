"""The findings of one shard of a run as they come. It writes no verdict, and nothing like one."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

from shortcut_audit.errors import UsageError
from shortcut_audit.harness.course.inputs import Call, Inputs
from shortcut_audit.harness.course.ledger import Ledger
from shortcut_audit.harness.course.part import NAME, Chosen, Ended, Part, write_part
from shortcut_audit.harness.course.shards import Shard
from shortcut_audit.harness.observed import Observed
from shortcut_audit.records import Report
from shortcut_audit.reporting.conclusion import not_written
from shortcut_audit.reporting.record import as_row

QUIET = ("passed", "skipped")  # outcomes, the quietest first; any other is a failure
AT_WORK = "it was killed, or is still at work"


class ShardLedger(Ledger):
    """Writes `shards/2-of-8/` in the run's reports: the record, and `shard.json`.

    Law: `shard.json` says that the shard came to its end only where each of its tests did, and each
        audit of a model found something.
    """

    def __init__(self, shard: Shard, reports: Path, observed: Observed) -> None:
        super().__init__(shard.folder(reports), {})
        self.shard, self.reports, self.observed = shard, reports, observed
        self.why = ""  # it did not come to its end
        self._about: Mapping[str, Any] = {}
        self._begun: dict[str, Ended] = {}  # by test; of one that is run again the last counts
        self._ended: set[str] = set()

    @property
    def _file(self) -> Path:
        return self.folder / NAME

    @property
    def _inputs(self) -> Inputs:
        return Inputs(Call(**self._about["call"]), self._about["read"])

    def begin(self, about: Mapping[str, Any]) -> None:
        """As `Ledger.begin`; from now on the shard is there, and has not come to its end."""
        super().begin(about)
        self._about = about
        try:
            write_part(self._file, Part(self.shard, AT_WORK, self._inputs))
        except OSError as error:
            raise UsageError(not_written(error, self._file)) from None

    def follow(self, nodeid: str, phase: str, ended: Ended) -> None:
        """Takes what one phase of a test came to: setup, call, teardown, or ??? for a crash."""
        if phase == "setup":
            self._begun.pop(nodeid, None)
            self._ended.discard(nodeid)
        before = self._begun.get(nodeid)
        self._begun[nodeid] = _together(before, ended) if before else ended
        if phase not in ("setup", "call"):
            self._ended.add(nodeid)

    def unfinished(self) -> str:
        """Why the shard is not whole though nothing interrupted it; "" where it is."""
        if self.chosen is None:
            return "no process said which tests are its own"
        found = self._ended & {*self._findings, *(self.chosen.own.keys() - {*self.chosen.cases})}
        missing = sorted(self.chosen.own.keys() - found)
        if not missing:
            return ""
        return f"{len(missing)} of its tests did not run to their end, such as {missing[0]}"

    def publish(self, report: Report) -> None:
        """Writes `shard.json`; nothing is left of it where that or the record cannot be written."""
        self.why = "" if report.finished else self.unfinished() or "it was interrupted"
        try:
            write_part(self._file, self._part(self.why))
        except OSError as error:
            self.trouble = self.trouble or not_written(error, self._file)
        if self.trouble:
            self.withdraw(self.trouble)

    def _part(self, unfinished: str) -> Part:
        chosen, ended = self.chosen or Chosen(), {}
        for nodeid in chosen.own:
            rows = tuple(map(as_row, self._findings.get(nodeid, [])))
            if nodeid in self._ended:
                ended[nodeid] = replace(self._begun[nodeid], findings=rows)
        observed, doubts = self.observed.handed_over(), tuple(sorted(self.observed.doubts))
        part = Part(self.shard, unfinished, self._inputs, chosen, ended, observed, doubts)
        return replace(part, failed=self.failed)

    def withdraw(self, trouble: str) -> None:
        """Takes `shard.json` away because of this trouble."""
        self.trouble = trouble
        with suppress(OSError):
            self._file.unlink(missing_ok=True)

    def last_word(self) -> str:
        """What the terminal says at the end."""
        if self.why:
            return f"shard {self.shard} did not come to its end ({self.why}): run it again"
        merged = f"nobody is promoted before `shortcut-audit merge {self.reports}`"
        return f"shard {self.shard}: {merged} has put all {self.shard.of} shards together"


def _together(one: Ended, other: Ended) -> Ended:
    """Two phases of a test: the outcome is the worse one's."""
    worse = max(one, other, key=lambda each: (*QUIET, each.outcome).index(each.outcome))
    return replace(worse, seconds=one.seconds + other.seconds)
