"""Images -> per-image gradients of a network's layers.

They come as factors where that is exact, else in full.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from functools import partial

import torch
from torch import Tensor, nn
from torch.func import functional_call, grad, vmap
from torch.nn.attention import SDPBackend, sdpa_kernel

from shortcut_audit.evidence.gradients.factors import Factor, Rows, chunks
from shortcut_audit.evidence.gradients.forms import Form
from shortcut_audit.evidence.gradients.layers_and_scalars import (
    Scalar,
    as_input,
    cotangents,
    own_parameters,
)
from shortcut_audit.evidence.gradients.passes.calls import UnfitError
from shortcut_audit.evidence.gradients.passes.uses import Seen, Uses, is_plain
from shortcut_audit.evidence.lent_network import require_gradient

Piece = tuple[str, slice, tuple[Factor, ...]]  # layer, which images of the batch, their factors
FormChooser = Callable[[nn.Module, Tensor, Tensor, int], Form]
Capture = Callable[[nn.Module, Mapping[str, nn.Module], Tensor, Tensor, Scalar], dict[str, Seen]]


class FactorSource:
    """Factors from one forward and one backward pass.

    No weight gradient is made, and autograd stops at the first layer.
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
        self.network, self.layers, self.scalar = network, layers, scalar
        self.queries, self.choose, self.see = queries, choose, see or capture
        self.forms: dict[str, Form] = {}

    def __call__(self, pixels: Tensor, labels: Tensor) -> Iterator[Piece]:
        """Yields the factors of uint8 images (n, 3, h, w), layer by layer, some at a time."""
        n = len(pixels)
        # torch's batch norm can give one image alone the wrong gradient (strides of 1 x c x h x w
        # are ambiguous)
        if n == 1:
            pixels, labels = pixels.expand(2, *pixels.shape[1:]), labels.expand(2)
        images = as_input(pixels, self.network)
        seen = self.see(self.network, self.layers, images, labels, self.scalar)
        for name in list(seen):
            yield from self._pieces(name, seen.pop(name), n)

    def _pieces(self, name: str, seen: Seen, n: int) -> Iterator[Piece]:
        """The factors of the first n images by one layer, some at a time."""
        if seen.x is None or seen.g is None:
            assert seen.rows is not None
            yield name, slice(0, n), (Rows(seen.rows[:n]),)
            return
        x, g = seen.x[:n], seen.g[:n]
        if name not in self.forms:
            self.forms[name] = self.choose(self.layers[name], x, g, self.queries)
        form = self.forms[name]
        for part in chunks(n, form.chunk):
            rows = () if seen.rows is None else (Rows(seen.rows[part]),)
            yield name, part, (form.factor(x[part], g[part]), *rows)


def capture(
    network: nn.Module,
    layers: Mapping[str, nn.Module],
    images: Tensor,
    labels: Tensor,
    scalar: Scalar,
) -> dict[str, Seen]:
    """Gives what one pass over the images (n, 3, h, w) shows of each layer's gradients.

    Layers that the output does not depend on are left out.

    Raises:
        UnfitError: a layer is used in a way that has no factors.
        UsageError: the answers carry no gradient.
    """
    uses = Uses(layers, network, len(images))
    handles = []
    for name, layer in layers.items():
        if is_plain(layer):
            handles.append(layer.register_forward_hook(partial(uses.convolved, name)))
    try:
        with torch.enable_grad(), uses.sparing(), uses:
            logits = network(images)
    except RuntimeError as error:  # the network alone has just taken an image without one
        raise UnfitError(f"the network cannot be watched: {error}") from error
    finally:
        for handle in handles:
            handle.remove()
    if uses.starts and logits.requires_grad:
        seed = cotangents(logits.detach(), labels.to(logits.device), scalar)
        torch.autograd.grad(logits, uses.starts, seed, allow_unused=True)
    elif uses.starts:
        require_gradient(network, images, weights=True)
    return uses.found()


class PerSampleSource:
    """Gradients image by image through torch.func: slower and larger.

    It serves any model that torch.func can run.
    """

    def __init__(
        self, network: nn.Module, layers: Mapping[str, nn.Module], scalar: Scalar, reason: str
    ) -> None:
        self.network, self.scalar, self.engine = network, scalar, f"vmap(grad), because {reason}"
        names = {id(p): name for name, p in network.named_parameters()}
        self.parameters: dict[str, dict[str, Tensor]] = {}
        numbers = 0
        for layer, module in layers.items():
            self.parameters[layer] = {names[id(p)]: p.detach() for p in own_parameters(module)}
            numbers += sum(p.numel() for p in self.parameters[layer].values())
        self.chunk = max(1, (1 << 26) // numbers)

    def __call__(self, pixels: Tensor, labels: Tensor) -> Iterator[Piece]:
        """Yields the gradients of uint8 images (n, 3, h, w), layer by layer, some at a time."""
        images = as_input(pixels, self.network)
        gradients_of = vmap(grad(self._scalar), in_dims=(None, 0, 0))
        for part in chunks(len(images), min(self.chunk, 16)):
            with torch.no_grad():
                logits = self.network(images[part])
                seed = cotangents(logits, labels[part].to(images.device), self.scalar)
            with sdpa_kernel(SDPBackend.MATH):  # the fused attention kernels have no rule for vmap
                gradients = gradients_of(self.parameters, images[part], seed)
            for layer, values in gradients.items():
                yield layer, part, tuple(Rows(value.flatten(1)) for value in values.values())

    def _scalar(
        self, parameters: dict[str, dict[str, Tensor]], image: Tensor, seed: Tensor
    ) -> Tensor:
        """(): the sum of seed * logits for one image (3, h, w), as a function of the parameters."""
        flat: dict[str, Tensor] = {}
        for group in parameters.values():
            flat.update(group)
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
    """Gives the squared norm, (), of one image's gradient by each layer, by plain autograd.

    It is what the factors must add up to. Each weight's gradient is freed as soon as it is squared,
    so that they are never in memory together.
    """
    owner: dict[Tensor, str] = {}
    for name, layer in layers.items():
        for parameter in own_parameters(layer):
            owner[parameter] = name
    kept = [parameter.grad for parameter in owner]
    squares = {name: images.new_zeros(()) for name in layers}

    def square(parameter: Tensor) -> None:
        gradient, parameter.grad = parameter.grad, None
        assert gradient is not None
        squares[owner[parameter]].add_(gradient.square_().sum())

    handles = []
    try:
        for parameter in owner:
            parameter.grad = None
            parameter.requires_grad_(True)
            watch = parameter.register_post_accumulate_grad_hook
            handles.append(watch(square))  # type: ignore[no-untyped-call]
        with torch.enable_grad():
            logits = network(images)
        if logits.requires_grad:
            seed = cotangents(logits.detach(), labels.to(logits.device), scalar)
            torch.autograd.backward(logits, seed)
        else:
            require_gradient(network, images, weights=True)
    finally:
        for handle in handles:
            handle.remove()
        for parameter, gradient in zip(owner, kept, strict=True):
            parameter.requires_grad_(False).grad = gradient
    return squares
