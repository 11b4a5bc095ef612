"""Inner products of the gradients of queries and training images: network + images -> Gram, in one
pass over the set.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from shortcut_audit.errors import DataError, ModelError
from shortcut_audit.evidence.gradients.convolutions import quick_convolutions
from shortcut_audit.evidence.gradients.factor_cache import KeptFactors
from shortcut_audit.evidence.gradients.factors import Factor, cheapest_form, chunks, unsupported
from shortcut_audit.evidence.gradients.layers_and_scalars import (
    Scalar,
    as_input,
    exact_products,
    inner_model,
    owners,
)
from shortcut_audit.evidence.gradients.sources import (
    FactorSource,
    FormChooser,
    PerSampleSource,
    Source,
    UnfitError,
    plain_squares,
)
from shortcut_audit.evidence.lent_network import borrowed, require_gradient

log = logging.getLogger(__name__)

Progress = Callable[[int, int], None]
PIXELS = 1 << 17  # in a batch: 32 images of 64 x 64


@dataclass(frozen=True)
class Gram:
    """Inner products of gradients, for each group of layers apart: groups add up."""

    dots: Tensor  # (groups, q, m)
    query_squares: Tensor  # (groups, q) squared norms
    training_squares: Tensor  # (groups, m)
    groups: tuple[str, ...]
    engine: str  # "factors", or "vmap(grad)" and why

    def cosine(self, groups: Sequence[str] | None = None) -> Tensor:
        """(q, m) in [-1, 1] over these groups together; NaN where a gradient is zero (no epsilon
        hides it).
        """
        of = [self.groups.index(name) for name in (groups or self.groups)]
        norms = (
            self.query_squares[of].sum(0).sqrt()[:, None],
            self.training_squares[of].sum(0).sqrt()[None],
        )
        return (self.dots[of].sum(0) / norms[0]).div_(norms[1])


def gradient_gram(
    network: nn.Module,
    queries: tuple[Tensor, Tensor],
    training: tuple[Tensor, Tensor],
    layers: Mapping[str, Sequence[str]],
    scalar: Scalar = "logit",
    batch: int | None = None,
    query_block: int = 256,
    report: Progress | None = None,
    choose: FormChooser | None = None,
    kept: KeptFactors | None = None,
) -> Gram:
    """Inner products of gradients of one scalar, for every query and training image and every group
    of layers.

    Through factors where those are exact, which the first query shows against plain autograd; else
    through vmap(grad).

    Queries' factors stay in memory, `query_block` queries at a time; training images stream past
    them in batches, so that memory grows with neither beyond the result. The result does not depend
    on the batch sizes.

    Args:
        queries, training: pixels (n, 3, h, w) uint8 and labels (n,) int64.
        layers: for each group the names of its layers; a layer belongs to the first group that
            names it.
        scalar: which scalar's gradient, or a function from logits (n, k) and labels (n,) to
            what is back-propagated (n, k).
        batch: images at a time; None takes as many as make PIXELS, at least 8.
        choose: another form of a layer's factors than the cheapest exact one, e.g. a sketch.
        kept: a store of factors in half precision, which is read first and filled.

    Raises:
        UsageError: a name that fits no layer, or answers that carry no gradient.
        DataError: no images, or a label that the scalar needs and that is no class.
        ModelError: gradients that are not finite.
    """
    if not len(queries[0]) or not len(training[0]):
        raise DataError(
            f"influence needs queries and training images; found {len(queries[0])} and {len(training[0])}"
        )
    group_of: dict[str, int] = {}
    for at, names in enumerate(layers.values()):
        for name in owners(network, names):
            group_of.setdefault(name, at)
    modules = dict(inner_model(network).named_modules())
    chosen = {name: modules[name] for name in group_of}
    task = Task(
        queries,
        training,
        group_of,
        tuple(layers),
        batch or _fitting_batch(training[0]),
        query_block,
        report,
    )
    reason = next(
        (reason for name, layer in chosen.items() if (reason := unsupported(name, layer))), None
    )
    with borrowed(network), exact_products():
        if reason is None:
            try:
                first, square = (
                    as_input(queries[0][:1], network),
                    kept.plain_squares if kept else plain_squares,
                )
                squares = None if choose else square(network, chosen, first, queries[1][:1], scalar)
                wanted = torch.stack(list(squares.values())).sum() if squares else None
                form, see = choose or cheapest_form, kept.capture if kept else None
                source = FactorSource(
                    network, chosen, scalar, min(query_block, len(queries[0])), form, see
                )
                with quick_convolutions(network):
                    return task.through(source, wanted)
            except UnfitError as unfit:
                reason = str(unfit)
        require_gradient(network, as_input(queries[0][:1], network), weights=True)
        log.info("gradients through vmap(grad), because %s", reason)
        return task.through(PerSampleSource(network, chosen, scalar, reason), None)


def basis(
    network: nn.Module, image: Tensor, label: Tensor, layers: Sequence[str], scalar: Scalar
) -> str:
    """In words: the scalar, the layers, and why vmap(grad) if the factor engine cannot take them.
    image (1, 3, h, w) uint8.
    """
    engine = gradient_gram(network, (image, label), (image, label), {"all": layers}, scalar).engine
    by = f"gradient of the {scalar} by {', '.join(layers)}".replace("{", "").replace("}", "")
    return by if engine == "factors" else f"{by} through {engine}"


def _fitting_batch(pixels: Tensor) -> int:
    return max(8, PIXELS // (pixels.shape[-1] * pixels.shape[-2]))


@dataclass(frozen=True)
class Task:
    """What `gradient_gram` was asked for."""

    queries: tuple[Tensor, Tensor]
    training: tuple[Tensor, Tensor]
    group_of: Mapping[str, int]
    groups: tuple[str, ...]
    batch: int
    query_block: int
    report: Progress | None

    def through(self, source: Source, wanted: Tensor | None) -> Gram:
        """The Gram from this source of gradients, whose first squared norm is to be `wanted`.

        Raises:
            UnfitError: it is not, or the source cannot take the model.
        """
        steps = Steps(
            self.report, len(self.training[0]) * -(-len(self.queries[0]) // self.query_block)
        )
        blocks = []
        for at in chunks(len(self.queries[0]), self.query_block):
            stage = Stage(
                source, self.group_of, (self.queries[0][at], self.queries[1][at]), self.batch
            )
            if (
                at.start == 0
                and wanted is not None
                and not torch.allclose(stage.squares[:, 0].sum(), wanted, rtol=1e-3, atol=0.0)
            ):
                raise UnfitError(
                    "the factors do not add up to the gradient, so a layer is used in an unusual way"
                )
            blocks.append(stage.meet(self.training, steps))
        dots, query_squares, training_squares = zip(*blocks, strict=True)
        return Gram(
            torch.cat(dots, 1),
            torch.cat(query_squares, 1),
            training_squares[0],
            self.groups,
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

    def __init__(
        self,
        source: Source,
        group_of: Mapping[str, int],
        queries: tuple[Tensor, Tensor],
        batch: int,
    ) -> None:
        self.source, self.group_of, self.batch = source, group_of, batch
        self.groups, self.q = max(group_of.values()) + 1, len(queries[0])
        self.kept: dict[str, list[tuple[slice, tuple[Factor, ...]]]] = {
            name: [] for name in group_of
        }
        like = next(source.network.parameters())
        self.device, self.dtype = like.device, like.dtype
        self.squares = torch.zeros(self.groups, self.q, dtype=self.dtype, device=self.device)
        for batch_slice in chunks(self.q, batch):
            for layer, part, factors in source(queries[0][batch_slice], queries[1][batch_slice]):
                at = slice(batch_slice.start + part.start, batch_slice.start + part.stop)
                self.kept[layer].append((at, factors))
                self.squares[group_of[layer], at] += _squares(factors)

    def meet(self, training: tuple[Tensor, Tensor], steps: Steps) -> tuple[Tensor, Tensor, Tensor]:
        """Dots (groups, q, m), the queries' squares (groups, q) and the training images' (groups,
        m).
        """
        m = len(training[0])
        dots, squares = (
            torch.zeros(self.groups, self.q, m, dtype=self.dtype),
            torch.zeros(self.groups, m, dtype=self.dtype),
        )
        for at in chunks(m, self.batch):
            new = torch.zeros(
                self.groups, self.q, at.stop - at.start, dtype=self.dtype, device=self.device
            )
            own = torch.zeros(self.groups, at.stop - at.start, dtype=self.dtype, device=self.device)
            for layer, part, factors in self.source(training[0][at], training[1][at]):
                group = self.group_of[layer]
                own[group, part] += _squares(factors)
                for rows, kept in self.kept[layer]:
                    new[group, rows, part] += _dots(kept, factors)
            dots[:, :, at], squares[:, at] = new.cpu(), own.cpu()
            steps.add(at.stop - at.start)
        if not dots.isfinite().all():
            raise ModelError(
                "the model's gradients are not finite on some images; check its weights and the images"
            )
        return dots, self.squares.cpu(), squares


def _dots(kept: tuple[Factor, ...], new: tuple[Factor, ...]) -> Tensor:
    return torch.stack([a.dots(b) for a, b in zip(kept, new, strict=True)]).sum(0)


def _squares(factors: tuple[Factor, ...]) -> Tensor:
    return torch.stack([factor.squares() for factor in factors]).sum(0)
