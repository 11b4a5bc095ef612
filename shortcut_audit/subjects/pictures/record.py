"""What every data set shares: its record with the digest, and randomness from an identity."""

from __future__ import annotations

import hashlib
from collections.abc import Hashable, Iterable, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from shortcut_audit.errors import UsageError, did_you_mean
from shortcut_audit.files.whole import as_bytes, printable
from shortcut_audit.records import Pictures
from shortcut_audit.rows import Lazy, Rows, block_count, block_of, rows_digest

if TYPE_CHECKING:
    from torch import Tensor

SPLITS = ("train", "validation", "background")


def pictures(
    pixels: Rows,
    labels: Iterable[int],
    ids: Iterable[str],
    classes: Iterable[str],
    objects: Rows | None = None,
    broken: Iterable[str] = (),
    notes: Iterable[str] = (),
) -> Pictures:
    """The record of a split, with its digest.

    Law: the digest changes with any pixel, label, id, class, or their order, and with nothing else.

    Args:
        pixels: (n, 3, h, w) uint8.
        labels: n, -1 where none of the classes is shown.
        ids: n identities.
        classes: k names.
        objects: (n, h, w) bool, where the object is.
        broken: sentences on what was left out.
        notes: sentences on what there is.
    """
    fixed = np.asarray(list(labels), dtype=np.int64)  # (n,)
    plain = Pictures(
        pixels, fixed, tuple(ids), tuple(classes), "", objects, tuple(broken), tuple(notes)
    )
    return digested(plain)


def digested(pictures: Pictures) -> Pictures:
    """The pictures with the digest of what they hold now.

    Law: several labels, groups, attributes and regions change it where there are any, and where
    there are none it is that of pixels, labels, ids and classes.
    """
    words = (tuple(pictures.pixels.shape), pictures.ids, pictures.classes)
    digest = hashlib.sha256(repr(words).encode())
    digest.update(pictures.labels.astype("<i8").tobytes())
    digest.update(rows_digest(pictures.pixels).encode())
    for said in more_of(pictures):
        digest.update(repr(said).encode())
    return replace(pictures, digest=digest.hexdigest())


def more_of(pictures: Pictures) -> list[tuple[str, str]]:
    """Name -> SHA-256 of each thing that a table may say of pictures; empty where none does."""
    said: dict[str, np.ndarray | None] = {"shown": pictures.shown, "groups": pictures.groups}
    said |= {f"attribute {name}": flags for name, flags in pictures.attributes.items()}
    said |= {f"region {name}": region.numpy() for name, region in pictures.regions.items()}
    found = []
    for name, values in sorted(said.items()):
        if values is not None:
            plain = np.ascontiguousarray(values, "<i8" if values.dtype.kind in "iu" else np.bool_)
            found.append((name, hashlib.sha256(plain.data).hexdigest()))
    return found


def of(pictures: Pictures, kept: np.ndarray) -> Pictures:
    """Some of the pictures, in this order, with all that is said of each.

    Laws: a picture keeps its label, id, object, group, attributes and regions; all of the pictures
    in their order are the same pictures.

    Args:
        pictures: n of them.
        kept: (m,) int64 places among them, or (n,) bool.
    """
    at = np.flatnonzero(kept) if kept.dtype == np.bool_ else kept
    return digested(
        replace(
            pictures,
            pixels=picked(pictures.pixels, at),
            labels=pictures.labels[at],
            ids=tuple(pictures.ids[i] for i in at),
            objects=None if pictures.objects is None else picked(pictures.objects, at),
            shown=None if pictures.shown is None else pictures.shown[at],
            groups=None if pictures.groups is None else pictures.groups[at],
            attributes=_each(pictures.attributes, at),
            regions=_each(pictures.regions, at),
        )
    )


def showing(pictures: Pictures, label: int) -> np.ndarray:
    """(t,) indices of the pictures that show a class."""
    of_class = pictures.labels == label
    if pictures.shown is not None:
        of_class = pictures.shown[:, label]
    found: np.ndarray = of_class.nonzero()[0]
    return found


def picked(rows: Rows, at: np.ndarray) -> Rows:
    """The rows at these places (m,) int64, as lazy as they are."""
    if not isinstance(rows, Lazy):
        return rows[at]
    step = rows.step
    shape = (len(at), *rows.shape[1:])
    return Lazy(shape, lambda i: rows[at[i * step : (i + 1) * step]], step=step)


def in_memory(pictures: Pictures) -> Pictures:
    """The same pictures, all of them in memory, for what asks for any of them at any time."""
    objects = None if pictures.objects is None else pictures.objects[:]
    return replace(pictures, pixels=pictures.pixels[:], objects=objects)


def answers(pictures: Pictures) -> list[Hashable]:
    """What is right for each picture: its label, or where there may be several, all of them."""
    shown = pictures.shown
    return pictures.labels.tolist() if shown is None else [*map(tuple, shown.tolist())]


def _each(columns: Mapping[str, Any], at: np.ndarray) -> dict[str, Any]:
    """Each column at these places."""
    return {name: values[at] for name, values in columns.items()}


def check_split(split: str, size: int) -> None:
    """Raises UsageError unless `split` is one of SPLITS and `size` (pixels) is positive."""
    if split not in SPLITS:
        raise UsageError(f"no split called '{split}'{did_you_mean(split, SPLITS)}")
    if size < 1:
        raise UsageError(f"pictures cannot be {size} pixels wide: ask for a size of at least 1")


def generator(seed: int, identity: str) -> np.random.Generator:
    """Random numbers of one picture: the same in any batch, order, process or run."""
    digest = hashlib.sha256(as_bytes(f"{seed}/{identity}")).digest()
    return np.random.default_rng(int.from_bytes(digest[:16], "big"))


def is_flat(pixels: Rows) -> np.ndarray:
    """(n,) bool: which of the pictures (n, 3, h, w) are of one colour."""
    found = [np.zeros(0, bool)]
    for i in range(block_count(pixels)):
        flat = block_of(pixels, i).flatten(2)  # (b, 3, h * w)
        found.append((flat.amax(2) == flat.amin(2)).all(1).numpy())
    return np.concatenate(found)


def one_colour(
    split: str,
    flat: np.ndarray,
    labels: np.ndarray,
    classes: Sequence[str],
    several: bool = False,
) -> list[str]:
    """A sentence for each class that has pictures of one colour, which show nothing.

    Pictures that an export broke are often black.

    Args:
        split: its name.
        flat: (n,) bool: which of them are of one colour.
        labels: (n,) int64; -1 where none of the classes is shown.
        classes: (k,)
        several: whether a picture may show several classes, so that labels say nothing.
    """
    unlabelled = "any class" if several else "none of the classes"
    said = []
    for label in sorted(set(labels[flat].tolist())):
        of_class = labels == label
        name = f"class '{printable(classes[label])}'" if label >= 0 else unlabelled
        count = f"{np.count_nonzero(flat & of_class)} of {np.count_nonzero(of_class)}"
        said.append(
            f"{split}: {count} pictures of {name} are one colour and show nothing: "
            "look at how they were saved"
        )
    return said


def pixel_digest(picture: Tensor) -> str:
    """SHA-256 of the shape and the values of one picture (3, h, w): its name, wherever it goes."""
    whole = hashlib.sha256(f"{tuple(picture.shape)}".encode())
    whole.update(picture.contiguous().numpy().data)
    return whole.hexdigest()
