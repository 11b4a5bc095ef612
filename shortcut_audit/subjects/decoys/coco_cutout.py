"""A real object, cut out of COCO by its mask: the thesis's stop signs, no two of them alike."""

from __future__ import annotations

import hashlib
import inspect
import sys
from collections import Counter
from dataclasses import dataclass, fields
from functools import lru_cache
from pathlib import Path

import numpy as np
from PIL import Image, ImageFilter

from shortcut_audit.errors import DataError, UsageError
from shortcut_audit.files.store import Store, cache_folder
from shortcut_audit.registry import register
from shortcut_audit.subjects.decoying.pasting import Pasted, check_choice, fitted
from shortcut_audit.subjects.pictures import coco_annotations, segmentations
from shortcut_audit.subjects.pictures.coco_annotations import (
    Annotations,
    Instance,
    Shot,
    annotated,
    located,
)
from shortcut_audit.subjects.pictures.framing import as_rgb
from shortcut_audit.subjects.pictures.photographs import by_identity
from shortcut_audit.subjects.pictures.segmentations import pixels, union

# pixels cut off all around: COCO's outlines stray that far, and would take in some background
RIM = 2

Rules = tuple[str, int, float, int]  # category, least side, least saturation, most


@register("decoy")
@dataclass(frozen=True, repr=False)
class CocoCutout(Pasted):
    """Instances of a category of COCO; each image gets one of them, by its identity.

    An instance is cut out if it is no crowd, if its mask is large enough and does not touch the
    border of its photograph, and if it is colourful enough, which leaves out the grey backs of
    signs. They are pasted as they were photographed: slanted, worn, in the shade.

    Source: the thesis, section 3.4.
    """

    placement: str = "random_position"
    opacity: float = 0.8
    size: float = 0.35  # a cut-out's longer side
    root: Path = Path()  # with COCO's standard folders
    category: str = "stop sign"
    split: str = "train"  # or "validation"
    least_side: int = 40  # pixels of the shorter side of the box around its mask
    least_saturation: float = 0.35  # the mean of HSV's saturation within the mask, in [0, 1]
    most: int = 50  # so many are kept at most, chosen by identity

    def __post_init__(self) -> None:
        """Raises UsageError for an option out of range."""
        super().__post_init__()
        check_choice("split", self.split, ("train", "validation"))
        if self.most < 1 or self.least_side < 1 or not 0 <= self.least_saturation <= 1:
            raise UsageError(
                "a cut-out needs most and least_side of 1 or more and least_saturation in [0, 1], "
                f"not most {self.most}, least_side {self.least_side}, "
                f"least_saturation {self.least_saturation}"
            )

    def __repr__(self) -> str:
        """The recipe, which names the cut-outs by their content.

        The same path may hold others tomorrow.
        """
        options = []
        for each in fields(self):
            if each.name != "root":
                options.append(f"{each.name}={getattr(self, each.name)!r}")
        return f"CocoCutout({', '.join(options)}, sha256={self._content()!r})"

    def _content(self) -> str | None:
        """SHA-256 of all cut-outs; None where there are none."""
        whole = hashlib.sha256()
        try:
            for each in self.cutouts():
                whole.update(repr(each.shape).encode() + each.tobytes())
        except (DataError, UsageError):
            return None
        return whole.hexdigest()

    def picture(self, side: int) -> np.ndarray:
        """The largest cut-out, (h, w, 4) uint8 RGBA with max(h, w) = side."""
        return self.pictures(side)[0]

    def pictures(self, side: int) -> list[np.ndarray]:
        """All cut-outs with max(h, w) = side; the one with the most pixels in COCO comes first."""
        return [np.array(fitted(Image.fromarray(each), side)) for each in self.cutouts()]

    def cutouts(self) -> tuple[np.ndarray, ...]:
        """The instances as they are in their photographs, (h, w, 4) uint8 each; alpha is the mask.

        They are kept in the user's cache folder, as all annotations have to be read to find them.

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
    """The cut-outs of a split; `source` is what changes when the files under `root` do."""
    modules = (sys.modules[__name__], coco_annotations, segmentations)
    code = [inspect.getsource(module) for module in modules]
    key = {"rules": rules, "source": source, "code": code}
    kept = Store(cache_folder()).arrays("cutouts", key, lambda: _passing(root, split, rules))
    return tuple(kept[name] for name in sorted(kept))


def _passing(root: Path, split: str, rules: Rules) -> dict[str, np.ndarray]:
    """Number -> cut-out, the one with the most pixels first.

    Raises:
        UsageError: no instance passes the rules; says how many each rule dropped.
    """
    category, _, _, most = rules
    known = annotated(root, split)
    found = _instances(known, category)
    dropped: Counter[str] = Counter()
    passing: list[np.ndarray] = []
    for identity in sorted(found, key=by_identity):
        cut = _cut(*found[identity], rules)
        if isinstance(cut, str):
            dropped[cut] += 1
        else:
            passing.append(cut)
        if len(passing) == most:
            break
    if not passing:
        drops = ", ".join(f"{count} {rule}" for rule, count in dropped.items()) or "there is none"
        what = "lower least_side or least_saturation, or take the other split"
        raise UsageError(f"no '{category}' of '{known.file}' can be cut out: {drops}; {what}")
    passing.sort(key=lambda each: -np.count_nonzero(each[..., 3]))
    return {f"{i:05d}": each for i, each in enumerate(passing)}


def _instances(known: Annotations, category: str) -> dict[str, tuple[Shot, Instance]]:
    """Every instance of the category with its image, by an identity of its own."""
    number = known.numbers([category])[0]
    found = {}
    for shot in known.shots:
        for instance in shot.instances:
            if instance.category == number:
                found[f"{shot.identity}/{instance.number}"] = (shot, instance)
    return found


def _cut(shot: Shot, instance: Instance, rules: Rules) -> np.ndarray | str:
    """The cut-out, or the rule that drops the instance."""
    _, least_side, least_saturation, _ = rules
    if instance.crowd:
        return "only a crowd"
    try:
        mask = pixels(union(shot, [instance]))
    except DataError:
        return "with a malformed mask"
    rows, columns = np.flatnonzero(mask.any(1)), np.flatnonzero(mask.any(0))
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
