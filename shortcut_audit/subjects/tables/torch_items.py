"""Any torch `Dataset` of the user's -> a data set of the registry."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any, ClassVar, TypeVar

from shortcut_audit.errors import DataError, UsageError, machine_fault
from shortcut_audit.files.whole import printable
from shortcut_audit.inputs_and_outputs import InputSize
from shortcut_audit.registry import register

if TYPE_CHECKING:
    import numpy as np

    from shortcut_audit.records import Pictures

Made = TypeVar("Made", bound=Callable[[str], Any])
Place = int | str  # of a part of an item: items are tuples or dictionaries


def from_torch(
    classes: Sequence[str], picture: Place = 0, label: Place = 1, group: Place | None = None
) -> Callable[[Made], Made]:
    """A decorator that registers a function, split -> torch Dataset, as a data set of its name.

    An item's picture is a PIL image, an array (h, w, 3) uint8, or a tensor (c, h, w), uint8 or
    float in [0, 1] and not normalised; a tensor that has the model's size already stays as it is.
    Its label is a class's number, or k times 0 or 1 where there may be several. A split may be
    None: there is none. No transform may be random.

    Args:
        classes: k names, in the order of the labels.
        picture: where it is in an item.
        label: likewise.
        group: likewise: the patient, the site or the video; None: there are no groups.
    """

    def add(function: Made) -> Made:
        places = (picture, label, group)
        made = {"classes": tuple(classes), "places": places, "of": staticmethod(function)}
        entry = type(function.__name__, (TorchItems,), {**made, "__doc__": function.__doc__})
        register("dataset")(dataclass(frozen=True)(entry))
        return function

    return add


@dataclass(frozen=True)
class Item:
    """One item, as a model sees it."""

    pixels: np.ndarray  # (3, h, w) uint8
    digest: str  # of the picture as the user's data set gives it
    answer: int | tuple[bool, ...]
    group: str


@dataclass(frozen=True)
class TorchItems:
    """The data set of one such function; ids are digests of the pictures."""

    frames: ClassVar[bool] = True
    classes: ClassVar[tuple[str, ...]] = ()
    places: ClassVar[tuple[Place, Place, Place | None]] = (0, 1, None)
    of: ClassVar[Callable[[str], Any]]

    def load(self, split: str, size: int) -> Pictures:
        """A split at this size; an item that cannot be read is left out and named.

        Raises:
            DataError: there is no item, or none can be read.
            UsageError: an item is another one each time, or no picture with a label.
        """
        from shortcut_audit.subjects.pictures.record import check_split

        check_split(split, size)
        name, items = type(self).__name__, type(self).of(split)
        if items is None and split == "background":
            return self._pictures([], size, ())
        if not hasattr(items, "__len__"):
            raise DataError(
                f"the data set '{name}' has no {split} pictures that can be counted, but "
                f"{type(items).__name__}: return a torch Dataset with a length"
            )
        read, broken = [], []
        for i in range(len(items)):
            found = self._read(items, i, split, size)
            if isinstance(found, str):
                broken.append(f"{split}: item {i} cannot be read: {found}")
            else:
                read.append(found)
        if not read and split != "background":
            why = f"; {broken[0]}" if broken else ""
            raise DataError(f"the data set '{name}' has no {split} picture{why}")
        if read and not broken and self._again(items, split, size) != read[0].digest:
            raise UsageError(
                f"item 0 of the data set '{name}' is another picture each time: "
                "take what is random out of its transform"
            )
        self._refuse_straddling()
        return self._pictures(read, size, broken)

    def _refuse_straddling(self) -> None:
        """Raises DataError where a group is in two splits; items are read for it once."""
        from shortcut_audit.subjects.tables.entries import refuse_straddling

        if self.places[2] is not None:
            refuse_straddling(self._groups, f"item[{self.places[2]!r}]")

    @cached_property
    def _groups(self) -> list[tuple[str, str]]:
        """Split and group of every item that can be read."""
        from shortcut_audit.subjects.pictures.record import SPLITS

        found = []
        for split in SPLITS:
            with suppress(Exception):  # whatever the user's own code raises without this split
                items = type(self).of(split)
                for i in range(len(items)):
                    with suppress(Exception):  # an item that cannot be read is named elsewhere
                        found.append((split, word(items[i][self.places[2]])))
        return found

    def _again(self, items: Any, split: str, size: int) -> str:
        """The digest of the first item, read once more."""
        found = self._read(items, 0, split, size)
        return found if isinstance(found, str) else found.digest

    def _read(self, items: Any, at: int, split: str, size: int) -> Item | str:
        """An item, or why it cannot be read."""
        try:
            item = items[at]
            picture, label, group = (None if key is None else item[key] for key in self.places)
        except Exception as error:  # whatever the user's own code comes across
            fault = machine_fault(error)
            if fault:
                raise fault from error
            return f"{type(error).__name__}: {' '.join(printable(error).split())}"
        where = f"item {at} of the data set '{type(self).__name__}' ({split})"
        pixels, digest = seen(picture, size, where)
        shown = -1 if split == "background" else answer(label, len(self.classes), where)
        return Item(pixels, digest, shown, word(group))

    def _pictures(self, read: Sequence[Item], size: int, broken: Sequence[str]) -> Pictures:
        """The record of the items."""
        import numpy as np
        import torch

        from shortcut_audit.subjects.pictures.record import digested, pictures
        from shortcut_audit.subjects.tables.groups import numbered

        asked, times = InputSize.of(size), Counter[str]()
        pixels, labels, ids = np.empty((len(read), 3, asked.height, asked.width), np.uint8), [], []
        for i, item in enumerate(read):
            pixels[i] = item.pixels
            labels.append(item.answer if isinstance(item.answer, int) else -1)
            times[item.digest] += 1
            ids.append(f"{item.digest}-{times[item.digest]}")
        made = pictures(torch.from_numpy(pixels), labels, ids, self.classes, broken=broken)
        if read and isinstance(read[0].answer, tuple):
            made = replace(made, shown=np.array([each.answer for each in read], dtype=bool))
        if self.places[2] is not None:
            made = replace(made, groups=numbered(each.group for each in read))
        return digested(made)


def word(group: Any) -> str:
    """A group's name or number; a tensor's is that of what it holds."""
    return str(group.item() if hasattr(group, "item") else group)


def seen(found: Any, size: int, where: str) -> tuple[np.ndarray, str]:
    """A picture as a model sees it, (3, h, w) uint8, and a digest of it as it was.

    Raises:
        UsageError: it is no picture, or normalised; `where` says which it is.
    """
    import numpy as np
    from PIL import Image

    from shortcut_audit.subjects.pictures.framing import as_rgb, framed, scaled_to

    asked, image = InputSize.of(size), found
    if not isinstance(found, Image.Image):
        array = as_bytes(np.asarray(found), where, channels_first=hasattr(found, "detach"))
        image = Image.fromarray(array)
    picture = as_rgb(image)
    digest = hashlib.sha256(repr(picture.size).encode() + picture.tobytes()).hexdigest()[:20]
    ready = image is not found and picture.size == (asked.width, asked.height)
    if not ready:
        picture = framed(picture, scaled_to(picture.size, size), size)
    return np.asarray(picture).transpose(2, 0, 1), digest


def as_bytes(array: np.ndarray, where: str, channels_first: bool) -> np.ndarray:
    """A tensor (c, h, w) or an array (h, w, c), with one, three or four channels or none, as uint8.

    Raises:
        UsageError: another shape or type, or floats that are not in [0, 1].
    """
    import numpy as np

    if channels_first and array.ndim == 3:
        array = array.transpose(1, 2, 0)
    if array.ndim == 3 and array.shape[2] == 1:
        array = array[..., 0]
    if array.ndim != 2 and (array.ndim != 3 or array.shape[2] not in (3, 4)):
        raise UsageError(
            f"{where} is no picture, but {array.dtype} of shape {array.shape}: a picture is a PIL "
            "image, a tensor (c, h, w) or an array (h, w, c)"
        )
    if array.dtype.kind == "f":
        low, high = float(array.min()), float(array.max())
        if not (low >= 0 and high <= 1):
            raise UsageError(
                f"{where} has values from {low:.3g} to {high:.3g}, where floats are from 0 to 1: "
                "take Normalize out of its transform, as the model's input is normalised later"
            )
        array = np.round(array * 255)
    elif array.dtype != np.uint8:
        raise UsageError(f"{where} is a picture of {array.dtype}: it must be uint8, or float")
    return np.ascontiguousarray(array.astype(np.uint8))


def answer(label: Any, classes: int, where: str) -> int | tuple[bool, ...]:
    """A label as the number of its class, or a yes or no for each of several.

    Raises:
        UsageError: it is neither of these for so many classes.
    """
    import numpy as np

    found = np.asarray(label)
    if found.ndim == 1 and len(found) == classes > 1 and np.isin(found, (0, 1)).all():
        return tuple(found.astype(bool).tolist())
    if found.size == 1 and found.dtype.kind in "iufb" and float(found.item()).is_integer():
        number = int(found.item())
        if 0 <= number < classes:
            return number
    raise UsageError(
        f"{where} has the label {label!r:.60}: with {classes} classes it is a whole number from 0 "
        f"to {classes - 1}, or {classes} times 0 or 1"
    )
