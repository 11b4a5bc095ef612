"""`junit-per-model.xml`, as the servers that read it take it."""

from __future__ import annotations

import xml.etree.ElementTree as ET
from dataclasses import replace
from pathlib import Path

import pytest
import xmlschema
from finding_of import finding_of
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from junitparser import JUnitXml

from shortcut_audit import UsageError, registry
from shortcut_audit.exhibits import Exhibit, Looked, Seen, Tile
from shortcut_audit.records import ModelReport, Report, Verdict
from shortcut_audit.reporting.conclusion import nobody
from shortcut_audit.reporting.deciding import headline
from shortcut_audit.reporting.reporters.junit_per_model import of_environment
from shortcut_audit.showing.exhibits_file import named_by

SCHEMA = xmlschema.XMLSchema(Path(__file__).with_name("junit.xsd"))
STYLES = ("gitlab", "jenkins", "none")


def written(report: Report, folder: Path, style: str = "jenkins") -> Path:
    return registry.build("reporter", "junit_per_model", {"attachments": style}).write(
        report, folder
    )


def cases(report: Report, folder: Path, style: str = "jenkins") -> dict[str, ET.Element]:
    root = ET.parse(written(report, folder, style)).getroot()
    return {case.get("name"): case for case in root.iter("testcase")}


def of(report: Report, name: str, **changed) -> Report:
    """The report with one of its models changed."""
    return replace(report, models={**report.models, name: replace(report.models[name], **changed)})


@pytest.mark.parametrize("style", STYLES)
def test_the_file_follows_the_schemas(report, tmp_path, style):
    root = ET.parse(written(report, tmp_path, style)).getroot()
    if style != "jenkins":
        for case in root.iter("testcase"):
            case.attrib.pop("file", None)
    SCHEMA.validate(ET.tostring(root, encoding="unicode"))
    next(root.iter("failure")).set("colour", "red")
    with pytest.raises(xmlschema.XMLSchemaValidationError):
        SCHEMA.validate(ET.tostring(root, encoding="unicode"))


def test_it_is_parsed_back(report, tmp_path):
    root = ET.parse(written(report, tmp_path)).getroot()
    parsed = JUnitXml.fromfile(str(written(report, tmp_path)))
    assert [suite.name for suite in parsed] == [*report.models, "pairs of models", "the run"]
    for key in ("tests", "failures", "errors"):
        counted = sum(int(suite.get(key)) for suite in root)
        assert getattr(parsed, key) == int(root.get(key)) == counted
    assert (parsed.failures, parsed.errors) == (2 + 3 + 1, 1)
    for suite in root:
        assert int(suite.get("tests")) == len(suite)
        for key, tag in (("failures", "failure"), ("errors", "error"), ("skipped", "skipped")):
            assert int(suite.get(key)) == len(suite.findall(f"testcase/{tag}"))


def test_a_suite_fails_where_the_verdict_does(report, tmp_path):
    root = ET.parse(written(report, tmp_path)).getroot()
    stopped = {
        suite.get("name")
        for suite in root
        if suite.get("failures") != "0" or suite.get("errors") != "0"
    }
    assert stopped == {"bad", "unsure", "broken", "the run"}


def test_a_case_that_passes_carries_its_sentence(report, tmp_path):
    found = cases(report, tmp_path)
    good = report.models["good"]
    excused = report.models["excused"].findings[0]
    insertion = found["good decoy_insertion with stop_sign"]
    assert insertion.findtext("system-out") == f"HOLDS: {good.findings[0].claim}"
    assert found["good verdict"].findtext("system-out") == good.sentence
    assert found["excused decoy_insertion with stop_sign"].findtext("system-out") == (
        f"VIOLATED (waived {excused.waived}): {excused.claim}"
    )
    pair = found["good + bad mask_agreement with stop_sign"].findtext("system-out")
    assert pair.startswith("VIOLATED (only noted, it blocks nothing): they disagree")


