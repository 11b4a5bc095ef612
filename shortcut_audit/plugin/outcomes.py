"""A test -> findings, which travel on its report: pytest says of an audit what its verdict says."""

from __future__ import annotations

from collections.abc import Generator
from dataclasses import replace
from typing import Any

import pytest

from shortcut_audit import errors
from shortcut_audit.plugin.collecting import case_of
from shortcut_audit.plugin.startup import RUN
from shortcut_audit.promotion import stops
from shortcut_audit.records import Case, Finding
from shortcut_audit.reporting import record

# what JUnit's file has of each finding
PROPERTIES = ("verdict", "applies", "blocking", "value", "low", "high", "limit", "n", "detectable")
FINDINGS = pytest.StashKey[list[Finding]]()


class NotShownError(Exception):
    """An audit's finding keeps its model from being promoted; the text is the claim."""


@pytest.hookimpl(wrapper=True)
def pytest_pyfunc_call(pyfuncitem: pytest.Function) -> Generator[None, object, object]:
    """Judges what an audit measured; the test fails where a finding stops its model."""
    result = yield
    if isinstance(case_of(pyfuncitem), Case):
        run = pyfuncitem.config.stash[RUN]
        findings = run.judge(pyfuncitem.obj, pyfuncitem.callspec.params, pyfuncitem.funcargs)
        pyfuncitem.stash[FINDINGS] = findings
        claims = [finding.claim for finding in findings if stops(finding)]
        if claims:
            raise NotShownError("\n".join(claims))
    return result


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: Any
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Puts an audit's findings on its report, which xdist carries to the controller."""
    report = yield
    case = case_of(item)
    if case is None or not isinstance(item, pytest.Function):
        return report
    if isinstance(case, str):
        return _without_a_case(report, case)
    report.audit_begins = call.when == "setup"  # type: ignore[attr-defined]
    if call.when == "setup":
        item.stash[FINDINGS] = []  # this may be another try
    return report if call.when == "teardown" else _with_findings(report, item, call)


def _without_a_case(report: pytest.TestReport, why: str) -> pytest.TestReport:
    """The report of an audit without a case: skipped, or failed where there is no run at all.

    A failed one carries the sentence that says what the user is to do.
    """
    if report.failed:
        report.longrepr = report.audit_mistake = why  # type: ignore[attr-defined]
    return report


def _with_findings(
    report: pytest.TestReport, item: pytest.Function, call: Any
) -> pytest.TestReport:
    error = _error(report, call)
    findings = item.stash.get(FINDINGS, [])
    if report.failed and not findings:
        findings = [item.config.stash[RUN].broken(item.originalname, item.callspec.params, error)]
    rows = [
        record.as_row(replace(finding, case=item.nodeid, seconds=round(call.duration, 3)))
        for finding in findings
    ]
    if call.when == "setup" and not report.failed:
        return report
    report.findings = rows  # type: ignore[attr-defined]
    if _says_nothing(findings, error, report.failed):
        report.outcome = "skipped"
        report.longrepr = (
            str(item.path),
            item.reportinfo()[1] or 0,
            f"Skipped: {findings[0].claim}",
        )
    for row in rows:
        report.user_properties += [(key, str(row[key])) for key in PROPERTIES]
    return report


def _error(report: pytest.TestReport, call: Any) -> BaseException | None:
    """What went wrong; where it is a sentence for a person, the report shows no traceback."""
    error: BaseException | None = call.excinfo.value if call.excinfo else None
    if report.skipped or hasattr(report, "wasxfail"):
        report.outcome = "failed"
        error = errors.UsageError(
            "an audit may not be skipped or expected to fail: waive it in the scenario"
        )
        report.__dict__.pop("wasxfail", None)
    error = errors.machine_fault(error) or error
    if isinstance(error, NotShownError | errors.ShortcutAuditError):
        report.longrepr = str(error)
    return error


def _says_nothing(findings: list[Finding], error: BaseException | None, failed: bool) -> bool:
    """Whether the test is neither a pass nor a failure.

    So it is where the audit does not apply, or cannot be asked and blocks nothing.
    """
    if not failed:
        return not any(finding.applies for finding in findings)
    blocking = any(finding.blocking for finding in findings)
    return isinstance(error, errors.ShortcutAuditError) and not blocking
