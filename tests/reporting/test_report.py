"""Findings -> Report -> files: one model of each verdict."""

from __future__ import annotations

import json
import xml.etree.ElementTree as ET
from dataclasses import replace
from pathlib import Path

import jsonschema
import pytest

from shortcut_audit import UsageError, registry
from shortcut_audit.records import Decision, Verdict
from shortcut_audit.reporting import record
from shortcut_audit.reporting.again import read_report, written_again
from shortcut_audit.reporting.matrix import matrix, reasons

SCHEMA = json.loads((Path(record.__file__).parent / "verdict.schema.json").read_text())
JUNIT_CHILDREN = {"failure", "error", "skipped", "system-out", "system-err", "properties"}


def test_each_model_gets_its_verdict(report):
    assert {name: model.decision for name, model in report.models.items()} == {
        "good": Decision.PROMOTE,
        "bad": Decision.REJECT,
        "unsure": Decision.UNDECIDED,
        "excused": Decision.WAIVED,
        "broken": Decision.REJECT,
    }
    assert report.exit_code == 1
    assert [finding.audit for finding in report.pairs] == ["mask_agreement"]
    assert report.models["broken"].sha256 is None


@pytest.mark.parametrize("name", registry.names("reporter"))
def test_every_reporter_writes_one_file_in_one_piece(report, tmp_path, name):
    folder = tmp_path / "reports"
    path = registry.build("reporter", name).write(report, folder)
    assert [found.name for found in folder.iterdir()] == [path.name]
    text = path.read_text()
    for model in report.models:
        assert model in text


def test_the_verdict_file_follows_its_schema_and_is_read_back(report, tmp_path):
    path = registry.build("reporter", "verdict_json").write(report, tmp_path)
    document = json.loads(path.read_text())
    jsonschema.validate(document, SCHEMA)
    assert "NaN" not in path.read_text()
    again = read_report(path)
    assert again.models["bad"] == report.models["bad"]
    assert again.exit_code == report.exit_code


def test_the_schema_can_refuse(report, tmp_path):
    document = json.loads(registry.build("reporter", "verdict_json").write(report, tmp_path).read_text())
    document["models"]["good"]["verdict"] = "fine"
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate(document, SCHEMA)


def test_junit_per_model_fails_where_the_verdict_does(report, tmp_path):
    root = ET.parse(registry.build("reporter", "junit_per_model").write(report, tmp_path)).getroot()
    suites = {suite.get("name"): suite for suite in root.iter("testsuite")}
    stopped = {name for name, suite in suites.items() if int(suite.get("failures")) or int(suite.get("errors"))}
    assert stopped == {"bad", "unsure", "broken"}
    for suite in suites.values():
        assert int(suite.get("tests")) == len(list(suite.iter("testcase")))
    for case in root.iter("testcase"):
        assert {child.tag for child in case} <= JUNIT_CHILDREN
    failure = next(suites["bad"].iter("failure"))
    assert failure.get("message") == report.models["bad"].sentence


def test_the_matrix_shows_the_figure_and_the_verdict(report):
    lines = matrix(report)
    assert [line.split()[0] for line in lines[2:7]] == list(report.models)
    assert lines[3].split() == ["bad", "94!", "50!", "reject"]
    assert lines[4].split() == ["unsure", "-?", "undecided"]
    sentences = list(reasons(report))
    assert len(sentences) == 4
    assert sentences[0].startswith("reject: bad turns 96 %")


def test_a_row_survives_the_record(report, tmp_path):
    findings = [replace(found, waived="") for model in report.models.values() for found in model.findings]
    for found in findings:
        record.append(tmp_path / "record.jsonl", [record.as_row(found)])
    with (tmp_path / "record.jsonl").open("a") as cut_off:
        cut_off.write('{"audit": "decoy_ins')
    read = record.read(tmp_path / "record.jsonl")
    assert [found.claim for found in read] == [found.claim for found in findings]
    assert all(isinstance(found.verdict, Verdict) for found in read)
    assert read[2].value is None


def test_the_report_is_written_again_from_the_verdict(report, tmp_path):
    registry.build("reporter", "verdict_json").write(report, tmp_path)
    assert "reject: bad turns" in "\n".join(written_again(tmp_path))
    assert (tmp_path / "junit-per-model.xml").is_file()


@pytest.mark.parametrize("content", [None, "", "{}", '{"models": 3}'])
def test_a_bad_verdict_file_is_one_sentence(tmp_path, content):
    path = tmp_path / "verdict.json"
    if content is not None:
        path.write_text(content)
    with pytest.raises(UsageError, match="verdict"):
        read_report(path)
