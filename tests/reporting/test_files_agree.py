"""All files of a report, and the exit code, say the same of every run, whatever was found."""

from __future__ import annotations

import json
import re
import xml.etree.ElementTree as ET
from dataclasses import replace
from pathlib import Path

import pytest
from finding_of import finding_of
from hypothesis import HealthCheck, event, given, settings
from hypothesis import strategies as st

from shortcut_audit import registry
from shortcut_audit.promotion import stops
from shortcut_audit.records import Candidate, Decision, Finding, Report, Verdict
from shortcut_audit.reporting.assembly import assemble
from shortcut_audit.reporting.conclusion import FAILED, INTERRUPTED, nobody
from shortcut_audit.reporting.deciding import SYMBOLS, headline
from shortcut_audit.reporting.matrix import matrix
from shortcut_audit.reporting.rewrite import read_report
from shortcut_audit.scenario import Scenario

MODELS = ("m0", "m1", "m2")
DECOYS = ("stop_sign", "tag")
SCENARIO = Scenario(
    dataset={"kind": "demo"},
    decoys={decoy: {"target": "cat"} for decoy in DECOYS},
    blocking=("decoy_insertion", "rashomon_membership"),
    digest="0" * 64,
)
PASSING = {"promote", "waived"}
shares = st.floats(-1, 1)


@st.composite
def findings(draw: st.DrawFn, subjects: tuple[str, ...]) -> Finding:
    """Any one finding, whether a run could make it or not."""
    value, low, high = draw(st.tuples(shares, shares, shares))
    about = draw(
        st.sampled_from(
            [
                ("decoy_insertion", ""),
                ("decoy_insertion@elsewhere", ""),
                ("mine", "explainer"),
                ("above_chance", ""),
                ("rashomon_membership", "accuracy"),
            ]
        )
    )
    return finding_of(
        about[0],
        subjects,
        draw(st.sampled_from((*DECOYS, None))),
        draw(st.sampled_from(Verdict)),
        draw(st.booleans()),
        draw(st.sampled_from(["it turns", "it holds", "it may; undecided: more images would"])),
        value,
        low=low,
        high=high,
        n=draw(st.integers(0, 400)),
        limit=draw(st.sampled_from([0.1, 0.4])),
        role=about[1],
        error=draw(st.booleans()),
        applies=draw(st.booleans()),
        waived=draw(st.sampled_from(["", "", "it was agreed"])),
        case=draw(st.sampled_from(["", "audits/test_x.py::test_x[m]"])),
    )


def clean(model: str) -> list[Finding]:
    """What promotes a model."""
    held = {
        "verdict": Verdict.HOLDS,
        "blocking": True,
        "value": 0.0,
        "low": 0.0,
        "high": 0.02,
        "n": 300,
        "limit": 0.1,
    }
    about = [("decoy_insertion", decoy) for decoy in DECOYS] + [("rashomon_membership", None)]
    return [
        finding_of(audit, (model,), decoy, claim=f"{model} holds", **held) for audit, decoy in about
    ]


@st.composite
def runs(draw: st.DrawFn) -> Report:
    """A report as `Run.close` makes it: of a run that ended, failed elsewhere, or was cut short."""
    found: list[Finding] = []
    for model in MODELS[: draw(st.sampled_from([0, 1, 2, 2, 3, 3]))]:
        kind = draw(st.sampled_from(["clean", "clean and more", "anything"]))
        found += clean(model) if kind.startswith("clean") else []
        more = 0 if kind == "clean" else 3
        found += draw(st.lists(findings((model,)), min_size=min(more, 1), max_size=more))
    if draw(st.booleans()):
        found += draw(st.lists(findings(MODELS[:2]), max_size=2))
    candidates = [Candidate(model, Path(f"{model}.pt")) for model in MODELS]
    report = assemble(
        found, candidates, SCENARIO, "scenario.yaml", {"digest": "0" * 64, "files": {}}
    )
    ending = draw(
        st.sampled_from(["whole", "whole", "whole", "a test failed", "cut short", "in doubt"])
    )
    if ending == "cut short":
        return replace(
            nobody(report, "it was cut short: run it again"), exit_code=INTERRUPTED, finished=False
        )
    if ending == "in doubt":
        return replace(nobody(report, "a file changed: run it again"), exit_code=FAILED)
    return replace(report, exit_code=FAILED) if ending == "a test failed" else report


def stopping(report: Report) -> int:
    """Findings that stop somebody, or the run."""
    alone = [finding for model in report.models.values() for finding in model.findings]
    return sum(map(stops, (*alone, *report.pairs)))


def promoted_by_verdict(text: str) -> set[str]:
    return {
        name for name, model in json.loads(text)["models"].items() if model["verdict"] in PASSING
    }


