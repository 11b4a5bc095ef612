"""Each picture counts once: copies, contradictions, leaks; in folders and in a user's own data set."""

from __future__ import annotations

import os
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from made_photos import MadeCoco, box, imagenet, instance
from PIL import Image
from planted import ColouredSquares

from shortcut_audit import DataError, Pictures, UsageError
from shortcut_audit.scenario import Scenario, load_scenario
from shortcut_audit.subjects.datasets.coco import Coco
from shortcut_audit.subjects.datasets.image_folder import ImageFolder
from shortcut_audit.subjects.datasets.imagenet10 import Imagenet10
from shortcut_audit.subjects.pictures import counted_once
from shortcut_audit.subjects.pictures.counted_once import (
    COPY,
    TWO_CLASSES,
    content_of,
    left_out,
    trained_on,
)
from shortcut_audit.subjects.pictures.material import Material

SHOTS = st.lists(st.tuples(st.integers(0, 2), st.integers(0, 6)), max_size=12)  # label, content


@given(SHOTS, st.randoms())
def test_what_counts_depends_on_no_order(shots: list[tuple[int, int]], random: Any) -> None:
    ids = [f"{i:02d}" for i in range(len(shots))]
    rows = [
        (identity, label, str(content))
        for identity, (label, content) in zip(ids, shots, strict=True)
    ]
    shuffled = random.sample(rows, len(rows))
    dropped = left_out(*zip(*shuffled, strict=True)) if rows else {}
    assert dropped == (left_out(*zip(*rows, strict=True)) if rows else {})
    for content in {row[2] for row in rows}:
        group = [row for row in rows if row[2] == content]
        reasons = [dropped.get(row[0]) for row in group]
        if len({row[1] for row in group}) > 1:
            assert set(reasons) == {TWO_CLASSES}
        else:
            assert reasons == [None] + [COPY] * (len(group) - 1)


@pytest.fixture
def photos(tmp_path: Path) -> ImageFolder:
    """Two classes of four pictures, in both splits; no two are alike."""
    rng = np.random.default_rng(0)
    for split in ("train", "val"):
        for name in ("cat", "dog"):
            (tmp_path / split / name).mkdir(parents=True)
            for i in range(4):
                picture = Image.fromarray(rng.integers(0, 256, (20, 20, 3), dtype=np.uint8))
                picture.save(tmp_path / split / name / f"{i}.bmp")
    return ImageFolder(tmp_path / "train", tmp_path / "val")


def test_a_folder_without_copies_keeps_all(photos: ImageFolder) -> None:
    loaded = photos.load("validation", 8)
    assert len(loaded.ids) == 8
    assert loaded.broken == ()


def test_copies_count_once_and_the_first_by_name_counts(photos: ImageFolder) -> None:
    cats = photos.validation / "cat"
    (cats / "deep").mkdir()
    for name in ("00.bmp", "deep/x.bmp"):
        shutil.copy(cats / "1.bmp", cats / name)
    before = photos.load("validation", 8)
    assert before.ids[:4] == ("cat/0.bmp", "cat/00.bmp", "cat/2.bmp", "cat/3.bmp")
    said = "validation: 2 pictures are exact copies of others and count once; left out: 'cat/1.bmp', 'cat/deep/x.bmp'"
    assert before.broken == (said,)
    assert before.notes == ("validation 8 kept of 10 photos; dropped: 2 copies of others",)
    assert photos.load("validation", 96).ids == before.ids


def test_links_to_one_file_count_once(photos: ImageFolder, tmp_path: Path) -> None:
    cats = photos.validation / "cat"
    (cats / "link.bmp").symlink_to(cats / "0.bmp")
    os.link(cats / "0.bmp", cats / "hard.bmp")
    (cats / "again").symlink_to(cats)
    loaded = photos.load("validation", 8)
    assert loaded.ids[:4] == tuple(f"cat/{i}.bmp" for i in range(4))
    assert "2 pictures are exact copies" in loaded.broken[0]


def test_folders_behind_links_are_pictures_too(photos: ImageFolder, tmp_path: Path) -> None:
    cats = photos.validation / "cat"
    shutil.move(cats, tmp_path / "store")
    cats.mkdir()
    (cats / "batch").symlink_to(tmp_path / "store")
    assert photos.load("validation", 8).ids[:4] == tuple(f"cat/batch/{i}.bmp" for i in range(4))


