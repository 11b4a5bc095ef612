"""What `torch.load` gives -> the tensors of the one model in it, and the words beside them."""

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

# a part of a path under which training keeps what is no model
BESIDE = re.compile(
    r"(.*_)?(optim|optimi[sz]ers?|opt|(lr_?)?sched(ulers?)?|(grad_?)?scaler|amp"
    r"|criterion|criteria|loss(es)?|loss_fn|ce|bce|cross_entropy|pos_weights?|class_weights?"
    r"|metrics?|acc|accuracy|f1|auroc|precision|recall|confmat|confusion(_matrix)?)((_.*)?|\d*)"
    r"|n_averaged|num_updates",
    re.IGNORECASE,
)
# words in the name of averaged weights
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
DEEPEST, LONGEST = 4, 25_000  # levels of the words beside the tensors, and entries of one of them


@dataclass(frozen=True)
class Group:
    """The tensors that stand together in one mapping or list."""

    path: str
    tensors: dict[str, Tensor]
    beside: bool = False  # under a name as optimisers, losses and metrics have
    averaged: bool = False  # under a name as averaged weights have

    @cached_property
    def size(self) -> int:
        """How many values all its tensors of floating point numbers have."""
        values = 0
        for tensor in self.tensors.values():
            if tensor.is_floating_point() or tensor.is_quantized:
                values += tensor.numel()
        return values

    @cached_property
    def shapes(self) -> Counter[tuple[int, ...]]:
        """How often each shape occurs among the tensors of two dimensions or more."""
        found: Counter[tuple[int, ...]] = Counter()
        for tensor in self.tensors.values():
            if tensor.dim() > 1 and tensor.is_floating_point():
                found[tuple(tensor.shape)] += 1
        return found

    @cached_property
    def endings(self) -> set[tuple[str, tuple[int, ...]]]:
        """Every ending of every name after a dot, with the tensor's shape."""
        found = set()
        for name, tensor in self.tensors.items():
            parts = name.split(".")
            for at in range(len(parts)):
                found.add((".".join(parts[at:]), tuple(tensor.shape)))
        return found

    @property
    def may_be_model(self) -> bool:
        """Whether its name and its size are such as a model has."""
        return not self.beside and (len(self.tensors) > 1 or self.size >= WEIGHTY)


def one_model(content: Any, name: str) -> dict[str, Tensor]:
    """The tensors by name of the only model in a file's content, under whatever keys it stands.

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
    likely = [group for group in groups if group.may_be_model]
    main = max(likely or groups, key=lambda group: group.size)
    models = [main]
    for group in groups:
        if group is not main and _rivals(group, main):
            models.append(group)
    if len(models) > 1:
        places = sorted(group.path or "its top" for group in models)
        raise UsageError(
            f"'{name}' holds several models, under {', '.join(places[:6])}; "
            "save the one that you deploy as its own file"
        )
    return main.tensors


def words_beside(content: Any) -> dict[str, Any]:
    """What stands beside the tensors, as numbers, texts, and lists and mappings of these.

    Never fails.
    """
    plain = _plain(content, DEEPEST)
    return plain if isinstance(plain, dict) else {}


def _groups(content: Any, name: str) -> Iterator[Group]:
    """Every mapping and list in the content that holds tensors, each as a group of its own.

    Raises:
        ModelError: there is more to look at than in any checkpoint.
    """
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
                part = str(key)
                is_beside = beside or BESIDE.fullmatch(part) is not None
                is_average = averaged or _is_average(part)
                waiting.append(((*path, part), is_beside, is_average, each))
        seen += 1 + len(items)
        if seen > MOST_NODES or len(path) > MOST_NESTED:
            raise ModelError(
                f"'{name}' holds lists in lists beyond those of any checkpoint; "
                "save model.state_dict() in its place"
            )


def _is_average(name: str) -> bool:
    """Whether a name is that of averaged weights, not of an optimiser's mean of gradients."""
    words = set(re.split(r"[^a-z]+", name.lower()))
    return bool(words & AVERAGED) and not words & MOMENTS


def _items(node: Any) -> list[tuple[Any, Any]]:
    """What a node holds, key by key; of an optimiser's state only its averages of the weights."""
    if isinstance(node, argparse.Namespace):
        node = vars(node)
    if isinstance(node, Mapping):
        optimiser = "param_groups" in node and "state" in node
        return _averages(node) if optimiser else list(node.items())
    return list(enumerate(node)) if isinstance(node, list | tuple) else []


def _averages(optimiser: Mapping[Any, Any]) -> list[tuple[Any, Any]]:
    """What an optimiser keeps beside its state, and the averages in its state by their name.

    Such averages are `ax` of ASGD and `slow_param` of Lookahead.
    """
    found: list[tuple[Any, Any]] = []
    for key, each in optimiser.items():
        if key not in ("state", "param_groups"):
            found.append((key, each))
    state = optimiser["state"]
    gathered: dict[str, dict[str, Tensor]] = {}
    for number, kept in state.items() if isinstance(state, Mapping) else ():
        for key, each in kept.items() if isinstance(kept, Mapping) else ():
            if isinstance(each, Tensor) and _is_average(str(key)):
                gathered.setdefault(str(key), {})[str(number)] = each
    return [*found, *gathered.items()]


def _rivals(group: Group, main: Group) -> bool:
    """Whether these tensors are weights of a second model.

    They are if names or shapes are the main model's, or if they have too many values for anything
    else.
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
    """The sentence for a content without any weights."""
    if isinstance(content, Tensor):
        found = f"one tensor of shape {tuple(content.shape)}"
    elif isinstance(content, Mapping):
        keys = ", ".join(str(key)[:40] for key in list(content)[:6]) or "none"
        return (
            f"'{name}' holds no state dict: its keys are {keys}; "
            "save model.state_dict() in its place"
        )
    else:
        found = f"a {type(content).__name__}"
    return f"'{name}' holds {found}, not a state dict; save model.state_dict() in its place"


def _plain(value: Any, depth: int) -> Any:
    """The value as numbers, texts, and lists and mappings of these, or None if it is none.

    `depth` is how many levels of lists and mappings are kept.
    """
    if isinstance(value, Tensor):
        with suppress(Exception):  # a tensor of a kind that has no values here
            return value.item() if value.numel() == 1 and not value.is_complex() else None
        return None
    if isinstance(value, bool | int | float | str):
        return value
    if isinstance(value, argparse.Namespace):
        value = vars(value)
    if depth == 0 or not isinstance(value, Mapping | list | tuple) or len(value) > LONGEST:
        return None
    if isinstance(value, Mapping):
        inside = {}
        for key, each in value.items():
            plain = _plain(each, depth - 1) if isinstance(key, str | int) else None
            if plain is not None:
                inside[key] = plain
        return inside
    return [_plain(each, depth - 1) for each in value]
