"""Writes each finding down as it comes, and the report at the end.

It works on xdist's controller, or in the one process that there is.
"""

from __future__ import annotations

import signal
import threading
from collections.abc import Generator, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from shortcut_audit import errors
from shortcut_audit.files.withdrawn import Withdrawn
from shortcut_audit.harness.course.part import Ended
from shortcut_audit.harness.course.shard_ledger import ShardLedger
from shortcut_audit.harness.course.work import as_given
from shortcut_audit.harness.plan import killed
from shortcut_audit.harness.run import Run
from shortcut_audit.reporting.conclusion import left_out, not_written, report_files
from shortcut_audit.reporting.record import as_row

# how pytest and xdist begin what they say of -x and --maxfail
STOPPED_ON_REQUEST = "stopping after"


class Recorder:
    """The hooks that follow a run of ours from its beginning to its report.

    Where only the ini file asks for a run, they do nothing until an audit is collected: until then
    pytest's run is none of ours.
    """

    def __init__(self, run: Run, config: pytest.Config, sleeps: bool, old: Withdrawn) -> None:
        self.run = run
        self.config = config
        self.awake = not sleeps
        self.old = old
        self.interruption = ""
        self.collected = False
        self.broken_files = False  # files that could not be collected may hold audits
        self.former: Any = None  # what SIGTERM did before

    def pytest_collection_finish(self) -> None:
        """Notes that this process has collected its tests."""
        self.collected = True

    @pytest.hookimpl(optionalhook=True)
    def pytest_xdist_node_collection_finished(self) -> None:
        """Notes that a worker of xdist has collected its tests."""
        self.collected = True

    def pytest_collectreport(self, report: pytest.CollectReport) -> None:
        """Notes a file that could not be collected."""
        self.broken_files |= report.failed

    # ---- the beginning ----

    @pytest.hookimpl(tryfirst=True)
    def pytest_sessionstart(self) -> None:
        """Begins the run that the command line asks for."""
        if self.awake:
            self._begin(check=True)

    def wake(self, check: bool) -> bool:
        """Makes the run ours, for an audit was collected; returns False where it already was."""
        if self.awake:
            return False
        self.awake = True
        self.old.drop()
        more = Withdrawn(report_files(self.run.reports))
        more.drop()
        if self.old.problem or more.problem:
            raise pytest.UsageError(self.old.problem or more.problem)
        self._begin(check)
        self._write_junit()
        return True

    def _begin(self, check: bool) -> None:
        self._listen()
        try:
            self.run.begin(check)
        except errors.ShortcutAuditError as error:
            raise pytest.UsageError(str(error)) from None

    def _write_junit(self) -> None:
        """Has pytest write JUnit's file, though it configured itself before the run was ours."""
        plugin = self.config.pluginmanager.get_plugin("junitxml")
        if plugin is None:
            return
        if isinstance(self.run.ledger, ShardLedger):  # one shard's is no gate
            for writer in self._junit_writers():
                writer.logfile = str(self.run.ledger.folder / Path(writer.logfile).name)
            return
        if self.config.option.xmlpath:
            return
        self.config.option.xmlpath = str(self.run.reports / "junit.xml")
        Path(self.config.option.xmlpath).unlink(missing_ok=True)
        before = self.config.pluginmanager.get_plugins()
        plugin.pytest_configure(self.config)
        for writer in self.config.pluginmanager.get_plugins() - before:
            writer.pytest_sessionstart()

    def _listen(self) -> None:
        """Lets SIGTERM end the run as ctrl-C does."""
        on_main = threading.current_thread() is threading.main_thread()
        if self.former is not None or not on_main:
            return
        if signal.getsignal(signal.SIGTERM) is not signal.SIG_IGN:
            self.former = signal.signal(signal.SIGTERM, _interrupt)

    # ---- while it runs ----

    @pytest.hookimpl(optionalhook=True)
    def pytest_testnodedown(self, node: Any) -> None:
        """Takes what a worker of xdist handed over when it ended."""
        self.run.take_over(getattr(node, "workeroutput", {}))
        if self.run.ledger.chosen is not None:
            self.wake(check=False)  # a shard may have no test that would

    @pytest.hookimpl(optionalhook=True)
    def pytest_handlecrashitem(self, crashitem: str, report: Any) -> None:
        """Has the report of a test that killed its worker of xdist say so of its model."""
        finding = killed(self.run.scenario, self.run.candidates, as_given(crashitem))
        if finding is not None:
            report.findings = [as_row(replace(finding, case=crashitem))]
            report.longrepr, report.audit_begins = finding.claim, False

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Writes the findings of one test down, and of a shard's what became of it."""
        self._follow(report)
        begins = getattr(report, "audit_begins", None)
        if begins is None:
            return
        if self.wake(check=False):  # xdist: the controller has collected nothing
            self._into_junit(report)
        if begins:
            self.run.ledger.forget(report.nodeid)
        self.run.ledger.add(report.nodeid, getattr(report, "findings", []))

    def _follow(self, report: pytest.TestReport) -> None:
        if not isinstance(self.run.ledger, ShardLedger):
            return
        outcome, phase, told = str(report.outcome), str(report.when), report.longrepr
        said = told[2].removeprefix("Skipped: ") if isinstance(told, tuple) else report.longreprtext
        crash = getattr(told, "reprcrash", None)
        why = crash.message if crash else said
        if report.failed and phase in ("setup", "teardown"):  # as pytest's own file has it
            outcome, why = "error", f'failed on {phase} with "{why}"'
        self.run.ledger.follow(report.nodeid, phase, Ended(outcome, report.duration, why, said))

    def pytest_keyboard_interrupt(self, excinfo: pytest.ExceptionInfo[BaseException]) -> None:
        """Notes that ctrl-C or SIGTERM ended the run early; -x and --maxfail end it as asked."""
        words = str(excinfo.value)
        if not words.startswith(STOPPED_ON_REQUEST):
            self.interruption = words or excinfo.typename

    def pytest_internalerror(self, excinfo: pytest.ExceptionInfo[BaseException]) -> None:
        """Notes that pytest itself failed."""
        self.interruption = f"{excinfo.typename} within pytest"

    # ---- the end ----

    @pytest.hookimpl(wrapper=True, trylast=True)
    def pytest_sessionfinish(self, session: pytest.Session) -> Generator[None, object, object]:
        """Writes the report, and sets the exit code of pytest to the report's."""
        if self.awake and session.exitstatus == pytest.ExitCode.USAGE_ERROR:
            self._into_junit(
                _failed(
                    "audit verdict",
                    "nothing was audited: pytest was asked for what it cannot do, and said so",
                )
            )
        elif self.awake:
            self._finish(session)
        try:
            return (yield)
        except OSError as error:  # pytest's own junit.xml
            if not self.awake or errors.machine_fault(error) is None:
                raise
            junit = self.config.option.xmlpath
            session.exitstatus = self.run.withdraw(
                not_written(error, Path(junit or self.run.reports))
            )
            if junit:
                Path(junit).unlink(missing_ok=True)
            return None

    def _finish(self, session: pytest.Session) -> None:
        why = self._interrupted(session)
        report = self.run.close(why, int(session.exitstatus), session.testsfailed > 0)
        empty = self.run.settings.shard is not None and not report.models
        for name, sentence in ({} if empty else left_out(report)).items():
            self._fail(session, f"{name} verdict", sentence)
        if report.exit_code and not session.testsfailed:
            self._fail(session, "audit verdict", why or "no model was promoted")
        code = self.run.write(report)
        if trouble := self.run.ledger.trouble:
            self._fail(session, "report", trouble)
        session.exitstatus = code

    def _interrupted(self, session: pytest.Session) -> str:
        """Why the run ended early, as a sentence; empty where it did not, or by -x or --maxfail."""
        asked = session.shouldfail or session.shouldstop
        other = isinstance(asked, str) and not asked.startswith(STOPPED_ON_REQUEST)
        said = self.interruption or (str(asked) if other else "")
        if not said:
            return ""
        return (
            f"the run was interrupted before it ended ({said}): "
            "run it again, for a part of it promotes nobody"
        )

    def _fail(self, session: pytest.Session, name: str, sentence: str) -> None:
        """Adds a failed case, so that JUnit and the exit code say what the verdict file says."""
        failed = session.testsfailed
        self.config.hook.pytest_runtest_logreport(report=_failed(name, sentence))
        session.testsfailed = max(session.testsfailed, failed + 1)

    def _into_junit(self, report: pytest.TestReport) -> None:
        for writer in self._junit_writers():
            writer.pytest_runtest_logreport(report)

    def _junit_writers(self) -> Iterator[Any]:
        for plugin in self.config.pluginmanager.get_plugins():
            if getattr(plugin, "logfile", None) and hasattr(plugin, "node_reporter"):
                yield plugin

    def pytest_unconfigure(self) -> None:
        """Gives SIGTERM back; drops the old verdict, or puts it back if the run was not ours."""
        if self.former is not None:
            signal.signal(signal.SIGTERM, self.former)
        if self.awake or self.broken_files or not self.collected:
            self.old.drop()
        else:
            self.old.put_back()


def _failed(name: str, sentence: str) -> pytest.TestReport:
    keywords: dict[str, Any] = {}
    place = ("shortcut_audit", None, name)
    return pytest.TestReport(f"shortcut_audit::{name}", place, keywords, "failed", sentence, "call")


def _interrupt(_number: int, _frame: object) -> None:
    raise KeyboardInterrupt("SIGTERM")
