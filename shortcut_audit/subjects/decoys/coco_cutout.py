"""A real object, cut out of COCO by its mask: the stop signs of the thesis, of which no two look
alike.
"""

from __future__ import annotations

import hashlib
import inspect
import sys
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, fields
from functools import lru_cache
from pathlib import Path

import numpy as np
from PIL import Image, ImageFilter

from shortcut_audit.errors import DataError, UsageError
from shortcut_audit.files.store import Store, cache_folder
from shortcut_audit.registry import register
from shortcut_audit.subjects.decoying.pasting import Pasted, check_choice, fitted
from shortcut_audit.subjects.pictures import coco_annotations
from shortcut_audit.subjects.pictures.coco_annotations import (
    Instance,
    Shot,
    annotated,
    located,
    pixels,
    union,
)
from shortcut_audit.subjects.pictures.photographs import as_rgb, by_identity

# pixels cut off all around: COCO's outlines stray that far, and the background that they take in
# would shine
RIM = 2

Rules = tuple[str, int, float, int]  # category, least side, least saturation, most


@register("decoy")
@dataclass(frozen=True, repr=False)
class CocoCutout(Pasted):
    """Instances of a category in COCO's standard folders under `root`; each image gets one of them,
    by its identity.

    Those are cut out that are no crowd, whose mask is `least_side` pixels or more in the shorter
    side of its box and does not touch the image's border, and whose mean HSV saturation within the
    mask is `least_saturation` or more, which leaves out the grey backs of signs. Of these `most`
    are kept, chosen by identity. They are pasted as they were taken: slanted, worn, in the shade.
    `size` is a cut-out's longer side. `split`: "train" or "validation". Source: the thesis, section
    3.4.
    """

    placement: str = "random_position"
    opacity: float = 0.8
    size: float = 0.35
    root: Path = Path()
    category: str = "stop sign"
    split: str = "train"
    least_side: int = 40
    least_saturation: float = 0.35
    most: int = 50

    def __post_init__(self) -> None:
        """Raises UsageError for an option out of range."""
        super().__post_init__()
        check_choice("split", self.split, ("train", "validation"))
        if self.most < 1 or self.least_side < 1 or not 0 <= self.least_saturation <= 1:
            found = f"most {self.most}, least_side {self.least_side}, least_saturation {self.least_saturation}"
            raise UsageError(
                f"a cut-out needs most and least_side of 1 or more and least_saturation in [0, 1], not {found}"
            )

    def __repr__(self) -> str:
        """The recipe names the cut-outs by their content: the same path may hold others tomorrow."""
        options = [
            f"{each.name}={getattr(self, each.name)!r}"
            for each in fields(self)
            if each.name != "root"
        ]
        try:
            content = hashlib.sha256(
                b"".join(repr(each.shape).encode() + each.tobytes() for each in self.cutouts())
            ).hexdigest()
        except (DataError, UsageError):
            content = None
        return f"CocoCutout({', '.join(options)}, sha256={content!r})"

    def picture(self, side: int) -> np.ndarray:
        """The largest cut-out."""
        return self.pictures(side)[0]

    def pictures(self, side: int) -> list[np.ndarray]:
        """All cut-outs with their longer side at `side` pixels, the largest in its photograph
        first.
        """
        return [np.array(fitted(Image.fromarray(each), side)) for each in self.cutouts()]

    def cutouts(self) -> tuple[np.ndarray, ...]:
        """The instances as they are in their photographs, (h, w, 4) uint8 each; alpha is the mask.

        They are kept in the user's cache folder, for all annotations have to be read to find them.

        Raises:
            DataError: no COCO under `root`, or its annotations cannot be read.
            UsageError: no such category, or no instance passes; says how many each rule dropped.
        """
        file, folder = located(self.root, self.split)
        stamp = (file.stat().st_mtime_ns, file.stat().st_size, folder.stat().st_mtime_ns)
        rules = (self.category, self.least_side, self.least_saturation, self.most)
        return _cutouts(self.root, self.split, rules, (str(file.resolve()), *stamp))


@lru_cache(maxsize=8)
def _cutouts(
    root: Path, split: str, rules: Rules, source: tuple[str | int, ...]
) -> tuple[np.ndarray, ...]:
    key = {
        "rules": rules,
        "source": source,
        "code": [inspect.getsource(each) for each in (sys.modules[__name__], coco_annotations)],
    }
    kept = Store(cache_folder()).arrays("cutouts", key, lambda: dict(_passing(root, split, rules)))
    return tuple(kept[name] for name in sorted(kept))


def _passing(root: Path, split: str, rules: Rules) -> Iterator[tuple[str, np.ndarray]]:
    """Number -> cut-out, by area."""
    category, _, _, most = rules
    known = annotated(root, split)
    number = known.numbers([category])[0]
    every = ((shot, each) for shot in known.shots for each in shot.instances)
    found = {
        f"{shot.identity}/{each.number}": (shot, each)
        for shot, each in every
        if each.category == number
    }
    dropped: Counter[str] = Counter()
    passing: list[np.ndarray] = []
    for identity in sorted(found, key=by_identity):
        cut = _cut(*found[identity], rules)
        if isinstance(cut, str):
            dropped[cut] += 1
        elif len(passing) < most:
            passing.append(cut)
        if len(passing) == most:
            break
    if not passing:
        drops = ", ".join(f"{count} {rule}" for rule, count in dropped.items()) or "there is none"
        what = "lower least_side or least_saturation, or take the other split"
        raise UsageError(f"no '{category}' of '{known.file}' can be cut out: {drops}; {what}")
    passing.sort(key=lambda each: -np.count_nonzero(each[..., 3]))
    return ((f"{i:05d}", each) for i, each in enumerate(passing))


def _cut(shot: Shot, instance: Instance, rules: Rules) -> np.ndarray | str:
    """The cut-out, or the rule that drops the instance."""
    _, least_side, least_saturation, _ = rules
    if instance.crowd:
        return "only a crowd"
    try:
        mask = pixels(union(shot, [instance]))
    except DataError:
        return "with a malformed mask"
    rows, columns = (np.flatnonzero(mask.any(axis)) for axis in (1, 0))
    if min(np.ptp(rows), np.ptp(columns)) + 1 < least_side:
        return f"smaller than {least_side} pixels"
    if mask[[0, -1]].any() or mask[:, [0, -1]].any():
        return "cut by the image's border"
    try:
        with Image.open(shot.file) as opened:
            picture = as_rgb(opened)
    except Exception:  # a decoder raises whatever it comes across in a broken file
        return "in an image that cannot be read"
    if picture.size != (shot.width, shot.height):
        return "in an image of another size"
    saturation = np.asarray(picture.convert("HSV"))[..., 1][mask].mean() / 255
    if saturation < least_saturation:
        return f"greyer than {100 * least_saturation:g} % saturation"
    inner = Image.fromarray(mask.astype(np.uint8) * 255).filter(ImageFilter.MinFilter(2 * RIM + 1))
    around = inner.getbbox()
    picture.putalpha(inner)
    return np.array(picture.crop(around)) if around else f"nowhere wider than {2 * RIM} pixels"
