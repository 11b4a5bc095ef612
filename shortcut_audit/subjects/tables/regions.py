"""Masks and boxes of a table -> where something is on a picture, as it is stored."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from io import BytesIO
from math import ceil, floor
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from shortcut_audit.errors import DataError, UsageError, did_you_mean
from shortcut_audit.files.whole import canonical, printable
from shortcut_audit.subjects.tables.cells import said
from shortcut_audit.subjects.tables.reading import picture_key

Box = tuple[float, float, float, float]  # left, top, width, height in pixels, as COCO has them
NUMBER = re.compile(r"[-+]?\d*\.?\d+(?:[eE][-+]?\d+)?")


def mask(stored: Callable[[], bytes], shape: tuple[int, int]) -> np.ndarray:
    """(height, width) bool: where a mask's file is above half of its brightest value.

    Raises:
        ValueError: it is no picture of this height and width.
    """
    with Image.open(BytesIO(stored())) as opened:
        picture = opened.convert("RGBA") if opened.has_transparency_data else opened
        values = np.asarray(picture).astype(np.float32)
    if values.ndim == 3:
        opaque = values[..., 3:] > 0 if values.shape[2] == 4 else True
        values = (values[..., :3] * opaque).max(2)
    if values.shape != shape:
        found = " x ".join(map(str, values.shape[::-1]))
        raise ValueError(f"its mask is {found} pixels, and it is {shape[1]} x {shape[0]}")
    inside: np.ndarray = values > values.max() / 2
    return inside


def box_mask(boxes: Sequence[Box], shape: tuple[int, int]) -> np.ndarray:
    """(height, width) bool: every pixel that one of the boxes touches."""
    inside = np.zeros(shape, dtype=bool)
    for left, top, width, height in boxes:
        rows = slice(max(0, floor(top)), max(0, ceil(top + height)))
        inside[rows, max(0, floor(left)) : max(0, ceil(left + width))] = True
    return inside


def as_box(cells: Mapping[str, Any], columns: Sequence[str]) -> Sequence[Box] | str | None:
    """The box in four columns, or in one as `x y w h`; None: there is none; text: why not."""
    text = " ".join(_words(cells.get(column)) for column in columns)
    if not text.strip():
        return None
    numbers = [float(each) for each in NUMBER.findall(text)]
    if len(numbers) != 4 or not (np.isfinite(numbers).all() and min(numbers[2:]) > 0):
        return f"have no box (x, y, width and height in pixels) in {', '.join(columns)}"
    return ((numbers[0], numbers[1], numbers[2], numbers[3]),)


@dataclass(frozen=True)
class Boxes:
    """The boxes of one category of a COCO file, by picture."""

    by_picture: Mapping[str, tuple[Box, ...]]

    def of(self, path: Any, file: str) -> Sequence[Box] | str:
        """Those on a picture, by its path or its name; text where the file does not list it."""
        text = str(path)
        for key in (picture_key(text), picture_key(Path(text).name)):
            if key in self.by_picture:
                return self.by_picture[key]
        return f"are not listed in '{file}'"


def boxes_in(file: Path, category: str) -> Boxes:
    """The boxes of a category.

    Raises:
        DataError: the file cannot be read, or is not COCO's.
        UsageError: it has no such category.
    """
    try:
        content = json.loads(file.read_bytes())
        names = {canonical(each["name"]): each["id"] for each in content["categories"]}
        pictures = {each["id"]: picture_key(each["file_name"]) for each in content["images"]}
        boxes: dict[str, tuple[Box, ...]] = dict.fromkeys(pictures.values(), ())
        for each in content["annotations"]:
            if each["category_id"] == names.get(canonical(category)):
                left, top, width, height = map(float, each["bbox"])
                boxes[pictures[each["image_id"]]] += ((left, top, width, height),)
    except (OSError, ValueError, TypeError, LookupError, RecursionError) as error:
        why = " ".join(printable(f"{type(error).__name__}: {error}").split())
        raise DataError(
            f"the boxes '{printable(file)}' cannot be read ({why}): a COCO file has the lists "
            "images, annotations with a bbox, and categories"
        ) from None
    if canonical(category) not in names:
        raise UsageError(
            f"'{printable(file)}' has no category '{category}'{did_you_mean(category, names)}"
        )
    return Boxes(boxes)


def _words(cell: Any) -> str:
    """A cell's numbers as text; a list's as well."""
    return " ".join(map(str, cell)) if isinstance(cell, list | tuple) else said(cell)
