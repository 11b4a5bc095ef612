"""Shards of webdataset, as its own writer makes them."""

from __future__ import annotations

import io
import json
import tarfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from shortcut_audit import DataError, UsageError, registry


def noise(seed: int, suffix: str) -> bytes:
    """An encoded picture; a mask's left half is white."""
    pixels = np.random.default_rng(seed).integers(0, 256, (20, 26, 3), dtype=np.uint8)
    if suffix == "seg.png":
        pixels[:] = 0
        pixels[:, :13] = 255
    written = io.BytesIO()
    Image.fromarray(pixels).save(written, "JPEG" if suffix == "jpg" else "PNG")
    return written.getvalue()


def shard(file: Path, first: int, count: int = 4, **more: Any) -> Path:
    """A tar file of samples with jpg, cls, json and a mask; `more` changes a sample's files."""
    with tarfile.open(file, "w") as opened:
        for i in range(first, first + count):
            files = {
                "jpg": noise(i, "jpg"),
                "cls": str(i % 2).encode(),
                "json": json.dumps({"patient": f"p{i // 2}", "token": i % 3 == 0}).encode(),
                "seg.png": noise(i, "seg.png"),
                **more.get(f"s{i}", {}),
            }
            for suffix, data in files.items():
                member = tarfile.TarInfo(f"{i:06d}.{suffix}")
                member.size = len(data)
                opened.addfile(member, io.BytesIO(data))
    return file


def opened(**options: Any) -> Any:
    return registry.build("dataset", "webdataset", {"class_names": ["cat", "dog"], **options})


def test_samples_are_pictures(tmp_path: Path) -> None:
    shard(tmp_path / "train-000.tar", 0)
    shard(tmp_path / "val-000.tar", 10)
    shard(tmp_path / "val-001.tar", 14)
    data = opened(
        train=str(tmp_path / "train-000.tar"),
        validation=str(tmp_path / "val-{000..001}.tar"),
        attributes={"token": {"column": "token", "mask": "seg.png"}},
    )
    found = data.load("validation", 20)
    assert found.ids[0] == "val-000.tar/000010"
    assert found.labels.tolist() == [0, 1] * 4
    assert found.groups is not None
    assert found.groups.tolist() == [0, 0, 1, 1, 2, 2, 3, 3]
    assert found.attributes["token"].tolist() == [i % 3 == 0 for i in range(10, 18)]
    assert found.regions["token"][:, 10].sum(1).tolist() == [10] * 8, "the half that is left of it"
    assert data.class_counts("train") == {"cat": 2, "dog": 2}
    assert len(data.load("background", 20).ids) == 0
    folder = tmp_path / "val"
    folder.mkdir()
    for each in tmp_path.glob("val-*.tar"):
        each.rename(folder / each.name)
    again = opened(validation=str(folder), attributes={"token": {"column": "token", "mask": "seg.png"}})  # fmt: skip
    assert again.load("validation", 20).digest == found.digest


def test_webdataset_writes_what_is_read(tmp_path: Path) -> None:
    webdataset = pytest.importorskip("webdataset")
    with webdataset.TarWriter(str(tmp_path / "val.tar")) as sink:
        for i in range(4):
            sink.write({"__key__": f"s{i}", "png": noise(i, "png"), "cls": i % 2})
    found = opened(validation=str(tmp_path / "val.tar")).load("validation", 20)
    assert found.ids == tuple(f"val.tar/s{i}" for i in range(4))
    assert found.labels.tolist() == [0, 1, 0, 1]


def test_what_was_trained_on_and_what_is_broken_is_named(tmp_path: Path) -> None:
    shard(tmp_path / "train.tar", 0)
    changed = {
        "s10": {"jpg": noise(0, "jpg")},
        "s11": {"jpg": b"no picture"},
        "s12": {"json": b"{"},
    }
    shard(tmp_path / "val.tar", 10, 6, **changed)
    found = opened(train=str(tmp_path / "train.tar"), validation=str(tmp_path / "val.tar")).load(
        "validation", 20
    )
    assert found.ids == tuple(f"val.tar/0000{i}" for i in (13, 14, 15))
    said = "\n".join(found.broken)
    assert "in the training set too: 'val.tar/000010'" in said
    assert "val.tar' ('val.tar/000011') cannot be read: it is no picture of a known format" in said
    assert "val.tar: 1 rows are left out, as they have a json that is none: '000012'" in said


def test_a_shard_that_is_none_is_one_sentence(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"^the data set names no shard with pictures: add 'validation: SHARDS.tar'$"):  # fmt: skip
        opened().load("validation", 20)
    with pytest.raises(DataError, match=r"the validation folder '.*' holds no tar file$"):
        opened(validation=str(tmp_path)).load("validation", 20)
    (tmp_path / "a.tar").write_bytes(b"no tar file" * 100)
    with pytest.raises(DataError, match=r"the shard '.*a.tar' cannot be read \(.*\): it must be a tar file that is not compressed$"):  # fmt: skip
        opened(validation=str(tmp_path / "a.tar")).load("validation", 20)
    with pytest.raises(DataError, match=r"the shard '.*b-1.tar' cannot be read"):
        opened(validation=str(tmp_path / "b-{1..2}.tar")).load("validation", 20)
