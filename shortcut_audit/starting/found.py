"""Folder -> where checkpoints lie in it, and which of its pictures are which. No torch."""

from __future__ import annotations

import os
from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from shortcut_audit import registry
from shortcut_audit.errors import UsageError
from shortcut_audit.files.checkpoint_files import is_checkpoint
from shortcut_audit.files.whole import below, printable
from shortcut_audit.subjects.pictures.folders import SUFFIXES

TRAINING = ("train", "training")
# what is audited on, the best first: pictures that no model was trained on
VALIDATION = ("validation", "val", "valid", "test")
OF_LIBRARIES = {"site-packages", "node_modules"}  # their files are nobody's models or pictures
OF_A_RUN = {"verdict.json", "record.jsonl"}  # what lies beside or below these is a run's evidence


@dataclass(frozen=True)
class PictureFolders:
    """The pictures of a data set of folders; a split that is not there is None."""

    root: Path
    validation: Path | None
    train: Path | None
    classes: tuple[str, ...]  # sorted, as the data set has them
    counts: Mapping[str, int]  # split -> pictures of all classes together

    @property
    def undivided(self) -> bool:
        """Whether all pictures are in one folder, and nothing says what models were trained on."""
        return self.validation == self.root and self.root.name.lower() not in VALIDATION

    @property
    def shown(self) -> str:
        """The folder that the classes are read from, as a sentence names it."""
        return f"'{printable(self.validation or self.train or self.root)}'"


def files_below(folder: Path) -> list[Path]:
    """Every file below the folder, sorted, without those of libraries and of earlier runs.

    Raises:
        UsageError: there is no such folder, or it cannot be read.
    """
    if not folder.is_dir():
        what = "is a file: name its folder" if folder.exists() else "does not exist"
        raise UsageError(f"'{printable(folder)}' {what}")
    try:
        files = sorted(below(folder))
    except OSError as error:
        where = printable(error.filename or folder)
        raise UsageError(f"'{where}' cannot be read: {error.strerror}") from None
    runs = {file.parent for file in files if file.name in OF_A_RUN} - {folder}
    return [file for file in files if not _is_of_others(file, folder, runs)]


def _is_of_others(file: Path, folder: Path, runs: set[Path]) -> bool:
    """Whether the file is a library's, or below one of the folders of earlier runs."""
    parts = file.relative_to(folder).parts
    return bool(OF_LIBRARIES.intersection(parts)) or not runs.isdisjoint(file.parents)


def folder_of_checkpoints(folder: Path, files: Iterable[Path]) -> Path | None:
    """The one folder that holds every checkpoint among the files below `folder`; None without any.

    Raises:
        UsageError: there are several; names them.
    """
    held: dict[Path, list[Path]] = defaultdict(list)
    for file in files:
        if is_checkpoint(file):
            own = file.relative_to(folder).parts[:-1]
            held[folder / own[0] if own else folder].append(file.parent)
    if not held:
        return None
    if folder in held:
        return folder
    if len(held) > 1:
        found = " and ".join(f"'{printable(each)}' ({len(held[each])})" for each in sorted(held))
        raise UsageError(
            f"checkpoints lie in {found}: say which with --models FOLDER, "
            "one folder for each set of models that are compared"
        )
    return Path(os.path.commonpath(next(iter(held.values()))))


def folders_of_pictures(folder: Path, files: Iterable[Path]) -> PictureFolders | None:
    """The data set among the files below `folder`; None where no pictures lie in class folders.

    Class folders below train/ and val/ go before class folders without a split.

    Raises:
        UsageError: there are several data sets; names them.
        DataError: the folders of a split cannot be a data set.
    """
    inside, directly = _tree(folder, files)
    found = _topmost(each for each in inside if _splits(inside, each))
    if not found:
        found = _topmost(each for each in inside if len(inside[each] & directly) > 1)
    if len(found) > 1:
        named = " and ".join(f"'{printable(each)}'" for each in found)
        raise UsageError(
            f"there are pictures in class folders in {named}: say which with --pictures FOLDER"
        )
    return _data_set(found[0], _splits(inside, found[0])) if found else None


def loose_pictures(files: Iterable[Path]) -> Path | None:
    """The folder of the first picture among the files; None without any."""
    for file in files:
        if file.suffix.lower() in SUFFIXES:
            return file.parent
    return None


def _tree(folder: Path, files: Iterable[Path]) -> tuple[dict[Path, set[Path]], set[Path]]:
    """Folder -> the folders in it with pictures below; and those that hold pictures themselves."""
    directly = {file.parent for file in files if file.suffix.lower() in SUFFIXES}
    inside: dict[Path, set[Path]] = defaultdict(set)
    for each in directly:
        while each != folder:
            inside[each.parent].add(each)
            each = each.parent
    return dict(inside), directly


def _splits(inside: Mapping[Path, set[Path]], folder: Path) -> dict[str, Path]:
    """`train` and `validation` -> the folder in this one that is it, where it has class folders."""
    named = {each.name.lower(): each for each in inside[folder] if each in inside}
    found = {}
    for split, names in (("train", TRAINING), ("validation", VALIDATION)):
        fitting = [named[name] for name in names if name in named]
        if fitting:
            found[split] = fitting[0]
    return found


def _topmost(folders: Iterable[Path]) -> list[Path]:
    """Those that lie in none of the others, sorted."""
    known = set(folders)
    return sorted(each for each in known if known.isdisjoint(each.parents))


def _data_set(root: Path, splits: Mapping[str, Path]) -> PictureFolders:
    """The record of the data set in `root`, whose class folders are counted by `image_folder`."""
    found = dict(splits) or {"validation": root}
    counts, classes = {}, {}
    for split, folder in found.items():
        data = registry.build("dataset", "image_folder", {"validation": folder})
        classes[split] = tuple(data.classes)
        counts[split] = sum(data.class_counts("validation").values())  # type: ignore[attr-defined]
    return PictureFolders(
        root,
        found.get("validation"),
        found.get("train"),
        classes.get("validation", classes.get("train", ())),
        counts,
    )