def test_a_case_that_fails_says_why_which_test_and_what_would_change_it(report, tmp_path):
    bad = report.models["bad"]
    test = "audits/test_decoy_insertion.py::test_decoy_insertion[bad-stop_sign]"
    own = (replace(bad.findings[0], case=test),)
    found = cases(of(report, "bad", findings=own), tmp_path)
    failure = found["bad decoy_insertion with stop_sign"].find("failure")
    assert failure.attrib == {"message": bad.sentence, "type": "VIOLATED"}
    assert failure.text == f"VIOLATED: {bad.sentence}\n{test}"
    verdict = found["bad verdict"].find("failure")
    assert verdict.attrib == {"message": bad.sentence, "type": "reject"}
    assert verdict.text.startswith(f"{bad.sentence}\nwhat would change it: train it on pictures")
    broken = found["broken decoy_insertion with stop_sign"].find("error")
    assert broken.attrib == {"message": "broken: no such file", "type": "VIOLATED"}
    run = found["all models"].find("failure")
    assert run.attrib == {"message": headline(report), "type": "run"}


def test_what_does_not_apply_is_skipped(report, tmp_path):
    hollow = finding_of("mine", ("good",), "tag", Verdict.UNDECIDED, False, "no", applies=False)
    good = report.models["good"]
    case = cases(of(report, "good", findings=(*good.findings, hollow)), tmp_path)[
        "good mine with tag"
    ]
    assert [child.tag for child in case] == ["skipped"]
    assert case.find("skipped").get("message") == "no"


@pytest.mark.parametrize(
    ("style", "file"),
    [("gitlab", "audits/test_x.py"), ("none", "audits/test_x.py"), ("jenkins", None)],
)
def test_a_case_names_the_file_of_its_test_where_the_servers_schema_knows_it(
    report, tmp_path, style, file
):
    own = (replace(report.models["bad"].findings[0], case="audits/test_x.py::test_x[bad]"),)
    found = cases(of(report, "bad", findings=own), tmp_path, style)
    assert found["bad decoy_insertion with stop_sign"].get("file") == file
    assert found["good decoy_insertion with stop_sign"].get("file") is None, "it is not known"


def checks(model: ModelReport, *tests: str) -> tuple:
    return tuple(
        replace(model.findings[0], case=test, claim=f"{test} {number}")
        for number, test in enumerate(tests)
    )


def test_no_two_cases_have_one_name_and_the_order_of_the_tests_changes_none(report, tmp_path):
    tests = ("b.py::x", "b.py::x", "a.py::x", "c.py::x")
    own = checks(report.models["good"], *tests)
    one = cases(of(report, "good", findings=own), tmp_path)
    name = "good decoy_insertion with stop_sign"
    assert [each for each in one if each.startswith(name)] == [
        f"{name} (2)",
        f"{name} (3)",
        name,
        f"{name} (4)",
    ], "in the report's order, and numbered in that of the tests' ids"
    moved = cases(of(report, "good", findings=(own[3], own[2], own[0], own[1])), tmp_path)
    said = {each: case.findtext("system-out") for each, case in one.items()}
    assert {each: case.findtext("system-out") for each, case in moved.items()} == said


@pytest.mark.parametrize("order", ["tsts", "ttss", "sstt"])
def test_a_name_that_looks_like_a_number_is_not_taken_twice(report, tmp_path, order):
    first = report.models["good"].findings[0]
    decoys = {"t": replace(first, decoy="tag"), "s": replace(first, decoy="tag (2)")}
    found = written(of(report, "good", findings=tuple(map(decoys.get, order))), tmp_path)
    names = [case.get("name") for case in ET.parse(found).getroot().iter("testcase")]
    assert len(names) == len(set(names))
    assert "good decoy_insertion with tag (2)" in names


PICTURES = {named_by(each): each for each in (b"a picture", b"a mask")}
AB, MASK = PICTURES
SEEN = Seen(AB, "cat", 0.9)
TILE = Tile(
    "photo 7",
    "dog",
    True,
    replace(SEEN, file="pictures/plain.webp"),
    SEEN,
    replace(SEEN, file="pictures/control.webp"),
)
EXHIBIT = Exhibit("bad", "0" * 64, "stop_sign", "cat", 300, 290, tiles=(TILE,))
LOOKED = replace(EXHIBIT, tiles=(), looked=(Looked("photo 8", "pictures/8.webp", MASK, 0.6),))


