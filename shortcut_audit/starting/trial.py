"""A few of the user's pictures: how many of them a model gets right as it is said to be read."""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from shortcut_audit.records import Subject
from shortcut_audit.remembered import remembered
from shortcut_audit.starting.found import PictureFolders
from shortcut_audit.subjects.datasets.image_folder import class_folders
from shortcut_audit.subjects.decoding.photograph import Photograph
from shortcut_audit.subjects.pictures.folders import filled_folder, photographs_of
from shortcut_audit.subjects.pictures.photographs import by_identity, load

PICTURES = 64  # of all classes together
BATCH = 16


@dataclass(frozen=True)
class Sample:
    """Some pictures of each class, chosen by their names: the same in every run."""

    folder: Path
    classes: tuple[str, ...]
    photographs: tuple[Photograph, ...]

    @remembered
    def at(self, size: int) -> tuple[Tensor, Tensor]:
        """Images (n, 3, size, size) float32 in [0, 1] and labels (n,), without broken files."""
        loaded = load("validation", self.photographs, size, self.classes, workers=0).pictures
        return loaded.pixels[:].float() / 255, torch.from_numpy(loaded.labels)

    def right(self, subject: Subject) -> tuple[int, int]:
        """How many pictures the subject gets right, and of how many."""
        images, labels = self.at(subject.size)
        said = []
        with torch.inference_mode():
            for part in torch.split(images, BATCH):
                said.append(subject.network(part).argmax(1))
        return int((torch.cat(said) == labels).sum()), len(labels)


def sample_of(pictures: PictureFolders) -> Sample | None:
    """Some of the validation pictures; None where there are none."""
    if pictures.validation is None:
        return None
    each = math.ceil(PICTURES / len(pictures.classes))
    chosen: list[Photograph] = []
    folders = class_folders("validation", pictures.validation)
    for label, name in enumerate(pictures.classes):
        files = filled_folder("validation", folders[name], [])
        known = photographs_of(files, pictures.validation, label)
        chosen += sorted(known, key=lambda one: by_identity(one.identity))[:each]
    few = sorted(chosen, key=lambda one: by_identity(one.identity))[:PICTURES]
    return Sample(pictures.validation, pictures.classes, tuple(few))
