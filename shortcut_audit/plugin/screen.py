"""What the terminal shows of a run of ours: what is asked, how far it is, and the summary.

It works where the terminal is: on xdist's controller, which follows the notes of its workers, or in
the one process that there is. On a terminal the progress is one line that is written anew, below
pytest's own; in a log it is a line a minute.
"""

from __future__ import annotations

import os
import shutil
import sys
import threading
import time
from collections.abc import Generator, Iterator
from contextlib import nullcontext, suppress
from pathlib import Path
from typing import Any, TextIO

import pytest

from shortcut_audit.harness.course.work import in_words
from shortcut_audit.harness.run import Run
from shortcut_audit.plugin.letters import MEANINGS
from shortcut_audit.progress import MINUTE, OFTEN, Ahead, heard, span
from shortcut_audit.records import Report
from shortcut_audit.reporting.table import Look, summary

NOTES = ".progress"  # folder in the reports, while workers of xdist are at work
IN_ASCII = str.maketrans({"✗": "x", "✓": "+", "…": "."})


def notes_of(reports: Path, worker: str) -> Path:
    """The file in which a worker of xdist notes how far it is."""
    return reports / NOTES / f"{worker}.jsonl"


class Screen:
    """Hooks around what pytest writes on the terminal."""

    def __init__(self, run: Run, config: pytest.Config, reporter: pytest.TerminalReporter) -> None:
        self.run, self.reporter = run, reporter
        self.capture = config.pluginmanager.getplugin("capturemanager")
        self.rewrites = reporter.isatty and _can_be_rewritten(config)
        self.ahead = Ahead(changed=self.refresh)
        self.following: Following | None = None
        self.nodeids: list[str] = []  # of the tests of xdist's workers
        self._lock = threading.RLock()  # held while pytest writes of a test, and while we do
        self._begun = self._last = self._said = time.monotonic()
        self._estimated = self._shown = self._asked = False

    # ---- while it runs ----

    def refresh(self) -> None:
        """Shows how far the work is, where it is time to."""
        now, verbosity = time.monotonic(), self.reporter.verbosity
        if now - self._last < OFTEN:
            return
        with self._lock:
            self._last = now
            text = self.ahead.text()
            if self.rewrites and verbosity > -2:
                self._rewrite(text)
            elif text and not self.rewrites and verbosity >= 0 and self._is_due(now):
                self._said = now
                self._add_line(f"after {span(now - self._begun)}: {text}")

    def _is_due(self, now: float) -> bool:
        """A minute after the last line, or as soon as a long run knows how long it is."""
        left = None if self._estimated else self.ahead.left()
        first = left is not None and left[1] and now - self._begun + left[0] > MINUTE
        self._estimated = self._estimated or first
        return first or now - self._said >= MINUTE

    def _add_line(self, text: str) -> None:
        with self._uncaptured():
            if self.reporter._tw.width_of_current_line:
                self.reporter._tw.line()
                self.reporter.currentfspath = None  # it is named again before the next letter
            self.reporter.write_line(_written_in(self.reporter._tw._file, text))

    def _rewrite(self, text: str) -> None:
        """Puts the text on the line below the cursor, and the cursor back."""
        terminal = self.reporter._tw
        written, width = terminal.width_of_current_line, terminal.fullwidth
        if written and written % width == 0:
            return  # the cursor is beyond the edge, or at the next line: terminals differ
        back = f"\033[{written % width}C" if written else ""
        with self._uncaptured():
            shown = _written_in(sys.stdout, text)[: width - 1]
            sys.stdout.write(f"\r\n\033[K{shown}\033[A\r{back}")
            sys.stdout.flush()
        self._shown = bool(text)

    def _uncaptured(self) -> Any:
        return self.capture.global_and_fixture_disabled() if self.capture else nullcontext()

    def _around(self) -> Generator[None, Any, Any]:
        """Keeps our line out of what pytest writes."""
        with self._lock:
            if self._shown:
                self._rewrite("")
            return (yield)

    @pytest.hookimpl(wrapper=True, tryfirst=True)
    def pytest_runtest_logstart(self) -> Generator[None, Any, Any]:
        """Says before xdist's first test what is asked: its controller collects nothing."""
        if self.nodeids and not self._asked:
            self._asked = True
            said = in_words(self.nodeids, self.run.model_of, self.run.scenario.named)
            if said and self.reporter.verbosity >= 0:
                self._add_line(said)
        return (yield from self._around())

    @pytest.hookimpl(wrapper=True, tryfirst=True)
    def pytest_runtest_logreport(self) -> Generator[None, Any, Any]:
        """Pytest writes a letter."""
        return (yield from self._around())

    @pytest.hookimpl(wrapper=True, tryfirst=True)
    def pytest_runtest_logfinish(self) -> Generator[None, Any, Any]:
        """Pytest writes how many tests have run."""
        return (yield from self._around())

    @pytest.hookimpl(optionalhook=True)
    def pytest_configure_node(self, node: Any) -> None:
        """Follows one more worker of xdist, which is about to start."""
        if self.following is None:
            self.following = Following(self.ahead)
        self.following.add(notes_of(self.run.ledger.folder, node.gateway.id))

    @pytest.hookimpl(optionalhook=True)
    def pytest_xdist_node_collection_finished(self, ids: list[str]) -> None:
        """Takes down which tests the workers have: all have the same."""
        self.nodeids = ids

    @pytest.hookimpl(wrapper=True)
    def pytest_runtestloop(self) -> Generator[None, Any, Any]:
        """Listens to the workers until the last test has run."""
        try:
            return (yield)
        finally:
            if self.following is not None:
                self.following.stop()

    # ---- the end ----

    @pytest.hookimpl(tryfirst=True)
    def pytest_sessionfinish(self) -> None:
        """Takes the line away: what comes now is the summary."""
        with self._lock:
            if self._shown:
                self._rewrite("")

    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> None:
        """Shows the verdicts below pytest's own summary; nothing with -qq."""
        if self.run.report is None or terminalreporter.verbosity < -1:
            return
        if terminalreporter.verbosity >= 0:
            terminalreporter.section("shortcut audit")
        for line in self._lines(self.run.report, terminalreporter.verbosity):
            terminalreporter.write_line(_written_in(terminalreporter._tw._file, line))

    def _lines(self, report: Report, verbosity: int) -> Iterator[str]:
        terminal = self.reporter._tw

        def paint(text: str, colour: str) -> str:
            return terminal.markup(text, **{colour: True})

        whole = self.run.settings.shard is None  # a shard promotes nobody, and says why not
        said = verbosity if whole else min(verbosity, -1)
        yield from summary(report, Look(paint, terminal.fullwidth, said))
        if verbosity > 0:
            yield f"evidence took, in all processes together: {self.ahead.took() or 'no time'}"
        letters = [MEANINGS[each] for each in MEANINGS if self.reporter.stats.get(each)]
        if verbosity == 0 and letters:
            yield f"letters: {'; '.join(letters)}"
        trouble = self.run.ledger.trouble
        yield from self.run.ledger.notes
        page = self.run.reports / "report.html"
        if verbosity >= 0 and page.is_file():
            yield f"page: {page}"
        yield f"no verdict: {trouble}" if trouble else self.run.ledger.last_word()

    def pytest_unconfigure(self) -> None:
        """Leaves no notes of workers behind."""
        if self.following is not None:
            shutil.rmtree(self.run.ledger.folder / NOTES, ignore_errors=True)


