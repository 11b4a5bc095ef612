"""COCO's annotation files -> photographs with their instances, read once per process; instances ->
masks.
"""

from __future__ import annotations

import json
from array import array
from collections.abc import Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
from pycocotools import mask as coco_masks

from shortcut_audit.errors import DataError, UsageError, did_you_mean
from shortcut_audit.files.whole import canonical

# ours -> the word in COCO's names
SPLITS = {"train": "train", "validation": "val", "background": "val"}
LISTS = ("images", "annotations", "categories")
LAYOUT = (
    "there must be annotations/instances_train*.json, annotations/instances_val*.json, and for each a folder of images with the"
    " rest of its name, such as train2017/ and val2017/; name the folder that holds all this as 'root' in the scenario, or with"
    " --data (--audit-data in pytest)"
)

Mask = dict[str, Any]  # COCO's compressed run lengths: size (h, w) and counts


@dataclass(frozen=True, slots=True)
class Instance:
    """One annotation. `segmentation` is as in the file and not yet checked: polygons, or run
    lengths.
    """

    number: int
    image: int
    category: int
    crowd: bool
    segmentation: Any


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
    """An annotation file: its categories (name -> number), its images by name, and a sentence for
    each kind of bad entry.
    """

    file: Path
    folder: Path  # of the images
    categories: dict[str, int]
    shots: tuple[Shot, ...]
    problems: tuple[str, ...]

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
    """What COCO says of a split ("train" or "validation"); a file that has not changed is read once
    per process.

    Raises:
        DataError: the folders are not there, or the file is not JSON or not COCO's.
    """
    file, folder = located(root, split)
    stat = file.stat()
    return _read(file, folder, stat.st_mtime_ns, stat.st_size)


def located(root: Path, split: str) -> tuple[Path, Path]:
    """The annotation file and the image folder of a split, of any year; of several years the latest
    that has its images.
    """
    files = sorted(root.glob(f"annotations/instances_{SPLITS[split]}*.json"), reverse=True)
    for file in files:
        folder = root / file.stem.removeprefix("instances_")
        if folder.is_dir():
            return file, folder
    inside = (
        sorted(f"{each.name}/" if each.is_dir() else each.name for each in root.iterdir())
        if root.is_dir()
        else []
    )
    lacks = (
        f"has {files[0].relative_to(root)} but no {files[0].stem.removeprefix('instances_')}/"
        if files
        else ""
    )
    holds = (
        f"holds {', '.join(inside[:6])}{', ...' if len(inside) > 6 else ''}"
        if inside
        else "holds nothing"
    )
    found = (lacks or holds) if root.is_dir() else "does not exist"
    raise DataError(f"no COCO {SPLITS[split]} images in '{root}', which {found}: {LAYOUT}")


@lru_cache(maxsize=4)
def _read(file: Path, folder: Path, *stamp: int) -> Annotations:
    try:
        content = json.loads(file.read_bytes(), object_hook=_packed)
    except (OSError, ValueError, RecursionError) as error:
        raise DataError(
            f"the annotations '{file}' cannot be read: {error}; fetch the file from COCO again"
        ) from None
    lacking = [
        key
        for key in LISTS
        if not (isinstance(content, dict) and isinstance(content.get(key), list))
    ]
    if lacking:
        raise DataError(
            f"'{file}' holds no COCO instances: it lacks the lists {', '.join(lacking)}; fetch it from COCO again"
        )
    try:
        categories = {
            canonical(str(each["name"])): int(each["id"]) for each in content["categories"]
        }
    except (TypeError, KeyError, ValueError):
        raise DataError(
            f"'{file}' holds no COCO instances: a category has no id or no name; fetch it from COCO again"
        ) from None
    bad: dict[str, list[str]] = {}
    shots = _listed(content["images"], folder, bad)
    for i, each in enumerate(content["annotations"]):
        if not isinstance(each, Instance):
            bad.setdefault("annotations without image_id, category_id or segmentation", []).append(
                f"entry {i}"
            )
        elif each.image not in shots:
            bad.setdefault("annotations of images that it does not list", []).append(
                f"annotation {each.number}"
            )
        else:
            shots[each.image].instances.append(each)
    problems = tuple(
        f"'{file}' has {len(entries)} {what}, the first is {entries[0]}"
        for what, entries in bad.items()
    )
    return Annotations(
        file,
        folder,
        categories,
        tuple(sorted(shots.values(), key=lambda shot: shot.identity)),
        problems,
    )


