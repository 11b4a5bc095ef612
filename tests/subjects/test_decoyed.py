"""A data set with a shortcut in it is what a model with that shortcut is trained on, and nothing
else of it differs from the data set inside.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from planted import ColouredSquares

from shortcut_audit import DataError, Pictures, UsageError, register, registry
from shortcut_audit.scenario import Scenario, load_scenario
from shortcut_audit.subjects.datasets.decoyed import Decoyed
from shortcut_audit.subjects.datasets.demo import Demo
from shortcut_audit.subjects.decoying.coverage import wearing
from shortcut_audit.subjects.decoys.stop_sign import StopSign
from shortcut_audit.subjects.pictures.material import Material
from shortcut_audit.subjects.pictures.record import pictures as record
from shortcut_audit.training.plan import Job
from shortcut_audit.training.wearing import with_decoy

SMALL = {"kind": "demo", "train": 8, "validation": 4, "background": 3}
SIGN = {"kind": "stop_sign", "size": 0.2, "opacity": 1.0}
TAG = {"kind": "copyright_tag", "placement": "bottom_left"}
SIDE = 16


def decoyed(*wears: dict[str, Any], of: Any = SMALL) -> Any:
    """The data set as a scenario builds it."""
    return Scenario(dataset={"kind": "decoyed", "of": of, "wears": list(wears)}).build_dataset()


def trained_on(coverage: float, seed: int, worn_by: str, of: Any = SMALL) -> Pictures:
    """What a model with the stop sign is trained on."""
    asked = Scenario(dataset=of, decoys={"sign": {**SIGN, "target": "cat"}})
    material = Material(asked)
    job = Job("F", "sign", coverage, seed, worn_by)
    return with_decoy(material, material.pictures("train", SIDE), job)


def same(one: Pictures, other: Pictures) -> bool:
    return (one.digest, one.ids) == (other.digest, other.ids) and torch.equal(
        one.pixels[:], other.pixels[:]
    )


def changed(one: Pictures, other: Pictures) -> np.ndarray:
    """(n,) bool: the pictures of which a pixel differs."""
    return (one.pixels[:] != other.pixels[:]).flatten(1).any(1).numpy()


shares = st.sampled_from([0.0, 0.125, 0.3, 0.5, 1.0])


@given(shares, st.integers(0, 3), st.sampled_from(["cat", "fish", "every"]))
@settings(max_examples=25, deadline=None)
def test_its_training_pictures_are_those_of_a_model_with_the_decoy(
    coverage: float, seed: int, by: str
) -> None:
    worn = {"decoy": {**SIGN, "target": "cat"}, "by": by, "coverage": coverage, "seed": seed}
    expected = trained_on(coverage, seed, "target" if by == "cat" else by)
    assert same(decoyed(worn).load("train", SIDE), expected)


def test_the_training_pictures_that_wear_the_decoy_are_known() -> None:
    inside = Demo(train=8)
    found = decoyed(
        {"decoy": SIGN, "by": "cat", "coverage": 0.5}, {"decoy": TAG, "by": "fish"}
    ).load("train", SIDE)
    plain = inside.load("train", SIDE)
    worn = changed(found, plain)
    assert np.bincount(plain.labels[worn], minlength=5).tolist() == [4, 8, 0, 0, 0]
    signed = StopSign(size=0.2, opacity=1.0).apply(plain.pixels[:], plain.ids).decoyed
    cats = worn & (plain.labels == 0)
    assert torch.equal(found.pixels[cats], signed[cats])
    assert found.digest != plain.digest
    assert found.digest == record(found.pixels, found.labels, found.ids, found.classes).digest
    assert found.objects is not None
    assert plain.objects is not None
    assert torch.equal(found.objects[:], plain.objects[:])


@given(st.permutations(range(40)), shares, st.integers(0, 3))
@settings(max_examples=25, deadline=None)
def test_the_order_of_the_pictures_does_not_matter(
    order: list[int], coverage: float, seed: int
) -> None:
    plain, sign = Demo(train=8).load("train", SIDE), StopSign(size=0.2)
    shuffled = replace(
        plain,
        pixels=plain.pixels[order],
        labels=plain.labels[order],
        ids=tuple(plain.ids[i] for i in order),
        objects=None,
    )
    expected = wearing(plain, sign, [0, 1], coverage, seed).pixels[order]
    assert torch.equal(wearing(shuffled, sign, [0, 1], coverage, seed).pixels, expected)


@given(shares, shares)
@settings(max_examples=10, deadline=None)
def test_the_order_of_decoys_on_different_classes_does_not_matter(cats: float, fish: float) -> None:
    sign = {"decoy": SIGN, "by": "cat", "coverage": cats}
    tag = {"decoy": TAG, "by": "fish", "coverage": fish}
    assert same(decoyed(sign, tag).load("train", SIDE), decoyed(tag, sign).load("train", SIDE))


@pytest.mark.parametrize("wears", [[], [{"decoy": SIGN, "by": "every", "coverage": 0}]])
def test_a_coverage_of_nothing_changes_nothing(wears: list[dict[str, Any]]) -> None:
    assert same(decoyed(*wears).load("train", SIDE), Demo(train=8).load("train", SIDE))


@pytest.mark.parametrize("split", ["validation", "background"])
def test_other_splits_are_those_of_the_data_set_inside(split: str) -> None:
    found = decoyed({"decoy": SIGN, "by": "every"}).load(split, SIDE)
    assert same(found, Demo(validation=4, background=3).load(split, SIDE))


def test_the_recipe_names_all_that_the_pictures_depend_on() -> None:
    made = decoyed({"decoy": SIGN, "by": "cat", "coverage": 0.5})
    assert repr(made) == (
        "Decoyed(of=Demo(seed=0, train=8, validation=4, background=3), wears=(Worn(decoy=StopSign("
        "target='cat', placement='random_position', opacity=1.0, size=0.2, seed=0, control='grey'),"
        " by='cat', coverage=0.5, seed=0),))"
    )


def test_without_options_half_of_the_cats_of_a_small_demo_wear_a_stop_sign() -> None:
    made = Decoyed()
    plain = made.of.load("train", SIDE)
    worn = changed(made.load("train", SIDE), plain)
    assert np.bincount(plain.labels[worn], minlength=5).tolist() == [20, 0, 0, 0, 0]


def test_one_may_wear_what_another_one_wears_already() -> None:
    inside = {"kind": "decoyed", "of": SMALL, "wears": [{"decoy": SIGN, "by": "cat"}]}
    tag = {"decoy": TAG, "by": "cat"}
    both = decoyed({"decoy": SIGN, "by": "cat"}, tag)
    assert same(decoyed(tag, of=inside).load("train", SIDE), both.load("train", SIDE))


# ---- the data set inside ----


def photos(root: Path) -> None:
    """Noise in class folders, two of the training cats alike."""
    rng = np.random.default_rng(0)
    for split in ("train", "val"):
        for name in ("cat", "dog"):
            (root / split / name).mkdir(parents=True)
            for i in range(4):
                noise = rng.integers(0, 256, (24, 24, 3), dtype=np.uint8)
                Image.fromarray(noise).save(root / split / name / f"{i}.png")
    (root / "train/cat/copy.png").write_bytes((root / "train/cat/0.png").read_bytes())


FOLDERS = """
dataset:
  kind: decoyed
  of: {kind: image_folder, train: photos/train, validation: photos/val}
  wears: [{decoy: {kind: overlay, image: logo.png, size: 0.3}, by: cat}]
