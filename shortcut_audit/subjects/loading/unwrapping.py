"""What `torch.load` gives -> the tensors of the one model in it, and the plain words that stand
beside them.
"""

from __future__ import annotations

import argparse
import re
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from torch import Tensor

from shortcut_audit.errors import ModelError, UsageError

BESIDE = re.compile(  # a part of a path under which training keeps what is no model
    r"(.*_)?(optim|optimi[sz]ers?|opt|(lr_?)?sched(ulers?)?|(grad_?)?scaler|amp"
    r"|criterion|criteria|loss(es)?|loss_fn|ce|bce|cross_entropy|pos_weights?|class_weights?"
    r"|metrics?|acc|accuracy|f1|auroc|precision|recall|confmat|confusion(_matrix)?)((_.*)?|\d*)|n_averaged|num_updates",
    re.IGNORECASE,
)
# words of a name
AVERAGED = {
    "ema",
    "swa",
    "avg",
    "average",
    "averaged",
    "averages",
    "shadow",
    "polyak",
    "slow",
    "ax",
}
MOMENTS = {"exp", "sq", "square", "grad"}  # with one of these it is an optimiser's own running mean
MOST_NODES, MOST_NESTED = 1_000_000, 100  # lists that hold each other could be walked for ever
WEIGHTY = 1_000  # values from which tensors of their own are more than a metric
DEEPEST, LONGEST = 4, 25_000  # of the words beside the tensors


@dataclass(frozen=True)
class Group:
    """The tensors that stand together in one mapping or list."""

    path: str
    tensors: dict[str, Tensor]
    beside: bool = False  # under a name as optimisers, losses and metrics have
    averaged: bool = False  # under a name as averaged weights have

    @cached_property
    def size(self) -> int:
        """Values in all its tensors of floating point numbers."""
        return sum(
            each.numel()
            for each in self.tensors.values()
            if each.is_floating_point() or each.is_quantized
        )

    @cached_property
    def shapes(self) -> Counter[tuple[int, ...]]:
        """Of the tensors that are matrices or more."""
        return Counter(
            tuple(each.shape)
            for each in self.tensors.values()
            if each.dim() > 1 and each.is_floating_point()
        )

    @cached_property
    def endings(self) -> set[tuple[str, tuple[int, ...]]]:
        """Every ending of every name after a dot, with the tensor's shape."""
        found = set()
        for name, tensor in self.tensors.items():
            parts = name.split(".")
            found |= {(".".join(parts[at:]), tuple(tensor.shape)) for at in range(len(parts))}
        return found


def one_model(content: Any, name: str) -> dict[str, Tensor]:
    """The tensors by name of the only model that a file's content holds, at whatever depth and
    under whatever key.

    Optimisers, losses, metrics and small tensors beside it are left out. Law: a content that holds
    a second set of weights, as a mapping, as a list or as one long vector, is refused, whatever
    their names are.

    Raises:
        UsageError: there are several models, or none.
        ModelError: the content is a nest of lists and mappings beyond all measure.
    """
    groups = [group for group in _groups(content, name) if group.size]
    if not groups:
        raise UsageError(_nothing_in(content, name))
    likely = [
        group
        for group in groups
        if not group.beside and (len(group.tensors) > 1 or group.size >= WEIGHTY)
    ]
    main = max(likely or groups, key=lambda group: group.size)
    rivals = [group for group in groups if group is not main and _rivals(group, main)]
    if rivals:
        places = ", ".join(sorted(group.path or "its top" for group in [main, *rivals])[:6])
        raise UsageError(
            f"'{name}' holds several models, under {places}; save the one that you deploy as its own file"
        )
    return main.tensors


def words_beside(content: Any) -> dict[str, Any]:
    """What stands beside the tensors, as plain values: numbers, texts, and lists and mappings of
    these. Never fails.
    """
    plain = _plain(content, DEEPEST)
    return plain if isinstance(plain, dict) else {}


