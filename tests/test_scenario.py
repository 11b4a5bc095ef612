"""The scenario file: where its paths start, and what a command may set otherwise."""

from __future__ import annotations

from pathlib import Path

import pytest

from shortcut_audit import UsageError
from shortcut_audit.scenario import load_scenario

TEXT = """
dataset: {kind: image_folder, train: train, validation: %s}
decoys:
  logo: {kind: overlay, image: logo.png, target: cat}
  sign: {kind: coco_cutout, root: coco, target: cat}
training: {epochs: 7}
"""


@pytest.fixture
def path(tmp_path: Path) -> Path:
    (tmp_path / "scenarios").mkdir()
    (tmp_path / "pictures").mkdir()
    file = tmp_path / "scenarios/mine.yaml"
    file.write_text(TEXT % "val")
    return file


def test_paths_start_beside_the_scenario(path: Path) -> None:
    scenario = load_scenario(path)
    assert scenario.build_dataset().train == path.parent / "train"
    assert scenario.build_decoy("sign").root == path.parent / "coco"
    assert scenario.build_decoy("logo").image == path.parent / "logo.png"


def test_data_moves_the_pictures_and_every_root_but_no_logo(path: Path, tmp_path: Path) -> None:
    scenario = load_scenario(path, tmp_path / "pictures")
    assert scenario.build_dataset().validation == tmp_path / "pictures/val"
    assert scenario.build_decoy("sign").root == tmp_path / "pictures/coco"
    assert scenario.build_decoy("logo").image == path.parent / "logo.png"


def test_an_absolute_path_stays_where_it_is(path: Path, tmp_path: Path) -> None:
    path.write_text(TEXT % "/somewhere/val")
    assert load_scenario(path, tmp_path / "pictures").build_dataset().validation == Path(
        "/somewhere/val"
    )


def test_data_that_is_no_folder_is_one_sentence(path: Path, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"'.*gone' is no folder"):
        load_scenario(path, tmp_path / "gone")


def test_a_command_sets_training_otherwise_and_keeps_the_rest(path: Path) -> None:
    settings = load_scenario(path, training={"device": "cpu", "precision": "float32"}).training
    assert (settings.device, settings.precision, settings.epochs) == ("cpu", "float32", 7)
    with pytest.raises(UsageError, match=r"bad value at 'training.precision'"):
        load_scenario(path, training={"precision": "half"})


def test_nothing_is_trained_by_a_recipe_that_nobody_wrote(path: Path) -> None:
    path.write_text((TEXT % "val").replace("training: {epochs: 7}", ""))
    assert load_scenario(path).training.epochs == 20
    with pytest.raises(UsageError, match="has no 'training:', so there is no model to train"):
        load_scenario(path, training={})


def test_a_training_section_that_is_no_mapping_is_one_sentence(path: Path) -> None:
    path.write_text((TEXT % "val").replace("{epochs: 7}", "[1]"))
    with pytest.raises(UsageError, match="bad value at 'training'"):
        load_scenario(path, training={"device": "cpu"})


@pytest.mark.parametrize("key", ["data", "folder", "digest"])
def test_what_the_harness_fills_in_is_no_key(path: Path, key: str) -> None:
    path.write_text(path.read_text() + f"{key}: x\n")
    with pytest.raises(UsageError, match=key):
        load_scenario(path)


@pytest.mark.parametrize("decoys", ["", "decoys: {}\n"])
def test_decoys_need_not_be_named(path: Path, decoys: str) -> None:
    path.write_text(f"dataset: {{kind: demo}}\n{decoys}")
    scenario = load_scenario(path)
    assert scenario.decoys == {}
    with pytest.raises(UsageError, match=r"^no decoy called 'logo' in the scenario; there is none"):
        scenario.build_decoy("logo")


@pytest.mark.parametrize(
    ("more", "said"),
    [
        ("training: {models: [{decoy: logo, coverage: 1}]}", "training asks for the decoy 'logo'"),
        ("calibration: {fresh: {seed: 1}}", "calibration needs decoys to try: name some in"),
    ],
)
def test_what_needs_decoys_says_so(path: Path, more: str, said: str) -> None:
    path.write_text(f"dataset: {{kind: demo}}\n{more}\n")
    with pytest.raises(UsageError, match=said):
        load_scenario(path)


@pytest.mark.parametrize("name", ["discover", "discover_shared"])
def test_the_sets_for_discovery_name_no_decoy_and_wear_some(name: str) -> None:
    scenario = load_scenario(Path(__file__).parents[1] / f"fixtures/{name}.yaml")
    assert scenario.decoys == {}
    assert "cat" in [worn.by for worn in scenario.build_dataset().wears]
    assert all(group.decoy is None for group in scenario.training.models)


def test_what_says_how_little_is_enough_cannot_block(tmp_path):
    file = tmp_path / "scenario.yaml"
    file.write_text("dataset: {kind: demo}\nblocking: [decoy_insertion, smallest_decoy]\n")
    with pytest.raises(UsageError, match="smallest_decoy cannot block"):
        load_scenario(file)
