"""Where a network uses its parameters, and what each image's gradient by them follows from there.

Modules are no guide to that: an attention multiplies by its weights without calling the linear
layers that own them, windows fold the images of a batch into many, and a class token belongs to no
layer at all. So the calls of torch's functions are watched instead.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence, Set
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from types import SimpleNamespace
from typing import Any, NoReturn, TypeGuard

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.overrides import TorchFunctionMode
from torch.utils._pytree import tree_leaves, tree_map_only

from shortcut_audit.evidence.gradients.layers_and_scalars import own_parameters
from shortcut_audit.evidence.gradients.passes.calls import (
    Function,
    UnfitError,
    arguments_of,
    attention,
    detached,
    shape_met,
    tensors_in,
)
from shortcut_audit.evidence.gradients.passes.folding import scale_and_shift


def _batch_norm(
    input: Tensor,  # as torch's own function calls it
    running_mean: Tensor,
    running_var: Tensor,
    weight: Tensor | None,
    bias: Tensor | None,
    eps: float,
    **_: Any,
) -> Tensor:
    """Batch norm in eval mode: torch's own is several times slower to differentiate."""
    scale, shift = scale_and_shift(running_mean, running_var, weight, bias, eps)
    of_channels = (-1, *[1] * (input.dim() - 2))
    return torch.addcmul(shift.view(of_channels), input, scale.view(of_channels))


CHANNELS_FIRST = (F.group_norm, F.batch_norm, _batch_norm)
NORMS = (F.layer_norm, F.rms_norm, F.group_norm, F.batch_norm)


@dataclass(frozen=True)
class Seen:
    """What one pass over n images shows of a layer's gradients."""

    # input and output gradient of its weight, where that is a convolution's or a linear map's
    x: Tensor | None = None  # (n, c, h, w), or (n, tokens, c)
    g: Tensor | None = None  # as x, with the output's channels
    rows: Tensor | None = None  # (n, p) the gradients by all its other parameters


@dataclass(frozen=True)
class Owned:
    """A parameter of one of the chosen layers."""

    layer: str
    value: Tensor
    twin: Tensor  # the same numbers, by which what is made of parameters alone is differentiated


