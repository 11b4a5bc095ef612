"""What a run shows: the same whoever asked the models, and no verdict depends on it."""

from __future__ import annotations

import json
import os
import re
import xml.etree.ElementTree as ET

import planted
import pytest
from PIL import Image

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
    found = json.loads(alone["exhibits.json"])["exhibits"]
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
    assert json.loads((made.path / "reports/exhibits.json").read_text())["exhibits"] == []


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


FOLDERS = """
dataset: {kind: image_folder, train: pics/train, validation: pics/val}
decoys: {stop_sign: {kind: stop_sign, target: green, size: 0.3}}
masks: {explainer: occlusion, images: 8}
influence: {queries: 6, options: {layers: [conv]}}
"""


def write_folders(folder) -> None:
    """Coloured squares as PNG files, whose names are in Latin-1."""
    squares = planted.ColouredSquares(train=60, validation=20)
    for split, source in (("train", "train"), ("val", "validation")):
        pictures = squares.load(source, 32)
        for at, pixels in enumerate(pictures.pixels):
            place = folder / split / pictures.classes[pictures.labels[at]]
            place.mkdir(parents=True, exist_ok=True)
            with open(os.path.join(os.fsencode(place), b"caf\xe9%d.png" % at), "wb") as file:
                Image.fromarray(pixels.permute(1, 2, 0).numpy()).save(file, "PNG")


def test_names_that_are_no_utf8_cost_nothing(repository):
    made = repository(clean=1)
    made.use("mask_localisation", "influence_precision")
    (made.path / "scenario.yaml").write_text(FOLDERS)
    write_folders(made.path / "pics")
    result = made.audit()
    reports = made.path / "reports"
    assert "no verdict" not in result.stdout.str()
    assert not [note for note in made.verdict()["provenance"]["notes"] if "no " in note]
    assert {"verdict.json", "report.html", "summary.md", "mlflow_tags.json"} <= {
        each.name for each in reports.iterdir()
    }
    assert ET.parse(reports / "junit-per-model.xml").getroot().tag == "testsuites"
    for each in reports.iterdir():
        if each.is_file():
            each.read_text(encoding="utf-8")
    found = json.loads((reports / "exhibits.json").read_text())["exhibits"]
    assert found
    ids = [tile["id"] for each in found for tile in each["tiles"]]
    assert all(re.fullmatch(r"(blue|yellow)/caf\\udce9\d+\.png", each) for each in ids), ids
    assert all(each["looked"] and each["spoke"] for each in found), "they have ids as well"
    assert made.verdicts() == {"F0-s0": "promote", "F100-s0": "reject"}
