"""`.npz`, `.parquet`, `.csv`: what a model answered to planted pictures, in place of the model."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Any, ClassVar
from zipfile import BadZipFile, ZipFile

import numpy as np

from shortcut_audit.errors import DataError, ModelError, UsageError
from shortcut_audit.files.whole import printable, read_as_whole
from shortcut_audit.inputs_and_outputs import InputSize
from shortcut_audit.records import Candidate
from shortcut_audit.registry import register

if TYPE_CHECKING:
    from torch import nn

ARCH = "program:predictions"
FILES, LOGITS, CLASSES = "files", "logits", "classes"  # arrays; numpy keeps the name `file`
FILE = "file"  # a column of a table
INDEX = "condition"  # a column that only the index of planted pictures has
BESIDE = {"", "__index_level_0__"}  # columns in which pandas counts the rows
PLANTED = re.compile(r"[0-9a-f]{64}")  # the stem of a planted picture's name
DENSEST = 100  # times a file's numbers may be larger than it is; more would fill a machine's memory
LONGEST_ROW = 1 << 20  # characters of a CSV's row; bytes of an archive that may be all alike
AS_THEY_ARE = ((0.0,) * 3, (1.0,) * 3)  # mean and std of pictures that are looked up as they are


@dataclass(frozen=True)
class Returned:
    """The rows of a file, as they stand there."""

    files: tuple[str, ...]  # (m,)
    logits: np.ndarray  # (m, k) float32
    classes: tuple[str, ...]  # (k,), or () where the file does not say


@register("checkpoint")
@dataclass(frozen=True)
class Predictions:
    """A row for each picture that `shortcut-audit plant` wrote: its name, and the model's logits.

    An `.npz` has arrays `files` (m,) and `logits` (m, k), and may have `classes` (k,); a table has
    a column `file` and one for each class. Rows may be in any order. The name of a planted picture
    is the digest of its pixels, so that the file needs nothing beside it to say what was answered.
    """

    suffixes: ClassVar[tuple[str, ...]] = (".npz", ".parquet", ".csv")

    def recognises(self, path: Path) -> bool:
        """Whether it has the arrays or columns of such a file; a table of a data set has not.

        What cannot be read is taken for one, so that somebody says why.
        """
        looks = {".npz": _has_arrays, ".parquet": _has_logits, ".csv": _has_planted}
        try:
            return looks[path.suffix.lower()](path)
        except (OSError, ValueError, NotImplementedError, BadZipFile):
            return True

    def metadata(self, path: Path) -> dict[str, str]:
        """Its classes and the size of its pictures, as far as it says them.

        Raises:
            ModelError: it is broken. UsageError, MachineError: it cannot be had or understood.
        """
        from shortcut_audit.subjects.manifest.descriptions import describe
        from shortcut_audit.subjects.manifest.file import composed

        read, (mean, std) = _read(path), AS_THEY_ARE
        size = _size(read.files, path)
        try:
            composed(read.classes)
        except ValueError as error:
            raise UsageError(f"the classes of '{path.name}' cannot be: {error}") from None
        words = describe(Candidate("", path, ARCH, read.classes, size, mean, std))
        known = {"arch": True, "classes": bool(read.classes), "input": bool(size)}
        return {key: words[key] for key, said in known.items() if said}

    def words(self, path: Path) -> dict[str, Any]:
        """Its classes, to be held against the manifest's; raises as `metadata`."""
        return {CLASSES: list(_read(path).classes)}

    def program(self, path: Path) -> nn.Module:
        """The answers, to be looked up by picture.

        Raises:
            as `metadata`; UsageError: a row is of no planted picture, or of one that has another.
        """
        import torch

        from shortcut_audit.subjects.loading.recorded import Recorded

        read = _read(path)
        digests = [_digest(each, path) for each in read.files]
        _refuse_twice(read.files, digests, path)
        return Recorded(path.name, digests, torch.from_numpy(read.logits))


def _has_arrays(path: Path) -> bool:
    with ZipFile(path) as archive:
        return {f"{FILES}.npy", f"{LOGITS}.npy"} <= set(archive.namelist())


def _has_logits(path: Path) -> bool:
    """Whether a Parquet file has names, and beside them nothing but numbers."""
    try:
        from pyarrow import parquet, types
    except ImportError:
        return path.read_bytes()[:4] == b"PAR1"
    schema = parquet.read_schema(path)
    others = [each.type for each in schema if each.name not in {FILE, *BESIDE}]
    return FILE in schema.names and bool(others) and all(map(types.is_floating, others))


def _has_planted(path: Path) -> bool:
    """Whether the first row of a CSV names a planted picture, and no list of them says how."""
    with path.open(encoding="utf-8-sig", errors="replace") as opened:
        columns, row = opened.readline(LONGEST_ROW), opened.readline(LONGEST_ROW)
    names = {cell.strip(' "\r\n') for cell in re.split(r"[,;\t]", columns)}
    return FILE in names and INDEX not in names and PLANTED.search(row) is not None