def _groups(content: Any, name: str) -> Iterator[Group]:
    waiting: list[tuple[tuple[str, ...], bool, bool, Any]] = [((), False, False, content)]
    seen = 0
    while waiting:
        path, beside, averaged, node = waiting.pop()
        items = _items(node)
        own = {str(key): each for key, each in items if isinstance(each, Tensor)}
        if own:
            yield Group(".".join(path), own, beside, averaged)
        for key, each in items:
            if isinstance(each, Mapping | list | tuple | argparse.Namespace):
                name_of = str(key)
                found = (
                    beside or BESIDE.fullmatch(name_of) is not None,
                    averaged or _is_average(name_of),
                )
                waiting.append(((*path, name_of), *found, each))
        seen += 1 + len(items)
        if seen > MOST_NODES or len(path) > MOST_NESTED:
            raise ModelError(
                f"'{name}' holds lists in lists beyond those of any checkpoint; save model.state_dict() in its place"
            )


def _is_average(name: str) -> bool:
    """Whether a name is one of averaged weights, and not of an optimiser's running mean of
    gradients.
    """
    words = set(re.split(r"[^a-z]+", name.lower()))
    return bool(words & AVERAGED) and not words & MOMENTS


def _items(node: Any) -> list[tuple[Any, Any]]:
    """What a node holds; of an optimiser its averages of the weights alone, gathered by their name."""
    if isinstance(node, argparse.Namespace):
        node = vars(node)
    if isinstance(node, Mapping):
        optimiser = "param_groups" in node and "state" in node
        return _averages(node) if optimiser else list(node.items())
    return list(enumerate(node)) if isinstance(node, list | tuple) else []


def _averages(optimiser: Mapping[Any, Any]) -> list[tuple[Any, Any]]:
    """What an optimiser keeps beside its state, and its state's averages: `ax` of ASGD,
    `slow_param` of Lookahead.
    """
    beside = [
        (key, each) for key, each in optimiser.items() if key not in ("state", "param_groups")
    ]
    state = optimiser["state"]
    gathered: dict[str, dict[str, Tensor]] = {}
    for number, kept in state.items() if isinstance(state, Mapping) else ():
        for key, each in kept.items() if isinstance(kept, Mapping) else ():
            if isinstance(each, Tensor) and _is_average(str(key)):
                gathered.setdefault(str(key), {})[str(number)] = each
    return [*beside, *gathered.items()]


def _rivals(group: Group, main: Group) -> bool:
    """Whether these tensors are weights of a second model: the same names or shapes, or too many
    values for anything else.
    """
    alike = len(group.endings & main.endings)
    if group.averaged and 2 * group.size >= main.size:
        return True
    if group.beside:  # an optimiser may be as large as the model; it does not have its names
        return 2 * alike >= len(main.tensors)
    if alike or (group.shapes and group.shapes <= main.shapes):
        return True
    many = len(group.tensors) > 1 and bool(group.shapes)
    # one vector may be all weights in a row
    return group.size >= (WEIGHTY if many else max(WEIGHTY, main.size // 2))


def _nothing_in(content: Any, name: str) -> str:
    if isinstance(content, Tensor):
        found = f"one tensor of shape {tuple(content.shape)}"
    elif isinstance(content, Mapping):
        keys = ", ".join(str(key)[:40] for key in list(content)[:6]) or "none"
        return f"'{name}' holds no state dict: its keys are {keys}; save model.state_dict() in its place"
    else:
        found = f"a {type(content).__name__}"
    return f"'{name}' holds {found}, not a state dict; save model.state_dict() in its place"


def _plain(value: Any, depth: int) -> Any:
    if isinstance(value, Tensor):
        with suppress(Exception):  # of a kind that has no values here
            return value.item() if value.numel() == 1 and not value.is_complex() else None
        return None
    if isinstance(value, bool | int | float | str):
        return value
    if isinstance(value, argparse.Namespace):
        value = vars(value)
    if depth == 0 or not isinstance(value, Mapping | list | tuple) or len(value) > LONGEST:
        return None
    if isinstance(value, Mapping):
        inside = {
            key: _plain(each, depth - 1)
            for key, each in value.items()
            if isinstance(key, str | int)
        }
        return {key: each for key, each in inside.items() if each is not None}
    return [_plain(each, depth - 1) for each in value]