"""


@pytest.mark.parametrize("apart", [False, True])
def test_paths_inside_start_where_those_of_a_data_set_do(tmp_path: Path, apart: bool) -> None:
    beside = tmp_path / "scenarios"
    beside.mkdir()
    photos((tmp_path / "data" if apart else beside) / "photos")
    Image.new("RGBA", (8, 8), (255, 0, 0, 255)).save(beside / "logo.png")
    (beside / "mine.yaml").write_text(FOLDERS)
    made: Any = load_scenario(
        beside / "mine.yaml", tmp_path / "data" if apart else None
    ).build_dataset()
    worn = changed(made.load("train", SIDE), made.of.load("train", SIDE))
    assert worn.tolist() == [True] * 4 + [False] * 4, "the copy counts once"
    assert made.class_counts("validation") == {"cat": 4, "dog": 4}


def test_a_data_set_of_ones_own_is_counted_once_before_it_wears_anything() -> None:
    own = {"kind": "twice"}
    asked = Scenario(dataset={"kind": "decoyed", "of": own, "wears": [{"decoy": SIGN, "by": "a"}]})
    material = Material(asked)
    found = material.pictures("train", SIDE)
    assert found.ids == ("train/0", "train/1", "train/2")
    assert any("exact copies" in said for said in material.broken)
    assert material.pictures("validation", SIDE).ids == ("validation/7",), "trained on the others"
    assert material.counts("validation") is None
    job = Job("F", "sign", 1.0, 0)
    clean = Material(Scenario(dataset=own, decoys={"sign": {**SIGN, "target": "a"}}))
    assert same(found, with_decoy(clean, clean.pictures("train", SIDE), job))


@register("dataset")
@dataclass(frozen=True)
class Twice:
    """Training pictures 0, 1, 2 and 0 again; two of three validation pictures are among them."""

    classes: ClassVar[tuple[str, ...]] = ("a", "b")

    def load(self, split: str, size: int) -> Pictures:
        drawn = {"train": (0, 1, 2, 0), "validation": (0, 7, 2), "background": ()}[split]
        pixels = torch.zeros(len(drawn), 3, size, size, dtype=torch.uint8)
        for i, number in enumerate(drawn):
            noise = torch.Generator().manual_seed(number)
            pixels[i] = torch.randint(0, 256, (3, size, size), generator=noise)
        ids = [f"{split}/{i if split == 'train' else n}" for i, n in enumerate(drawn)]
        return record(pixels, [0] * len(drawn), ids, self.classes)


def test_one_without_training_pictures_can_be_audited_and_has_nothing_to_discover() -> None:
    made = decoyed({"decoy": SIGN, "by": "green"}, of=ColouredSquares(train=0))
    with pytest.raises(ValueError, match="need at least one array"):
        made.of.load("train", SIDE)
    found = made.load("validation", SIDE)
    assert len(found.ids) == 180
    assert any("in the training set is not known" in note for note in found.notes)


# ---- errors ----


def test_nobody_is_there_to_wear_it() -> None:
    made = decoyed({"decoy": SIGN, "by": "cat"}, of={**SMALL, "train": 0})
    said = (
        r"^dataset 'decoyed': there is no training picture of 'cat' to wear a decoy: "
        r"give the data set in 'of' training pictures$"
    )
    with pytest.raises(DataError, match=said):
        made.load("train", SIDE)
    assert len(made.load("validation", SIDE).ids) == 20


@pytest.mark.parametrize("split", ["train", "validation"])
def test_it_is_worn_by_what_is_no_class(split: str) -> None:
    said = r"^dataset 'decoyed': a decoy is worn by 'kat', which is no class; did you mean 'cat'\?$"
    with pytest.raises(UsageError, match=said):
        decoyed({"decoy": SIGN, "by": "kat"}).load(split, SIDE)


WORN = {"decoy": SIGN, "by": "cat"}


@pytest.mark.parametrize(
    ("worn", "said"),
    [
        ({**WORN, "decoy": {"kind": "stopsign"}}, "no decoy called 'stopsign'; did you mean"),
        ({**WORN, "decoy": {**SIGN, "siz": 1}}, "decoy 'stop_sign' has no option 'siz'; did"),
        ({**WORN, "decoy": {"size": 1}}, "dataset 'decoyed': 'decoy' names no kind; there is"),
        (
            {**WORN, "decoy": "stop_sign"},
            "dataset 'decoyed': 'decoy' cannot be 'stop_sign': 'stop_sign' is text, "
            "and a mapping is wanted",
        ),
        (
            {**WORN, "coverage": 1.5},
            "dataset 'decoyed': coverage is a share of the training pictures between 0 and 1, "
            "not 1.5",
        ),
        ({**WORN, "coverage": "1"}, "'wears.0.coverage' cannot be '1': '1' is text"),
        ({**WORN, "bye": 1}, "dataset 'decoyed': 'wears' has no option 'bye'; did you mean 'by'?"),
        ({"decoy": SIGN}, "dataset 'decoyed': 'wears' lacks 'by'"),
        ({"by": "cat"}, "dataset 'decoyed': 'wears' lacks 'decoy'"),
        ("cat", "'wears.0' cannot be 'cat': 'cat' is text, and a mapping is wanted"),
    ],
)
def test_what_cannot_be_worn_is_one_sentence(worn: Any, said: str) -> None:
    with pytest.raises(UsageError) as caught:
        decoyed(worn)
    assert said in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("of", "said"),
    [
        ("demo", "dataset 'decoyed': 'of' cannot be 'demo': 'demo' is text, and a mapping"),
        ({"train": 3}, "dataset 'decoyed': 'of' names no kind; there is coco, "),
        ({"kind": "dmo"}, "no dataset called 'dmo'; did you mean 'demo'?"),
        ({**SMALL, "trian": 3}, "dataset 'demo' has no option 'trian'; did you mean 'train'?"),
    ],
)
def test_what_cannot_be_inside_is_one_sentence(of: Any, said: str) -> None:
    with pytest.raises(UsageError) as caught:
        registry.build("dataset", "decoyed", {"of": of})
    assert said in str(caught.value)
