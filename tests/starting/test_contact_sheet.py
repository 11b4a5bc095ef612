"""The sheet shows what is pasted: the picture, the decoy on it, and its control."""

from __future__ import annotations

import numpy as np
import pytest
from folders import draw_classes
from PIL import Image

from shortcut_audit import registry
from shortcut_audit.cli import main
from shortcut_audit.starting import contact_sheet
from shortcut_audit.starting.contact_sheet import GAP, LARGE, _pictures, write_sheet

SCENARIO = """
dataset: {kind: image_folder, validation: val}
decoys:
  sign: {kind: stop_sign, target: daisy, size: 0.5}
  logo: {kind: overlay, target: rose, image: logo.png}
"""
SIDE = 160


@pytest.fixture
def folder(tmp_path):
    draw_classes(tmp_path / "val", 4)
    return tmp_path / "val"


@pytest.fixture
def scenario(tmp_path):
    path = tmp_path / "scenario.yaml"
    path.write_text(SCENARIO)
    return path


def tile(sheet, row, column):
    """The pixels of a tile: rows as high as names, tiles and captions are."""
    high = LARGE + SIDE + contact_sheet.SMALL + 4 * GAP
    left = GAP + column * (SIDE + GAP) + GAP * (column // 3)
    top = GAP + row * high + LARGE + GAP
    return np.asarray(sheet)[top : top + SIDE, left : left + SIDE]


def test_each_row_shows_the_picture_the_decoy_and_its_control(folder, scenario, tmp_path):
    out = tmp_path / "new/sheet.png"
    said = list(write_sheet(folder, scenario, SIDE, out))
    assert said[0].startswith(f"written: {out} (1 decoy: sign)")
    with Image.open(out) as opened:
        sheet = opened.convert("RGB")
    pictures = _pictures(folder, SIDE)
    decoy = registry.build("decoy", "stop_sign", {"target": "daisy", "size": 0.5})
    others = [i for i, each in enumerate(pictures.ids) if not each.startswith("daisy/")][:2]
    assert len(others) == 2
    made = decoy.apply(pictures.pixels[others], [pictures.ids[i] for i in others])
    for i, other in enumerate(others):
        wanted = (pictures.pixels[other], made.decoyed[i], made.control[i])
        for column, pixels in enumerate(wanted):
            shown = tile(sheet, 0, 3 * i + column)
            assert np.array_equal(shown, pixels.permute(1, 2, 0).numpy()), (i, column)


def test_a_decoy_whose_material_is_not_there_is_said_and_not_shown(folder, scenario, tmp_path):
    said = list(write_sheet(folder, scenario, SIDE, tmp_path / "sheet.png"))
    assert said[1].startswith("not shown: logo: the overlay's image")
    assert "does not exist" in said[1]


def test_every_registered_decoy_is_shown_or_named_and_the_bytes_are_the_same(
    folder, tmp_path, monkeypatch
):
    monkeypatch.chdir(tmp_path)
    said = list(write_sheet(folder, None, 32, tmp_path / "a.png"))
    list(write_sheet(folder, None, 32, tmp_path / "b.png"))
    assert (tmp_path / "a.png").read_bytes() == (tmp_path / "b.png").read_bytes()
    shown = said[0].partition(" decoys: ")[2].rstrip(")").split(", ")
    missing = [line.split(": ")[1] for line in said[1:]]
    assert sorted([*shown, *missing]) == registry.names("decoy")
    assert missing == ["coco_cutout", "layer", "overlay"]


def test_one_picture_is_enough(tmp_path, scenario):
    (tmp_path / "one").mkdir()
    Image.effect_noise((50, 40), 40).save(tmp_path / "one/a.png")
    assert list(write_sheet(tmp_path / "one", scenario, SIDE, tmp_path / "sheet.png"))
    with Image.open(tmp_path / "sheet.png") as sheet:
        assert sheet.width == 4 * GAP + 3 * SIDE


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--pictures", "gone"], "the pictures folder 'gone' does not exist"),
        (["--pictures", "empty"], "'empty' holds no picture to put a decoy on"),
        (["--pictures", "val", "--out", "sheet.jpg"], "the sheet is a PNG"),
        (["--pictures", "val", "--size", "8"], "ask for 16 or more"),
        (["--pictures", "val", "--scenario", "no.yaml"], "cannot read the scenario 'no.yaml'"),
        (["--pictures", "val", "--scenario", "logo.yaml"], "not one decoy can be shown"),
    ],
)
def test_a_mistake_is_one_sentence(folder, tmp_path, arguments, words, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "empty").mkdir()
    (tmp_path / "logo.yaml").write_text(
        "dataset: {kind: image_folder, validation: val}\ndecoys: {logo: {kind: overlay}}\n"
    )
    assert main(["decoys", *arguments]) == 4
    said = capsys.readouterr().err
    assert words in said
    assert len(said.splitlines()) == 1
