"""`mlflow_tags.json` and `technical_documentation.md`: what they say, and what they can hold."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from pathlib import Path

import jsonschema
import pytest
from finding_of import finding_of
from hypothesis import given
from hypothesis import strategies as st

from shortcut_audit.records import Decision, ModelReport, Report, Verdict
from shortcut_audit.reporting import record
from shortcut_audit.reporting.reporters.mlflow_tags import MlflowTags
from shortcut_audit.reporting.reporters.technical_documentation import TechnicalDocumentation

SCHEMA = json.loads((Path(record.__file__).parent / "mlflow_tags.schema.json").read_text())
ANY = st.text(min_size=1, max_size=300)


def one(*findings, sentence="it holds") -> Report:
    model = ModelReport(Decision.REJECT, sentence, "0" * 64, "models/m.pt", False, findings)
    return Report({"m": model}, (), {"path": "s.yaml", "digest": "1" * 64}, {"digest": "2" * 64})


def found(audit: str, decoy: str | None, **more):
    figures = {"value": 0.94, "low": 0.91, "high": 0.96, "n": 372, "limit": 0.1, **more}
    return finding_of(audit, ("m",), decoy, Verdict.VIOLATED, True, "m turns", **figures)


def tags_of(report: Report, folder: Path) -> dict[str, dict[str, str]]:
    tags: dict[str, dict[str, str]] = json.loads(MlflowTags().write(report, folder).read_text())
    jsonschema.validate(tags, SCHEMA)
    return tags


def test_each_model_has_tags_of_its_verdict_and_its_findings(report, tmp_path):
    tags = tags_of(report, tmp_path)
    assert {name: each["shortcut_audit.verdict"] for name, each in tags.items()} == {
        name: model.decision.value for name, model in report.models.items()
    }
    assert tags["bad"]["shortcut_audit.decoy_insertion.stop_sign"] == (
        "VIOLATED: 94 points [91, 96], limit 10, n = 372"
    )
    assert tags["bad"]["shortcut_audit.scenario_digest"] == "0" * 64
    assert tags["broken"]["shortcut_audit.sha256"] == ""
    said = tags["broken"]["shortcut_audit.decoy_insertion.stop_sign"]
    assert said.startswith("not measured: broken: no such file")
    assert (
        "the sign is part of the class"
        in tags["excused"]["shortcut_audit.decoy_insertion.stop_sign"]
    )


NAMES = [
    ("decoy_insertion", "sign"),
    ("decoy_insertion@elsewhere", "sign"),
    ("decoy_insertion.elsewhere", "sign"),
    ("decoy_insertion@elsewhere.sign", None),
    ("decoy_insertion", "elsewhere.sign"),
    ("verdict", None),
    ("sha256", None),
    ("a", "b/c"),
    ("a", "b:c"),
    ("a", "b_c"),
    ("a", "../c"),
    ("a", "ü" * 300),
    ("a", "ü" * 301),
]


def test_no_two_findings_share_a_tag_and_none_takes_the_verdicts(tmp_path):
    report = one(*(found(*each) for each in NAMES))
    tags = tags_of(report, tmp_path)["m"]
    assert len(tags) == 6 + len(NAMES)
    assert tags["shortcut_audit.verdict"] == "reject"
    assert "shortcut_audit.decoy_insertion.sign" in tags
    assert "shortcut_audit.decoy_insertion.elsewhere.sign" in tags


@given(ANY, st.none() | ANY, ANY)
def test_every_tag_is_one_that_mlflow_takes(tmp_path_factory, audit, decoy, sentence):
    tags = tags_of(one(found(audit, decoy), sentence=sentence), tmp_path_factory.mktemp("tags"))[
        "m"
    ]
    assert len(tags) == 7
    for key, value in tags.items():
        assert re.fullmatch(r"[\w.\- ]+", key)
        assert len(key.encode()) <= 250
        assert len(value.encode()) <= 500
        assert value == " ".join(value.split())


def test_a_name_that_is_no_utf8_is_written_with_its_byte(tmp_path):
    report = one(found("a", "d\udce9"), sentence="caf\udce9.png cannot be read")
    tags = tags_of(report, tmp_path)["m"]
    assert tags["shortcut_audit.sentence"] == r"caf\udce9.png cannot be read"
    assert [name for name in tags if name.startswith("shortcut_audit.a.d_.")]


def test_the_documentation_has_what_annex_iv_asks_for(report, tmp_path):
    report = replace(report, data={"validation@64": "3" * 64})
    text = TechnicalDocumentation().write(report, tmp_path).read_text()
    titles = [line.removeprefix("## ") for line in text.splitlines() if line.startswith("## ")]
    assert titles == [
        "What was tested, and by what",
        "Test data",
        "Metrics and thresholds, set before the run",
        "Test report",
        "What these tests do not say",
        "Responsible",
    ]
    assert "annex IV, point 2(g)" in text
    assert "| date | name and role of the person responsible | signature |" in text
    assert "3" * 64 in text
    assert report.scenario["digest"] in text
    assert report.provenance["time"][:10] in text
    assert "| decoy_insertion | stop_sign | 10 points | yes |" in text
    for name, model in report.models.items():
        assert f"### {name}: {model.decision.value}" in text
    assert (
        r"| decoy_insertion | stop_sign | VIOLATED | 94 points \[91, 96\] | 10 | 372 | yes |"
        in text
    )
    assert "| decoy_insertion | stop_sign | not measured | not measured |" in text
    waived = report.models["excused"].findings[0].waived
    assert f"{waived}." in text
    assert "The run did not come to its end" not in text
    unfinished = TechnicalDocumentation().write(replace(report, finished=False), tmp_path)
    assert "The run did not come to its end, so that it decides nothing" in unfinished.read_text()


@pytest.mark.parametrize(
    ("limits", "words"), [((0.1, 0.1), "10"), ((0.4, 0.1), "10 to 40"), ((0.1, 0.1004), "10")]
)
def test_a_threshold_that_differs_between_models_is_given_from_least_to_largest(
    tmp_path, limits, words
):
    least, most = (one(found("x", "sign", limit=limit)).models["m"] for limit in limits)
    report = replace(one(), models={"a": least, "b": most})
    text = TechnicalDocumentation().write(report, tmp_path).read_text()
    assert f"| x | sign | {words} points | yes |" in text


def test_nothing_that_somebody_wrote_is_read_as_markdown(tmp_path):
    bad = "[x](y) | <script> `code`"
    report = one(found(bad, bad), sentence=bad)
    text = TechnicalDocumentation().write(report, tmp_path).read_text()
    assert "<script>" not in text
    assert "[x](y)" not in text
    rows = [line for line in text.splitlines() if line.startswith("| \\[x")]
    assert rows
    for row in rows:
        assert len(re.findall(r"(?<!\\)\|", row)) in (5, 8), "as many cells as the table has"


def test_the_same_report_gives_the_same_bytes(report, tmp_path):
    for reporter in (MlflowTags(), TechnicalDocumentation()):
        first = reporter.write(report, tmp_path / "one").read_bytes()
        assert reporter.write(report, tmp_path / "two").read_bytes() == first
