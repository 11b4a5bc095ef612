"""Photographs in one folder per class, torchvision's layout: root/cat/123.jpg."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from pathlib import Path

from shortcut_audit.errors import DataError
from shortcut_audit.records import Pictures
from shortcut_audit.registry import register
from shortcut_audit.subjects.photographs import Photograph, existing, filled_folder, load, picture_files, told
from shortcut_audit.subjects.pictures import check_split


@register("dataset")
@dataclass(frozen=True)
class ImageFolder:
    """`train` and `validation` hold one folder per class; `background`, if any, pictures with none of the classes.

    A picture is turned upright, made RGB, scaled so that its shorter side is `size`, and cropped at its centre. Ids are
    paths within the split's folder. A file that cannot be read is left out and named in `Pictures.broken`. `workers` threads
    decode, 0: as many as cores.
    """

    train: Path = Path()
    validation: Path = Path()
    background: Path | None = None
    workers: int = field(default=0, repr=False)  # no part of the recipe: the pictures are the same

    @property
    def classes(self) -> tuple[str, ...]:
        """The folders of `validation`, sorted; an audit needs no training pictures."""
        return class_folders("validation", self.validation)

    def load(self, split: str, size: int) -> Pictures:
        """Decodes a split at size x size pixels.

        Raises:
            DataError: no such folder, no class or no picture in it, or other classes in `train` than in `validation`.
        """
        check_split(split, size)
        classes = self.classes
        if split == "background":
            root = self.background
            files = [] if root is None else picture_files(existing(split, root))
        else:
            root = self.train if split == "train" else self.validation
            same_classes(class_folders(split, root), classes)
            files = [file for name in classes for file in filled_folder(split, root / name)]
        identities = [file.relative_to(root or Path()).as_posix() for file in files]
        labels = [-1 if split == "background" else classes.index(each.split("/")[0]) for each in identities]
        found = [Photograph(*each) for each in zip(files, identities, labels, strict=True)]
        loaded = load(found, size, classes, self.workers)
        counts = {"photos": len(found), "that cannot be read": len(loaded.broken)}
        return replace(loaded, notes=(told(split, len(loaded.ids), counts),) if found else ())


def class_folders(split: str, root: Path) -> tuple[str, ...]:
    """Names of the class folders, sorted; hidden ones are none."""
    found = sorted(each.name for each in existing(split, root).iterdir() if each.is_dir() and not each.name.startswith("."))
    if not found:
        raise DataError(f"the {split} folder '{root}' has no folder in it: give each class a folder of its own")
    return tuple(found)


def same_classes(found: tuple[str, ...], expected: tuple[str, ...]) -> None:
    """Raises DataError with what `train` lacks of the classes in `validation`, and what it has beyond them."""
    missing, extra = sorted(set(expected) - set(found)), sorted(set(found) - set(expected))
    if missing or extra:
        said = [f"{word} {', '.join(names)}" for word, names in (("lacks", missing), ("also has", extra)) if names]
        raise DataError(f"the train folder {' and '.join(said)}, compared with validation: both need the same class folders")
