"""Photographs -> pixels, a block at a time: decoded once, kept in the cache, and read from there.

What is kept is addressed by the contents of the files, the size, and the code that decodes. So a
file that was exchanged is decoded, and one that was only moved is not.
"""

from __future__ import annotations

import hashlib
import inspect
import os
import sys
import warnings
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from functools import cache, partial
from typing import TYPE_CHECKING

import numpy as np
import PIL
from PIL import Image, ImageFile

from shortcut_audit.errors import UsageError
from shortcut_audit.files.store import Arrays, Store, cache_folder
from shortcut_audit.files.upkeep import trim
from shortcut_audit.files.whole import printable
from shortcut_audit.inputs_and_outputs import InputSize
from shortcut_audit.rows import Lazy, joined, lately, step_of
from shortcut_audit.subjects.decoding import photograph as reading
from shortcut_audit.subjects.decoding.listing import Listing, Stamp, stamp_of
from shortcut_audit.subjects.decoding.photograph import Photograph, decode, read, sentence
from shortcut_audit.subjects.pictures import framing
from shortcut_audit.subjects.pictures.counted_once import Content, content_of

if TYPE_CHECKING:
    from pathlib import Path

KEPT_BYTES = 20 * 2**30  # of decoded pictures in the user's cache


@dataclass
class Sheet:
    """What n photographs hold, in their order; their pixels are had in blocks."""

    photographs: Sequence[Photograph]
    size: int
    workers: int
    contents: dict[int, Content] = field(default_factory=dict)  # by place; not of broken files
    broken: dict[int, str] = field(default_factory=dict)  # place -> the sentence on the file
    masks: dict[str, np.ndarray] = field(default_factory=dict)  # (n, h, w) bool by outline

    def __post_init__(self) -> None:
        """Looks at every file; decodes what is not in the cache."""
        asked, n = InputSize.of(self.size), len(self.photographs)
        self.shape = (n, 3, asked.height, asked.width)
        self.digests = np.zeros((n, 32), np.uint8)  # SHA-256 of each picture's pixels
        self.one_colour = np.zeros(n, bool)
        self._keys: dict[int, dict[str, object]] = {}
        self._decodes = False
        self._store, self._listing = Store(cache_folder()), Listing()
        for name in sorted(set[str]().union(*(each.outlines for each in self.photographs))):
            self.masks[name] = np.zeros((n, asked.height, asked.width), bool)
        with self._pool() as pool:
            for i, start in enumerate(range(0, n, self.step)):
                self._look(i, range(start, min(n, start + self.step)), pool)
        if self._decodes:
            trim(self._store.storage, KEPT_BYTES)
        # decoded again they need no masks, which others may have moved by then
        if self.masks:
            self.photographs = [replace(each, outlines={}) for each in self.photographs]

    @property
    def step(self) -> int:
        """Photographs a block."""
        return step_of(self.shape)

    @contextmanager
    def _pool(self) -> Iterator[ThreadPoolExecutor]:
        """Threads that decode, and warn of nothing."""
        with ThreadPoolExecutor(self.workers or os.cpu_count()) as pool, warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of odd metadata, which does not matter here
            yield pool

    def rows(self, kept: Sequence[int]) -> Lazy:
        """The pixels (m, 3, h, w) uint8 of those m photographs."""
        import torch

        at = np.asarray(kept, np.int64)
        whole = Lazy(self.shape, lately(lambda i: torch.from_numpy(self._pixels(i))))
        shape = (len(at), *self.shape[1:])

        def named(i: int) -> str:
            digests = self.digests[at[i * self.step : (i + 1) * self.step]]
            return joined((len(digests), *self.shape[1:]), [each.tobytes() for each in digests])

        if len(at) == self.shape[0]:
            return Lazy(shape, whole.block, named=named)
        return Lazy(shape, lambda i: whole[at[i * self.step : (i + 1) * self.step]], named=named)

    def _look(self, i: int, places: range, pool: ThreadPoolExecutor) -> None:
        """Takes down what is known of block i."""
        some = [self.photographs[at] for at in places]
        contents, data = self._contents(some, pool)
        for at, content in zip(places, contents, strict=True):
            if isinstance(content, Content):
                self.contents[at] = content
            else:
                self.broken[at] = sentence(self.photographs[at], content)
        named = [each.digest if isinstance(each, Content) else "" for each in contents]
        digest = hashlib.sha256(" ".join(named).encode()).hexdigest()
        size = repr(InputSize.of(self.size)) + repr(int(self.size))
        code = [decoding_code(), *told()]
        self._keys[i] = {"files": digest, "n": len(some), "size": size, "code": code}
        seen = partial(self._seen, i, data, pool)
        own = any(each.outlines for each in some)  # nothing names what an outline depends on
        found = seen() if own else self._store.arrays("looked", self._keys[i], seen)
        self.digests[places], self.one_colour[places] = found["digests"], found["one_colour"]
        for at, why in _words(found["why"]).items():
            self.contents.pop(places[at], None)
            self.broken.setdefault(places[at], sentence(some[at], why))

    def _contents(
        self, some: Sequence[Photograph], pool: ThreadPoolExecutor
    ) -> tuple[list[Content | str], dict[int, bytes]]:
        """Of each file its content, or why it cannot be read; and the bytes of those just read."""
        known = self._listing.known([each.file for each in some if each.stored is None])
        new = [at for at, each in enumerate(some) if each.stored or each.file not in known]
        stamps = {at: stamp_of(some[at].file) for at in new if some[at].stored is None}
        contents: list[Content | str] = [known.get(each.file, "") for each in some]
        data: dict[int, bytes] = {}
        noted: list[tuple[Path, Stamp, Content]] = []
        for at, found in zip(new, pool.map(read, [some[at] for at in new]), strict=True):
            if isinstance(found, str):
                contents[at] = found
                continue
            data[at], contents[at] = found, (content := content_of(found))
            if (stamp := stamps.get(at)) is not None:
                noted.append((some[at].file, stamp, content))
        self._listing.note(noted)
        return contents, data

    def _seen(self, i: int, data: Mapping[int, bytes], pool: ThreadPoolExecutor) -> Arrays:
        """What decoding block i shows; the pixels are kept on the way."""
        pixels, why = self._decoded(i, data, pool)
        self._decodes = True
        if self.masks and why:  # with other outlines these files may be readable
            self._keys[i]["without"] = sorted(why)
        # another process may have kept them before: what is digested is what will be read
        kept = self._store.arrays("pixels", self._keys[i], lambda: {"pixels": pixels})
        pixels = kept["pixels"]
        flat = pixels.reshape(len(pixels), 3, -1)
        digests = [hashlib.sha256(each.data).digest() for each in pixels]
        lines = [f"{at} {words}" for at, words in why.items()]
        return {
            "digests": np.frombuffer(b"".join(digests), np.uint8).reshape(-1, 32),
            "one_colour": (flat.max(2) == flat.min(2)).all(1),
            "why": np.frombuffer("\n".join(lines).encode("utf-8", "surrogateescape"), np.uint8),
        }

    def _decoded(
        self, i: int, data: Mapping[int, bytes], pool: ThreadPoolExecutor
    ) -> tuple[np.ndarray, dict[int, str]]:
        """Pixels (b, 3, h, w) of block i, and why some are nothing, by their place in it."""
        start = i * self.step
        some = self.photographs[start : start + self.step]
        pixels = np.zeros((len(some), *self.shape[1:]), np.uint8)
        why: dict[int, str] = {}
        fine = [at for at in range(len(some)) if start + at not in self.broken]

        def frames(at: int) -> reading.Frames | str:
            found = data[at] if at in data else self._again(start + at)
            return decode(some[at], found, self.size)

        for at, made in zip(fine, pool.map(frames, fine), strict=True):
            if isinstance(made, str):
                why[at] = made
                continue
            pixels[at] = made[0].transpose(2, 0, 1)
            for name, mask in made[1].items():
                self.masks[name][start + at] = mask
        return pixels, why

    def _must_be_the_same(self, i: int, pixels: np.ndarray) -> None:
        """Raises UsageError where decoding again gave other pixels than it did before."""
        for at, picture in enumerate(pixels, i * self.step):
            if hashlib.sha256(picture.data).digest() != self.digests[at].tobytes():
                raise UsageError(
                    f"'{printable(self.photographs[at].file)}' is decoded otherwise than before: "
                    "remove the folder 'looked' of the cache, which another version of the "
                    f"library filled ('{cache_folder()}')"
                )

    def _again(self, at: int) -> bytes:
        """The bytes of a file that was looked at before.

        Raises:
            UsageError: they are others by now.
        """
        found, known = read(self.photographs[at]), self.contents[at]
        if isinstance(found, str) or content_of(found) != known:
            raise UsageError(
                f"'{printable(self.photographs[at].file)}' changed during the audit: run it again "
                "once the pictures are written"
            )
        return found

    def _pixels(self, i: int) -> np.ndarray:
        """Block i, from the cache; decoded again where it is not there."""

        def again() -> Arrays:
            with self._pool() as pool:
                pixels = self._decoded(i, {}, pool)[0]
            self._must_be_the_same(i, pixels)
            return {"pixels": pixels}

        return self._store.arrays("pixels", self._keys[i], again)["pixels"]


def _words(why: np.ndarray) -> dict[int, str]:
    """Place in a block -> why the file there cannot be read."""
    lines = why.tobytes().decode("utf-8", "surrogateescape").split("\n")
    parts = [line.partition(" ") for line in lines]
    return {int(at): words for at, _, words in parts if at}


def told() -> list[str]:
    """What Pillow was told that decides which files it can read, and how."""
    Image.init()
    return [str(Image.MAX_IMAGE_PIXELS), str(ImageFile.LOAD_TRUNCATED_IMAGES), *sorted(Image.OPEN)]


@cache
def decoding_code() -> str:
    """A digest of everything that decides what a decoded picture looks like."""
    whole = hashlib.sha256()
    for module in (reading, framing, sys.modules[__name__]):
        whole.update(inspect.getsource(module).encode())
    whole.update(PIL.__version__.encode())
    return whole.hexdigest()
