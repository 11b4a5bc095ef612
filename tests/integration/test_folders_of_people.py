"""Whole audits on folders as people have them: nothing is counted twice, and what is left out is
said where a verdict is read.
"""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest
from PIL import Image
from planted import COLOURS, ColouredSquares

SCENARIO = """
dataset: {kind: image_folder, train: train, validation: val}
decoys:
  stop_sign: {kind: stop_sign, target: green, size: 0.3}
blocking: [decoy_insertion]
"""


@pytest.fixture
def made(repository):
    """Twelve pictures of each colour as files, which are too few to tell."""
    made = repository(clean=1, planted=0)
    (made.path / "scenario.yaml").write_text(SCENARIO)
    write(made.path / "val", 8)
    return made


def write(folder: Path, count: int) -> None:
    pictures = ColouredSquares(validation=count).load("validation", 32)
    for i, (pixels, label) in enumerate(zip(pictures.pixels, pictures.labels, strict=True)):
        into = folder / list(COLOURS)[label]
        into.mkdir(parents=True, exist_ok=True)
        Image.fromarray(pixels.permute(1, 2, 0).numpy()).save(into / f"{i:03}.png")


def copied(made, into: str) -> None:
    for name in COLOURS:
        (made.path / "val" / name / into).mkdir(exist_ok=True)
        for file in list((made.path / "val" / name).glob("*.png")):
            shutil.copy(file, made.path / "val" / name / into / f"{file.stem}-copy.png")


@pytest.mark.parametrize("into", [".ipynb_checkpoints", "more", "."])
def test_copies_are_no_reason_for_a_pass(made, into):
    made.audit()
    before = made.verdict()["models"]["F0-s0"]
    copied(made, into)
    result = made.audit()
    after = made.verdict()
    assert before["verdict"] == after["models"]["F0-s0"]["verdict"] == "undecided"
    assert [each["n"] for each in after["models"]["F0-s0"]["findings"]] == [
        each["n"] for each in before["findings"]
    ]
    if into != ".ipynb_checkpoints":
        said = "validation: 24 pictures are exact copies of others and count once"
        assert any(note.startswith(said) for note in after["provenance"]["notes"])
        result.stdout.fnmatch_lines([f"*{said}*"])


def test_the_same_number_of_different_pictures_does_pass(made):
    """The known good beside it."""
    write(made.path / "val", 40)
    made.audit()
    assert made.verdicts() == {"F0-s0": "promote"}


def test_pictures_that_were_trained_on_are_not_audited_with(made):
    shutil.copytree(made.path / "val", made.path / "train")
    result = made.audit()
    assert result.ret != 0
    assert made.verdicts() == {"F0-s0": "undecided"}
    result.stdout.fnmatch_lines(
        ["*24 pictures are left out because they are in the training set too*"]
    )


def test_a_name_that_is_no_utf8_changes_nothing(made):
    write(made.path / "val", 40)
    folder = os.fsencode(made.path / "val/blue")
    name = sorted(os.listdir(folder))[0]
    os.rename(os.path.join(folder, name), os.path.join(folder, b"bl\xfc.png"))
    with open(os.path.join(folder, b"torn\xfc.png"), "wb") as file:
        file.write(b"torn")
    result = made.audit()
    assert result.ret == 0
    assert made.verdicts() == {"F0-s0": "promote"}
    assert any(
        "torn\\udcfc.png' cannot be read" in note for note in made.verdict()["provenance"]["notes"]
    )
