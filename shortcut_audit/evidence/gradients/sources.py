"""Per-image gradients of a network's layers, as factors where that is exact, else in full: images
-> pieces.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

import torch
from torch import Tensor, nn
from torch.func import functional_call, grad, vmap
from torch.nn.attention import SDPBackend, sdpa_kernel

from shortcut_audit.evidence.gradients.factors import Factor, Form, Rows, chunks
from shortcut_audit.evidence.gradients.layers_and_scalars import Scalar, as_input, cotangents
from shortcut_audit.evidence.lent_network import require_gradient

Piece = tuple[str, slice, tuple[Factor, ...]]  # layer, which images of the batch, their factors
FormChooser = Callable[[nn.Module, Tensor, Tensor, int], Form]
Capture = Callable[
    [nn.Module, Mapping[str, nn.Module], Tensor, Tensor, Scalar], dict[str, tuple[Tensor, Tensor]]
]


class FactorSource:
    """Factors from one forward and one backward pass: no weight gradient is made, and autograd
    stops at the first layer.
    """

    engine = "factors"

    def __init__(
        self,
        network: nn.Module,
        layers: Mapping[str, nn.Module],
        scalar: Scalar,
        queries: int,
        choose: FormChooser,
        see: Capture | None = None,
    ) -> None:
        self.network, self.layers, self.scalar, self.queries, self.choose = (
            network,
            layers,
            scalar,
            queries,
            choose,
        )
        self.see = see or capture
        self.forms: dict[str, Form] = {}

    def __call__(self, pixels: Tensor, labels: Tensor) -> Iterator[Piece]:
        n = len(pixels)
        # torch's batch norm can give one image alone the wrong gradient (strides of 1 x c x h x w
        # are ambiguous)
        if n == 1:
            pixels, labels = pixels.expand(2, *pixels.shape[1:]), labels.expand(2)
        seen = self.see(
            self.network, self.layers, as_input(pixels, self.network), labels, self.scalar
        )
        for name in list(seen):
            x, g = (each[:n] for each in seen.pop(name))
            if name not in self.forms:
                self.forms[name] = self.choose(self.layers[name], x, g, self.queries)
            form = self.forms[name]
            for part in chunks(len(x), form.chunk):
                yield name, part, form.factors(x[part], g[part])


class UnfitError(Exception):
    """The factor engine cannot take this model: the reason in words."""


def capture(
    network: nn.Module,
    layers: Mapping[str, nn.Module],
    images: Tensor,
    labels: Tensor,
    scalar: Scalar,
) -> dict[str, tuple[Tensor, Tensor]]:
    """Input and output gradient of each layer, (n, ...) both. Layers that the output does not
    depend on are left out.
    """
    inputs: dict[str, Tensor] = {}
    gradients: dict[str, Tensor] = {}
    starts: list[Tensor] = []

    def watch(name: str) -> Callable[..., Any]:
        def hook(module: nn.Module, arguments: tuple[Tensor, ...], output: Tensor) -> Tensor:
            if name in inputs or len(arguments) != 1 or not torch.is_grad_enabled():
                raise UnfitError(
                    f"{name} is called more than once, without gradients, or not with one tensor"
                )
            inputs[name] = arguments[0].detach()
            # the first on its path: autograd starts here, at a copy that may be changed in place
            if not output.requires_grad:
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
            elif starts:
                require_gradient(network, images, weights=True)
    finally:
        for handle in handles:
            handle.remove()
    return {name: (inputs.pop(name), gradients.pop(name)) for name in layers if name in gradients}


class PerSampleSource:
    """Gradients image by image through torch.func: slower and larger, for any model that torch.func
    can run.
    """

    def __init__(
        self, network: nn.Module, layers: Mapping[str, nn.Module], scalar: Scalar, reason: str
    ) -> None:
        self.network, self.scalar, self.engine = network, scalar, f"vmap(grad), because {reason}"
        names = {id(p): name for name, p in network.named_parameters()}
        self.parameters = {
            layer: {names[id(p)]: p.detach() for p in module._parameters.values() if p is not None}
            for layer, module in layers.items()
        }
        self.chunk = max(
            1,
            (1 << 26)
            // sum(p.numel() for group in self.parameters.values() for p in group.values()),
        )

    def __call__(self, pixels: Tensor, labels: Tensor) -> Iterator[Piece]:
        images = as_input(pixels, self.network)
        for part in chunks(len(images), min(self.chunk, 16)):
            with torch.no_grad():
                seed = cotangents(
                    self.network(images[part]), labels[part].to(images.device), self.scalar
                )
            with sdpa_kernel(SDPBackend.MATH):  # the fused attention kernels have no rule for vmap
                gradients = vmap(grad(self._scalar), in_dims=(None, 0, 0))(
                    self.parameters, images[part], seed
                )
            for layer, values in gradients.items():
                yield layer, part, tuple(Rows(value.flatten(1)) for value in values.values())

    def _scalar(
        self, parameters: dict[str, dict[str, Tensor]], image: Tensor, seed: Tensor
    ) -> Tensor:
        flat = {name: value for group in parameters.values() for name, value in group.items()}
        logits: Tensor = functional_call(self.network, flat, (image[None],))
        return (logits[0] * seed).sum()


Source = FactorSource | PerSampleSource


def plain_squares(
    network: nn.Module,
    layers: Mapping[str, nn.Module],
    images: Tensor,
    labels: Tensor,
    scalar: Scalar,
) -> dict[str, Tensor]:
    """Squared norm of one image's gradient by each layer, () each, by plain autograd: what the
    factors must add up to.

    Each weight's gradient is freed as soon as it is squared, so that they are never in memory
    together.
    """
    owner: dict[Tensor, str] = {
        p: name
        for name, layer in layers.items()
        for p in layer._parameters.values()
        if p is not None
    }
    kept, squares = [p.grad for p in owner], {name: images.new_zeros(()) for name in layers}

    def square(parameter: Tensor) -> None:
        gradient, parameter.grad = parameter.grad, None
        assert gradient is not None
        squares[owner[parameter]].add_(torch.linalg.vector_norm(gradient).square())

    handles = []
    try:
        for parameter in owner:
            parameter.grad = None
            parameter.requires_grad_(True)
            handles.append(parameter.register_post_accumulate_grad_hook(square))  # type: ignore[no-untyped-call]
        with torch.enable_grad():
            logits = network(images)
        if logits.requires_grad:
            torch.autograd.backward(
                logits, cotangents(logits.detach(), labels.to(logits.device), scalar)
            )
        else:
            require_gradient(network, images, weights=True)
    finally:
        for handle in handles:
            handle.remove()
        for parameter, gradient in zip(owner, kept, strict=True):
            parameter.requires_grad_(False).grad = gradient
    return squares
