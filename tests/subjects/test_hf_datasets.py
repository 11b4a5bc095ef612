"""Folders of Hugging Face's datasets, written by the library itself."""

from __future__ import annotations

import sys
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from shortcut_audit import DataError, UsageError, registry

datasets = pytest.importorskip("datasets")


@pytest.fixture(autouse=True)
def quiet(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """The library's own warnings are not ours to answer for; nothing is kept elsewhere."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    warnings.simplefilter("ignore")


def pictures(seeds: range) -> list[Image.Image]:
    made = []
    for seed in seeds:
        pixels = np.random.default_rng(seed).integers(0, 256, (20, 26, 3), dtype=np.uint8)
        made.append(Image.fromarray(pixels))
    return made


def written(seeds: range) -> Any:
    """A dataset whose classes are not in the order of their names."""
    features = datasets.Features(
        {
            "picture": datasets.Image(),
            "label": datasets.ClassLabel(names=["zebra", "ant", "bee"]),
            "patient": datasets.Value("string"),
            "token": datasets.Value("bool"),
        }
    )
    columns = {
        "picture": pictures(seeds),
        "label": [seed % 2 for seed in seeds],
        "patient": [f"p{seed // 2}" for seed in seeds],
        "token": [seed % 3 == 0 for seed in seeds],
    }
    return datasets.Dataset.from_dict(columns, features=features)


def opened(folder: Path, **options: Any) -> Any:
    return registry.build("dataset", "hf_datasets", {"folder": str(folder), **options})


def saved(root: Path) -> Path:
    whole = datasets.DatasetDict({"train": written(range(4)), "test": written(range(10, 16))})
    whole.save_to_disk(root / "saved")
    return root / "saved"


def test_what_save_to_disk_wrote(tmp_path: Path) -> None:
    data = opened(saved(tmp_path), attributes=["token"])
    found = data.load("validation", 16)
    assert found.classes == ("zebra", "ant", "bee"), "in the order of the features"
    assert sorted(found.labels.tolist()) == [0, 0, 0, 1, 1, 1]
    assert found.groups is not None
    assert sorted(found.groups.tolist()) == [0, 0, 1, 1, 2, 2]
    assert found.attributes["token"].sum() == 2
    assert data.class_counts("train") == {"zebra": 2, "ant": 2, "bee": 0}
    assert found.broken == ()


def test_ids_survive_another_order(tmp_path: Path) -> None:
    written(range(6)).save_to_disk(tmp_path / "one")
    written(range(6)).shuffle(seed=1).save_to_disk(tmp_path / "two")
    one, two = (opened(tmp_path / name).load("validation", 16) for name in ("one", "two"))
    assert one.digest == two.digest


def test_parquet_and_folders_of_pictures(tmp_path: Path) -> None:
    (tmp_path / "parquet/data").mkdir(parents=True)
    written(range(4)).to_parquet(tmp_path / "parquet/data/train-00000-of-00001.parquet")
    written(range(10, 16)).to_parquet(tmp_path / "parquet/data/test-00000-of-00001.parquet")
    plain = opened(saved(tmp_path)).load("validation", 16)
    assert opened(tmp_path / "parquet").load("validation", 16).digest == plain.digest
    for split, seeds in (("train", range(4)), ("validation", range(10, 16))):
        for seed, picture in zip(seeds, pictures(seeds), strict=True):
            folder = tmp_path / "photos" / split / ("cat", "dog")[seed % 2]
            folder.mkdir(parents=True, exist_ok=True)
            picture.save(folder / f"{seed}.png")
    found = opened(tmp_path / "photos").load("validation", 16)
    assert found.ids[0] == "validation/cat/10.png"
    assert found.labels.tolist() == [0, 0, 0, 1, 1, 1]


def test_masks_are_pictures_of_another_column(tmp_path: Path) -> None:
    """Where there is none, nothing is there."""
    mask = Image.fromarray(np.tile(np.uint8([[255] * 13 + [0] * 13]), (20, 1)))
    whole = written(range(4)).add_column("mask", [None] * 4)
    kinds = {**whole.features, "mask": datasets.Image()}
    columns = {**written(range(4)).to_dict(), "mask": [mask, None, mask, None]}
    datasets.Dataset.from_dict(columns, datasets.Features(kinds)).save_to_disk(tmp_path / "saved")
    found = opened(tmp_path / "saved", attributes={"ruler": {"mask": "mask"}}).load(
        "validation", 20
    )
    shown = found.attributes["ruler"]
    assert sorted(zip(found.labels.tolist(), shown.tolist(), strict=True)) == [(0, True), (0, True), (1, False), (1, False)]  # fmt: skip
    assert found.regions["ruler"].sum((1, 2)).tolist() == [200 * each for each in shown.tolist()]
    assert found.broken == ()


def test_a_group_in_two_splits_is_an_error(tmp_path: Path) -> None:
    whole = datasets.DatasetDict({"train": written(range(4)), "test": written(range(3, 9))})
    whole.save_to_disk(tmp_path / "saved")
    with pytest.raises(DataError, match=r"^a group is in two splits by the column 'patient': 'p1'"):
        opened(tmp_path / "saved").load("validation", 16)
    found = opened(tmp_path / "saved", group="").load("validation", 16)
    assert len(found.ids) == 5, "what was trained on is no validation picture"


def test_a_folder_that_is_none_is_one_sentence(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"the data set's folder '.*nowhere' does not exist"):
        opened(tmp_path / "nowhere").load("validation", 16)
    (tmp_path / "empty").mkdir()
    with pytest.raises(DataError, match=r"the folder '.*empty' cannot be read by datasets \(.*\): name what save_to_disk wrote, or a folder of Parquet files or of pictures$"):  # fmt: skip
        opened(tmp_path / "empty").load("validation", 16)
    datasets.Dataset.from_dict({"text": ["a", "b"], "label": [0, 1]}).save_to_disk(
        tmp_path / "text"
    )
    with pytest.raises(UsageError, match=r"^no column of '.*text' holds pictures, by its features; there is 'text', 'label'"):  # fmt: skip
        opened(tmp_path / "text").load("validation", 16)


def test_without_the_library_it_says_what_to_install(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "datasets", None)
    with pytest.raises(UsageError, match=r"^datasets is not installed; run: pip install 'shortcut-audit\[datasets\]'$"):  # fmt: skip
        opened(tmp_path).load("validation", 16)
