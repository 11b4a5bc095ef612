"""pytest's hooks and fixtures, which only delegate. The one module that imports pytest.

`pytest audits/ --models checkpoints/` parametrises every audit over models (or pairs) and decoys, runs it, and turns
what it measured into findings, which travel on the test's report: so `-n`, `-k`, `-x` and `--lf` all work.
"""

from __future__ import annotations

import sys
from collections.abc import Generator
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from shortcut_audit import errors
from shortcut_audit.planning import stops
from shortcut_audit.records import Case, Finding, Verdict
from shortcut_audit.reporting import record
from shortcut_audit.session import CASE, Run

if TYPE_CHECKING:
    from shortcut_audit.cases import Audit

OPTIONS = {  # name -> (default, help); each is a command-line option and an ini key of the same name
    "models": ("", "audit the checkpoints in this folder, or this one file"),
    "scenario": ("", "the YAML that names data, decoys and limits"),
    "data": ("", "where the data set's relative paths start, instead of beside the scenario"),
    "reports": ("reports", "folder for the verdict, the record and the evidence"),
    "device": ("auto", "cpu, cuda, cuda:1, or auto: cuda where there is one"),
}
PROPERTIES = ("verdict", "applies", "blocking", "value", "low", "high", "limit", "n", "detectable")  # for JUnit
RUN = pytest.StashKey[Run]()
FINDINGS = pytest.StashKey[list[Finding]]()
LETTERS = {  # (blocking, verdict) -> (category, letter, word with colour), where it is not pytest's own
    (True, Verdict.UNDECIDED): ("undecided", "U", ("UNDECIDED", {"yellow": True})),
    (False, Verdict.UNDECIDED): ("noted", "u", ("NOTED (undecided)", {"yellow": True})),
    (False, Verdict.VIOLATED): ("noted", "v", ("NOTED (violated)", {"yellow": True})),
}


class NotShownError(Exception):
    """An audit's finding keeps its model from being promoted; the text is the claim."""


def pytest_addoption(parser: pytest.Parser) -> None:
    group = parser.getgroup("shortcut-audit", "is an image classifier right for the right reasons?")
    for name, (default, text) in OPTIONS.items():
        group.addoption(f"--{name}", metavar=name.upper(), help=f"{text} (default: {default or 'none'})")
        parser.addini(name, text, default=default)
    group.addoption("--trust-code", action="store_true", help="let the manifest name architectures of your own (runs code)")


@pytest.hookimpl(tryfirst=True)
def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", "audit: a check of a model; added to every test that asks for the `audit` fixture")
    if not (models := option(config, "models")):
        return
    try:
        run = Run(models, option(config, "scenario"), Path(option(config, "reports")), _settings(config))
    except errors.ShortcutAuditError as error:
        raise pytest.UsageError(str(error)) from None
    config.stash[RUN] = run
    if config.option.collectonly or _fixtures_only(config) or hasattr(config, "workerinput"):
        return
    run.progress = _progress(config)
    config.pluginmanager.register(Recorder(run, config), "shortcut-audit-recorder")
    if not getattr(config.option, "xmlpath", "set"):
        config.option.xmlpath = str(run.reports / "junit.xml")


def option(config: pytest.Config, name: str) -> str:
    """The command line's word, or the ini file's."""
    return str(config.getoption(name) or config.getini(name))


def _fixtures_only(config: pytest.Config) -> bool:
    return bool(config.option.showfixtures or config.option.show_fixtures_per_test)


def _settings(config: pytest.Config) -> dict[str, Any]:
    worker = getattr(config, "workerinput", None)
    return {
        "data": Path(data) if (data := option(config, "data")) else None,
        "device": option(config, "device"),
        "trust_code": config.getoption("trust_code"),
        "worker": int(worker["workerid"].removeprefix("gw")) if worker else 0,
        "workers": int(worker["workercount"]) if worker else 1,
    }


def _progress(config: pytest.Config) -> Any:
    """Shows long work at the right end of the line, on a terminal only."""
    reporter = config.pluginmanager.getplugin("terminalreporter")
    capture = config.pluginmanager.getplugin("capturemanager")
    if reporter is None or not reporter.isatty:
        return None

    def show(text: str) -> None:
        with capture.global_and_fixture_disabled():
            sys.stdout.write(f"\0337\033[K {text}\0338")
            sys.stdout.flush()

    return show