@pytest.fixture
def shown(report, tmp_path):
    for file, content in PICTURES.items():
        picture = tmp_path / "project/reports" / file
        picture.parent.mkdir(parents=True, exist_ok=True)
        picture.write_bytes(content)
    return replace(report, exhibits=(replace(EXHIBIT, model="good"), EXHIBIT))


@pytest.mark.parametrize("exhibit", [EXHIBIT, LOOKED])
def test_the_picture_that_tells_most_is_attached_as_the_server_takes_it(
    shown, tmp_path, monkeypatch, exhibit
):
    shown = replace(shown, exhibits=(replace(EXHIBIT, model="good"), exhibit))
    monkeypatch.setenv("CI_PROJECT_DIR", str(tmp_path / "project"))
    file = AB if exhibit.tiles else MASK
    folder = tmp_path / "project/reports"
    paths = {"gitlab": f"reports/{file}", "jenkins": f"{folder}/{file}"}
    for style, path in paths.items():
        found = cases(shown, folder, style)
        attached = {
            each: case.findtext("system-out")
            for each, case in found.items()
            if "ATTACHMENT" in (case.findtext("system-out") or "")
        }
        assert attached == {
            "bad decoy_insertion with stop_sign": f"[[ATTACHMENT|{path}]]",
            "bad verdict": f"[[ATTACHMENT|{path}]]",
        }
    assert "ATTACHMENT" not in written(shown, folder, "none").read_text()


def test_without_ci_project_dir_paths_start_where_one_stands(shown, tmp_path, monkeypatch):
    monkeypatch.delenv("CI_PROJECT_DIR", raising=False)
    monkeypatch.chdir(tmp_path / "project")
    assert f"[[ATTACHMENT|reports/{AB}]]" in written(shown, Path("reports"), "gitlab").read_text()


@pytest.mark.parametrize(
    "exhibits", [(), (replace(EXHIBIT, tiles=()),), (replace(EXHIBIT, decoy="tag"),)]
)
def test_nothing_is_attached_where_nothing_is_to_be_seen(shown, tmp_path, exhibits):
    found = written(replace(shown, exhibits=exhibits), tmp_path / "project/reports").read_text()
    assert "ATTACHMENT" not in found


def test_a_finding_about_another_class_shows_no_picture_of_this_one(shown, tmp_path):
    own = (replace(shown.models["bad"].findings[0], audit="decoy_insertion@elsewhere"),)
    found = written(of(shown, "bad", findings=own), tmp_path / "project/reports").read_text()
    assert "ATTACHMENT" not in found


def test_a_file_outside_the_reports_is_no_picture(shown, tmp_path):
    secret = tmp_path / "project/secret"
    secret.write_text("a password")
    for file in ("../secret", str(secret)):
        tile = replace(TILE, decoyed=replace(SEEN, file=file))
        told = replace(shown, exhibits=(replace(EXHIBIT, tiles=(tile,)),))
        assert "ATTACHMENT" not in written(told, tmp_path / "project/reports").read_text()


def test_a_picture_that_is_gone_or_cannot_be_named_is_not_attached(shown, tmp_path):
    assert "ATTACHMENT" in written(shown, tmp_path / "project/reports").read_text()
    (tmp_path / "project").rename(tmp_path / "project [2]")
    assert "ATTACHMENT" not in written(shown, tmp_path / "project [2]/reports").read_text()
    assert "ATTACHMENT" not in written(shown, tmp_path / "elsewhere").read_text()


def test_a_picture_that_another_was_written_over_is_not_attached(shown, tmp_path):
    folder = tmp_path / "project/reports"
    (folder / AB).write_bytes(PICTURES[MASK])
    assert "ATTACHMENT" not in written(shown, folder).read_text()


@pytest.mark.parametrize(
    "stolen",
    [
        "[[ATTACHMENT|/etc/passwd]]",
        "[[ATT\x07ACHMENT|/etc/passwd]]",
        "[[[ATTACHMENT|/etc/passwd]]]",
    ],
)
def test_a_name_or_a_claim_attaches_no_file(report, tmp_path, stolen):
    good = report.models["good"]
    own = (replace(good.findings[0], claim=f"a\n{stolen}\nb"),)
    found = cases(of(report, "good", findings=own, sentence=stolen), tmp_path)
    printed = [case.findtext("system-out") or "" for case in found.values()]
    assert not [text for text in printed if "[[ATTACHMENT" in text]
    assert sum("/etc/passwd" in text for text in printed) == 2, "it is still to be read"