class Uses(TorchFunctionMode):
    """While it is entered, keeps what the chosen layers' gradients follow from, for n images.

    Of a linear map the input and the output's gradient are kept. A parameter that meets the images
    in another way, as it is or by what is made of it alone (a table looked up, a token repeated),
    is handed on as one copy for each image, so that autograd says what each image asks of it.
    Convolutions are told apart, by `convolved`, a forward hook. Laws: each image's gradient is
    autograd's; the network's own tensors are never touched.
    """

    def __init__(self, layers: Mapping[str, nn.Module], network: nn.Module, n: int) -> None:
        super().__init__()
        self.n, self.layers, self.network = n, layers, network
        self.owned: dict[int, Owned] = {}  # by the parameter's id
        for name, layer in layers.items():
            for value in [] if is_plain(layer) else own_parameters(layer):
                self.owned[id(value)] = Owned(name, value, value.detach().requires_grad_())
        # tensors that no image has a part in, by id; and which chosen parameters they are made of
        self.still = {id(each): each for each in (*network.parameters(), *network.buffers())}
        self.sources: dict[int, tuple[int, ...]] = {key: (key,) for key in self.owned}
        self.seen: dict[str, Seen] = {}
        self.maps: dict[int, list[tuple[Tensor, Tensor]]] = {key: [] for key in self.owned}
        self.met: list[tuple[tuple[int, ...], Tensor, Tensor]] = []  # sources, made of them, shares
        self.starts: list[Tensor] = []  # where autograd starts: the first layer on each path

    def __torch_function__(
        self,
        func: Function,
        types: Sequence[type],
        args: Sequence[Any] = (),
        kwargs: dict[str, Any] | None = None,
    ) -> Any:
        """Calls the function, and keeps what there is to keep of it."""
        kwargs = kwargs or {}
        tensors = list(tensors_in((args, kwargs)))
        if all(id(each) in self.still for each in tensors):
            return self._apart(func, args, kwargs, tensors)
        if not any(id(each) in self.sources for each in tensors):
            return func(*args, **kwargs)
        if func is F.linear:
            names = ("input", "weight", "bias")
            return self._linear(dict(zip(names, args, strict=False)) | kwargs)
        if func is F.multi_head_attention_forward:
            with self:
                return attention(SimpleNamespace(**arguments_of(func, args, kwargs)))
        if func in NORMS:
            return self._normalised(func, arguments_of(func, args, kwargs))
        copies = partial(self._copies, func, tensors)
        given = tree_map_only(Tensor, copies, (tuple(args), kwargs))
        return func(*given[0], **given[1])

    @contextmanager
    def sparing(self) -> Iterator[None]:
        """Lets modules without chosen parameters run unwatched: to watch each call takes time."""
        replaced: list[tuple[nn.Module, Function | None]] = []
        try:
            for module in _maximal(self.network, set(self.layers.values())):
                replaced.append((module, module.__dict__.get("forward")))
                module.forward = partial(self._unwatched, module.forward)
            yield
        finally:
            for module, own in reversed(replaced):
                del module.forward
                if own is not None:
                    module.forward = own

    def _unwatched(self, forward: Function, *args: Any, **kwargs: Any) -> Any:
        """A module's answer, watched only where it may be made of parameters alone."""
        if any(id(each) in self.still for each in tensors_in((args, kwargs))):
            return forward(*args, **kwargs)
        with torch._C.DisableTorchFunction():
            return forward(*args, **kwargs)

    def convolved(
        self, name: str, layer: nn.Conv2d, arguments: tuple[Tensor, ...], output: Tensor
    ) -> Tensor:
        """Keeps a plain convolution's input and output gradient: a forward hook."""
        if name in self.seen or len(arguments) != 1 or not torch.is_grad_enabled():
            raise UnfitError(
                f"{name} is called more than once, without gradients, or not with one tensor"
            )
        self.seen[name] = Seen()
        x = arguments[0].detach()

        def keep(g: Tensor) -> None:
            self.seen[name] = Seen(x, g, None if layer.bias is None else g.sum((2, 3)))

        return self._watched(output, keep)

    def found(self) -> dict[str, Seen]:
        """Gives, once autograd is through, what was seen of each layer that has a gradient."""
        shares: dict[int, Tensor] = {}
        for sources, made, share in self.met:
            for key, rows in self._rows(sources, made, share):
                shares[key] = shares[key] + rows if key in shares else rows
        found = {}
        for name in self.layers:
            seen = self.seen.get(name) or self._assembled(name, shares)
            if seen.x is not None or seen.rows is not None:
                found[name] = seen
        return found

    def _assembled(self, name: str, shares: Mapping[int, Tensor]) -> Seen:
        """A layer's linear map, called once or more often, beside the rows of all the rest."""
        x = g = None
        rows, reached = [], False
        for key, owned in self.owned.items():
            if owned.layer != name:
                continue
            calls = self.maps[key]
            reached |= bool(calls) or key in shares
            if calls and x is None and key not in shares:
                x, g = _reached(*(torch.cat(each, 1) for each in zip(*calls, strict=True)))
                continue
            share = shares.get(key, owned.value.new_zeros(self.n, owned.value.numel()))
            for its_x, its_g in calls:
                share = share + (its_g.mT @ its_x).flatten(1)
            rows.append(share)
        return Seen(x, g, torch.cat(rows, 1) if rows and reached else None)

    def _apart(
        self, func: Function, args: Sequence[Any], kwargs: Mapping[str, Any], given: list[Tensor]
    ) -> Any:
        """Calls a function of what no image has a part in; it gets the chosen parameters' twins."""
        twins = tree_map_only(Tensor, self._twin, (tuple(args), dict(kwargs)))
        result = func(*twins[0], **twins[1])
        sources: set[int] = set()
        for each in given:
            sources.update(self.sources.get(id(each), ()))
        for each in tree_leaves(result):
            if isinstance(each, Tensor):
                self.still[id(each)] = each
                if sources and each.requires_grad:
                    self.sources[id(each)] = tuple(sources)
        return result

    def _twin(self, value: Tensor) -> Tensor:
        return self.owned[id(value)].twin if id(value) in self.owned else value

    def _linear(self, given: dict[str, Any]) -> Tensor:
        weight, bias = given["weight"], given.get("bias")
        for each in (given["input"], weight):
            if id(each) in self.sources.keys() - self.owned.keys():
                self._unfit(F.linear, each)
        x = self._tokens(given["input"].detach())

        def keep(g: Tensor) -> None:
            if id(weight) in self.owned:
                self.maps[id(weight)].append((x, self._tokens(g)))
            self._share(bias, g)

        return self._watched(F.linear(**detached(given, "bias")), keep)

    def _normalised(self, func: Function, given: dict[str, Any]) -> Tensor:
        """A normalisation: scale and shift meet what is normalised element by element."""
        weight, bias = given["weight"], given.get("bias")
        if given.get("training"):
            self._unfit(func, weight if id(weight) in self.sources else bias)
        if func is F.batch_norm and given["running_var"] is not None:
            func = _batch_norm
        bare = detached(given, "input") | dict.fromkeys(given.keys() & {"weight", "bias"})
        spread = (1,) * (given["input"].dim() - 2) if func in CHANNELS_FIRST else ()

        def keep(g: Tensor) -> None:
            self._share(weight, func(**bare).mul_(g), spread)
            self._share(bias, g, spread)

        return self._watched(func(**detached(given, "weight", "bias")), keep)

    def _copies(self, func: Function, given: Sequence[Tensor], value: Tensor) -> Tensor:
        """A parameter, or what is made of one, as a copy for each image: a start of autograd."""
        if id(value) not in self.sources:
            return value
        shape = shape_met(func, given, value)
        if shape is None:
            self._unfit(func, value)
        copies = value.detach().expand(shape).detach().requires_grad_()
        copies.register_hook(partial(self._share, value))  # type: ignore[no-untyped-call]
        self.starts.append(copies)
        return copies

    def _share(self, value: Tensor | None, g: Tensor, spread: tuple[int, ...] = ()) -> None:
        """Keeps what each image asks of a parameter, or of what is made of one.

        g: its gradient by what it was broadcast to, once its shape was followed by `spread`.
        """
        if value is None or id(value) not in self.sources:
            return
        shape = (*value.shape, *spread)
        shape = (*[1] * (g.dim() - len(shape)), *shape)
        share = self._by_image(g)
        if shape[0] == len(g):  # it has the images in it, so they are told apart later
            share = g.sum_to_size(shape)
        else:
            share = share.sum_to_size((self.n, 1, *shape[1:])).reshape(self.n, *value.shape)
        self.met.append((self.sources[id(value)], self._twin(value), share))

    def _rows(
        self, sources: tuple[int, ...], made: Tensor, share: Tensor
    ) -> Iterator[tuple[int, Tensor]]:
        """The images' gradients by each parameter that something is made of, (n, p)."""
        if made.is_leaf and share.dim() > made.dim():
            yield sources[0], share.flatten(1)
            return
        twins = [self.owned[key].twin for key in sources]
        each = []
        for image in range(self.n):
            wanted = _of_image(share, image, self.n) if share.dim() == made.dim() else share[image]
            each.append(torch.autograd.grad(made, twins, wanted, retain_graph=True))
        for key, gradients in zip(sources, zip(*each, strict=True), strict=True):
            yield key, torch.stack(gradients).flatten(1)

    def _watched(self, output: Tensor, keep: Callable[[Tensor], None]) -> Tensor:
        """The output, whose gradient is kept once there is one."""
        # the first on its path: autograd starts here, at a copy that may be changed in place
        if not output.requires_grad:
            self.starts.append(output.detach().requires_grad_())
            output = self.starts[-1].clone()
        output.register_hook(keep)  # type: ignore[no-untyped-call]
        return output

    def _by_image(self, batch: Tensor) -> Tensor:
        """(n * windows, ...) -> (n, windows, ...)."""
        if len(batch) % self.n:
            raise UnfitError("the images of a batch do not come one after the other in a layer")
        return batch.reshape(self.n, len(batch) // self.n, *batch.shape[1:])

    def _tokens(self, batch: Tensor) -> Tensor:
        """(n * windows, ..., c) -> (n, tokens, c)."""
        return self._by_image(batch).flatten(1, -2)

    def _unfit(self, func: Function, value: Any) -> NoReturn:
        layer = self.owned[self.sources[id(value)][0]].layer
        kind = type(self.layers[layer]).__name__
        raise UnfitError(f"{layer} is a {kind}, whose parameters go into torch's {func.__name__}")


def _maximal(module: nn.Module, chosen: Set[nn.Module]) -> Iterator[nn.Module]:
    """The largest modules within one that are none of the chosen and have none of them inside."""
    for child in module.children():
        if chosen.isdisjoint(child.modules()):
            yield child
        elif child not in chosen:
            yield from _maximal(child, chosen)


def is_plain(layer: nn.Module) -> TypeGuard[nn.Conv2d]:
    """Says whether it is torch's own convolution; a subclass may compute something else."""
    return type(layer) is nn.Conv2d


def _reached(x: Tensor, g: Tensor) -> tuple[Tensor, Tensor]:
    """x and g (n, tokens, c) without tokens that no output depends on, as all but a class token."""
    reached = g.count_nonzero((0, 2)) > 0
    return (x, g) if bool(reached.all()) else (x[:, reached], g[:, reached])


def _of_image(share: Tensor, image: int, n: int) -> Tensor:
    """What one of n images, which come one after the other along the first axis, has a part in."""
    windows = len(share) // n
    alone = torch.zeros_like(share)
    at = slice(image * windows, (image + 1) * windows)
    alone[at] = share[at]
    return alone
