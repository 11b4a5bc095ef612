"""Photographs in one folder per class, torchvision's layout: root/cat/123.jpg."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path

from shortcut_audit.errors import DataError
from shortcut_audit.files.whole import printable
from shortcut_audit.records import Pictures
from shortcut_audit.registry import register
from shortcut_audit.subjects.decoding.photograph import Photograph
from shortcut_audit.subjects.pictures.folders import (
    existing,
    filled_folder,
    folders_by_name,
    photographs_of,
    picture_files,
)
from shortcut_audit.subjects.pictures.photographs import BROKEN, load, note_of, showing
from shortcut_audit.subjects.pictures.record import check_split


@register("dataset")
@dataclass(frozen=True)
class ImageFolder:
    """Photographs in folders.

    A picture is turned upright, made RGB, scaled so that its shorter side is `size`, and cropped at
    its centre. Ids are paths within the split's folder. A file that cannot be read is left out and
    named in `Pictures.broken`, as are copies, pictures under two classes, and validation pictures
    that are in `train` too.
    """

    counts_once = True
    frames = True

    train: Path | None = None  # with one folder per class
    validation: Path = Path()  # with one folder per class
    background: Path | None = None  # with pictures that show none of the classes
    # threads that decode, 0: as many as cores; no part of the recipe, as the pictures are the same
    workers: int = field(default=0, repr=False)

    @property
    def classes(self) -> tuple[str, ...]:
        """The folders of `validation`, sorted; an audit needs no training pictures."""
        return tuple(class_folders("validation", self.validation))

    def class_counts(self, split: str) -> dict[str, int]:
        """How many picture files each class has, none of them opened.

        Some may not be readable, or be copies.
        """
        root = self.train if split == "train" else self.validation
        folders = class_folders(split, root) if root else {}
        return {name: len(filled_folder(split, folder, [])) for name, folder in folders.items()}

    def load(self, split: str, size: int, label: int | None = None) -> Pictures:
        """Decodes a split at size x size pixels; with a label only what shows that class.

        Raises:
            DataError: no such folder, no class or no picture in it, or other classes in `train`
                than in `validation`.
        """
        check_split(split, size)
        classes = self.classes
        said: list[str] = []
        if split == "background":
            found = self._background(said)
        else:
            found = showing(self._shown(split, classes, said), label)
        training = self._training(classes) if split == "validation" else ()
        loaded = load(split, found, size, classes, self.workers, said, training)
        counts = {"photos": len(found), **Counter(loaded.dropped.values())}
        counts["that cannot be read"] = counts.pop(BROKEN, 0)
        notes = (note_of(split, len(loaded.pictures.ids), counts),) if found else ()
        return replace(loaded.pictures, notes=notes)

    def _background(self, said: list[str]) -> list[Photograph]:
        """The photographs in `background`; `said` gets a sentence on files that are not read."""
        if self.background is None:
            return []
        files = picture_files("background", existing("background", self.background), said)
        return photographs_of(files, self.background, -1)

    def _shown(self, split: str, classes: tuple[str, ...], said: list[str]) -> list[Photograph]:
        """The photographs of the classes, class by class; `said` is as in `_background`."""
        root = self.train if split == "train" else self.validation
        if root is None:
            raise DataError(
                "the data set names no train folder, and its pictures are asked for: "
                "add 'train: FOLDER'"
            )
        folders = class_folders(split, root)
        same_classes(folders, classes)
        found: list[Photograph] = []
        for label, name in enumerate(classes):
            files = filled_folder(split, folders[name], said)
            found += _renamed(photographs_of(files, folders[name], label), name)
        return found

    def _training(self, classes: tuple[str, ...]) -> Iterator[Path]:
        """The files in the training folders of the classes, as far as there are any."""
        if self.train is None or not self.train.is_dir():
            return
        folders = folders_by_name("train", self.train)
        for name in classes:
            yield from picture_files("train", folders[name]) if name in folders else ()


def _renamed(photographs: Iterable[Photograph], name: str) -> Iterator[Photograph]:
    """The photographs with identities within the split: below the class's name.

    The folder's own name may be in another form of Unicode.
    """
    for each in photographs:
        yield replace(each, identity=f"{name}/{each.identity}")


def class_folders(split: str, root: Path) -> dict[str, Path]:
    """Name -> class folder, sorted; hidden ones are left out, and none is a DataError."""
    found = folders_by_name(split, existing(split, root))
    if not found:
        raise DataError(
            f"the {split} folder '{printable(root)}' has no folder in it: "
            "give each class a folder of its own"
        )
    return found


def same_classes(found: Iterable[str], expected: Iterable[str]) -> None:
    """Raises DataError unless `train` has just the classes of `validation`; says which differ."""
    missing, extra = sorted(set(expected) - set(found)), sorted(set(found) - set(expected))
    said = []
    if missing:
        said.append(f"lacks {', '.join(missing)}")
    if extra:
        said.append(f"also has {', '.join(extra)}")
    if said:
        raise DataError(
            f"the train folder {printable(' and '.join(said))}, compared with validation: "
            "both need the same class folders"
        )
