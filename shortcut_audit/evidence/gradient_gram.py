"""Inner products of the gradients of queries and training images: network + images -> Gram, in one pass over the set."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from shortcut_audit.errors import ModelError
from shortcut_audit.evidence.factors import Factor, chunks
from shortcut_audit.evidence.gradient_sources import FactorSource, FormChooser, Source, choose_source
from shortcut_audit.evidence.lean_network import borrowed
from shortcut_audit.evidence.partial_gradient import Scalar, exact_products, inner_model, owners

log = logging.getLogger(__name__)

Progress = Callable[[int, int], None]


@dataclass(frozen=True)
class Gram:
    """Inner products of gradients, for each group of layers apart: groups add up."""

    dots: Tensor  # (groups, q, m)
    query_squares: Tensor  # (groups, q) squared norms
    training_squares: Tensor  # (groups, m)
    groups: tuple[str, ...]
    engine: str  # "factors", or "vmap(grad)" and why

    def cosine(self, groups: Sequence[str] | None = None) -> Tensor:
        """(q, m) in [-1, 1] over these groups together; NaN where a gradient is zero (no epsilon hides it)."""
        of = [self.groups.index(name) for name in (groups or self.groups)]
        norms = self.query_squares[of].sum(0).sqrt()[:, None], self.training_squares[of].sum(0).sqrt()[None]
        return (self.dots[of].sum(0) / norms[0]).div_(norms[1])


def gradient_gram(
    network: nn.Module,
    queries: tuple[Tensor, Tensor],
    training: tuple[Tensor, Tensor],
    layers: Mapping[str, Sequence[str]],
    scalar: Scalar = "logit",
    batch: int = 32,
    query_block: int = 256,
    report: Progress | None = None,
    choose: FormChooser | None = None,
) -> Gram:
    """Inner products of gradients of one scalar, for every query and training image and every group of layers.

    Queries' factors stay in memory, `query_block` queries at a time; training images stream past them in batches, so
    that memory grows with neither beyond the result. The result does not depend on the batch sizes.

    Args:
        queries, training: pixels (n, 3, h, w) uint8 and labels (n,) int64.
        layers: for each group the names of its layers; a layer belongs to the first group that names it.
        scalar: which scalar's gradient, or a function from logits (n, k) and labels (n,) to what is back-propagated (n, k).
        choose: another form of a layer's factors than the cheapest exact one, e.g. a sketch.
    """
    group_of: dict[str, int] = {}
    for at, names in enumerate(layers.values()):
        for name in owners(network, names):
            group_of.setdefault(name, at)
    modules = dict(inner_model(network).named_modules())
    chosen = {name: modules[name] for name in group_of}
    with borrowed(network), exact_products():
        source = choose_source(network, chosen, scalar, (queries[0][:1], queries[1][:1]), min(query_block, len(queries[0])))
        if choose and isinstance(source, FactorSource):
            source.choose, source.forms = choose, {}
        log.info("gradients through %s", source.engine)
        steps = Steps(report, len(training[0]) * -(-len(queries[0]) // query_block))
        blocks = []
        for block in chunks(len(queries[0]), query_block):
            stage = Stage(source, group_of, (queries[0][block], queries[1][block]), batch)
            blocks.append(stage.meet(training, steps))
    return Gram(
        torch.cat([dots for dots, _, _ in blocks], 1),
        torch.cat([own for _, own, _ in blocks], 1),
        blocks[0][2],
        tuple(layers),
        source.engine,
    )


class Steps:
    """Counts training images over all blocks for whoever watches."""

    def __init__(self, report: Progress | None, total: int) -> None:
        self.report, self.total, self.done = report, total, 0

    def add(self, images: int) -> None:
        self.done += images
        if self.report:
            self.report(self.done, self.total)


class Stage:
    """One block of queries, its factors in memory, past which the training images go."""

    def __init__(self, source: Source, group_of: Mapping[str, int], queries: tuple[Tensor, Tensor], batch: int) -> None:
        self.source, self.group_of, self.batch = source, group_of, batch
        self.groups, self.q = max(group_of.values()) + 1, len(queries[0])
        self.kept: dict[str, list[tuple[slice, tuple[Factor, ...]]]] = {name: [] for name in group_of}
        like = next(source.network.parameters())
        self.device, self.dtype = like.device, like.dtype
        self.squares = torch.zeros(self.groups, self.q, dtype=self.dtype, device=self.device)
        for batch_slice in chunks(self.q, batch):
            for layer, part, factors in source(queries[0][batch_slice], queries[1][batch_slice]):
                at = slice(batch_slice.start + part.start, batch_slice.start + part.stop)
                self.kept[layer].append((at, factors))
                self.squares[group_of[layer], at] += _squares(factors)

    def meet(self, training: tuple[Tensor, Tensor], steps: Steps) -> tuple[Tensor, Tensor, Tensor]:
        """Dots (groups, q, m), the queries' squares (groups, q) and the training images' (groups, m)."""
        m = len(training[0])
        dots, squares = torch.zeros(self.groups, self.q, m, dtype=self.dtype), torch.zeros(self.groups, m, dtype=self.dtype)
        for at in chunks(m, self.batch):
            new = torch.zeros(self.groups, self.q, at.stop - at.start, dtype=self.dtype, device=self.device)
            own = torch.zeros(self.groups, at.stop - at.start, dtype=self.dtype, device=self.device)
            for layer, part, factors in self.source(training[0][at], training[1][at]):
                group = self.group_of[layer]
                own[group, part] += _squares(factors)
                for rows, kept in self.kept[layer]:
                    new[group, rows, part] += _dots(kept, factors)
            dots[:, :, at], squares[:, at] = new.cpu(), own.cpu()
            steps.add(at.stop - at.start)
        if not dots.isfinite().all():
            raise ModelError("the model's gradients are not finite on some images; check its weights and the images")
        return dots, self.squares.cpu(), squares


def _dots(kept: tuple[Factor, ...], new: tuple[Factor, ...]) -> Tensor:
    return torch.stack([a.dots(b) for a, b in zip(kept, new, strict=True)]).sum(0)


def _squares(factors: tuple[Factor, ...]) -> Tensor:
    return torch.stack([factor.squares() for factor in factors]).sum(0)