def _listed(entries: list[Any], folder: Path, bad: dict[str, list[str]]) -> dict[int, Shot]:
    """Image number -> image; `bad` is told of the entries that are none."""
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
                bad.setdefault(
                    "images without id, file_name, width or height, or listed twice", []
                ).append(f"entry {i}")
    return shots


def _packed(each: dict[str, Any]) -> Any:
    """An annotation made small while the file is read: as Python lists, the 860,000 of train2017
    take gigabytes.
    """
    try:
        number, image, category, found = (
            each.get("id", -1),
            each["image_id"],
            each["category_id"],
            each["segmentation"],
        )
    except KeyError:
        return each
    if not all(isinstance(part, int) for part in (number, image, category)):
        return each
    if isinstance(found, list):
        # such a polygon stays as it is, and is found out when it is asked for
        with suppress(TypeError, OverflowError):
            found = [array("d", polygon) for polygon in found]
    return Instance(number, image, category, bool(each.get("iscrowd", 0)), found)


def union(shot: Shot, instances: Sequence[Instance]) -> Mask:
    """The mask of all these instances of an image together.

    Raises:
        DataError: names the file and the annotation that is malformed or covers no pixel.
    """
    masks = []
    for each in instances:
        try:
            mask = _mask(each.segmentation, shot.height, shot.width)
        except (TypeError, ValueError, LookupError, OverflowError):
            raise DataError(
                f"'{shot.file}' is left out: the segmentation of annotation {each.number} is malformed"
            ) from None
        if not area(mask):
            raise DataError(
                f"'{shot.file}' is left out: the segmentation of annotation {each.number} covers no pixel"
            )
        masks.append(mask)
    merged: Mask = coco_masks.merge(masks)
    return merged


def area(mask: Mask) -> int:
    """Pixels."""
    return int(coco_masks.area(mask))


def pixels(mask: Mask) -> np.ndarray:
    """(height, width) bool. Law: pycocotools' own, pixel by pixel."""
    runs = _runs(mask["counts"])  # pycocotools' own decoder warns of itself under numpy 2
    inside: np.ndarray = np.repeat(np.arange(len(runs)) % 2 == 1, runs).reshape(
        mask["size"], order="F"
    )
    return inside


def _mask(segmentation: Any, height: int, width: int) -> Mask:
    """The mask of one instance. pycocotools hangs on, or reads memory of others for, what is
    refused here.
    """
    if isinstance(segmentation, dict):
        counts = segmentation["counts"]
        runs = np.asarray(counts if isinstance(counts, list) else _runs(counts))
        if list(segmentation["size"]) != [height, width] or runs.dtype.kind != "i":
            raise ValueError("not run lengths of this image")
        if runs.min() < 0 or runs.max() > height * width or runs.sum() != height * width:
            raise ValueError("not run lengths of this image")
        coded: Mask = coco_masks.frPyObjects(
            {"size": [height, width], "counts": runs.tolist()}, height, width
        )
        return coded
    polygons = [np.asarray(each, dtype=np.float64) for each in segmentation]
    for each in polygons:
        if (
            each.ndim != 1
            or len(each) < 6
            or len(each) % 2
            or not (np.abs(each) <= 2 * max(height, width)).all()
        ):
            raise ValueError("not a polygon in this image")
    merged: Mask = coco_masks.merge(
        coco_masks.frPyObjects([each.tolist() for each in polygons], height, width)
    )
    return merged


def _runs(text: str | bytes) -> list[int]:
    """Run lengths out of COCO's string: six bits a character, low ones first, from the fourth on as
    a difference.
    """
    runs: list[int] = []
    value = shift = 0
    for code in text.encode() if isinstance(text, str) else text:
        bits = code - 48
        value |= (bits & 31) << shift
        shift += 5
        if not bits & 32:
            value -= (1 << shift) if bits & 16 else 0
            runs.append(value + (runs[-2] if len(runs) > 2 else 0))
            value = shift = 0
    if shift or not runs:
        raise ValueError("the string ends in the middle of a number")
    return runs
