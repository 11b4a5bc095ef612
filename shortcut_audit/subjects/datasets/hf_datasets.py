"""A folder of Hugging Face's `datasets`, an optional dependency."""

from __future__ import annotations

import os
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from shortcut_audit.errors import DataError, UsageError, machine_fault
from shortcut_audit.files.store import cache_folder
from shortcut_audit.files.whole import canonical, printable
from shortcut_audit.registry import register
from shortcut_audit.subjects.pictures.folders import existing
from shortcut_audit.subjects.tables.reading import Row, Sheet
from shortcut_audit.subjects.tables.tabular import Tabular

SPLIT = "split"  # the column of the folder's own splits


@dataclass(frozen=True)
class Part:
    """One split of the folder: its pictures as they are stored, and its other columns."""

    name: str
    stored: Any  # datasets.Dataset, whose pictures are not decoded
    pictures: tuple[str, ...]  # the columns of pictures, the first of which is audited
    names: dict[str, tuple[str, ...]]  # column -> what its numbers stand for


@register("dataset")
@dataclass(frozen=True)
class HfDatasets(Tabular):
    """What `save_to_disk` wrote, or a folder that `load_dataset` reads: of Parquet, or of pictures.

    Columns of pictures and classes are found by the features. Ids are the pictures' paths, or where
    they have none, digests of their bytes.
    """

    folder: Path = Path()

    def sheet(self) -> Sheet:
        """A row for each picture of all splits.

        Raises:
            UsageError: `datasets` is not installed, or no column holds pictures.
            DataError: the folder cannot be read.
        """
        parts = [_part(name, each) for name, each in _loaded(self.folder).items()]
        first = parts[0]
        picture = self.path or next(iter(first.pictures), None)
        if picture is None:
            there = ", ".join(f"'{name}'" for name in first.stored.column_names)
            raise UsageError(
                printable(
                    f"no column of '{self.folder}' holds pictures, by its features; there is "
                    f"{there}: if one names files, read the folder's table with 'kind: table'"
                )
            )
        rows: list[Row] = []
        for part in parts:
            rows += self._rows(part, picture, alone=len(parts) == 1 and not part.name)
        columns = [*first.stored.column_names, *([SPLIT] if first.name else [])]
        unique = tuple(dict.fromkeys(canonical(name) for name in columns))
        return Sheet(self.folder.name, unique, tuple(rows), (), picture, first.names)

    def root_of(self) -> Path:
        """The folder itself."""
        return self.folder

    def located(self, path: str) -> Path:
        """A file below the folder, or anywhere."""
        return self.folder / path

    def _rows(self, part: Part, picture: str, alone: bool) -> Iterator[Row]:
        """A row for each picture of a split."""
        plain = [name for name in part.stored.column_names if name not in part.pictures]
        said = part.stored.select_columns(plain).to_list() if plain else [{}] * len(part.stored)
        held = {name: _pictures(part.stored, name) for name in part.pictures}
        paths = [path for path, _ in held.get(picture, ())]
        by_path = all(paths) and len(set(paths)) == len(paths)
        for i, cells in enumerate(said):
            words = {name: _word(part.names.get(name), cell) for name, cell in cells.items()}
            images = {name: cell[i][1] for name, cell in held.items()}
            yield Row(
                f"{part.name} row {i + 1}".strip(),
                {**({} if alone else {SPLIT: part.name}), **words, **images},
                identity=self._identity(part.name, paths[i]) if by_path else "",
                file=self.folder,
            )

    def _identity(self, split: str, path: str) -> str:
        """A name for a picture: its path below the folder, or that within its split."""
        if os.path.isabs(path):
            return os.path.relpath(path, self.folder.resolve())
        return f"{split}/{path}" if split else path


def _loaded(folder: Path) -> dict[str, Any]:
    """Split -> datasets.Dataset; nothing is decoded, and no code of the folder is run."""
    try:
        import datasets
    except ImportError:
        raise UsageError(
            "datasets is not installed; run: pip install 'shortcut-audit[datasets]'"
        ) from None
    existing("data set's", folder)
    try:
        with _quietly(datasets):
            if any((folder / name).is_file() for name in ("dataset_dict.json", "state.json")):
                found = datasets.load_from_disk(str(folder))
            else:
                kept = str(cache_folder() / "datasets")
                found = datasets.load_dataset(str(folder), cache_dir=kept)
    except Exception as error:  # the library raises whatever it comes across
        why = " ".join(printable(error).split())[:300]
        raise machine_fault(error) or DataError(
            f"the folder '{printable(folder)}' cannot be read by datasets ({why}): name what "
            "save_to_disk wrote, or a folder of Parquet files or of pictures"
        ) from None
    return dict(found) if isinstance(found, dict) else {"": found}


def _part(name: str, loaded: Any) -> Part:
    """A split whose pictures stay as they are stored."""
    import datasets

    pictures, names = [], {}
    for column, feature in loaded.features.items():
        if isinstance(feature, datasets.Image):
            pictures.append(column)
            loaded = loaded.cast_column(column, datasets.Image(decode=False))
        elif isinstance(feature, datasets.ClassLabel):
            names[column] = tuple(map(canonical, feature.names))
    return Part(name, loaded, tuple(pictures), names)


def _pictures(stored: Any, column: str) -> Sequence[tuple[str, Any]]:
    """The path of each picture of a column, if it has one, and what gives its bytes.

    A picture that is a file of its own is its path; where there is none it is None.
    """
    alone = stored.select_columns([column])
    lacking = alone.with_format("arrow")[:].column(column).is_null().to_pylist()
    paths = alone.flatten().select_columns([f"{column}.path"]).to_dict()[f"{column}.path"]
    found: list[tuple[str, Any]] = []
    for i, (path, is_none) in enumerate(zip(paths, lacking, strict=True)):
        is_file = path is not None and os.path.isabs(path) and os.path.exists(path)
        held = path if is_file else partial(_bytes, alone, column, i)
        found.append((path or "", None if is_none else held))
    return found


def _bytes(alone: Any, column: str, at: int) -> bytes:
    """The bytes of one picture; raises ValueError where there are none."""
    held = alone[at][column]
    if held is None or (held["bytes"] is None and held["path"] is None):
        raise ValueError("the data set holds no picture there")
    data: bytes = Path(held["path"]).read_bytes() if held["bytes"] is None else held["bytes"]
    return data


def _word(names: Sequence[str] | None, cell: Any) -> Any:
    """A cell, or the name of the class that its number stands for; None where there is none."""
    if names is None or not isinstance(cell, int):
        return cell
    return names[cell] if 0 <= cell < len(names) else None


@contextmanager
def _quietly(datasets: Any) -> Iterator[None]:
    """No bars and no warnings of the library; both are as they were afterwards."""
    shown = not datasets.are_progress_bars_disabled()
    datasets.disable_progress_bars()
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        if shown:
            datasets.enable_progress_bars()
