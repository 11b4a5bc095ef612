"""ImageNet's folders and those of its kind: which are taken, and what is said of those that are not
there.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from made_photos import imagenet
from PIL import Image
from timm.data import ImageNetInfo

from shortcut_audit import DataError, UsageError
from shortcut_audit.scenario import load_scenario
from shortcut_audit.subjects.datasets.image_folder import ImageFolder
from shortcut_audit.subjects.datasets.imagenet10 import TEN, Imagenet10

TWO = {"golden retriever": "n02099601", "tench": "n01440764"}


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return imagenet(tmp_path / "imagenet", ("n02099601", "n01440764"), ("n00000001", "n00000002"))


def sentence(dataset: Imagenet10, split: str = "validation") -> str:
    with pytest.raises(DataError) as caught:
        dataset.load(split, 8)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_the_wnids_are_those_of_the_thesiss_classes() -> None:
    """timm knows what each wnid of ImageNet-1k stands for."""
    info = ImageNetInfo()
    assert len(TEN) == 10
    for name, wnid in TEN.items():
        assert wnid in info.label_names()
        assert name in info.label_name_to_description(wnid).lower(), name


def test_labels_follow_the_scenario_and_not_the_folders_names(root: Path) -> None:
    pictures = Imagenet10(root, TWO).load("validation", 8)
    assert pictures.classes == ("golden retriever", "tench")
    assert pictures.labels.tolist() == [0] * 4 + [1] * 4
    assert pictures.ids[0] == "val/n02099601/n02099601_0.JPEG"
    assert pictures.notes == (
        "validation: golden retriever 4 kept of 4 photos",
        "validation: tench 4 kept of 4 photos",
        "validation: 8 pictures of 'imagenet'",
    )


def test_pixels_are_those_of_a_plain_image_folder(root: Path) -> None:
    theirs = ImageFolder(validation=root / "val").load("validation", 16)
    ours = Imagenet10(root, TWO).load("validation", 16)
    for identity, picture in zip(ours.ids, ours.pixels, strict=True):
        assert (theirs.pixels[theirs.ids.index(identity.removeprefix("val/"))] == picture).all()


def test_folders_may_bear_the_classs_name_and_validation_may_be_written_out(tmp_path: Path) -> None:
    root = imagenet(tmp_path, ("golden retriever", "n01440764"), validation="validation")
    assert Imagenet10(root, TWO).load("validation", 8).labels.tolist() == [0] * 4 + [1] * 4
    assert (
        Imagenet10(root, TWO).load("train", 8).ids[0]
        == "train/golden retriever/golden retriever_0.JPEG"
    )


def test_most_of_each_class_and_the_same_ones_in_any_number(root: Path) -> None:
    two, three = (Imagenet10(root, TWO, validation=n).load("validation", 8) for n in (2, 3))
    assert set(two.ids) < set(three.ids)
    assert np.bincount(two.labels).tolist() == [2, 2]
    assert (
        two.notes[0]
        == "validation: golden retriever 2 kept of 4 photos; dropped: 2 beyond the 2 asked for"
    )


def test_the_background_is_of_other_folders(root: Path) -> None:
    background = Imagenet10(root, TWO).load("background", 8)
    assert {each.split("/")[1] for each in background.ids} == {"n00000001", "n00000002"}
    assert set(background.labels) == {-1}
    assert len(Imagenet10(root, TWO, background=3).load("background", 8).ids) == 3


def test_ten_classes_and_nothing_else_have_no_background(tmp_path: Path) -> None:
    root = imagenet(tmp_path, tuple(TWO.values()), ())
    background = Imagenet10(root, TWO).load("background", 8)
    assert background.pixels.shape == (0, 3, 8, 8)
    assert background.notes[0] == "background: none of the classes 0 kept of 0 photos"


def test_a_broken_file_is_charged_to_itself(root: Path) -> None:
    torn = root / "val" / "n01440764" / "n01440764_2.JPEG"
    torn.write_bytes(b"")
    pictures = Imagenet10(root, TWO).load("validation", 8)
    assert len(pictures.ids) == 7
    assert pictures.broken[0].startswith(f"'{torn}' cannot be read: ")
    assert pictures.notes[1] == "validation: tench 3 kept of 4 photos; dropped: 1 broken"


def test_missing_classes_are_named_with_those_that_are_there(root: Path) -> None:
    said = sentence(Imagenet10(root))
    assert said.startswith(
        f"the validation folder of '{root}' lacks n02110185 (husky), n02129165 (lion), "
    )
    assert "n01440764" not in said.split(";")[0]
    assert (
        "; it has n00000001, n00000002, n01440764, n02099601: put the class there under its wnid or its name, or name"
        in said
    )


def test_an_unsorted_validation_folder_has_its_own_sentence(tmp_path: Path) -> None:
    (tmp_path / "val").mkdir()
    Image.new("RGB", (9, 9)).save(tmp_path / "val" / "ILSVRC2012_val_00000001.JPEG")
    said = sentence(Imagenet10(tmp_path, TWO))
    start = f"'{tmp_path / 'val'}' holds 1 pictures, such as ILSVRC2012_val_00000001.JPEG, and no folder for any class: sort them"
    assert said.startswith(start)


def test_other_folders_that_are_missing_or_empty(root: Path, tmp_path: Path) -> None:
    said = f"no val/ in '{tmp_path / 'none'}': there must be train/ and val/ (or validation/) with a folder of pictures for each"
    assert sentence(Imagenet10(tmp_path / "none", TWO)).startswith(said)
    (tmp_path / "val").mkdir()
    assert "; it is empty: put" in sentence(Imagenet10(tmp_path, TWO))
    (root / "val" / "n03095699").mkdir()
    assert sentence(Imagenet10(root, TWO | {"container ship": "n03095699"})).startswith(
        "the validation folder has no picture of 'n03"
    )


def test_options_out_of_range_are_one_sentence(root: Path) -> None:
    with pytest.raises(
        UsageError,
        match=r"^a data set has two classes or more, each with a wnid of its own, not \{'tench': 'n01440764'\}$",
    ):
        Imagenet10(wnids={"tench": "n01440764"})
    with pytest.raises(
        UsageError, match=r"^there cannot be -5 validation pictures: ask for 0 or more$"
    ):
        Imagenet10(validation=-5)
    with pytest.raises(UsageError, match=r"^pictures cannot be decoded by -1 workers: "):
        ImageFolder(validation=root / "val", workers=-1).load("validation", 8)


@pytest.mark.parametrize("workers", [1, 3])
def test_threads_change_nothing(root: Path, workers: int) -> None:
    assert (
        Imagenet10(root, TWO, workers=workers).load("train", 8).digest
        == Imagenet10(root, TWO).load("train", 8).digest
    )
    assert repr(Imagenet10(root, TWO, workers=workers)) == repr(Imagenet10(root, TWO))


def test_the_preset_is_a_scenario(tmp_path: Path) -> None:
    imagenet(tmp_path / "imagenet", tuple(TEN.values()))
    scenario = load_scenario(
        Path(__file__).parents[2] / "fixtures" / "imagenet10.yaml", data=tmp_path
    )
    pictures = scenario.build_dataset().load("train", 64)
    assert pictures.classes[:3] == ("tench", "golden retriever", "husky")
    assert np.bincount(pictures.labels).tolist() == [4] * 10
    assert [scenario.build_decoy(name).placement for name in scenario.decoys] == [
        "bottom_left",
        "random_corner",
        "random_position",
    ]
