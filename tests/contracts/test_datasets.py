"""What every data set promises, whoever wrote it: a new file in `datasets/` is tested by existing."""

from __future__ import annotations

import inspect
import tarfile
import warnings
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from made_photos import coco, imagenet
from PIL import Image

from shortcut_audit import UsageError, registry
from shortcut_audit.rows import rows_digest
from shortcut_audit.subjects.datasets.imagenet10 import Imagenet10
from shortcut_audit.subjects.pictures.record import of

SPLITS = ("train", "validation", "background")
LAYOUTS = {
    "coco": lambda root: {"root": coco(root), **COUNTS},
    "imagenet10": lambda root: {
        "root": imagenet(root, tuple(Imagenet10().wnids.values())),
        **COUNTS,
    },
    "demo": lambda root: COUNTS,
    "image_folder": lambda root: {split: folder(root / split, split) for split in SPLITS},
    "table": lambda root: {"file": rows_of(root)},
    "hf_datasets": lambda root: {"folder": saved(root), "label": "name"},
    "webdataset": lambda root: {split: shard(root / f"{split}.tar", split) for split in SPLITS},
    "decoyed": lambda root: {},
}
COUNTS = dict.fromkeys(SPLITS, 3)


OURS = [  # other tests register their own while they are collected
    name
    for name in registry.names("dataset")
    if registry.lookup("dataset", name).__module__.startswith("shortcut_audit.")
]


@pytest.fixture(params=OURS)
def dataset(request: pytest.FixtureRequest, tmp_path: Path) -> Any:
    """Each data set, small: three pictures of each class, or three pictures in all."""
    return registry.build("dataset", request.param, LAYOUTS[request.param](tmp_path))


def rows_of(root: Path) -> Path:
    """A table of the pictures in three folders."""
    lines = ["path,label,split"]
    for split in SPLITS:
        for file in sorted(folder(root / split, split).rglob("*.png")):
            label = "" if split == "background" else file.parent.name
            lines.append(f"{file.relative_to(root)},{label},{split}")
    (root / "table.csv").write_text("\n".join(lines))
    return root / "table.csv"


def saved(root: Path) -> Path:
    """A folder of Hugging Face's datasets with these pictures; no bar is drawn."""
    datasets = pytest.importorskip("datasets")
    rows_of(root)
    parts = {}
    for split in SPLITS:
        files = sorted((root / split).rglob("*.png"))
        names = [each.parent.name if split != "background" else None for each in files]
        stored = [{"bytes": each.read_bytes(), "path": None} for each in files]
        columns = {"image": stored, "name": names}
        features = {"image": datasets.Image(), "name": datasets.Value("string")}
        parts[split] = datasets.Dataset.from_dict(columns, datasets.Features(features))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        datasets.DatasetDict(parts).save_to_disk(root / "saved")
    return root / "saved"


def shard(file: Path, split: str) -> Path:
    """A tar file of these pictures, each with its class."""
    with tarfile.open(file, "w") as opened:
        for each in sorted(folder(file.parent / split, split).rglob("*.png")):
            name = each.relative_to(file.parent).with_suffix("").as_posix().replace("/", "_")
            opened.add(each, f"{name}.png")
            if split != "background":
                member = tarfile.TarInfo(f"{name}.cls")
                member.size = 3
                opened.addfile(member, BytesIO(each.parent.name.encode()))
    return file


def folder(root: Path, split: str) -> Path:
    rng = np.random.default_rng(SPLITS.index(split))
    for name in ("",) if split == "background" else ("cat", "dog"):
        (root / name).mkdir(parents=True)
        for i in range(3):
            Image.fromarray(rng.integers(0, 256, (30, 40, 3), dtype=np.uint8)).save(
                root / name / f"{i}.png"
            )
    return root


@pytest.mark.parametrize("split", SPLITS)
@pytest.mark.parametrize("size", [16, 33])
def test_shapes_types_and_range(dataset: Any, split: str, size: int) -> None:
    pictures = dataset.load(split, size)
    n = len(pictures.ids)
    assert n > 0
    assert pictures.pixels.shape == (n, 3, size, size)
    pixels = pictures.pixels[:]
    assert pixels.shape == pictures.pixels.shape
    assert pixels.dtype == torch.uint8
    assert pixels.is_contiguous()
    assert pixels.float().std() > 1, "the pictures are all of one colour"
    assert pictures.labels.shape == (n,)
    assert pictures.labels.dtype == np.int64
    assert pictures.objects is None or (
        pictures.objects.shape == (n, size, size) and pictures.objects[:].dtype == torch.bool
    )
    assert pictures.broken == ()
    assert not [note for note in pictures.notes if "\n" in note]


@pytest.mark.parametrize("split", SPLITS)
def test_labels_and_classes(dataset: Any, split: str) -> None:
    pictures = dataset.load(split, 16)
    assert pictures.classes == dataset.classes
    assert len(set(pictures.classes)) == len(pictures.classes) >= 2
    if split == "background":
        assert set(pictures.labels) == {-1}
    else:
        assert set(pictures.labels) == set(range(len(pictures.classes))), "every class has pictures"


def test_what_it_counts_is_what_it_loads(dataset: Any) -> None:
    pictures = dataset.load("validation", 16)
    shown = dict(zip(dataset.classes, np.bincount(pictures.labels).tolist(), strict=True))
    assert not hasattr(dataset, "class_counts") or dataset.class_counts("validation") == shown


@pytest.mark.parametrize("split", SPLITS)
def test_two_loads_are_the_same(dataset: Any, split: str) -> None:
    first, second = dataset.load(split, 16), dataset.load(split, 16)
    assert first.digest == second.digest
    assert torch.equal(first.pixels[:], second.pixels[:])
    assert first.ids == second.ids
    assert np.array_equal(first.labels, second.labels)


@pytest.mark.parametrize("split", ["train", "validation"])
def test_a_class_alone_is_as_it_is_among_all(dataset: Any, split: str) -> None:
    if "label" not in inspect.signature(dataset.load).parameters:
        pytest.skip("it loads all of its classes")
    pictures = dataset.load(split, 16)
    for label in range(len(dataset.classes)):
        alone = dataset.load(split, 16, label=label)
        assert alone.digest == of(pictures, pictures.labels == label).digest


def test_the_digest_of_pixels_is_known_without_them(dataset: Any) -> None:
    for split in SPLITS:
        pixels = dataset.load(split, 16).pixels
        assert rows_digest(pixels) == rows_digest(pixels[:])


def test_ids_are_unique_and_do_not_depend_on_the_size(dataset: Any) -> None:
    for split in SPLITS:
        small, large = dataset.load(split, 16), dataset.load(split, 24)
        assert len(set(small.ids)) == len(small.ids)
        assert small.ids == large.ids
        assert small.digest != large.digest


def test_splits_differ(dataset: Any) -> None:
    assert len({dataset.load(split, 16).digest for split in SPLITS}) == len(SPLITS)


def test_a_misspelt_split_is_one_sentence(dataset: Any) -> None:
    with pytest.raises(
        UsageError, match=r"^no split called 'validaton'; did you mean 'validation'\?$"
    ):
        dataset.load("validaton", 16)
    with pytest.raises(
        UsageError, match=r"^pictures cannot be 0 pixels wide: ask for a size of at least 1$"
    ):
        dataset.load("validation", 0)


def test_the_repr_is_the_recipe(dataset: Any) -> None:
    assert type(dataset).__name__ in repr(dataset)
    assert dataset == type(dataset)(
        **{name: getattr(dataset, name) for name in type(dataset).__dataclass_fields__}
    )
