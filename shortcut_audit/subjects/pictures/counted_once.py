"""Each picture counts once.

Left out are copies, pictures under two classes, and validation pictures that a model was trained
on.
"""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Callable, Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from shortcut_audit.files.whole import printable

# the reasons, as they stand after "dropped: 3"
COPY, TWO_CLASSES, TRAINED_ON = "copies of others", "under two classes", "in the training set too"
SAID = {
    COPY: "{split}: {n} pictures are exact copies of others and count once; left out: {which}",
    TWO_CLASSES: (
        "{split}: {n} pictures are left out because the same picture stands under two classes: "
        "{which}"
    ),
    TRAINED_ON: (
        "{split}: {n} pictures are left out because they are in the training set too: {which}"
    ),
}
NAMED = 3  # pictures that a sentence names
Stored = Callable[[], bytes]  # gives the bytes of a picture that is no file of its own
PART = 4096  # bytes from the middle of a file; most files of one length differ there


@dataclass(frozen=True, slots=True)
class Content:
    """What a file holds, as far as that is needed to find it again among many."""

    length: int  # bytes
    part: bytes  # a digest of some of them, from the middle: many files begin alike
    digest: str  # SHA-256 of them all


def content_of(data: bytes) -> Content:
    """The content of a file with these bytes."""
    return Content(len(data), _part(data), hashlib.sha256(data).hexdigest())


def left_out(
    ids: Sequence[str], labels: Sequence[Hashable], digests: Sequence[str]
) -> dict[str, str]:
    """Which pictures of a split do not count, and why: id -> COPY or TWO_CLASSES.

    Of pictures of the same content the first by id counts; none does where they stand under
    different classes, for nobody knows which is right.

    Law: what is left out depends neither on the order nor on the size at which pictures are
    decoded.

    Args:
        ids: n identities.
        labels: n classes, or where a picture may have several, all of them.
        digests: n digests of contents.
    """
    alike: defaultdict[str, dict[str, Hashable]] = defaultdict(dict)
    for identity, label, digest in zip(ids, labels, digests, strict=True):
        alike[digest][identity] = label
    found: dict[str, str] = {}
    for group in alike.values():
        if len(set(group.values())) > 1:
            found |= dict.fromkeys(group, TWO_CLASSES)
        else:
            found |= dict.fromkeys(sorted(group)[1:], COPY)
    return found


def trained_on(
    contents: Mapping[str, Content], training: Iterable[Path | Stored]
) -> dict[str, str]:
    """Which pictures are among the training files, byte for byte: id -> TRAINED_ON.

    Law: a file is read whole only if a picture has its length and a part of its bytes, so that many
    files cost little.

    Args:
        contents: id -> content.
        training: files, or what gives the bytes of one; one that cannot be read is none.
    """
    parts: defaultdict[int, set[bytes]] = defaultdict(set)
    for each in contents.values():
        parts[each.length].add(each.part)
    seen = set()
    for file in training:
        try:
            if not isinstance(file, Path):
                seen.add(hashlib.sha256(file()).hexdigest())
                continue
            length = file.stat().st_size
            if length in parts and _read_part(file, length) in parts[length]:
                seen.add(hashlib.sha256(file.read_bytes()).hexdigest())
        except (OSError, ValueError):  # a name that no file can have
            continue
    return {identity: TRAINED_ON for identity, each in contents.items() if each.digest in seen}


def sentences(split: str, dropped: Mapping[str, str]) -> list[str]:
    """A sentence for each reason: how many pictures, and the first of them by name."""
    said = []
    for reason, words in SAID.items():
        which = sorted(identity for identity, why in dropped.items() if why == reason)
        if which:
            names = ", ".join(f"'{printable(each)}'" for each in which[:NAMED])
            more = ", ..." if len(which) > NAMED else ""
            said.append(words.format(split=split, n=len(which), which=names + more))
    return said


def _part(data: bytes) -> bytes:
    """A digest of the middle of these bytes."""
    start = _start(len(data))
    return hashlib.sha256(data[start : start + PART]).digest()


def _read_part(file: Path, length: int) -> bytes:
    """As `_part` of the file's bytes; only these are read."""
    with file.open("rb") as opened:
        opened.seek(_start(length))
        return hashlib.sha256(opened.read(PART)).digest()


def _start(length: int) -> int:
    """Where the part begins in so many bytes."""
    return max(0, (length - PART) // 2)
