"""What a run shows: the same whoever asked the models, and no verdict depends on it."""

from __future__ import annotations

import json

import pytest

from shortcut_audit.showing import collect  # a run forgets what it imports, and this is replaced


def shown(made) -> dict[str, bytes]:
    """exhibits.json and every picture of the last run."""
    reports = made.path / "reports"
    files = [reports / "exhibits.json", *reports.glob("pictures/*.webp")]
    return {file.name: file.read_bytes() for file in files}


def test_a_process_that_asked_no_model_shows_the_same(repository):
    made = repository(clean=1)
    made.audit()
    alone = shown(made)
    found = json.loads(alone["exhibits.json"])
    assert [(each["model"], each["turned"]) for each in found] == [("F0-s0", 0), ("F100-s0", 120)]
    assert len(alone) > 12
    for each in (made.path / "reports").rglob("*"):
        if each.is_file():
            each.unlink()
    made.audit("-n1")
    assert shown(made) == alone


def test_trouble_with_the_pictures_is_a_note_and_changes_no_verdict(repository):
    made = repository(clean=1)
    made.audit()
    before, code = made.verdicts(), made.verdict()["exit_code"]
    pictures = made.path / "reports/pictures"
    for each in pictures.iterdir():
        each.unlink()
    pictures.rmdir()
    pictures.write_text("in the way")
    assert made.audit().ret == code
    assert made.verdicts() == before
    (note,) = made.verdict()["provenance"]["notes"]
    assert note.startswith("no pictures could be made for the report: ")
    assert json.loads((made.path / "reports/exhibits.json").read_text()) == []


@pytest.mark.parametrize("error", [ValueError("broken"), SystemExit("broken")])
def test_whatever_breaks_there_is_a_note(repository, monkeypatch, error):
    def broken(*_):
        raise error

    monkeypatch.setattr(collect, "exhibits", broken)
    made = repository(clean=1)
    made.audit()
    notes = made.verdict()["provenance"]["notes"]
    assert notes == ["no pictures could be made for the report: broken"]
    assert made.verdicts()["F0-s0"] == "promote"
