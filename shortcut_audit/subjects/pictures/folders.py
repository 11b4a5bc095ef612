"""Folders -> photographs: which files are pictures, of which class, and under which identity."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from shortcut_audit.errors import DataError, did_you_mean, machine_fault
from shortcut_audit.files.whole import below, canonical, hidden, printable
from shortcut_audit.subjects.pictures.photographs import Photograph

# torchvision's IMG_EXTENSIONS
SUFFIXES = {".jpg", ".jpeg", ".png", ".ppm", ".bmp", ".pgm", ".tif", ".tiff", ".webp"}
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
}  # pictures that nobody reads


def existing(split: str, folder: Path) -> Path:
    """The folder itself, if it is one."""
    if folder.is_dir():
        return folder
    found = "is a file" if folder.exists() else "does not exist"
    beside = (
        [each.name for each in folder.parent.iterdir() if each.is_dir()]
        if folder.parent.is_dir()
        else []
    )
    hint = did_you_mean(folder.name, beside) if beside else ": check the path in the scenario"
    raise DataError(f"the {split} folder '{printable(folder)}' {found}{printable(hint)}")


def picture_files(split: str, folder: Path, said: list[str] | None = None) -> list[Path]:
    """Every picture below the folder, sorted by its path; hidden files and folders are none, and
    links are followed.

    `said` gets a sentence where there are pictures of other kinds than are read.

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
    others = [file.suffix.lower() for file in found if file.suffix.lower() in OTHERS]
    if others and said is not None:
        kinds = ", ".join(sorted(set(others)))
        said.append(
            f"{split}: {len(others)} files in '{printable(folder)}' are left out ({kinds}): save them as PNG or JPEG"
        )
    return sorted((file for file in found if file.suffix.lower() in SUFFIXES), key=Path.as_posix)


def photographs_of(files: Sequence[Path], root: Path, label: int) -> list[Photograph]:
    """Photographs of one class; an identity is the path under `root`, in composed Unicode unless
    two files share that.
    """
    paths = [file.relative_to(root).as_posix() for file in files]
    times = Counter(canonical(each) for each in paths)
    found = []
    for file, path in zip(files, paths, strict=True):
        name = canonical(path)
        found.append(Photograph(file, name if times[name] == 1 else path, label))
    return found


def folders_by_name(split: str, root: Path) -> dict[str, Path]:
    """Name, in composed Unicode -> folder in `root`, sorted by name; hidden ones are none.

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
                f"the {split} folder '{printable(root)}' has two folders called '{printable(name)}', with an accent that is part"
                " of its letter and with one that is not: put their pictures into one"
            )
        found[name] = folder
    return dict(sorted(found.items()))


def filled_folder(split: str, folder: Path, said: list[str]) -> list[Path]:
    """The pictures of a class, at least one."""
    files = picture_files(split, folder, said)
    if not files:
        name, where = printable(folder.name), printable(folder)
        why = f" ({said[-1]})" if said and where in said[-1] else ""
        raise DataError(
            f"the {split} folder has no picture of '{name}': put one into '{where}', or remove the folder{why}"
        )
    return files
