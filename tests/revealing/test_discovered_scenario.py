"""`discovered.yaml`: read again, its decoys put on any picture what was found."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from shortcut_audit.discovery.families.family import Family, decoy_of
from shortcut_audit.revealing.revealed import Revealed, Thing
from shortcut_audit.revealing.scenario_file import write_scenario
from shortcut_audit.scenario import Scenario, load_scenario

SIDE = 32
SQUARES: dict[str, Any] = {"kind": "demo", "train": 8, "validation": 8, "background": 4}


def family(rgba: np.ndarray | None, corner: tuple[int, int] | None = None, **more: Any) -> Family:
    return Family("cat", ("cut_outs",), "seen\nthere # not", SIDE, rgba, corner, **more)


def revealed(*families: Family) -> Revealed:
    things = [Thing(f"unnamed_cat_{at}", each, (), {}) for at, each in enumerate(families, 1)]
    return Revealed(("cat",), tuple(things), {}, {}, {})


def mark(height: int, width: int, alpha: int = 255) -> np.ndarray:
    rgba = np.random.default_rng(height).integers(0, 256, (height, width, 4)).astype(np.uint8)
    rgba[..., 3] = alpha
    rgba[0, : width // 2, 3] = 0
    return rgba


def read_again(folder: Path, *families: Family, scenario: Scenario | None = None) -> Scenario:
    found = revealed(*families)
    written = write_scenario(found, scenario or Scenario(dataset=SQUARES), folder)
    assert written[0] == folder / "discovered.yaml"
    return load_scenario(written[0])


def assert_same_pixels(scenario: Scenario, name: str, family: Family) -> None:
    pixels = torch.randint(0, 256, (6, 3, SIDE, SIDE), dtype=torch.uint8)
    ids = [f"validation/{i}" for i in range(6)]
    found = decoy_of(family).apply(pixels, ids)
    again = scenario.build_decoy(name).apply(pixels, ids)
    for one, other in zip(
        (found.decoyed, found.control), (again.decoyed, again.control), strict=True
    ):
        assert (one.int() - other.int()).abs().max() <= 1
    assert torch.equal(found.footprint, again.footprint)


@settings(max_examples=20)
@given(st.integers(2, 20), st.integers(2, 20), st.integers(40, 255), st.booleans())
def test_the_decoys_put_the_same_pixels_on_pictures(
    tmp_path_factory: pytest.TempPathFactory, height: int, width: int, alpha: int, fixed: bool
) -> None:
    found = family(mark(height, width, alpha), (5, 9) if fixed else None)
    again = read_again(tmp_path_factory.mktemp("found"), found)
    assert again.decoys["unnamed_cat_1"]["kind"] == ("layer" if fixed else "overlay")
    assert again.target("unnamed_cat_1") == "cat"
    assert_same_pixels(again, "unnamed_cat_1", found)


def test_what_changes_the_whole_picture_is_its_registered_decoy(tmp_path: Path) -> None:
    found = family(None, filter={"kind": "blur", "radius": 0.02})
    again = read_again(tmp_path, found)
    assert_same_pixels(again, "unnamed_cat_1", found)
    assert not list(tmp_path.glob("*.png"))


def test_it_says_what_was_seen_and_tries_nothing_else(tmp_path: Path) -> None:
    again = read_again(tmp_path, family(mark(6, 6)))
    text = (tmp_path / "discovered.yaml").read_text()
    assert "# seen on at least 0 training pictures of 'cat', by cut_outs; seen there # not" in text
    assert "# Only as they were seen" in text
    assert again.strengths == ()


def test_nothing_found_is_a_scenario_too_and_no_pass(tmp_path: Path) -> None:
    assert read_again(tmp_path).decoys == {}
    assert "nothing was proposed, which is no pass" in (tmp_path / "discovered.yaml").read_text()


def test_limits_are_kept_and_what_is_about_other_decoys_is_not(tmp_path: Path) -> None:
    asked = Scenario.model_validate(
        {
            "dataset": SQUARES,
            "decoys": {"stop_sign": {"target": "cat"}},
            "limits": {"insertion": 0.07, "mine": 0.5},
            "blocking": ["decoy_insertion"],
            "training": {"models": [{"decoy": "stop_sign"}]},
        }
    )
    again = read_again(tmp_path, family(mark(6, 6)), scenario=asked)
    assert again.limits == asked.limits
    assert again.blocking == ("decoy_insertion",)
    assert list(again.decoys) == ["unnamed_cat_1"]


def folders(root: Path) -> dict[str, str]:
    """Class folders below `root`, as a scenario names them."""
    for split in ("train", "val"):
        for name in ("cat", "dog"):
            (root / split / name).mkdir(parents=True)
    return {"kind": "image_folder", "train": "train", "validation": "val"}


@pytest.mark.parametrize("nested", [False, True])
def test_paths_lead_from_the_new_folder_to_the_same_pictures(tmp_path: Path, nested: bool) -> None:
    data: dict[str, Any] = folders(tmp_path / "here")
    if nested:
        data = {"kind": "decoyed", "of": data, "wears": [{"decoy": {"kind": "blur"}, "by": "cat"}]}
    asked = Scenario(dataset=data, folder=tmp_path / "here")
    again = read_again(tmp_path / "here/reports/found", scenario=asked)
    assert list(again.build_dataset().classes) == ["cat", "dog"]
    named = again.dataset["of"] if nested else again.dataset
    assert named["train"] == "../../train"
    shutil.move(tmp_path / "here", tmp_path / "there")
    moved = load_scenario(tmp_path / "there/reports/found/discovered.yaml")
    assert list(moved.build_dataset().classes) == ["cat", "dog"]


def test_paths_that_data_has_moved_mean_the_same_with_and_without_it(tmp_path: Path) -> None:
    data = folders(tmp_path / "data")
    asked = Scenario(dataset=data, folder=tmp_path, data=tmp_path / "data")
    found = tmp_path / "found"
    again = read_again(found, scenario=asked)
    assert again.dataset["validation"] == str(tmp_path / "data/val")
    with_data = load_scenario(found / "discovered.yaml", tmp_path / "data")
    for each in (again, with_data):
        assert list(each.build_dataset().classes) == ["cat", "dog"]


def test_a_folder_that_nobody_wrote_is_named_for_it_begins_elsewhere(tmp_path: Path) -> None:
    """COCO's root is the scenario's own folder where nothing is said."""
    again = read_again(
        tmp_path / "a/b", scenario=Scenario(dataset={"kind": "coco"}, folder=tmp_path)
    )
    assert again.dataset["root"] == "../.."


def test_names_of_classes_make_files_that_can_be(tmp_path: Path) -> None:
    things = [Thing(name, family(mark(5, 5)), (), {}) for name in ("a/b é", "a_b é")]
    found = Revealed(("cat",), tuple(things), {}, {}, {})
    write_scenario(found, Scenario(dataset=SQUARES), tmp_path)
    assert sorted(each.name for each in tmp_path.glob("*.png")) == ["a_b_é.png", "a_b_é_.png"]
    again = load_scenario(tmp_path / "discovered.yaml")
    assert list(again.decoys) == ["a/b é", "a_b é"]
