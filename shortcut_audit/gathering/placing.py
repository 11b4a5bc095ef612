"""Models and pictures as other machines get them: each put once, by whoever has the files, and
fetched by whoever works.

A `Placing` puts what a task needs, and says so in a `Parcel`. A `Post` is a process at the other
end: it writes models into a folder of its machine, and pictures come block by block. How things are
put and fetched is the engine's.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import cache
from math import prod
from pathlib import Path
from typing import Any

import numpy as np
import torch
from filelock import FileLock

from shortcut_audit.errors import ShortcutAuditError
from shortcut_audit.evidence.collection import Evidence
from shortcut_audit.files.checkpoint_files import files_of
from shortcut_audit.files.whole import replacing
from shortcut_audit.gathering.site import Done, Site, attempted
from shortcut_audit.gathering.tasks import SPLITS, Task, perform
from shortcut_audit.records import Pictures
from shortcut_audit.rows import Lazy, Rows, block_count, block_of, digest_of_block, lately, step_of
from shortcut_audit.subjects.pictures.material import Material

Put = Callable[[Any], Any]  # anything that can be pickled -> a reference to it
Get = Callable[[Any], Any]  # the reference -> the same, on any machine
Asked = tuple[str, int, int | None]  # a split, its size, and the label of a class alone


@dataclass(frozen=True)
class PlacedModel:
    """A checkpoint: the files that belong to it, and their digest."""

    sha256: str
    name: str  # of the checkpoint, which is one of the files
    files: Mapping[str, Any]  # path seen from the checkpoint's folder -> reference to its bytes


@dataclass(frozen=True)
class PlacedPictures:
    """Pictures whose pixels are fetched block by block."""

    pictures: Pictures  # without pixels
    shape: tuple[int, ...]  # (n, 3, h, w)
    step: int  # pictures a block
    blocks: tuple[Any, ...]  # references to them, uint8
    digests: tuple[str, ...]  # of each block


@dataclass(frozen=True)
class Parcel:
    """What a task needs beside its site: references to a `PlacedModel` and to pictures.

    Where pictures cannot be had, the reference is to the error that says why.
    """

    model: Any
    pictures: Mapping[Asked, Any]
    size: int  # bytes that are in memory all at once: of the model, and of a class's pictures


class Placing:
    """Puts each model, and the pictures of each kind, when the first task asks for it."""

    def __init__(self, evidence: Evidence, put: Put) -> None:
        self._evidence, self._put = evidence, put
        self._model, self._pictures = cache(self._put_model), cache(self._put_pictures)

    def parcel(self, task: Task) -> Parcel:
        """What this task needs.

        Raises:
            OSError, ShortcutAuditError: the model cannot be read.
        """
        size = self._evidence.described(task.model).size
        asked: list[Asked] = [(split, size, None) for split in SPLITS]
        if task.kind == "influence":
            target = self._evidence.target(task.decoy, (task.model,))
            label = self._evidence.material.named_decoy(task.decoy, target).target_index
            asked.append(("train", size, label))
        model, whole = self._model(task.model)
        pictures = {}
        for each in asked:
            pictures[each], more = self._pictures(each)
            whole += more
        return Parcel(model, pictures, whole)

    def _put_model(self, name: str) -> tuple[Any, int]:
        file = self._evidence.described(name).file
        digest, files, size = self._evidence.sha256(name), {}, 0
        for each in files_of(file):
            content = np.fromfile(each, np.uint8)
            files[each.relative_to(file.parent).as_posix()] = self._put(content)
            size += len(content)
        return self._put(PlacedModel(digest, file.name, files)), size

    def _put_pictures(self, asked: Asked) -> tuple[Any, int]:
        split, size, label = asked
        material = self._evidence.material
        try:
            if label is None:
                found = material.pictures(split, size)
            else:
                found = material.of_class(material.classes[label], size)
        except ShortcutAuditError as error:
            return self._put(error), 0
        size = 0 if label is None else prod(found.pixels.shape)
        return self._put(self._placed(found)), size

    def _placed(self, found: Pictures) -> PlacedPictures:
        blocks, digests, pixels = [], [], found.pixels
        for i in range(block_count(pixels)):
            blocks.append(self._put(block_of(pixels, i).numpy()))
            digests.append(digest_of_block(pixels, i))
        step = pixels.step if isinstance(pixels, Lazy) else step_of(pixels.shape)
        # objects and regions are for judging: no evidence that is kept depends on them
        bare = replace(found, pixels=torch.empty(0), objects=None, regions={})
        return PlacedPictures(bare, tuple(pixels.shape), step, tuple(blocks), tuple(digests))


class PlacedData:
    """A data set of pictures that were placed: a `contracts.Dataset`."""

    counts_once = True  # they were counted where they were read
    frames = True

    def __init__(self, classes: tuple[str, ...], wnids: Mapping[str, str]) -> None:
        self.classes, self.wnids = classes, wnids
        self._given: dict[Asked, PlacedPictures | ShortcutAuditError] = {}
        self._get: Get = lambda reference: reference

    def receive(self, pictures: Mapping[Asked, Any], get: Get) -> None:
        """Takes what is new among these."""
        self._get = get
        for asked in pictures.keys() - self._given.keys():
            self._given[asked] = get(pictures[asked])

    def load(self, split: str, size: int, label: int | None = None) -> Pictures:
        """As `Dataset.load`, or of one class alone; raises what the data set itself did."""
        placed = self._given[split, size, label]
        if isinstance(placed, ShortcutAuditError):
            raise placed
        return replace(placed.pictures, pixels=self._rows(placed))

    def _rows(self, placed: PlacedPictures) -> Rows:
        def block(i: int) -> torch.Tensor:
            # a copy: what is shared by all processes of a machine cannot be written to
            return torch.from_numpy(np.array(self._get(placed.blocks[i])))

        named = placed.digests.__getitem__
        return Lazy(placed.shape, lately(block), step=placed.step, named=named)


class Post:
    """One process of a machine, which does tasks of one run there.

    Args:
        site: the run.
        data: what the data set is called, without a picture.
        folder: of this machine and run, for models.
        get: what fetches a reference.
    """

    def __init__(self, site: Site, data: PlacedData, folder: Path, get: Get) -> None:
        self._data, self._folder, self._get = data, folder, get
        material = Material(site.scenario)
        material.dataset = data
        self._evidence = site.evidence(material)
        self._here: set[str] = set()  # models

    def do(self, task: Task, parcel: Parcel) -> Done:
        """Performs the task with what is in the parcel."""

        def work() -> None:
            self._data.receive(parcel.pictures, self._get)
            self._receive(task.model, parcel.model)
            perform(task, self._evidence)

        return attempted(task, work, self._evidence)

    def _receive(self, name: str, model: Any) -> None:
        if name not in self._here:
            candidate = self._evidence.candidates[name]
            file = unpacked(self._get(model), self._folder, self._get)
            self._evidence.candidates[name] = replace(candidate, file=file)
            self._here.add(name)


def unpacked(model: PlacedModel, folder: Path, get: Get) -> Path:
    """The checkpoint among its files in a folder of this machine, written once by whoever is first.

    Law: each file is there whole or not at all.
    """
    own = folder / model.sha256
    folder.mkdir(mode=0o700, exist_ok=True)  # others of this machine have no business here
    own.mkdir(exist_ok=True)
    with FileLock(folder / f"{model.sha256}.lock"):
        for name, content in model.files.items():
            if not (own / name).exists():
                with replacing(own / name) as unfinished:
                    get(content).tofile(unfinished)
    return own / model.name