class Following:
    """A thread that listens to what xdist's workers note, twice in a second."""

    def __init__(self, ahead: Ahead) -> None:
        self.ahead = ahead
        self._heard: dict[Path, int] = {}  # file -> bytes
        self._ends = threading.Event()
        self._thread = threading.Thread(target=self._follow, daemon=True)
        self._thread.start()

    def add(self, notes: Path) -> None:
        """One more worker; what is in its file is of a run that was killed."""
        with suppress(OSError):
            notes.unlink(missing_ok=True)
        self._heard[notes] = 0
        self.ahead.processes = len(self._heard)

    def stop(self) -> None:
        """Hears what is left, and listens no longer."""
        self._ends.set()
        self._thread.join()

    def _follow(self) -> None:
        while not self._ends.wait(0.5):
            self._hear()
            with suppress(Exception):
                self.ahead.changed()  # a minute ends as well where nobody notes anything
        self._hear()

    def _hear(self) -> None:
        for file in list(self._heard):
            self._heard[file] = heard(file, self._heard[file], self.ahead)


def _can_be_rewritten(config: pytest.Config) -> bool:
    """Whether nothing but pytest writes on the terminal, and it understands where to."""
    captured = getattr(config.option, "capture", "no") != "no"  # no option with -p no:capture
    return captured and os.environ.get("TERM", "dumb") != "dumb"


def _written_in(file: TextIO, text: str) -> str:
    """The text with letters in place of what this file's encoding does not have.

    pytest would do so too, but write colours as letters as well.
    """
    encoding = getattr(file, "encoding", None) or "utf-8"
    try:
        text.encode(encoding)
    except UnicodeEncodeError:
        return text.translate(IN_ASCII).encode(encoding, "backslashreplace").decode(encoding)
    return text
