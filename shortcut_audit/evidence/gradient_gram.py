"""Inner products of the gradients of queries and training images: network + images -> Gram, in one pass over the set."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.func import functional_call, grad, vmap
from torch.nn.attention import SDPBackend, sdpa_kernel

from shortcut_audit.errors import ModelError
from shortcut_audit.evidence.factors import Factor, Form, Rows, cheapest_form, chunks, unsupported
from shortcut_audit.evidence.lean_network import borrowed
from shortcut_audit.evidence.partial_gradient import Scalar, as_input, cotangents, exact_products, inner_model, owners

log = logging.getLogger(__name__)

Piece = tuple[str, slice, tuple[Factor, ...]]  # layer, which images of the batch, their factors
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


class FactorSource:
    """Factors from one forward and one backward pass: no weight gradient is made, and autograd stops at the first layer."""

    engine = "factors"

    def __init__(self, network: nn.Module, layers: Mapping[str, nn.Module], scalar: Scalar, queries: int) -> None:
        self.network, self.layers, self.scalar, self.queries = network, layers, scalar, queries
        self.forms: dict[str, Form] = {}

    def __call__(self, pixels: Tensor, labels: Tensor) -> Iterator[Piece]:
        n = len(pixels)
        if n == 1:  # torch's batch norm can give one image alone the wrong gradient (strides of 1 x c x h x w are ambiguous)
            pixels, labels = pixels.expand(2, *pixels.shape[1:]), labels.expand(2)
        seen = capture(self.network, self.layers, as_input(pixels, self.network), labels, self.scalar)
        for name in list(seen):
            x, g = (each[:n] for each in seen.pop(name))
            if name not in self.forms:
                self.forms[name] = cheapest_form(self.layers[name], x, g, self.queries)
            form = self.forms[name]
            for part in chunks(len(x), form.chunk):
                yield name, part, form.factors(x[part], g[part])


class UnfitError(Exception):
    """The factor engine cannot take this model: the reason in words."""


def capture(
    network: nn.Module, layers: Mapping[str, nn.Module], images: Tensor, labels: Tensor, scalar: Scalar
) -> dict[str, tuple[Tensor, Tensor]]:
    """Input and output gradient of each layer, (n, ...) both. Layers that the output does not depend on are left out."""
    inputs: dict[str, Tensor] = {}
    gradients: dict[str, Tensor] = {}
    starts: list[Tensor] = []

    def watch(name: str) -> Callable[..., Any]:
        def hook(module: nn.Module, arguments: tuple[Tensor, ...], output: Tensor) -> Tensor:
            if name in inputs or len(arguments) != 1:
                raise UnfitError(f"{name} is called more than once, or not with one tensor")
            inputs[name] = arguments[0].detach()
            if not output.requires_grad:  # the first on its path: autograd starts here, at a copy that may be changed in place
                starts.append(output.detach().requires_grad_())
                output = starts[-1].clone()
            output.register_hook(lambda gradient: gradients.__setitem__(name, gradient))  # type: ignore[no-untyped-call]
            return output

        return hook

    handles = [layer.register_forward_hook(watch(name)) for name, layer in layers.items()]
    try:
        with torch.enable_grad():
            logits = network(images)
            if starts and logits.requires_grad:
                seed = cotangents(logits.detach(), labels.to(logits.device), scalar)
                torch.autograd.grad(logits, starts, seed, allow_unused=True)
    finally:
        for handle in handles:
            handle.remove()
    return {name: (inputs.pop(name), gradients.pop(name)) for name in layers if name in gradients}


class PerSampleSource:
    """Gradients image by image through torch.func: slower and larger, for any model that torch.func can run."""

    def __init__(self, network: nn.Module, layers: Mapping[str, nn.Module], scalar: Scalar, reason: str) -> None:
        self.network, self.scalar, self.engine = network, scalar, f"vmap(grad), because {reason}"
        names = {id(p): name for name, p in network.named_parameters()}
        self.parameters = {
            layer: {names[id(p)]: p.detach() for p in module._parameters.values() if p is not None}
            for layer, module in layers.items()
        }
        self.chunk = max(1, (1 << 26) // sum(p.numel() for group in self.parameters.values() for p in group.values()))

    def __call__(self, pixels: Tensor, labels: Tensor) -> Iterator[Piece]:
        images = as_input(pixels, self.network)
        for part in chunks(len(images), min(self.chunk, 16)):
            with torch.no_grad():
                seed = cotangents(self.network(images[part]), labels[part].to(images.device), self.scalar)
            with sdpa_kernel(SDPBackend.MATH):  # the fused attention kernels have no rule for vmap
                gradients = vmap(grad(self._scalar), in_dims=(None, 0, 0))(self.parameters, images[part], seed)
            for layer, values in gradients.items():
                yield layer, part, tuple(Rows(value.flatten(1)) for value in values.values())

    def _scalar(self, parameters: dict[str, dict[str, Tensor]], image: Tensor, seed: Tensor) -> Tensor:
        flat = {name: value for group in parameters.values() for name, value in group.items()}
        logits: Tensor = functional_call(self.network, flat, (image[None],))
        return (logits[0] * seed).sum()


Source = FactorSource | PerSampleSource


def choose_source(
    network: nn.Module, layers: Mapping[str, nn.Module], scalar: Scalar, probe: tuple[Tensor, Tensor], queries: int
) -> Source:
    """Factors where they are exact for this model, which is tried on one image against plain autograd; else vmap(grad)."""
    reasons = [reason for name, layer in layers.items() if (reason := unsupported(name, layer))]
    if not reasons:
        source = FactorSource(network, layers, scalar, queries)
        try:
            found = sum(factor.squares() for _, _, factors in source(*probe) for factor in factors)
            wanted = _plain_squares(network, layers, scalar, *probe)
            if torch.allclose(torch.as_tensor(found, dtype=wanted.dtype, device=wanted.device), wanted, rtol=1e-3, atol=0.0):
                return source
            reasons = ["the factors of one image do not add up to its gradient, so a layer is used in an unusual way"]
        except UnfitError as unfit:
            reasons = [str(unfit)]
    return PerSampleSource(network, layers, scalar, reasons[0])


def _plain_squares(network: nn.Module, layers: Mapping[str, nn.Module], scalar: Scalar, pixels: Tensor, labels: Tensor) -> Tensor:
    parameters = list({id(p): p for layer in layers.values() for p in layer._parameters.values() if p is not None}.values())
    try:
        for parameter in parameters:
            parameter.requires_grad_(True)
        with torch.enable_grad():
            logits = network(as_input(pixels, network))
        seed = cotangents(logits.detach(), labels.to(logits.device), scalar)
        gradients = torch.autograd.grad(logits, parameters, seed, allow_unused=True)
    finally:
        for parameter in parameters:
            parameter.requires_grad_(False)
    return torch.stack([gradient.square().sum() for gradient in gradients if gradient is not None]).sum()[None]


def gradient_gram(
    network: nn.Module,
    queries: tuple[Tensor, Tensor],
    training: tuple[Tensor, Tensor],
    layers: Mapping[str, Sequence[str]],
    scalar: Scalar = "logit",
    batch: int = 32,
    query_block: int = 256,
    report: Progress | None = None,
) -> Gram:
    """Inner products of gradients of one scalar, for every query and training image and every group of layers.

    Queries' factors stay in memory, `query_block` queries at a time; training images stream past them in batches, so
    that memory grows with neither beyond the result. The result does not depend on the batch sizes.

    Args:
        queries, training: pixels (n, 3, h, w) uint8 and labels (n,) int64.
        layers: for each group the names of its layers; a layer belongs to the first group that names it.
    """
    group_of: dict[str, int] = {}
    for at, names in enumerate(layers.values()):
        for name in owners(network, names):
            group_of.setdefault(name, at)
    modules = dict(inner_model(network).named_modules())
    chosen = {name: modules[name] for name in group_of}
    with borrowed(network), exact_products():
        source = choose_source(network, chosen, scalar, (queries[0][:1], queries[1][:1]), min(query_block, len(queries[0])))
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
