"""Drawn pictures, block by block: each block is drawn once, and kept in the user's cache."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

import numpy as np

from shortcut_audit.files.store import Arrays, Store, cache_folder
from shortcut_audit.rows import Lazy, block_digest, lately, step_of
from shortcut_audit.subjects.pictures.record import generator

if TYPE_CHECKING:
    from torch import Tensor

Draw = Callable[[int, int, np.random.Generator], tuple[np.ndarray, np.ndarray]]


class Drawn:
    """Pictures of these ids and labels: `pixels` (n, 3, size, size) uint8, `objects` bool.

    Args:
        draw: a label, a side in pixels and random numbers -> a picture and its object's footprint.
        code: a digest of everything that decides what it draws.
        seed: of the random numbers, which are each picture's own.
        size: the side in pixels.
        labels: id -> label.
    """

    def __init__(
        self, draw: Draw, code: str, seed: int, size: int, labels: Mapping[str, int]
    ) -> None:
        self.draw, self.code = draw, code
        self.seed, self.size, self.labels = seed, size, list(labels.items())
        shape = (len(labels), 3, size, size)
        self.step = step_of(shape)
        kept = lately(self._kept)
        self.pixels = Lazy(shape, lambda i: kept(i)[0], named=self._named)
        self.objects = Lazy((shape[0], size, size), lambda i: kept(i)[1], step=self.step)

    def _key(self, i: int) -> dict[str, object]:
        some = self.labels[i * self.step : (i + 1) * self.step]
        ids = hashlib.sha256(repr(some).encode()).hexdigest()
        return {"seed": self.seed, "ids": ids, "size": self.size, "code": self.code}

    def _kept(self, i: int) -> tuple[Tensor, Tensor]:
        import torch

        store = Store(cache_folder())
        kept = store.arrays("demo", self._key(i), lambda: self._drawn(i))
        return torch.from_numpy(kept["pixels"]), torch.from_numpy(kept["objects"])

    def _named(self, i: int) -> str:
        """The digest of block i, which is kept beside it."""

        def name() -> Arrays:
            return {
                "digest": np.frombuffer(bytes.fromhex(block_digest(self._kept(i)[0])), np.uint8)
            }

        kept = Store(cache_folder()).arrays("demo_digests", self._key(i), name)
        return kept["digest"].tobytes().hex()

    def _drawn(self, i: int) -> Arrays:
        some = self.labels[i * self.step : (i + 1) * self.step]
        pixels = np.empty((len(some), 3, self.size, self.size), dtype=np.uint8)
        objects = np.empty((len(some), self.size, self.size), dtype=bool)
        for at, (identity, label) in enumerate(some):
            picture, objects[at] = self.draw(label, self.size, generator(self.seed, identity))
            pixels[at] = picture.transpose(2, 0, 1)
        return {"pixels": pixels, "objects": objects}