def pytest_report_header(config: pytest.Config) -> str | None:
    return config.stash[RUN].header() if RUN in config.stash else None


@pytest.hookimpl(tryfirst=True)
def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if CASE not in metafunc.fixturenames:
        return
    run = metafunc.config.stash.get(RUN, None)
    cases = run.plan(metafunc.fixturenames) if run else []
    metafunc.parametrize(CASE, cases, ids=[case.id for case in cases], indirect=True, scope="session")


def pytest_collection_modifyitems(session: pytest.Session, config: pytest.Config, items: list[pytest.Item]) -> None:
    audits = [item for item in items if CASE in getattr(item, "fixturenames", ())]
    for item in audits:
        item.add_marker("audit")
    run = config.stash.get(RUN, None)
    if audits and run is None and not _fixtures_only(config):
        raise pytest.UsageError("audits need models: name their folder, as in `pytest audits/ --models checkpoints/`")
    if run is not None and not audits and not session.testsfailed:
        raise pytest.UsageError("no audit was collected for --models: name their folder, as in `pytest audits/ --models DIR`")
    if run is not None:
        run.suite = sorted({item.path for item in audits})


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Any:
    """One scope per model, so that each worker loads a model once."""
    if RUN not in config.stash:
        return None
    from xdist.scheduler import LoadScopeScheduling

    class ByModel(LoadScopeScheduling):  # type: ignore[misc]
        def _split_scope(self, nodeid: str) -> str:
            return config.stash[RUN].model_of(nodeid)

        def remove_node(self, node: Any) -> str | None:
            """A test that kills its worker is not tried again: xdist's own scheduler would kill one worker after the other."""
            units = self.assigned_work.get(node, {}).values()
            killer = next((nodeid for unit in units for nodeid, done in unit.items() if not done), None)
            for unit in units:
                if killer in unit:
                    unit[killer] = True
            rest: str | None = super().remove_node(node)
            return killer or rest

    return ByModel(config, log)


# ---- fixtures: what an audit can ask for ----


@pytest.fixture(scope="session")
def audit_case(request: pytest.FixtureRequest) -> Case:
    """The model (or pair) and the decoy of this test; the plugin parametrises it."""
    found: Case = request.param
    return found


@pytest.fixture
def audit(audit_case: Case) -> Audit:
    """Takes the numbers: `audit.check(values, control, at_most(limit))`."""
    from shortcut_audit.cases import Audit

    return Audit()


def _evidence(name: str, text: str) -> Any:
    def value(audit_case: Case, request: pytest.FixtureRequest) -> Any:
        return request.config.stash[RUN].harness.value(name, audit_case)

    value.__doc__ = text
    return pytest.fixture(name=name)(value)


subject = _evidence("subject", "The loaded model: `subject.network` maps (n, 3, h, w) in [0, 1] to logits (n, k).")
pair = _evidence("pair", "The two models' entries of the manifest; every other fixture then gives a tuple of two.")
decoy = _evidence("decoy", "The decoy's name, target and target_index.")
predictions = _evidence("predictions", "Logits on the validation images: plain, decoyed, control.")
masks = _evidence("masks", "What the model needs to see of images of the decoy's class.")
explainer_check = _evidence("explainer_check", "Masks in copies of the model of which it is known where they must lie.")
transfer = _evidence("transfer", "Scores of a pair of models through their own and each other's masks.")
influence = _evidence("influence", "How much each training image speaks for each query.")
accuracy = _evidence("accuracy", "Which plain validation images the model, and the best model, get right.")
limits = _evidence("limits", "The scenario's limits.")
scenario = _evidence("scenario", "The whole scenario.")


# ---- from a test to findings ----


