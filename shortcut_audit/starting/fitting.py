"""Names and shapes of a checkpoint's tensors -> the architectures that have just these.

Networks are built without memory for their weights, so that hundreds can be compared.
"""

from __future__ import annotations

import warnings
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import suppress
from functools import cache
from typing import Any

import torch
from torch import Tensor
from torch.overrides import TorchFunctionMode

from shortcut_audit import registry
from shortcut_audit.errors import UsageError
from shortcut_audit.subjects.architectures.torchvision import CHANGE_THEIR_INPUT
from shortcut_audit.subjects.loading.filling import DISPENSABLE

# in this order: a ResNet of torchvision has the tensors of timm's as well
SOURCES = ("shortcut_audit", "torchvision", "timm")
OUTPUTS = 997  # a number that is no width of any layer
POSITIONS = "pos"  # in the names of tensors whose shape depends on the size of the pictures

Shape = tuple[int, ...]
Tensors = Counter[tuple[str, Shape]]  # the last part of a name, and the shape
Fit = tuple[str, int]  # SOURCE:NAME, and how many outputs the file has


class WithoutMemory(TorchFunctionMode):
    """Tensors that are made empty, as those of weights are, get no memory, and are not filled.

    Unlike torch's own device "meta", it leaves alone what an architecture computes its widths from.
    """

    def __torch_function__(
        self,
        func: Callable[..., Any],
        types: Iterable[type],
        args: tuple[Any, ...] = (),
        kwargs: Mapping[str, Any] | None = None,
    ) -> Any:
        """Calls the function; `torch.empty` with the device "meta" unless it names another."""
        given = dict(kwargs or {})
        if args and isinstance(args[0], Tensor) and args[0].is_meta and _is_in_place(func):
            return args[0]
        if func is torch.empty and given.get("device") is None:
            given["device"] = "meta"
        return func(*args, **given)


def _is_in_place(func: Callable[..., Any]) -> bool:
    """Whether a function changes its first argument, such as `normal_` and `trunc_normal_`."""
    name = getattr(func, "__name__", "")
    return name.endswith("_") and not name.endswith(("__", "requires_grad_"))


def fitting(tensors: Mapping[str, Tensor]) -> Iterator[list[Fit]]:
    """For each source in turn the architectures with tensors like these, sorted; loading decides.

    Names are compared by their last part, embeddings of positions not at all, as they depend on the
    size of the pictures. Of the architectures that leave tensors of the file over, as heads of
    training, only those count that leave the fewest.
    """
    found = _tensors(tensors)
    for source in SOURCES:
        left = {}
        for name in _candidates(source, _ends(tensors)):
            fit = _fit(found, _of_architecture(source, name))
            if fit is not None:
                left[f"{source}:{name}", fit[0]] = fit[1]
        if left:
            yield sorted(each for each, over in left.items() if over == min(left.values()))


def _fit(found: Tensors, wanted: Tensors | None) -> tuple[int, int] | None:
    """How many outputs the file has, and how many of its tensors are left over; None if unlike."""
    if wanted is None:
        return None
    heads = [each for each in wanted.elements() if each[1][:1] == (OUTPUTS,)]
    body = wanted - Counter(heads)
    if not heads or body - found:
        return None
    over = found - body
    for outputs in sorted({shape[0] for _, shape in over}, reverse=True):
        own = Counter((name, (outputs, *shape[1:])) for name, shape in heads)
        if not own - over:
            rest = over - own
            # more than a head or two besides: it is another, deeper network
            return (outputs, rest.total()) if rest.total() <= found.total() // 10 else None
    return None


def _candidates(source: str, ends: set[str]) -> list[str]:
    """The names of a source's architectures that may have tensors of these names."""
    try:
        names = registry.build("architecture", source).names()
    except UsageError:  # an optional library that is not installed
        return []
    return [name for name in names if _may_fit(name, ends)] if source == "timm" else names


def _may_fit(name: str, ends: set[str]) -> bool:
    """Whether the file has the first and the last layer that timm says this architecture has."""
    import timm

    about = timm.get_pretrained_cfg(name)
    for layer in (about.first_conv, about.classifier) if about else ():
        if isinstance(layer, str) and f"{layer}.weight" not in ends:
            return False
    return about is not None


@cache
def _of_architecture(source: str, name: str) -> Tensors | None:
    """The tensors of an architecture with OUTPUTS outputs; None where it cannot be built so."""
    entry = registry.build("architecture", source)
    options = {"transform_input": False} if name in CHANGE_THEIR_INPUT else {}
    # whatever a library's constructor raises, or warns of: this one is not compared
    with suppress(Exception), warnings.catch_warnings(), torch.random.fork_rng(devices=[]):
        warnings.simplefilter("ignore")
        with WithoutMemory():
            return _tensors(entry.build(name, OUTPUTS, **options).state_dict())
    return None


def _tensors(tensors: Mapping[str, Tensor]) -> Tensors:
    """How often each pair of a name's last part and a shape occurs."""
    found: Tensors = Counter()
    for name, tensor in tensors.items():
        last = name.rpartition(".")[2]
        if isinstance(tensor, Tensor) and last != DISPENSABLE and POSITIONS not in last:
            found[last, tuple(tensor.shape)] += 1
    return found


def _ends(names: Iterable[str]) -> set[str]:
    """Every ending of every name after a dot."""
    found = set()
    for name in names:
        parts = name.split(".")
        for at in range(len(parts)):
            found.add(".".join(parts[at:]))
    return found
