"""Calls of torch's functions: what they were given, and what that means for their result."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import cache
from inspect import signature
from types import SimpleNamespace
from typing import Any

import numpy as np
from torch import Tensor
from torch.nn import functional as F

Function = Callable[..., Any]

# functions of which each element of the result depends on that of each argument alone
ELEMENTWISE = {"add", "sub", "mul", "div", "rdiv", "rsub", "truediv", "addcmul", "lerp", "where"}


class UnfitError(Exception):
    """The factor engine cannot take this model: the reason in words."""


def tensors_in(given: Any) -> Iterator[Tensor]:
    """Gives the tensors among arguments, also those in lists, tuples and dictionaries of them.

    It does what torch's `tree_leaves` does, in a tenth of the time: it runs at every call.
    """
    if isinstance(given, Tensor):
        yield given
    elif isinstance(given, list | tuple):
        for each in given:
            yield from tensors_in(each)
    elif isinstance(given, dict):
        yield from tensors_in(list(given.values()))


def shape_met(func: Function, given: Sequence[Tensor], value: Tensor) -> Sequence[int] | None:
    """The shape that a parameter meets the images in, or None where it is not known."""
    name = func.__name__.strip("_").removeprefix("i")
    if name in ELEMENTWISE:
        return np.broadcast_shapes(*[tuple(each.shape) for each in given])
    if func is F.scaled_dot_product_attention and value is given[-1] and len(given) == 4:
        return *given[0].shape[:-1], given[1].shape[-2]  # what is added to the scores
    if func is F.scaled_dot_product_attention or name in ("cat", "concat", "concatenate"):
        return value.shape  # it must have the images in it
    return None


def attention(a: SimpleNamespace) -> tuple[Tensor, Tensor | None]:
    """Attention of a sequence to itself, (tokens, n, c) -> the same, by calls of linear maps.

    a: the arguments of torch's own function, which makes them where nobody can see them.
    """
    unusual = (a.bias_k, a.key_padding_mask, a.attn_mask, a.static_k, a.static_v)
    if any(each is not None for each in unusual) or a.add_zero_attn or a.use_separate_proj_weight:
        raise UnfitError("an attention has masks, or keys and values of its own")
    if a.query is not a.key or a.query is not a.value or a.query.dim() != 3:
        raise UnfitError("an attention is not one of a batch of sequences to themselves")
    qkv = F.linear(a.query.transpose(0, 1), a.in_proj_weight, a.in_proj_bias)
    # (3, n, heads, tokens, c / heads)
    query, key, value = qkv.view(*qkv.shape[:2], 3, a.num_heads, -1).permute(2, 0, 3, 1, 4)
    scores = (query * query.shape[-1] ** -0.5 @ key.mT).softmax(-1)
    mixed = (scores @ value).transpose(1, 2).flatten(2)
    output = F.linear(mixed, a.out_proj_weight, a.out_proj_bias).transpose(0, 1)
    if not a.need_weights:
        return output, None
    return output, scores.mean(1) if a.average_attn_weights else scores


def detached(given: Mapping[str, Any], *names: str) -> dict[str, Any]:
    """The arguments, some of which are tensors that autograd shall not see."""
    changed = dict(given)
    for name in names:
        if changed.get(name) is not None:
            changed[name] = changed[name].detach()
    return changed


def arguments_of(func: Function, args: Sequence[Any], kwargs: Mapping[str, Any]) -> dict[str, Any]:
    """All arguments of a call by name, with the defaults."""
    bound = _signature(func).bind(*args, **kwargs)
    bound.apply_defaults()
    return bound.arguments


_signature = cache(signature)
