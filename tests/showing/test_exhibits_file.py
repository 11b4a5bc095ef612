"""`exhibits.json`: written, read back, and of no harm where it is damaged."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest
from ended_run import Ended

from shortcut_audit import registry
from shortcut_audit.records import Decision, Report
from shortcut_audit.reporting.rewrite import written_again
from shortcut_audit.showing import exhibits_file
from shortcut_audit.showing.collect import exhibits

DECIDED = {"honest": Decision.PROMOTE, "planted": Decision.REJECT}


@pytest.fixture
def report(everything: Ended, tmp_path) -> Report:
    """With its exhibits: pictures, verdict.json and exhibits.json are in `tmp_path`."""
    made = everything.report(**DECIDED)
    made = replace(made, exhibits=exhibits(everything.evidence(), made, tmp_path))
    for name in ("verdict_json", "exhibits_json"):
        registry.build("reporter", name).write(made, tmp_path)
    return made


def test_what_is_written_is_read_back(report, tmp_path):
    found, notes = exhibits_file.read(tmp_path, report)
    assert found == report.exhibits
    assert notes == []


def test_only_what_is_about_the_very_files_is_shown(report, tmp_path):
    models = json.loads((tmp_path / "verdict.json").read_text())
    models["models"]["honest"]["sha256"] = "0" * 64
    (tmp_path / "verdict.json").write_text(json.dumps(models))
    for _ in range(2):
        assert any(
            line.endswith(
                "exhibits.json' shows other models as well as those of the verdict: "
                "they are left out"
            )
            for line in written_again(tmp_path)
        )
    page = (tmp_path / "report.html").read_text()
    assert page.count("Pictures: stop_sign") == 1


def test_what_another_scenario_showed_is_left_out(report, tmp_path):
    other = replace(report, scenario=report.scenario | {"digest": "0" * 64})
    exhibits_file.write(other, tmp_path / "exhibits.json")
    said = (
        f"'{tmp_path / 'exhibits.json'}' is of another scenario than the verdict, "
        "so that no pictures are shown: run the audits again"
    )
    assert said in list(written_again(tmp_path))
    assert exhibits_file.read(tmp_path, report) == ((), [said])
    assert exhibits_file.read(tmp_path, other) == (report.exhibits, [])


def damaged(text: str) -> list[str]:
    """What may become of the file: cut off, of another shape, or with a name that is not ours."""
    document = json.loads(text)
    document["exhibits"][0]["tiles"][0]["plain"]["file"] = "../../secret.webp"
    return ["", text[: len(text) // 2], "{}", '[{"model": 3}]', json.dumps(document)]


@pytest.mark.parametrize("way", range(5))
def test_a_damaged_file_is_a_sentence_and_the_report_is_written(report, tmp_path, way):
    path = tmp_path / "exhibits.json"
    path.write_text(damaged(path.read_text())[way])
    found = path.read_bytes()
    for _ in range(2):
        lines = list(written_again(tmp_path))
        said = f"'{path}' cannot be read, so that no pictures are shown: run the audits again"
        assert said in lines, "as often as it is asked"
    assert (tmp_path / "junit-per-model.xml").is_file()
    assert path.read_bytes() == found


def test_a_folder_without_it_has_a_report_all_the_same(report, tmp_path):
    (tmp_path / "exhibits.json").unlink()
    assert exhibits_file.read(tmp_path, report) == ((), [])
    list(written_again(tmp_path))
    assert (tmp_path / "junit-per-model.xml").is_file()
