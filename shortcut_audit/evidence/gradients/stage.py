"""One block of queries, past which the training images go: factors -> inner products."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import torch
from torch import Tensor

from shortcut_audit.errors import ModelError
from shortcut_audit.evidence.gradients.factors import Factor, chunks
from shortcut_audit.evidence.gradients.sources import Source
from shortcut_audit.records import Labelled

Progress = Callable[[int, int], None]  # (training images done, in all)


class Steps:
    """Counts the training images that are done, over all blocks of queries, and reports them."""

    def __init__(self, report: Progress | None, total: int) -> None:
        self.report, self.total, self.done = report, total, 0

    def add(self, images: int) -> None:
        """Counts so many more images as done."""
        self.done += images
        if self.report:
            self.report(self.done, self.total)


class Stage:
    """One block of queries, whose factors stay in memory while the training images go past."""

    def __init__(
        self, source: Source, group_of: Mapping[str, int], queries: Labelled, batch: int
    ) -> None:
        self.source, self.group_of, self.batch = source, group_of, batch
        self.groups, self.q = max(group_of.values()) + 1, len(queries.images)
        self.kept: dict[str, list[tuple[slice, tuple[Factor, ...]]]] = {
            name: [] for name in group_of
        }
        like = next(source.network.parameters())
        self.device, self.dtype = like.device, like.dtype
        # (groups, q) the queries' squared norms
        self.squares = torch.zeros(self.groups, self.q, dtype=self.dtype, device=self.device)
        self.first: dict[str, Tensor] = {}  # the first query's, (), by layer
        for taken in chunks(self.q, batch):
            for layer, part, factors in source(queries.images[taken], queries.labels[taken]):
                at = slice(taken.start + part.start, taken.start + part.stop)
                self.kept[layer].append((at, factors))
                squares = _squares(factors)
                self.squares[group_of[layer], at] += squares
                self.first.setdefault(layer, squares[0])

    def meet(self, training: Labelled, steps: Steps) -> tuple[Tensor, Tensor]:
        """Gives the dots (groups, q, m), and the training images' squared norms (groups, m)."""
        m = len(training.images)
        dots = torch.zeros(self.groups, self.q, m, dtype=self.dtype)
        squares = torch.zeros(self.groups, m, dtype=self.dtype)
        for at in chunks(m, self.batch):
            batch = Labelled(training.images[at], training.labels[at])
            new, own = self._meet_batch(batch)
            dots[:, :, at], squares[:, at] = new.cpu(), own.cpu()
            steps.add(at.stop - at.start)
        if not dots.isfinite().all():
            raise ModelError(
                "the model's gradients are not finite on some images; check its weights and the "
                "images"
            )
        return dots, squares

    def _meet_batch(self, training: Labelled) -> tuple[Tensor, Tensor]:
        """As `meet`, for b images at once and on the device: (groups, q, b) and (groups, b)."""
        b = len(training.images)
        dots = torch.zeros(self.groups, self.q, b, dtype=self.dtype, device=self.device)
        squares = torch.zeros(self.groups, b, dtype=self.dtype, device=self.device)
        for layer, part, factors in self.source(training.images, training.labels):
            group = self.group_of[layer]
            squares[group, part] += _squares(factors)
            for rows, kept in self.kept[layer]:
                dots[group, rows, part] += _dots(kept, factors)
        return dots, squares


def _dots(kept: tuple[Factor, ...], new: tuple[Factor, ...]) -> Tensor:
    """(q, b): the inner products of a layer's gradient, summed over its parts."""
    return torch.stack([a.dots(b) for a, b in zip(kept, new, strict=True)]).sum(0)


def _squares(factors: tuple[Factor, ...]) -> Tensor:
    """(b,): the squared norms of a layer's gradient, summed over its parts."""
    return torch.stack([factor.squares() for factor in factors]).sum(0)
