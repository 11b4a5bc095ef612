"""Ten classes of ImageNet, or of any folder that is laid out like it."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from pathlib import Path

from shortcut_audit.errors import DataError, UsageError
from shortcut_audit.records import Pictures
from shortcut_audit.registry import register
from shortcut_audit.subjects.photographs import Photograph, check_counts, chosen, filled_folder, load, picture_files, told
from shortcut_audit.subjects.pictures import check_split

TEN = {
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


@register("dataset")
@dataclass(frozen=True)
class Imagenet10:
    """`root` holds train/ and val/ (or validation/) with a folder for each class, named by its wnid or by the class itself.

    `wnids`: class -> wnid, in the order of the labels. Source: the thesis, section 3.3. Of each class `train` and `validation`
    pictures are kept at most (None: all), chosen by identity; `background` are validation pictures of other folders. Ids are
    paths under `root`, and `notes` counts the pictures. A file that cannot be read is left out and named in `broken`.
    """

    root: Path = Path()
    wnids: dict[str, str] = field(default_factory=lambda: dict(TEN))
    train: int | None = None
    validation: int | None = 50
    background: int = 100
    workers: int = field(default=0, repr=False)  # threads that decode, 0: as many as cores; no part of the recipe

    def __post_init__(self) -> None:
        """Raises UsageError for an option out of range."""
        check_counts(train=self.train, validation=self.validation, background=self.background)
        if len(self.wnids) < 2 or len(set(self.wnids.values())) != len(self.wnids):
            raise UsageError(f"a data set has two classes or more, each with a wnid of its own, not {self.wnids}")

    @property
    def classes(self) -> tuple[str, ...]:
        """The names, in the order of the labels."""
        return tuple(self.wnids)

    def load(self, split: str, size: int) -> Pictures:
        """Decodes a split at size x size pixels, class by class.

        Raises:
            DataError: a folder is missing or empty, or no picture in it can be read.
        """
        check_split(split, size)
        folders = self._folders(split)
        if split == "background":
            own = set(self._class_folders(split, folders).values())
            files = [file for each in sorted(set(folders.values()) - own) for file in picture_files(each)]
            found = {"none of the classes": [self._photograph(file, -1) for file in files]}
        else:
            own_folders = enumerate(self._class_folders(split, folders).items())
            found = {
                name: [self._photograph(file, label) for file in filled_folder(split, folder)]
                for label, (name, folder) in own_folders
            }
        most: int | None = getattr(self, split)
        taken = {name: chosen(each, most) for name, each in found.items()}
        loaded = load([each for part in taken.values() for each in part], size, self.classes, self.workers)
        kept = set(loaded.ids)
        notes = []
        for name, every in found.items():
            n, of = sum(each.identity in kept for each in taken[name]), len(every)
            drops = {f"beyond the {most} asked for": of - len(taken[name]), "broken": len(taken[name]) - n}
            notes.append(told(f"{split}: {name}", n, {"photos": of, **drops}))
        return replace(loaded, notes=(*notes, f"{split}: {len(kept)} pictures of '{self.root.name}'"))

    def _photograph(self, file: Path, label: int) -> Photograph:
        return Photograph(file, file.relative_to(self.root).as_posix(), label)

    def _folders(self, split: str) -> dict[str, Path]:
        """Name -> class folder of a split."""
        names = ("train",) if split == "train" else ("val", "validation")
        there = [self.root / name for name in names if (self.root / name).is_dir()]
        if not there:
            layout = "there must be train/ and val/ (or validation/) with a folder of pictures for each class"
            where = "name the folder that holds them as 'root' in the scenario or with --data"
            raise DataError(f"no {names[0]}/ in '{self.root}': {layout}; {where}")
        folders = {each.name: each for each in there[0].iterdir() if each.is_dir() and not each.name.startswith(".")}
        loose = [] if folders else picture_files(there[0])
        if loose:
            raise DataError(
                f"'{there[0]}' holds {len(loose)} pictures, such as {loose[0].name}, and no folder for any class: sort them into"
                " one folder for each wnid, as ILSVRC2012_validation_ground_truth.txt of the development kit says"
            )
        return folders

    def _class_folders(self, split: str, folders: dict[str, Path]) -> dict[str, Path]:
        """Class -> its folder, by its wnid or by its own name."""
        missing = [f"{wnid} ({name})" for name, wnid in self.wnids.items() if not {wnid, name} & folders.keys()]
        if missing:
            there = sorted(folders)
            has = f"it has {', '.join(there[:5])}{', ...' if len(there) > 5 else ''}" if there else "it is empty"
            which = "train" if split == "train" else "validation"
            raise DataError(
                f"the {which} folder of '{self.root}' lacks {', '.join(missing)}; {has}: put the class there under its wnid or"
                " its name, or name the classes that you have under 'wnids'"
            )
        return {name: folders.get(wnid) or folders[name] for name, wnid in self.wnids.items()}