@pytest.hookimpl(wrapper=True)
def pytest_pyfunc_call(pyfuncitem: pytest.Function) -> Generator[None, object, object]:
    result = yield
    if CASE in pyfuncitem.fixturenames:
        findings = pyfuncitem.config.stash[RUN].judge(pyfuncitem.obj, pyfuncitem.callspec.params, pyfuncitem.funcargs)
        pyfuncitem.stash[FINDINGS] = findings
        claims = [finding.claim for finding in findings if stops(finding)]
        if claims:
            raise NotShownError("\n".join(claims))
    return result


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item, call: Any) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    report = yield
    run = item.config.stash.get(RUN, None)
    if run is None or not isinstance(item, pytest.Function) or CASE not in item.fixturenames or call.when == "teardown":
        return report
    error = call.excinfo.value if call.excinfo else None
    if report.skipped or hasattr(report, "wasxfail"):
        report.outcome = "failed"
        error = errors.UsageError("an audit may not be skipped or expected to fail: waive it in the scenario")
        report.__dict__.pop("wasxfail", None)
    if isinstance(error, NotShownError | errors.ShortcutAuditError):
        report.longrepr = str(error)
    findings = item.stash.get(FINDINGS, [])
    if report.failed and not findings:
        findings = [run.broken(item.originalname, item.callspec.params, error)]
    rows = [record.as_row(replace(finding, case=item.nodeid, seconds=round(call.duration, 3))) for finding in findings]
    if call.when == "call" or report.failed:
        report.findings = rows  # type: ignore[attr-defined]  # xdist carries it to the controller
        if not report.failed and not any(finding.applies for finding in findings):
            reason = f"Skipped: {findings[0].claim}"
            report.outcome, report.longrepr = "skipped", (str(item.path), item.reportinfo()[1] or 0, reason)
        report.user_properties += [(key, str(row[key])) for row in rows for key in PROPERTIES]
    return report


def pytest_report_teststatus(report: pytest.TestReport) -> Any:
    rows = getattr(report, "findings", None)
    if not rows:
        return None
    if any(row["error"] for row in rows):
        if not isinstance(report.longrepr, str):
            return None  # an audit that broke is shown with its traceback
        return "not audited", "E", ("NOT AUDITED", {"red": True})
    if not any(row["applies"] for row in rows):
        return "not applicable", "-", ("N/A", {"cyan": True})
    keys = {(row["blocking"] and not row["waived"], Verdict(row["verdict"])) for row in rows}
    return None if (True, Verdict.VIOLATED) in keys else next((LETTERS[key] for key in LETTERS if key in keys), None)


@pytest.hookimpl(tryfirst=True)
def pytest_sessionfinish(session: pytest.Session) -> None:
    if RUN in session.config.stash and hasattr(session.config, "workeroutput"):
        session.config.workeroutput |= session.config.stash[RUN].handed_over()


class Recorder:
    """Writes each finding down as it comes, and the report at the end; lives on xdist's controller, or in the one process."""

    def __init__(self, run: Run, config: pytest.Config) -> None:
        self.run = run
        self.config = config

    def pytest_sessionstart(self) -> None:
        try:
            self.run.begin()
        except errors.ShortcutAuditError as error:
            raise pytest.UsageError(str(error)) from None

    @pytest.hookimpl(optionalhook=True)
    def pytest_testnodedown(self, node: Any) -> None:
        self.run.take_over(getattr(node, "workeroutput", {}))

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        self.run.add(getattr(report, "findings", []))

    @pytest.hookimpl(tryfirst=True)
    def pytest_sessionfinish(self, session: pytest.Session) -> None:
        if session.exitstatus in (pytest.ExitCode.USAGE_ERROR, pytest.ExitCode.INTERNAL_ERROR):
            return
        for name, sentence in self.run.left_out().items():
            self._fail(f"{name} verdict", sentence)
        decided = session.exitstatus in (pytest.ExitCode.OK, pytest.ExitCode.TESTS_FAILED, pytest.ExitCode.NO_TESTS_COLLECTED)
        session.exitstatus = self.run.finish(None if decided else int(session.exitstatus)).exit_code

    def _fail(self, name: str, sentence: str) -> None:
        """One more failed case, so that JUnit and exit code say what the verdict file says."""
        nodeid = f"shortcut_audit::{name}"
        keywords: dict[str, Any] = {}
        report = pytest.TestReport(nodeid, ("shortcut_audit", None, name), keywords, "failed", sentence, "call")
        self.config.hook.pytest_runtest_logreport(report=report)

    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> None:
        if self.run.report is None:
            return
        terminalreporter.section("shortcut audit")
        for line in self.run.summary(lambda text, colour: terminalreporter._tw.markup(text, **{colour: True})):
            terminalreporter.write_line(line)
