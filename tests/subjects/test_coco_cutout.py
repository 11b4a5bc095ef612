"""Which instances of COCO are cut out, what is cut off, and which image gets which."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from made_photos import GREY, RED, WHITE, MadeCoco, box, instance
from PIL import Image

from shortcut_audit import DataError, UsageError
from shortcut_audit.subjects.decoys.coco_cutout import RIM, CocoCutout

SIGN = box(10, 8, 60, 56)  # 50 x 48 pixels
IDS = tuple(str(i) for i in range(40))
BLACK = torch.zeros((len(IDS), 3, 64, 64), dtype=torch.uint8)


@pytest.fixture
def made(tmp_path: Path) -> MadeCoco:
    built = MadeCoco(tmp_path / "coco")
    built.add("train", instance("stop sign", SIGN), colour=RED)
    return built


def decoy(made: MadeCoco, **options: Any) -> CocoCutout:
    return CocoCutout(root=made.write(), target="cat", **options)


def sides(made: MadeCoco, **options: Any) -> list[tuple[int, ...]]:
    return [each.shape[:2] for each in decoy(made, **options).cutouts()]


def test_a_cut_out_is_the_object_without_its_rim(made: MadeCoco) -> None:
    (sign,) = decoy(made).cutouts()
    assert sign.shape == (48 - 2 * RIM, 50 - 2 * RIM, 4)
    assert (sign[..., 3] == 255).all()
    assert {tuple(each) for each in sign[..., :3].reshape(-1, 3).tolist()} == {RED, WHITE}


def test_alpha_is_the_mask_of_any_form(made: MadeCoco) -> None:
    octagon = [[24, 4, 48, 4, 66, 22, 66, 40, 48, 56, 24, 56, 8, 40, 8, 22]]
    made.add("train", instance("stop sign", octagon), colour=RED)
    first, second = decoy(made, least_saturation=0).cutouts()
    sign = next(each for each in (first, second) if each.shape[:2] != (48 - 2 * RIM, 50 - 2 * RIM))
    assert sign.shape[:2] == pytest.approx((52 - 2 * RIM, 58 - 2 * RIM), abs=1)
    assert not sign[[0, 0, -1, -1], [0, -1, 0, -1], 3].any()
    assert 0.7 < (sign[..., 3] == 255).mean() < 0.9
    assert (first[..., 3] > 0).sum() >= (second[..., 3] > 0).sum(), "the largest comes first"


RULES = {
    "only a crowd": {"crowd": True},
    "smaller than 40 pixels": {"segmentation": box(5, 5, 70, 40)},
    "cut by the image's border": {"segmentation": box(0, 5, 50, 55)},
    "greyer than 35 % saturation": {"colour": GREY},
    "with a malformed mask": {"segmentation": [[1, 2]]},
    "in an image that cannot be read": {"saved": False},
}


@pytest.mark.parametrize("rule", RULES)
def test_each_rule_drops_and_says_so(made: MadeCoco, rule: str) -> None:
    options = {"segmentation": SIGN, "crowd": False, "colour": RED, "saved": True} | RULES[rule]
    dropped = instance("stop sign", options["segmentation"], options["crowd"])
    for each in ("train", "val"):
        made.add(each, dropped, colour=options["colour"], saved=options["saved"])
    assert len(sides(made)) == 1, "the other one is cut out all the same"
    with pytest.raises(UsageError) as caught:
        decoy(made, split="validation").apply(BLACK, IDS)
    file = made.root / "annotations" / "instances_val2017.json"
    said = f"no 'stop sign' of '{file}' can be cut out: 1 {rule}; lower least_side or least_saturation, or take the other split"
    assert str(caught.value) == said


@pytest.mark.parametrize(
    "sides", [(0, 5, 50, 55), (5, 0, 50, 55), (35, 5, 80, 55), (5, 10, 50, 60)]
)
def test_the_border_is_on_four_sides(made: MadeCoco, sides: tuple[int, int, int, int]) -> None:
    made.add("val", instance("stop sign", box(*sides)), colour=RED)
    with pytest.raises(UsageError, match="1 cut by the image's border"):
        decoy(made, split="validation").cutouts()


def test_a_picture_of_another_size_is_not_cut(made: MadeCoco) -> None:
    name = made.add("val", instance("stop sign", SIGN))
    Image.new("RGB", (200, 200), RED).save(made.root / "val2017" / name)
    with pytest.raises(UsageError, match="1 in an image of another size"):
        decoy(made, split="validation").cutouts()


def test_every_limit_is_an_option(made: MadeCoco) -> None:
    made.add("train", instance("stop sign", box(5, 5, 50, 35)), colour=RED)
    made.add("train", instance("stop sign", box(5, 5, 55, 50)), colour=GREY)
    made.add("train", instance("dog", box(5, 5, 55, 50)), colour=RED)
    rim = 2 * RIM
    assert sides(made) == [(48 - rim, 50 - rim)]
    assert sides(made, least_side=30) == [(48 - rim, 50 - rim), (30 - rim, 45 - rim)]
    assert sides(made, least_saturation=0) == [(48 - rim, 50 - rim), (45 - rim, 50 - rim)]
    assert sides(made, category="dog") == [(45 - rim, 50 - rim)]


def test_most_are_chosen_by_identity(made: MadeCoco) -> None:
    for i in range(6):
        made.add("train", instance("stop sign", box(5, 5, 50 + i, 55)), colour=RED)
    two, four = sides(made, most=2), sides(made, most=4)
    assert len(two) == 2
    assert set(two) < set(four)
    made.contents["train"]["images"].reverse()
    made.contents["train"]["annotations"].reverse()
    assert sides(made, most=4) == four


def test_each_image_gets_one_of_them_by_its_identity(made: MadeCoco) -> None:
    for colour in ((20, 160, 30), (20, 30, 200)):
        made.add("train", instance("stop sign", SIGN), colour=colour)
    applied = decoy(made, opacity=1.0, size=0.5).apply(BLACK, IDS)
    colours = [
        tuple(picture[:, inside].float().mean(1).argsort().tolist())
        for picture, inside in zip(*applied_parts(applied), strict=True)
    ]
    assert len(set(colours)) == 3
    assert min(colours.count(each) for each in set(colours)) >= 5
    assert not torch.equal(
        applied.decoyed, decoy(made, opacity=1.0, size=0.5, seed=1).apply(BLACK, IDS).decoyed
    )


def applied_parts(applied: Any) -> tuple[torch.Tensor, torch.Tensor]:
    return applied.decoyed, applied.footprint


def test_the_recipe_is_the_content_and_not_the_path(made: MadeCoco, tmp_path: Path) -> None:
    first = decoy(made)
    made.root.rename(tmp_path / "moved")
    moved = replace(first, root=tmp_path / "moved")
    made.root = tmp_path / "moved"
    assert "moved" not in repr(moved)
    before = repr(moved)
    made.add("train", instance("stop sign", SIGN), colour=(220, 30, 20))
    assert repr(decoy(made)) != before
    assert repr(CocoCutout()).endswith("sha256=None)")


def test_what_was_cut_out_is_kept(made: MadeCoco, monkeypatch: pytest.MonkeyPatch) -> None:
    """Another process finds it in the cache folder and reads neither annotations nor photographs."""
    from shortcut_audit.subjects.decoys import coco_cutout

    first = decoy(made).cutouts()
    coco_cutout._cutouts.cache_clear()
    monkeypatch.setattr(
        coco_cutout, "annotated", lambda *_: pytest.fail("the annotations were read again")
    )
    assert all(
        np.array_equal(a, b)
        for a, b in zip(CocoCutout(root=made.root).cutouts(), first, strict=True)
    )


def test_bad_options_are_one_sentence(made: MadeCoco, tmp_path: Path) -> None:
    with pytest.raises(
        UsageError,
        match=r"^a cut-out needs most and least_side of 1 or more and least_saturation in \[0, 1\], not most 0",
    ):
        CocoCutout(most=0)
    with pytest.raises(
        UsageError, match=r"^a decoy's split cannot be 'valid'; did you mean 'validation'\?$"
    ):
        CocoCutout(split="valid")
    with pytest.raises(
        UsageError, match=r"has no category 'stop sing'; did you mean 'stop sign'\?$"
    ):
        decoy(made, category="stop sing").cutouts()
    with pytest.raises(
        DataError, match=r"^no COCO train images in '.*none', which does not exist: there must be"
    ):
        CocoCutout(root=tmp_path / "none").apply(BLACK, IDS)
