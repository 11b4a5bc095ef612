"""The findings of a run as they come, and its files: the record, and the report at the end."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import replace
from itertools import chain
from pathlib import Path
from typing import Any

from shortcut_audit.errors import UsageError
from shortcut_audit.harness.course.part import Chosen
from shortcut_audit.records import Finding, Report
from shortcut_audit.reporting import record
from shortcut_audit.reporting.conclusion import (
    is_needed,
    not_written,
    report_files,
    reporters,
    why_not_written,
)


class Ledger:
    """What was found, by test, and what is written of it.

    options: of the reporters.
    `trouble`: why record or verdict could not be written, as a sentence; "" where they could.
    `chosen`: of a shard of a run, which tests are its own; None until somebody has collected them.
    `notes`: a sentence for each file that could not be and that no verdict depends on.
    """

    def __init__(self, folder: Path, options: Mapping[str, Any]) -> None:
        self.folder, self.options, self.trouble = folder, options, ""
        self.notes: list[str] = []
        self.chosen: Chosen | None = None
        self.failed = False  # whether pytest counted a failure, in a test or elsewhere
        # by test: of one that is run again the last counts
        self._findings: dict[str, list[Finding]] = {}

    @property
    def findings(self) -> list[Finding]:
        """All of them, in the order of their tests."""
        return list(chain.from_iterable(self._findings.values()))

    @property
    def _record(self) -> Path:
        return self.folder / record.NAME

    def begin(self, about: Mapping[str, Any]) -> None:
        """Makes the folder and a new record, which says what the run is about.

        Raises:
            UsageError: the folder cannot be written.
        """
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            record.begin(self._record, dict(about))
        except OSError as error:
            raise UsageError(
                f"cannot write to '{self.folder}': {error.strerror}; "
                "name another folder with --audit-reports"
            ) from None

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

    def unfinished(self) -> str:
        """Why not all ran that should, though nothing interrupted it; "" where nobody can say."""
        return ""

    def publish(self, report: Report) -> None:
        """Writes every file of the report; nothing where the record could not be written.

        Laws: where a file cannot be written that is needed none is left, so that no verdict stands
            that is not the whole run's; one that only shows is gone alone, and a note says why.
        """
        trouble = self.trouble or self._written(report)
        if trouble:
            self.withdraw(trouble)

    def _written(self, report: Report) -> str:
        """Why what is needed could not be written, as a sentence; "" where all of it is."""
        # what only shows comes first, so that the verdict can say what is missing
        for reporter in sorted(reporters(self.options), key=is_needed):
            trouble = why_not_written(reporter, self._noted(report), self.folder)
            if trouble and is_needed(reporter):
                return trouble
            if trouble:
                self.notes.append(f"no {reporter.name}, which no verdict depends on: {trouble}")
        return ""

    def _noted(self, report: Report) -> Report:
        notes = [*report.provenance.get("notes", ()), *self.notes]
        return replace(report, provenance=report.provenance | {"notes": notes})

    def withdraw(self, trouble: str) -> None:
        """Takes the report's files away because of this trouble."""
        self.trouble = trouble
        for path in report_files(self.folder):
            with suppress(OSError):
                path.unlink(missing_ok=True)

    def last_word(self) -> str:
        """What the terminal says at the end, where all was written."""
        return f"verdict: {self.folder / 'verdict.json'}"