def failing(text: str) -> list[tuple[str, str]]:
    """Classname and name of each case that does not pass."""
    cases = ET.fromstring(text).iter("testcase")
    bad = [
        case for case in cases if case.find("failure") is not None or case.find("error") is not None
    ]
    return [(case.get("classname", ""), case.get("name", "")) for case in bad]


def promoted_by_junit(text: str) -> set[str]:
    names = {case.get("name", "") for case in ET.fromstring(text).iter("testcase")}
    audited = {name.removesuffix(" verdict") for name in names if name.endswith(" verdict")}
    return audited - {name.removesuffix(" verdict") for _, name in failing(text)}


def promoted_by_summary(text: str) -> set[str]:
    marks = "|".join(
        re.escape(SYMBOLS[decision]) for decision in (Decision.PROMOTE, Decision.WAIVED)
    )
    return set(
        re.findall(rf"^\| (?:{marks}) \| (\w+) \| (?:promote|waived) \|", text, re.MULTILINE)
    )


def promoted_by_page(text: str) -> set[str]:
    said = dict(re.findall(r'data-model="(\w+)" data-verdict="(\w+)"', text))
    return {name for name, verdict in said.items() if verdict in PASSING}


def promoted_by_tags(text: str) -> set[str]:
    said = {name: tags["shortcut_audit.verdict"] for name, tags in json.loads(text).items()}
    return {name for name, verdict in said.items() if verdict in PASSING}


def promoted_by_documentation(text: str) -> set[str]:
    said = re.findall(r"^### (\w+): (\w+)$", text, re.MULTILINE)
    return {name for name, verdict in said if verdict in PASSING}


PROMOTED = {
    "verdict_json": promoted_by_verdict,
    "junit_per_model": promoted_by_junit,
    "summary_md": promoted_by_summary,
    "report_html": promoted_by_page,
    "mlflow_tags": promoted_by_tags,
    "technical_documentation": promoted_by_documentation,
}
SILENT = {"exhibits_json"}  # those that say nothing of verdicts


def test_every_reporter_is_held_against_the_others():
    assert set(registry.names("reporter")) - SILENT <= set(PROMOTED)


@given(runs())
@settings(
    max_examples=30,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
def test_a_model_is_promoted_in_all_files_or_in_none(tmp_path, report):
    passing = {name for name, model in report.models.items() if model.decision.value in PASSING}
    event(f"promoted: {len(passing)} of {len(report.models)}, exit code {report.exit_code}")
    for name in set(registry.names("reporter")) & set(PROMOTED):
        text = registry.build("reporter", name).write(report, tmp_path).read_text(encoding="utf-8")
        assert PROMOTED[name](text) == passing, name
    lines = matrix(report)
    shown = {
        line.split()[0] for line in lines if line.endswith(tuple(f"  {word}" for word in PASSING))
    }
    assert shown == passing, "the terminal"
    assert set(read_report(tmp_path / "verdict.json").models) == set(report.models)


@given(runs())
@settings(
    max_examples=100,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
def test_junit_fails_where_the_exit_code_does_and_once_for_each_finding_that_stops(
    tmp_path, report
):
    path = registry.build("reporter", "junit_per_model", {"attachments": "none"}).write(
        report, tmp_path
    )
    bad = failing(path.read_text(encoding="utf-8"))
    assert bool(bad) is bool(report.exit_code)
    held = [model for model in report.models.values() if model.decision.value not in PASSING]
    kinds = [classname for classname, _ in bad]
    assert kinds.count("shortcut_audit.run") == bool(report.exit_code)
    assert kinds.count("shortcut_audit.verdict") == len(held)
    assert sum(kind.startswith("audits.") for kind in kinds) == stopping(report)
    assert len(bad) == len(set(bad)), "names"


@given(runs())
@settings(max_examples=100, deadline=None)
def test_the_headline_promises_a_promotion_where_the_exit_code_does(report):
    said = headline(report)
    promised = "may be promoted" in said and "nobody" not in said and ", but " not in said
    assert promised is (report.exit_code == 0)


@pytest.mark.parametrize("name", sorted(set(registry.names("reporter")) & set(PROMOTED)))
def test_each_of_these_tests_can_fail(report, tmp_path, name):
    """A model that is rejected after all is seen in the file."""
    text = registry.build("reporter", name).write(report, tmp_path).read_text(encoding="utf-8")
    assert PROMOTED[name](text) == {"good", "excused"}
    good = replace(report.models["good"], decision=Decision.REJECT)
    other = replace(report, models={**report.models, "good": good})
    text = registry.build("reporter", name).write(other, tmp_path).read_text(encoding="utf-8")
    assert PROMOTED[name](text) == {"excused"}