def test_pictures_of_a_kind_that_is_not_read_are_said(photos: ImageFolder) -> None:
    for name in ("a.HEIC", "b.gif", "deep/c.gif", "notes.txt"):
        (photos.validation / "cat" / name).parent.mkdir(exist_ok=True)
        (photos.validation / "cat" / name).write_bytes(b"x")
    found = photos.load("validation", 8)
    where = photos.validation / "cat"
    assert found.broken == (
        f"validation: 3 files in '{where}' are left out (.gif, .heic): save them as PNG or JPEG",
    )
    for file in where.glob("*.bmp"):
        file.unlink()
    with pytest.raises(
        DataError, match=r"has no picture of 'cat'.*3 files in .* are left out \(.gif, .heic\)"
    ):
        photos.load("validation", 8)


def test_a_hidden_folder_counts_for_nothing(photos: ImageFolder) -> None:
    before = photos.load("validation", 8)
    shutil.copytree(photos.validation / "cat", photos.validation / "cat/.ipynb_checkpoints")
    assert photos.load("validation", 8).digest == before.digest


def test_a_picture_under_two_classes_is_left_out_altogether(photos: ImageFolder) -> None:
    for split in ("train", "val"):
        shutil.copy(
            photos.validation.parent / split / "cat/2.bmp",
            photos.validation.parent / split / "dog/9.bmp",
        )
    loaded = photos.load("validation", 8)
    assert not {"cat/2.bmp", "dog/9.bmp"} & set(loaded.ids)
    assert loaded.broken == (
        "validation: 2 pictures are left out because the same picture stands under two classes: 'cat/2.bmp', 'dog/9.bmp'",
    )
    assert not {"cat/2.bmp", "dog/9.bmp"} & set(photos.load("train", 8).ids)


def test_a_validation_picture_that_was_trained_on_is_left_out(photos: ImageFolder) -> None:
    assert photos.train
    shutil.copy(photos.validation / "cat/0.bmp", photos.train / "cat/other-name.bmp")
    shutil.copy(photos.validation / "dog/1.bmp", photos.train / "cat/other-class.bmp")
    loaded = photos.load("validation", 8)
    assert loaded.ids == (
        "cat/1.bmp",
        "cat/2.bmp",
        "cat/3.bmp",
        "dog/0.bmp",
        "dog/2.bmp",
        "dog/3.bmp",
    )
    said = "validation: 2 pictures are left out because they are in the training set too: 'cat/0.bmp', 'dog/1.bmp'"
    assert loaded.broken == (said,)
    assert loaded.notes == ("validation 6 kept of 8 photos; dropped: 2 in the training set too",)
    assert len(photos.load("train", 8).ids) == 10
    assert len(ImageFolder(validation=photos.validation).load("validation", 8).ids) == 8


def test_if_nothing_is_left_that_is_said(photos: ImageFolder) -> None:
    with pytest.raises(
        DataError,
        match=r"none of the 8 pictures in '.*val' is left: .*8 pictures .* in the training set too",
    ):
        ImageFolder(photos.validation, photos.validation).load("validation", 8)