def _read(path: Path) -> Returned:
    """The whole file.

    Raises:
        ModelError: it is broken. UsageError, MachineError: it cannot be had, or is none of these.
    """
    with read_as_whole(path, "no whole file of predictions"):
        try:
            return _of_arrays(path) if path.suffix.lower() == ".npz" else _of_table(path)
        except DataError as error:
            raise ModelError(f"'{path.name}' is no whole table: {error}") from None


def _of_arrays(path: Path) -> Returned:
    """The answers of an `.npz`; nothing that is pickled is read."""
    with ZipFile(path) as archive:
        if any(
            each.file_size > DENSEST * each.compress_size + LONGEST_ROW for each in archive.filelist
        ):
            raise ModelError(f"'{path.name}' would grow beyond all memory: save it again")
    with np.load(path, allow_pickle=False) as held:
        if not {FILES, LOGITS} <= set(held.files):
            raise _not_understood(path, f"arrays {', '.join(sorted(held.files)) or 'none'}")
        names, logits = _array(held, FILES, path), _array(held, LOGITS, path)
        classes = _array(held, CLASSES, path).tolist() if CLASSES in held.files else []
    columns = logits[:, None] if logits.ndim == 1 else logits
    fits = names.ndim == 1 and columns.ndim == 2 and len(columns) == len(names)
    if not fits or columns.dtype.kind not in "fiu" or names.dtype.kind not in "US":
        raise _not_understood(
            path, f"files {names.shape} of {names.dtype}, logits {logits.shape} of {logits.dtype}"
        )
    return Returned(tuple(names.astype(str).tolist()), _float32(columns), tuple(map(str, classes)))


def _array(held: Any, name: str, path: Path) -> np.ndarray:
    try:
        return np.asarray(held[name])
    except ValueError as error:
        if "pickle" not in str(error):
            raise
        raise UsageError(
            f"'{path.name}' has '{name}' as pickled objects, which are not read: save "
            f"np.array({name}, {'float' if name == LOGITS else 'str'})"
        ) from None


def _of_table(path: Path) -> Returned:
    """The answers of a CSV or Parquet file."""
    from shortcut_audit.subjects.tables.reading import sheet

    read = sheet(path)
    classes = tuple(name for name in read.columns if name not in {FILE, *BESIDE})
    if FILE not in read.columns or not classes:
        raise _not_understood(path, f"columns {', '.join(read.columns)}")
    if read.problems:
        raise UsageError(f"{read.problems[0]}: save '{path.name}' again")
    logits = np.empty((len(read.rows), len(classes)))
    for at, row in enumerate(read.rows):
        logits[at] = [_number(row.cells[name], f"{row.where}, {name}", path) for name in classes]
    return Returned(tuple(str(row.cells[FILE]) for row in read.rows), _float32(logits), classes)


def _number(cell: Any, where: str, path: Path) -> float:
    with suppress(TypeError, ValueError):
        return float(cell)
    raise UsageError(
        f"'{path.name}' has {printable(cell)!r} where a logit should be ({where}): its columns are "
        f"'{FILE}' and one for each class"
    )


def _float32(logits: np.ndarray) -> np.ndarray:
    with np.errstate(over="ignore"):  # what becomes infinite is said where it is asked for
        return np.ascontiguousarray(logits, np.float32)


def _not_understood(path: Path, found: str) -> UsageError:
    return UsageError(
        f"'{path.name}' has {found}: predictions are an .npz with 'files' (m,) of names and "
        "'logits' (m, k), or a table with a column 'file' and one for each class"
    )


def _digest(name: str, path: Path) -> str:
    """The digest that the name of a planted picture is, whatever folder stands before it."""
    stem = _parts(name).stem
    if not PLANTED.fullmatch(stem):
        raise UsageError(
            f"'{path.name}' has an answer to {printable(name)[:100]!r}, which is no picture that "
            "shortcut-audit plant wrote: name each as pictures.csv does"
        )
    return stem


def _parts(name: str) -> PurePosixPath:
    return PurePosixPath(name.replace("\\", "/"))


def _refuse_twice(files: Sequence[str], digests: Iterable[str], path: Path) -> None:
    digest, times = max(Counter(digests).items(), key=lambda each: each[1], default=("", 0))
    if times > 1:
        named = next(name for name in files if digest in name)
        raise UsageError(
            f"'{path.name}' answers '{printable(named)}' {times} times: keep one row for each "
            "picture"
        )


def _size(files: Iterable[str], path: Path) -> int:
    """The size that is the name of the pictures' folder; 0 where none is.

    Raises:
        UsageError: there are several.
    """
    found = set()
    for name in {_parts(each).parent.name for each in files}:
        with suppress(ValueError):
            found.add(InputSize.parse(name))
    if len(found) > 1:
        raise UsageError(
            f"'{path.name}' answers pictures of the sizes {' and '.join(sorted(map(str, found)))}: "
            "keep those of the size that the model takes"
        )
    return next(iter(found), 0)
