"""Folders -> photographs: which files are pictures, of which class, and under which identity."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from shortcut_audit.errors import DataError, did_you_mean, machine_fault
from shortcut_audit.files.whole import below, canonical, hidden, printable
from shortcut_audit.subjects.decoding.photograph import Photograph

# torchvision's IMG_EXTENSIONS
SUFFIXES = {".jpg", ".jpeg", ".png", ".ppm", ".bmp", ".pgm", ".tif", ".tiff", ".webp"}
# pictures that are not read
OTHERS = {
    ".gif",
    ".jfif",
    ".jpe",
    ".jp2",
    ".heic",
    ".heif",
    ".avif",
    ".svg",
    ".npy",
    ".dcm",
    ".exr",
}


def existing(split: str, folder: Path) -> Path:
    """The folder itself; raises DataError where it is none."""
    if folder.is_dir():
        return folder
    found = "is a file" if folder.exists() else "does not exist"
    beside = []
    if folder.parent.is_dir():
        beside = [each.name for each in folder.parent.iterdir() if each.is_dir()]
    hint = did_you_mean(folder.name, beside) if beside else ": check the path in the scenario"
    raise DataError(f"the {split} folder '{printable(folder)}' {found}{printable(hint)}")


def picture_files(split: str, folder: Path, said: list[str] | None = None) -> list[Path]:
    """Every picture below the folder, sorted by its path.

    Hidden files and folders are left out, and links are followed. `said` gets a sentence where
    there are pictures of other kinds than are read.

    Raises:
        DataError: a folder cannot be read.
    """
    try:
        found = list(below(folder))
    except OSError as error:
        where = printable(error.filename or folder)
        raise machine_fault(error) or DataError(
            f"the {split} folder '{where}' cannot be read: {error.strerror}"
        ) from None
    pictures, others = [], []
    for file in found:
        suffix = file.suffix.lower()
        if suffix in SUFFIXES:
            pictures.append(file)
        elif suffix in OTHERS:
            others.append(suffix)
    if others and said is not None:
        said.append(
            f"{split}: {len(others)} files in '{printable(folder)}' are left out "
            f"({', '.join(sorted(set(others)))}): save them as PNG or JPEG"
        )
    return sorted(pictures, key=Path.as_posix)


def photographs_of(files: Sequence[Path], root: Path, label: int) -> list[Photograph]:
    """Photographs of one class.

    An identity is the path under `root`, in composed Unicode unless two files share that.
    """
    paths = [file.relative_to(root).as_posix() for file in files]
    times = Counter(canonical(each) for each in paths)
    found = []
    for file, path in zip(files, paths, strict=True):
        name = canonical(path)
        found.append(Photograph(file, name if times[name] == 1 else path, label))
    return found


def folders_by_name(split: str, root: Path) -> dict[str, Path]:
    """Name, in composed Unicode -> folder in `root`, sorted by name; hidden ones are left out.

    Raises:
        DataError: two folders have one name.
    """
    found: dict[str, Path] = {}
    for folder in sorted(root.iterdir()):
        if hidden(folder.name) or not folder.is_dir():
            continue
        name = canonical(folder.name)
        if name in found:
            raise DataError(
                f"the {split} folder '{printable(root)}' has two folders called "
                f"'{printable(name)}', with an accent that is part of its letter "
                "and with one that is not: put their pictures into one"
            )
        found[name] = folder
    return dict(sorted(found.items()))


def filled_folder(split: str, folder: Path, said: list[str]) -> list[Path]:
    """The pictures of a class; raises DataError where there is none."""
    files = picture_files(split, folder, said)
    if not files:
        name, where = printable(folder.name), printable(folder)
        why = f" ({said[-1]})" if said and where in said[-1] else ""
        raise DataError(
            f"the {split} folder has no picture of '{name}': "
            f"put one into '{where}', or remove the folder{why}"
        )
    return files
