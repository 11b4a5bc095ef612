"""Models and pictures as another machine gets them: it leaves the same evidence, without a file."""

from __future__ import annotations

import pickle
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import save_file
from small_run import Small, entries, every_task

from shortcut_audit.errors import DataError, UsageError
from shortcut_audit.files.checkpoint_files import digest_of
from shortcut_audit.gathering.placing import PlacedData, PlacedModel, Placing, Post, unpacked
from shortcut_audit.gathering.tasks import Task
from shortcut_audit.rows import Lazy, block_count, rows_digest


class Shelf:
    """Things that were put, as bytes; a reference is a number."""

    def __init__(self) -> None:
        self.things: list[bytes] = []
        self.fetched: list[int] = []

    def put(self, thing: Any) -> int:
        self.things.append(pickle.dumps(thing))
        return len(self.things) - 1

    def get(self, reference: int) -> Any:
        self.fetched.append(reference)
        found = pickle.loads(self.things[reference])
        if isinstance(found, np.ndarray):
            found.flags.writeable = False  # as memory that is shared is
        return found


@pytest.fixture
def shelf() -> Shelf:
    return Shelf()


def post(small: Small, store: str, shelf: Shelf) -> Post:
    site = pickle.loads(pickle.dumps(small.site(store)))
    material = small.site(store).evidence().material
    return Post(site, PlacedData(material.classes, {}), small.folder / "there", shelf.get)


def test_a_post_leaves_what_asking_leaves_and_needs_no_file(
    small: Small, directly: dict[str, dict[str, str]], shelf: Shelf, monkeypatch: pytest.MonkeyPatch
) -> None:
    evidence = small.site("placed").evidence()
    placing, there = Placing(evidence, shelf.put), post(small, "placed", shelf)
    asked = every_task(evidence, check=True)
    parcels = [placing.parcel(task) for task in asked]
    shutil.rmtree(small.folder / "models")
    monkeypatch.setattr(type(evidence.material.dataset), "load", None)
    for task, parcel in zip(asked, parcels, strict=True):
        done = there.do(task, parcel)
        assert (done.trouble, done.refused) == ("", "")
    assert entries(small.folder / "placed") == directly


def test_each_thing_is_put_once_and_fetched_when_it_is_needed(small: Small, shelf: Shelf) -> None:
    evidence = small.site("store").evidence()
    placing = Placing(evidence, shelf.put)
    once = [placing.parcel(Task("masks", "F0-s0", "stop_sign")) for _ in range(2)]
    assert once[0] == once[1]
    # two models of one file, three kinds of pictures of one block: each with its description
    for task in every_task(evidence):
        placing.parcel(task)
    classes = {evidence.target("hue_shift", (name,)) for name in evidence.candidates} | {"green"}
    assert len(shelf.things) == 2 * (2 + 2 + len(classes))
    there = post(small, "store", shelf)
    there.do(Task("predictions", "F0-s0", split="background"), once[0])
    first = len(shelf.fetched)
    there.do(Task("predictions", "F0-s0", split="background"), once[0])
    assert len(shelf.fetched) == first


def test_placed_pictures_are_the_same_pictures(small: Small, shelf: Shelf) -> None:
    evidence = small.site("store").evidence()
    parcel = Placing(evidence, shelf.put).parcel(Task("influence", "F0-s0", "stop_sign"))
    data = PlacedData(evidence.material.classes, {})
    data.receive(parcel.pictures, shelf.get)
    for asked, own in {
        ("validation", 32, None): evidence.material.pictures("validation", 32),
        ("background", 32, None): evidence.material.pictures("background", 32),
        ("train", 32, 0): evidence.material.of_class("green", 32),
    }.items():
        placed = data.load(*asked)
        assert isinstance(placed.pixels, Lazy)
        assert placed.ids == own.ids
        assert np.array_equal(placed.labels, own.labels)
        before = len(shelf.fetched)
        assert rows_digest(placed.pixels) == rows_digest(own.pixels)
        assert len(shelf.fetched) == before  # its name is known without its pixels
        assert torch.equal(placed.pixels[:], own.pixels[:])
        assert block_count(placed.pixels) == block_count(own.pixels)
    placed.pixels[:].zero_()  # is a copy: what others share is not written to


def test_what_cannot_be_loaded_is_said_as_it_was(small: Small, shelf: Shelf) -> None:
    evidence = small.site("store").evidence()

    def missing(split: str, size: int):
        raise DataError(f"there are no {split} pictures")

    evidence.material.pictures = missing
    parcel = Placing(evidence, shelf.put).parcel(Task("standing", "F0-s0"))
    done = post(small, "store", shelf).do(Task("standing", "F0-s0"), parcel)
    assert done.refused == "there are no validation pictures"
    assert not done.trouble


def test_a_model_of_several_files_is_whole_there(tmp_path: Path, shelf: Shelf) -> None:
    own = tmp_path / "own"
    own.mkdir()
    save_file({"a": torch.ones(2)}, own / "model.safetensors")
    (own / "config.json").write_text('{"architectures": []}')
    digest = digest_of(own / "model.safetensors")
    names = ("model.safetensors", "config.json")
    files = {name: shelf.put(np.fromfile(own / name, np.uint8)) for name in names}
    model = PlacedModel(digest, "model.safetensors", files)
    file = unpacked(model, tmp_path / "there", shelf.get)
    assert digest_of(file) == digest
    before = len(shelf.fetched)
    assert unpacked(model, tmp_path / "there", shelf.get) == file
    assert len(shelf.fetched) == before  # by whoever comes first
    assert (tmp_path / "there").stat().st_mode & 0o077 == 0  # weights are nobody else's


def test_the_machine_is_at_fault_where_a_model_cannot_be_written(
    small: Small, shelf: Shelf, monkeypatch: pytest.MonkeyPatch
) -> None:
    evidence = small.site("store").evidence()
    parcel = Placing(evidence, shelf.put).parcel(Task("standing", "F0-s0"))
    there = post(small, "store", shelf)

    def full(*_given: Any) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("shortcut_audit.gathering.placing.unpacked", full)
    done = there.do(Task("standing", "F0-s0"), parcel)
    assert "this machine's disk or file share failed" in done.trouble


def test_a_model_that_is_gone_is_said_before_it_is_placed(small: Small, shelf: Shelf) -> None:
    evidence = small.site("store").evidence()
    (small.folder / "models/F0-s0.safetensors").unlink()
    with pytest.raises((OSError, UsageError)):
        Placing(evidence, shelf.put).parcel(Task("standing", "F0-s0"))
