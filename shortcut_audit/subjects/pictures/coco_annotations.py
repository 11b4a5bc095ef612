"""COCO's annotation files -> photographs with their instances, read once per process."""

from __future__ import annotations

import json
from array import array
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import Any

from shortcut_audit.errors import DataError, UsageError, did_you_mean
from shortcut_audit.files.whole import canonical

# ours -> the word in COCO's names
SPLITS = {"train": "train", "validation": "val", "background": "val"}
LISTS = ("images", "annotations", "categories")
LAYOUT = (
    "there must be annotations/instances_train*.json, annotations/instances_val*.json, "
    "and for each a folder of images with the rest of its name, such as train2017/ and val2017/; "
    "name the folder that holds all this as 'root' in the scenario, "
    "or with --data (--audit-data in pytest)"
)
SHOWN = 6  # entries of a folder that a sentence names


@dataclass(frozen=True, slots=True)
class Instance:
    """One annotation of an image."""

    number: int
    image: int
    category: int
    crowd: bool
    segmentation: Any  # as in the file and not yet checked: polygons, or run lengths


@dataclass(frozen=True, slots=True)
class Shot:
    """An image that a file lists; `identity` is its path within the root."""

    file: Path
    identity: str
    width: int
    height: int
    instances: list[Instance] = field(default_factory=list)


@dataclass(frozen=True)
class Annotations:
    """What an annotation file says."""

    file: Path
    folder: Path  # of the images
    categories: dict[str, int]  # name -> number
    shots: tuple[Shot, ...]  # sorted by identity
    problems: tuple[str, ...]  # a sentence for each kind of bad entry

    def numbers(self, names: Iterable[str]) -> tuple[int, ...]:
        """The numbers of these categories.

        Raises:
            UsageError: `'instances_val2017.json' has no category 'zebr'; did you mean 'zebra'?`
        """
        names = [canonical(name) for name in names]
        for name in names:
            if name not in self.categories:
                raise UsageError(
                    f"'{self.file}' has no category '{name}'{did_you_mean(name, self.categories)}"
                )
        return tuple(self.categories[name] for name in names)


def annotated(root: Path, split: str) -> Annotations:
    """What COCO says of a split, "train" or "validation".

    A file that has not changed is read once per process.

    Raises:
        DataError: the folders are not there, or the file is not JSON or not COCO's.
    """
    file, folder = located(root, split)
    stat = file.stat()
    return _read(file, folder, stat.st_mtime_ns, stat.st_size)


def located(root: Path, split: str) -> tuple[Path, Path]:
    """The annotation file and the image folder of a split, of any year.

    Of several years it is the latest that has its images.

    Raises:
        DataError: there is no such file, or no such folder.
    """
    files = sorted(root.glob(f"annotations/instances_{SPLITS[split]}*.json"), reverse=True)
    for file in files:
        folder = root / file.stem.removeprefix("instances_")
        if folder.is_dir():
            return file, folder
    found = _in_its_place(root, files)
    raise DataError(f"no COCO {SPLITS[split]} images in '{root}', which {found}: {LAYOUT}")


def _in_its_place(root: Path, files: list[Path]) -> str:
    """What there is under `root` where images are missing; `files` are the annotations."""
    if not root.is_dir():
        return "does not exist"
    if files:
        folder = files[0].stem.removeprefix("instances_")
        return f"has {files[0].relative_to(root)} but no {folder}/"
    inside = sorted(f"{each.name}/" if each.is_dir() else each.name for each in root.iterdir())
    if not inside:
        return "holds nothing"
    return f"holds {', '.join(inside[:SHOWN])}{', ...' if len(inside) > SHOWN else ''}"


@lru_cache(maxsize=4)
def _read(file: Path, folder: Path, *stamp: int) -> Annotations:
    """As `annotated`; the stamp changes with the file."""
    content = _content(file)
    categories = _categories(file, content["categories"])
    bad: dict[str, list[str]] = {}  # kind of bad entry -> which
    shots = _listed(content["images"], folder, bad)
    _add_instances(shots, content["annotations"], bad)
    problems = []
    for what, entries in bad.items():
        problems.append(f"'{file}' has {len(entries)} {what}, the first is {entries[0]}")
    by_name = sorted(shots.values(), key=lambda shot: shot.identity)
    return Annotations(file, folder, categories, tuple(by_name), tuple(problems))


def _content(file: Path) -> dict[str, list[Any]]:
    """The lists of an annotation file; raises DataError where it is not COCO's."""
    try:
        content = json.loads(file.read_bytes(), object_hook=_packed)
    except (OSError, ValueError, RecursionError) as error:
        raise DataError(
            f"the annotations '{file}' cannot be read: {error}; fetch the file from COCO again"
        ) from None
    lists: dict[str, list[Any]] = content if isinstance(content, dict) else {}
    lacking = [key for key in LISTS if not isinstance(lists.get(key), list)]
    if lacking:
        raise DataError(
            f"'{file}' holds no COCO instances: it lacks the lists {', '.join(lacking)}; "
            "fetch it from COCO again"
        )
    return lists


def _categories(file: Path, entries: list[Any]) -> dict[str, int]:
    """Name -> number of each category; raises DataError where one has neither."""
    categories = {}
    try:
        for each in entries:
            categories[canonical(str(each["name"]))] = int(each["id"])
    except (TypeError, KeyError, ValueError):
        raise DataError(
            f"'{file}' holds no COCO instances: a category has no id or no name; "
            "fetch it from COCO again"
        ) from None
    return categories


def _add_instances(shots: dict[int, Shot], entries: list[Any], bad: dict[str, list[str]]) -> None:
    """Gives each image its instances; `bad` is told of the entries that are none."""
    no_instances = "annotations without image_id, category_id or segmentation"
    no_image = "annotations of images that it does not list"
    for i, each in enumerate(entries):
        if not isinstance(each, Instance):
            bad.setdefault(no_instances, []).append(f"entry {i}")
        elif each.image not in shots:
            bad.setdefault(no_image, []).append(f"annotation {each.number}")
        else:
            shots[each.image].instances.append(each)


def _listed(entries: list[Any], folder: Path, bad: dict[str, list[str]]) -> dict[int, Shot]:
    """Image number -> image; `bad` is told of the entries that are none."""
    no_image = "images without id, file_name, width or height, or listed twice"
    shots: dict[int, Shot] = {}
    names: set[str] = set()
    for i, each in enumerate(entries):
        match each:
            case {
                "id": int(number),
                "file_name": str(name),
                "width": int(width),
                "height": int(height),
            } if min(width, height) > 0 and number not in shots and name not in names:
                shots[number] = Shot(folder / name, f"{folder.name}/{name}", width, height)
                names.add(name)
            case _:
                bad.setdefault(no_image, []).append(f"entry {i}")
    return shots


def _packed(each: dict[str, Any]) -> Any:
    """An annotation as an Instance, made while the file is read; another object as it is.

    Its polygons become arrays: as Python lists, those of the 860,000 annotations of train2017 take
    gigabytes.
    """
    try:
        image, category = each["image_id"], each["category_id"]
        number, found = each.get("id", -1), each["segmentation"]
    except KeyError:
        return each
    if not all(isinstance(part, int) for part in (number, image, category)):
        return each
    if isinstance(found, list):
        # a malformed polygon stays as it is, and is refused when its mask is asked for
        with suppress(TypeError, OverflowError):
            found = [array("d", polygon) for polygon in found]
    return Instance(number, image, category, bool(each.get("iscrowd", 0)), found)
