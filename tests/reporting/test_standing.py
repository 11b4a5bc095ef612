"""How a finding stands: one answer, which every report says in its own words."""

from __future__ import annotations

from dataclasses import replace
from types import SimpleNamespace

import pytest
from finding_of import finding_of
from hypothesis import given
from hypothesis import strategies as st
from read_page import parsed

from shortcut_audit.attesting.statement import _kind
from shortcut_audit.plugin.letters import MEANINGS, pytest_report_teststatus
from shortcut_audit.promotion import Standing, excused, named, standing, stops
from shortcut_audit.records import Finding, Report, Verdict
from shortcut_audit.reporting.matrix import LEGEND, badness, matrix
from shortcut_audit.reporting.page import render, states
from shortcut_audit.reporting.record import as_row
from shortcut_audit.reporting.reporters.junit_per_model import _worded

WAIVED = "by Jane Doe until 2100-01-31: it was agreed"


def found(verdict=Verdict.VIOLATED, blocking=True, **more) -> Finding:
    figures = {"value": 0.3, "low": 0.2, "high": 0.4, "n": 100, "limit": 0.1}
    return finding_of("mine", ("m",), "sign", verdict, blocking, "m turns", **{**figures, **more})


FINDINGS = st.builds(
    found,
    st.sampled_from(Verdict),
    st.booleans(),
    applies=st.booleans(),
    error=st.booleans(),
    waived=st.sampled_from(["", WAIVED]),
)


def category(*findings: Finding, skipped: bool = False) -> str | None:
    """What pytest counts a test with these findings as; None: as pytest's own, F or a pass."""
    rows = [as_row(each) for each in findings]
    outcome = "skipped" if skipped else "failed" if any(map(stops, findings)) else "passed"
    report = SimpleNamespace(findings=rows, outcome=outcome, skipped=skipped, longrepr="m turns")
    shown = pytest_report_teststatus(report)
    return shown and shown[0]


@given(FINDINGS)
def test_what_stops_a_model_and_what_is_excused_is_what_promotion_says(finding):
    stands = standing(finding)
    assert stops(finding) is (stands in ("ERROR", "VIOLATED", "UNDECIDED"))
    assert bool(excused([finding])) is (stands is Standing.WAIVED)
    if finding.error:
        assert stands is not Standing.WAIVED, "what was not measured is waived by nobody"


@given(FINDINGS)
def test_every_report_says_of_a_finding_how_it_stands(finding):
    stands = standing(finding)
    waived = stands is Standing.WAIVED
    assert (states.state(finding) is states.WAIVED) is waived
    assert (category(finding) == "waived") is waived
    assert ("(waived" in _worded(finding)) is waived
    assert ("(only noted" in _worded(finding)) is (stands is Standing.NOTED)
    assert (category(finding) == "noted") is (stands is Standing.NOTED)
    assert (states.state(finding).tone == "bad") is (stands in ("ERROR", "VIOLATED"))
    kinds = {"HOLDS": "passedTests", "DOES_NOT_APPLY": "", "NOT_ASKED": ""}
    failed = stops(finding) and finding.verdict is Verdict.VIOLATED
    assert _kind(finding) == kinds.get(stands, "failedTests" if failed else "warnedTests")


def test_an_error_is_shown_as_one_whatever_waiver_is_written_there():
    broken = found(error=True, waived=WAIVED)
    assert standing(broken) is Standing.ERROR
    assert states.state(broken) is states.BROKEN
    assert category(broken) == "not audited"
    assert category(replace(broken, blocking=False), skipped=True) == "not asked"
    assert _worded(broken) == "VIOLATED"


@pytest.mark.parametrize(
    ("findings", "shown"),
    [
        ((found(), found(Verdict.UNDECIDED)), None),
        ((found(waived=WAIVED), found(Verdict.UNDECIDED)), ("undecided", "U", "UNDECIDED")),
        ((found(blocking=False), found(waived=WAIVED)), ("waived", "w", "WAIVED")),
        ((found(Verdict.UNDECIDED, waived=WAIVED),), ("waived", "w", "WAIVED")),
        (
            (found(Verdict.UNDECIDED, blocking=False), found(blocking=False)),
            ("noted", ",", "NOTED (violated)"),
        ),
        ((found(Verdict.HOLDS), found(applies=False, blocking=False)), None),
    ],
)
def test_of_several_findings_of_a_test_the_worst_is_shown(findings, shown):
    for rows in (findings, findings[::-1]):
        report = SimpleNamespace(
            findings=[as_row(each) for each in rows], outcome="x", skipped=False, longrepr=None
        )
        status = pytest_report_teststatus(report)
        assert (status and (status[0], status[1], status[2][0])) == shown
    assert shown is None or MEANINGS[shown[0]].startswith((shown[1], f"'{shown[1]}'"))


@given(FINDINGS, FINDINGS)
def test_what_stops_its_model_is_the_worst_of_what_applies(one, other):
    one, other = replace(one, applies=True), replace(other, applies=True)
    if stops(one) and not stops(other):
        assert max(other, one, key=badness) is one


def two_decoys(report: Report) -> Report:
    """Of the model that is rejected: much, which is waived; less, which is not."""
    bad = report.models["bad"]
    much = replace(bad.findings[0], waived=WAIVED, waived_until="2100-01-31")
    judged = bad.findings[0].judgement
    estimate = replace(judged.estimate, value=0.3, low=0.25, high=0.35)
    less = replace(bad.findings[0], decoy="tag", judgement=replace(judged, estimate=estimate))
    return replace(report, models={"bad": replace(bad, findings=(much, less))}, pairs=())


def test_a_waived_violation_never_hides_one_that_is_not_waived(report, tmp_path):
    told = two_decoys(report)
    rows = [line.split() for line in matrix(told)]
    assert ["bad", "30!", "reject"] in rows
    page = parsed(render.page(told, tmp_path))
    table = next(each for each in page.all("section") if each.get("id") == "matrix")
    (cell,) = (each for each in table.all("td") if each.get("data-audit") == "decoy_insertion")
    assert (cell.get("class"), cell.get("data-decoy")) == ("bad", "tag")
    assert cell.text().startswith("30 ✗")


def test_a_waived_finding_has_its_own_mark_in_the_matrix(report):
    rows = [line.split() for line in matrix(report, lambda text, colour: f"{text} {colour}")]
    assert ["excused", "94w", "yellow", "waived", "yellow"] in rows
    assert " w waived," in " ".join(LEGEND)


@pytest.mark.parametrize("part", ["", "@50", "@elsewhere", "@stronger"])
def test_what_the_scenario_names_is_known_by_the_audits_name(part):
    finding = replace(found(), audit=f"decoy_insertion{part}")
    assert named(finding) is (part in ("", "@50"))
