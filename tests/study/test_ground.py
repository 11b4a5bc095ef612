"""What experiments ask for: models by coverage, pictures by group, the decoy on its own."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from made_photos import coco

from shortcut_audit import DataError
from shortcut_audit.evidence.answers import Answers
from shortcut_audit.files.store import Store
from shortcut_audit.scenario import Scenario
from shortcut_audit.study.ground import Ground
from shortcut_audit.training.plan import plan


def test_models_are_found_by_coverage(ground: Ground) -> None:
    assert ground.swept == "stop_sign"
    assert ground.sweep("stop_sign") == {0.0: "F0-s0", 0.5: "F50-s0", 1.0: "F100-s0"}
    assert ground.trio() == {"F0": "F0-s0", "F50": "F50-s0", "F100": "F100-s0"}
    assert ground.tagged() == {"tag": "tag-F100-s0"}
    assert [pair.label for pair in ground.pairs()] == ["F0 and F50", "F0 and F100", "F50 and F100"]


def test_a_trio_needs_three_coverages(ground: Ground) -> None:
    without_half = Ground(ground.answers, [job for job in ground.jobs if job.coverage != 0.5])
    with pytest.raises(DataError, match=r"coverage 0, about 0\.5 and 1; stop_sign has 0, 1"):
        without_half.trio()


def test_groups_start_with_the_decoys_class_with_and_without_it(ground: Ground) -> None:
    worn, plain, *others = ground.groups("stop_sign", 5)
    assert [each.label for each in (worn, plain, *others)] == [
        "green with stop_sign",
        "green",
        "blue",
        "yellow",
    ]
    assert worn.footprint is not None
    same = (worn.pixels == plain.pixels).all(1).numpy()  # (n, h, w)
    assert (same | worn.footprint).all(), "nothing differs outside the footprint"
    assert all(len(each.pixels) == 5 for each in (worn, plain, *others))


def test_only_the_decoys_class_carries_it_in_training(ground: Ground) -> None:
    worn, _, other, *_ = ground.groups("stop_sign", 5)
    pictures, flags = ground.training(worn, "stop_sign", 0.2)
    assert (len(pictures), flags.sum()) == (60, 12)
    pictures, flags = ground.training(other, "stop_sign", 1.0)
    assert (len(pictures), flags.sum()) == (60, 0)


def test_the_decoy_alone_is_pasted_on_the_background(ground: Ground) -> None:
    pixels, words = ground.decoy_only("stop_sign")
    assert len(pixels) == 20
    assert words == "pictures with stop_sign and none of the classes"


def test_the_decoy_alone_is_photographed_where_the_data_has_such_photographs(
    tmp_path: Path,
) -> None:
    root = coco(tmp_path / "coco")
    scenario = Scenario(
        dataset={"kind": "coco", "root": root, "classes": ["cat", "car"]},
        decoys={
            "stop_sign": {"kind": "coco_cutout", "root": root, "target": "cat", "least_side": 5}
        },
        training={"size": 32},
    )
    ground = Ground(Answers(scenario, [], Store(tmp_path / "evidence")), plan(scenario))
    pixels, words = ground.decoy_only("stop_sign")
    wild = ground.material.dataset.in_the_wild("stop sign", 32)
    assert len(pixels) == len(wild.ids) > 0
    assert torch.equal(pixels, wild.pixels[:])
    assert np.all(wild.labels == -1)
    assert words == "photographs of a stop sign with none of the classes"