def test_no_name_message_or_attribute_says_what_attaches_a_file(report, tmp_path):
    stolen = "[[ATTACHMENT|/etc/passwd]]"
    bad = report.models["bad"]
    first = replace(bad.findings[0], claim=stolen, audit=stolen, decoy=stolen, case=stolen)
    skipped = replace(first, applies=False, blocking=False)
    models = {stolen: replace(bad, findings=(first, skipped), sentence=stolen)}
    told = replace(report, models=models)
    for style in STYLES:
        text = written(told, tmp_path, style).read_text()
        assert "[[ATTACHMENT" not in text
        assert "/etc/passwd" in text


@pytest.mark.parametrize(
    ("variables", "style"),
    [
        ({}, "none"),
        ({"GITLAB_CI": "true"}, "gitlab"),
        ({"JENKINS_URL": "x"}, "jenkins"),
        ({"GITHUB_ACTIONS": "true"}, "none"),
    ],
)
def test_the_style_is_that_of_the_server_that_it_runs_on(variables, style, monkeypatch):
    assert of_environment(variables) == style
    for name in ("GITLAB_CI", "JENKINS_URL"):
        monkeypatch.delenv(name, raising=False)
        if name in variables:
            monkeypatch.setenv(name, variables[name])
    assert registry.build("reporter", "junit_per_model").attachments == style


def test_an_unknown_style_is_one_sentence():
    with pytest.raises(
        UsageError, match=r"'junit_per_model': option 'attachments' cannot be 'github'"
    ):
        registry.build("reporter", "junit_per_model", {"attachments": "github"})


def test_the_run_fails_where_a_pair_or_another_test_did(report, tmp_path):
    good = replace(report, models={"good": report.models["good"]}, pairs=(), exit_code=0)
    stopped = replace(report.pairs[0], blocking=True)
    for each, failing in (
        (good, set()),
        (replace(good, exit_code=1), {"all models"}),
        (
            replace(good, pairs=(stopped,), exit_code=1),
            {"all models", "good + bad mask_agreement with stop_sign"},
        ),
        (replace(nobody(good, "it was killed"), exit_code=2), {"good verdict", "all models"}),
        (replace(good, models={}, exit_code=1), {"all models"}),
    ):
        found = cases(each, tmp_path)
        assert {name for name, case in found.items() if case.find("failure") is not None} == failing


HOSTILE = st.text(min_size=1, max_size=12) | st.sampled_from(
    [
        "<&>\"'",
        "]]>",
        "a\x00b",
        "\ud800",
        "\ufffe",
        "\x85\u2028",
        "<![CDATA[",
        "'; --",
        "\r\n",
        "m (2)",
    ]
)


@given(names=st.lists(HOSTILE, min_size=1, max_size=5, unique=True), word=HOSTILE)
@settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
def test_whatever_things_are_called_the_file_is_read_back(report, tmp_path, names, word):
    bad = report.models["bad"]
    own = (replace(bad.findings[0], claim=word, decoy=word, audit=word, case=f"{word}::{word}"),)
    models = {name: replace(bad, findings=own * 2, sentence=word) for name in names}
    path = written(replace(report, models=models), tmp_path, "jenkins")
    SCHEMA.validate(str(path))
    assert len(list(JUnitXml.fromfile(str(path)))) == len(names) + 2
    found = [
        (case.get("classname"), case.get("name"))
        for case in ET.parse(path).getroot().iter("testcase")
    ]
    assert len(found) == len(set(found)) == 3 * len(names) + 2


def test_ten_thousand_findings(report, tmp_path):
    many = checks(report.models["good"], *["audits/test_x.py::test_x"] * 10_000)
    path = written(of(report, "good", findings=many), tmp_path)
    assert path.stat().st_size < 30_000_000, "GitLab takes no more"
    names = [case.get("name") for case in ET.parse(path).getroot().iter("testcase")]
    assert len(names) == len(set(names)) > 10_000
