"""The segmentation of a COCO annotation -> its mask, as COCO's tools make it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from pycocotools import mask as coco_masks

from shortcut_audit.errors import DataError
from shortcut_audit.subjects.pictures.coco_annotations import Instance, Shot

Mask = dict[str, Any]  # COCO's compressed run lengths: size (h, w) and counts


def union(shot: Shot, instances: Sequence[Instance]) -> Mask:
    """The mask of all these instances of an image together.

    Raises:
        DataError: names the file and the annotation that is malformed or covers no pixel.
    """
    masks = []
    for each in instances:
        what = f"'{shot.file}' is left out: the segmentation of annotation {each.number}"
        try:
            mask = _mask(each.segmentation, shot.height, shot.width)
        except (TypeError, ValueError, LookupError, OverflowError):
            raise DataError(f"{what} is malformed") from None
        if not area(mask):
            raise DataError(f"{what} covers no pixel")
        masks.append(mask)
    merged: Mask = coco_masks.merge(masks)
    return merged


def area(mask: Mask) -> int:
    """How many pixels the mask covers."""
    return int(coco_masks.area(mask))


def pixels(mask: Mask) -> np.ndarray:
    """(height, width) bool. Law: it is what pycocotools decodes, pixel by pixel.

    Its own decoder is not used, as it warns of itself under numpy 2.
    """
    runs = _runs(mask["counts"])  # of pixels outside and inside the mask, by turns
    inside = np.repeat(np.arange(len(runs)) % 2 == 1, runs)
    shaped: np.ndarray = inside.reshape(mask["size"], order="F")
    return shaped


def _mask(segmentation: Any, height: int, width: int) -> Mask:
    """The mask of one instance; raises ValueError or its like where the segmentation is malformed.

    What is refused here would make pycocotools hang, or read memory that is not its own.
    """
    if isinstance(segmentation, dict):
        return _mask_of_runs(segmentation, height, width)
    return _mask_of_polygons(segmentation, height, width)


def _mask_of_runs(segmentation: dict[str, Any], height: int, width: int) -> Mask:
    """The mask of an instance that is written as run lengths."""
    counts = segmentation["counts"]
    runs = np.asarray(counts if isinstance(counts, list) else _runs(counts))
    if list(segmentation["size"]) != [height, width] or runs.dtype.kind != "i":
        raise ValueError("not run lengths of this image")
    if runs.min() < 0 or runs.max() > height * width or runs.sum() != height * width:
        raise ValueError("not run lengths of this image")
    plain = {"size": [height, width], "counts": runs.tolist()}
    mask: Mask = coco_masks.frPyObjects(plain, height, width)
    return mask


def _mask_of_polygons(segmentation: Any, height: int, width: int) -> Mask:
    """The mask of an instance that is written as polygons: x and y by turns, in pixels."""
    farthest = 2 * max(height, width)
    polygons = []
    for each in segmentation:
        polygon = np.asarray(each, dtype=np.float64)
        if polygon.ndim != 1 or len(polygon) < 6 or len(polygon) % 2:
            raise ValueError("not a polygon")
        if not (np.abs(polygon) <= farthest).all():
            raise ValueError("not a polygon in this image")
        polygons.append(polygon.tolist())
    merged: Mask = coco_masks.merge(coco_masks.frPyObjects(polygons, height, width))
    return merged


def _runs(text: str | bytes) -> list[int]:
    """The run lengths in COCO's string.

    A character holds five bits of a number, low ones first, and a sixth that says whether more
    follow. From the fourth number on, what is written is the difference to the number two before.
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
