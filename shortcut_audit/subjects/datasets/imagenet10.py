"""Ten classes of ImageNet, or of any folder that is laid out like it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path

from shortcut_audit.errors import DataError, UsageError
from shortcut_audit.files.whole import canonical, printable
from shortcut_audit.records import Pictures
from shortcut_audit.registry import register
from shortcut_audit.subjects.decoding.photograph import Photograph
from shortcut_audit.subjects.pictures.folders import (
    filled_folder,
    folders_by_name,
    photographs_of,
    picture_files,
)
from shortcut_audit.subjects.pictures.photographs import (
    check_counts,
    chosen,
    drops,
    load,
    note_of,
    showing,
)
from shortcut_audit.subjects.pictures.record import check_split

TEN = {  # class -> wnid
    "tench": "n01440764",
    "golden retriever": "n02099601",
    "husky": "n02110185",  # Siberian husky
    "lion": "n02129165",
    "tiger": "n02129604",
    "hamster": "n02342885",
    "zebra": "n02391049",
    "container ship": "n03095699",
    "french horn": "n03394916",
    "garbage truck": "n03417042",
}
SHOWN = 5  # folders that a sentence names


@register("dataset")
@dataclass(frozen=True)
class Imagenet10:
    """Photographs in folders that are named by wnids, or by the classes themselves.

    Ids are paths under `root`, and `notes` counts the pictures. A file that cannot be read is left
    out and named in `broken`. Source: the thesis, section 3.3.
    """

    counts_once = True
    frames = True

    root: Path = Path()  # with train/ and val/ (or validation/), each with a folder for each class
    wnids: dict[str, str] = field(default_factory=lambda: dict(TEN))  # in the order of the labels
    train: int | None = None  # of each class at most (None: all), chosen by identity
    validation: int | None = 50  # likewise
    background: int = 100  # validation pictures of other folders
    # threads that decode, 0: as many as cores; no part of the recipe, as the pictures are the same
    workers: int = field(default=0, repr=False)

    def __post_init__(self) -> None:
        """Raises UsageError for an option out of range."""
        check_counts(train=self.train, validation=self.validation, background=self.background)
        if len(self.wnids) < 2 or len(set(self.wnids.values())) != len(self.wnids):
            raise UsageError(
                f"a data set has two classes or more, each with a wnid of its own, not {self.wnids}"
            )

    @property
    def classes(self) -> tuple[str, ...]:
        """The names, in the order of the labels."""
        return tuple(canonical(name) for name in self.wnids)

    def class_counts(self, split: str) -> dict[str, int]:
        """How many picture files each class has, none of them opened.

        Some may not be readable, or be copies.
        """
        most: int | None = getattr(self, split)
        shown = self._shown(split, self._folders(split), [])
        return {name: len(chosen(found, most)) for name, found in shown.items()}

    def load(self, split: str, size: int, label: int | None = None) -> Pictures:
        """Decodes a split at size x size pixels, class by class; with a label only what shows it.

        Raises:
            DataError: a folder is missing or empty, or no picture in it can be read.
        """
        check_split(split, size)
        folders = self._folders(split)
        said: list[str] = []
        if split == "background":
            found = self._background(folders, said)
        else:
            found = self._shown(split, folders, said)
        most: int | None = getattr(self, split)
        taken = {name: chosen(photographs, most) for name, photographs in found.items()}
        every: list[Photograph] = []
        for photographs in taken.values():
            every += showing(photographs, label)
        training = self._training() if split == "validation" else ()
        loaded = load(split, every, size, self.classes, self.workers, said, training)
        notes = []
        for name, photographs in found.items():
            dropped = drops(taken[name], loaded)
            kept = len(taken[name]) - dropped.total()
            counts = {"photos": len(photographs)}
            counts[f"beyond the {most} asked for"] = len(photographs) - len(taken[name])
            notes.append(note_of(f"{split}: {name}", kept, {**counts, **dropped}))
        whole = f"{split}: {len(loaded.pictures.ids)} pictures of '{printable(self.root.name)}'"
        return replace(loaded.pictures, notes=(*notes, whole))

    def _shown(
        self, split: str, folders: dict[str, Path], said: list[str]
    ) -> dict[str, list[Photograph]]:
        """Class -> its photographs; `said` gets a sentence on files that are not read."""
        found = {}
        for label, (name, folder) in enumerate(self._class_folders(split, folders).items()):
            found[name] = photographs_of(filled_folder(split, folder, said), self.root, label)
        return found

    def _background(self, folders: dict[str, Path], said: list[str]) -> dict[str, list[Photograph]]:
        """The photographs in folders of none of the classes; `said` is as in `_shown`."""
        own = set(self._class_folders("background", folders).values())
        found: list[Photograph] = []
        for folder in sorted(set(folders.values()) - own):
            found += photographs_of(picture_files("background", folder, said), self.root, -1)
        return {"none of the classes": found}

    def _training(self) -> Iterator[Path]:
        """The files in the training folders of the classes, as far as there are any."""
        if not (self.root / "train").is_dir():
            return
        folders = folders_by_name("train", self.root / "train")
        for name, wnid in self.wnids.items():
            folder = folders.get(canonical(wnid)) or folders.get(canonical(name))
            yield from picture_files("train", folder) if folder else ()

    def _folders(self, split: str) -> dict[str, Path]:
        """Name -> class folder of a split."""
        names = ("train",) if split == "train" else ("val", "validation")
        there = [self.root / name for name in names if (self.root / name).is_dir()]
        if not there:
            raise DataError(
                f"no {names[0]}/ in '{self.root}': there must be train/ and val/ (or validation/) "
                "with a folder of pictures for each class; name the folder that holds them as "
                "'root' in the scenario, or with --data (--audit-data in pytest)"
            )
        folders = folders_by_name(split, there[0])
        loose = [] if folders else picture_files(split, there[0])
        if loose:
            raise DataError(
                f"'{there[0]}' holds {len(loose)} pictures, such as {loose[0].name}, "
                "and no folder for any class: sort them into one folder for each wnid, "
                "as ILSVRC2012_validation_ground_truth.txt of the development kit says"
            )
        return folders

    def _class_folders(self, split: str, folders: dict[str, Path]) -> dict[str, Path]:
        """Class -> its folder, by its wnid or by its own name; one without is a DataError."""
        own, missing = {}, []
        for name, wnid in self.wnids.items():
            folder = folders.get(canonical(wnid)) or folders.get(canonical(name))
            if folder:
                own[name] = folder
            else:
                missing.append(f"{wnid} ({name})")
        if missing:
            which = "train" if split == "train" else "validation"
            raise DataError(
                f"the {which} folder of '{self.root}' lacks {', '.join(missing)}; "
                f"{_contents(folders)}: put the class there under its wnid or its name, "
                "or name the classes that you have under 'wnids'"
            )
        return own


def _contents(folders: Iterable[str]) -> str:
    """What a folder has in place of the classes that it lacks."""
    there = sorted(folders)
    if not there:
        return "it is empty"
    return f"it has {', '.join(there[:SHOWN])}{', ...' if len(there) > SHOWN else ''}"