def test_few_training_files_are_read_whole(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """All of one length, as uncompressed pictures are, and of one beginning: only what is alike in
    the middle is read.
    """
    rng = np.random.default_rng(1)
    for i in range(50):
        (tmp_path / f"{i}.bmp").write_bytes(b"BM" * 5000 + rng.bytes(20_000) + b"end" * 5000)
    data = {f"{i}.bmp": content_of((tmp_path / f"{i}.bmp").read_bytes()) for i in (3, 4)}
    for i in (100, 1000):
        (tmp_path / f"other{i}.bmp").write_bytes(rng.bytes(i))
    read: list[str] = []
    whole = Path.read_bytes
    monkeypatch.setattr(Path, "read_bytes", lambda self: read.append(self.name) or whole(self))
    files = [*sorted(tmp_path.iterdir()), tmp_path / "gone.bmp"]
    assert trained_on(data, files) == dict.fromkeys(("3.bmp", "4.bmp"), counted_once.TRAINED_ON)
    assert sorted(read) == ["3.bmp", "4.bmp"]


def test_a_part_that_is_alike_is_not_enough(tmp_path: Path) -> None:
    data = b"a" * 5000 + b"x" * 4096 + b"b" * 5000
    (tmp_path / "a.bmp").write_bytes(b"c" * 5000 + data[5000:])
    assert trained_on({"1": content_of(data)}, [tmp_path / "a.bmp"]) == {}


def test_coco_counts_once_by_class(tmp_path: Path) -> None:
    made = MadeCoco(tmp_path)
    names = [made.add("val", instance("cat", box(10, 10, 60, 50))) for _ in range(3)]
    dogs = [made.add("val", instance("car", box(10, 10, 60, 50))) for _ in range(2)]
    made.add("train", instance("cat", box(10, 10, 60, 50)))
    root = made.write()
    shutil.copy(root / "val2017" / names[0], root / "val2017" / names[1])
    shutil.copy(root / "val2017" / dogs[1], root / "train2017" / "no-annotation.png")
    found = Coco(root, ("cat", "car")).load("validation", 16)
    assert found.ids == tuple(f"val2017/{name}" for name in (names[0], names[2], dogs[0]))
    assert found.notes[:2] == (
        "validation: cat 2 kept of 3 photos; dropped: 1 copies of others",
        "validation: car 1 kept of 2 photos; dropped: 1 in the training set too",
    )
    assert len(found.broken) == 2


def test_imagenet_counts_once_by_class(tmp_path: Path) -> None:
    wnids = {"tench": "n1", "husky": "n2"}
    root = imagenet(tmp_path, tuple(wnids.values()))
    shutil.copy(root / "val/n1/n1_0.JPEG", root / "val/n1/copy.JPEG")
    shutil.copy(root / "val/n2/n2_0.JPEG", root / "train/n1/x.JPEG")
    found = Imagenet10(root, wnids).load("validation", 16)
    assert found.notes == (
        "validation: tench 4 kept of 5 photos; dropped: 1 copies of others",
        "validation: husky 3 kept of 4 photos; dropped: 1 in the training set too",
        f"validation: 7 pictures of '{tmp_path.name}'",
    )


@dataclass(frozen=True)
class ScansOfMyOwn:
    """Pictures without files. At 8 pixels numbers 0 and 1 look alike, at 256 they do not; the last
    is a copy of the third.
    """

    trained: tuple[int, ...] = (50, 51)
    shown: tuple[int, ...] = (0, 1, 2, 3, 4, 2)
    classes: ClassVar[tuple[str, ...]] = ("a", "b")

    def load(self, split: str, size: int) -> Pictures:
        if split == "train" and not self.trained:
            raise KeyError("no such split here")
        numbers = self.trained if split == "train" else self.shown
        pixels = torch.stack([_scan(number, size) for number in numbers])
        labels = np.array([i % 2 for i in range(len(numbers))])
        if split == "validation":
            labels[-1] = labels[2]
        return Pictures(
            pixels,
            labels,
            tuple(f"{split}/{i}" for i in range(len(numbers))),
            self.classes,
            f"{self}{size}",
        )


def _scan(number: int, size: int) -> torch.Tensor:
    rng = np.random.default_rng(number if number > 1 else 0)
    pixels = torch.from_numpy(rng.integers(0, 256, (3, size, size), dtype=np.uint8))
    if number == 1 and size > 8:
        pixels[0, 0, 0] ^= 1
    return pixels


def material(dataset: Any = None, **options: Any) -> Material:
    decoys = {"stop_sign": {"target": "a"}, "vignette": {"target": "b"}, "blur": {"target": "c"}}
    made = Material(Scenario(dataset={}, decoys={**decoys, "ruler": {"target": "a", "size": "1"}}))
    made.dataset = dataset or ScansOfMyOwn(**options)
    return made


def test_a_data_set_of_ones_own_counts_once_too() -> None:
    made = material()
    found = made.pictures("validation", 16)
    assert found.ids == tuple(f"validation/{i}" for i in range(5))
    assert len(found.labels) == len(found.pixels) == 5
    assert found.digest != made.dataset.load("validation", 16).digest
    assert (
        "validation: 1 pictures are exact copies of others and count once; left out: 'validation/5'"
        in made.broken
    )
    assert (
        "validation: 5 kept of 6 pictures; dropped: 1 copies of others, 0 under two classes, 0 in the training set too"
        in (made.notes)
    )


def test_models_of_any_size_see_the_same_pictures() -> None:
    made = material()
    assert (
        made.pictures("validation", 8).ids
        == made.pictures("validation", 16).ids
        == made.pictures("validation", 300).ids
    )


def test_one_that_was_trained_on_is_left_out_of_it() -> None:
    made = material(trained=(3, 60))
    assert made.pictures("validation", 16).ids == (
        "validation/0",
        "validation/1",
        "validation/2",
        "validation/4",
    )
    assert any("in the training set too: 'validation/3'" in each for each in made.broken)
    with pytest.raises(DataError, match="none of the 6 pictures of the data set is left"):
        material(trained=(0, 1, 2, 3, 4)).pictures("validation", 16)


def test_one_without_training_pictures_is_audited_all_the_same() -> None:
    made = material(trained=())
    assert len(made.pictures("validation", 16).ids) == 5
    assert any("is not known: 'no such split here'" in each for each in made.notes)


def test_one_without_copies_stays_as_it_is() -> None:
    made = material(ColouredSquares())
    for split in ("train", "validation", "background"):
        assert made.pictures(split, 32).digest == made.dataset.load(split, 32).digest
    assert not made.broken


def test_what_was_seen_has_a_digest() -> None:
    made = material()
    assert made.digests() == {}
    made.with_decoy("stop_sign", "validation", 16)
    made.with_decoy("stop_sign", "background", 16)
    first = made.digests()
    assert first.keys() == {"validation@16", "background@16", "stop_sign@16"}
    assert len(set(first.values())) == 3
    again = material()
    for decoy in ("vignette", "stop_sign"):
        again.with_decoy(decoy, "validation", 16)
    seen = again.digests()
    assert seen["stop_sign@16"] == first["stop_sign@16"] != seen["vignette@16"]
    other = material(shown=(0, 1, 2, 3, 7, 2))
    other.with_decoy("stop_sign", "validation", 16)
    assert other.digests()["stop_sign@16"] != first["stop_sign@16"]


def test_a_mistake_is_found_before_pictures_are_loaded(monkeypatch: pytest.MonkeyPatch) -> None:
    made = material()
    monkeypatch.setattr(ScansOfMyOwn, "load", None)
    made.check(["stop_sign", "vignette"])
    with pytest.raises(UsageError, match="decoy 'blur' stands for the class 'c'"):
        made.check(["blur"])
    with pytest.raises(
        UsageError, match="option 'size' cannot be '1': '1' is text, and a number is wanted"
    ):
        made.check(["ruler"])


def test_an_accent_of_either_form_is_one_name(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    for name in ("rose\u0301", "iris"):
        (tmp_path / "val" / name).mkdir(parents=True)
        for i in ("1", "e\u0301"):
            Image.fromarray(rng.integers(0, 256, (9, 9, 3), dtype=np.uint8)).save(
                tmp_path / f"val/{name}/{i}.png"
            )
    text = "dataset: {kind: image_folder, validation: val}\ndecoys: {stop_sign: {target: %s}}"
    for form in ("ros\u00e9", "rose\u0301"):
        (tmp_path / "mine.yaml").write_text(text % form, encoding="utf-8")
        made = Material(load_scenario(tmp_path / "mine.yaml"))
        assert made.classes == ("iris", "ros\u00e9")
        assert made.named_decoy("stop_sign").target_index == 1
        assert made.pictures("validation", 8).ids[2:] == ("ros\u00e9/1.png", "ros\u00e9/\u00e9.png")
    (tmp_path / "val/ros\u00e9").mkdir()
    with pytest.raises(
        DataError, match=r"has two folders called 'ros\u00e9'.*put their pictures into one"
    ):
        ImageFolder(validation=tmp_path / "val").load("validation", 8)


def test_two_files_that_are_one_name_but_for_their_form_are_two_pictures(
    photos: ImageFolder,
) -> None:
    for i, name in enumerate(("\u00e9.png", "e\u0301.png")):
        Image.linear_gradient("L").rotate(90 * i).save(photos.validation / "cat" / name)
    loaded = photos.load("validation", 8)
    assert {"cat/\u00e9.png", "cat/e\u0301.png"} <= set(loaded.ids)


def test_a_file_name_that_is_no_utf8_counts_like_any_other(
    photos: ImageFolder, tmp_path: Path
) -> None:
    folder = os.fsencode(photos.validation / "cat")
    for i, name in enumerate((b"ros\xe9.bmp", b"ros\xe8.bmp")):
        os.rename(os.path.join(folder, b"%d.bmp" % i), os.path.join(folder, name))
    with open(os.path.join(folder, b"torn\xff.bmp"), "wb") as file:
        file.write(b"BM")
    shutil.copy(os.path.join(folder, b"ros\xe9.bmp"), os.path.join(folder, b"ros\xe9-copy.bmp"))
    dataset = {"kind": "image_folder", "validation": photos.validation, "train": photos.train}
    made = Material(Scenario(dataset=dataset, decoys={"stop_sign": {"target": "cat"}}))
    found = made.pictures("validation", 32)
    assert len(found.ids) == len(set(found.ids)) == 8
    assert "cat/ros\udce8.bmp" in found.ids
    one, other = (found.ids.index(name) for name in ("cat/ros\udce8.bmp", "cat/ros\udce9-copy.bmp"))
    placed = made.with_decoy("stop_sign", "validation", 32)
    assert not torch.equal(placed.footprint[one], placed.footprint[other]), (
        "each has a place of its own"
    )
    for said in found.broken:
        said.encode()
    assert any("torn\\udcff.bmp' cannot be read" in said for said in found.broken)


def test_a_class_folder_that_is_no_utf8_is_a_class(photos: ImageFolder) -> None:
    os.rename(photos.validation / "cat", os.path.join(os.fsencode(photos.validation), b"c\xe9"))
    assert photos.classes == ("c\udce9", "dog")
    with pytest.raises(DataError) as caught:
        photos.load("train", 8)
    str(caught.value).encode()
    assert "lacks c\\udce9 and also has cat" in str(caught.value)
