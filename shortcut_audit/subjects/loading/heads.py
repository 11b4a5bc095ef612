"""Whatever a network takes and gives -> colour pictures in, one logit for each class out."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn

from shortcut_audit.errors import UsageError
from shortcut_audit.inputs_and_outputs import Head

LUMA = (0.299, 0.587, 0.114)  # of red, green and blue in grey: ITU-R 601-2, as Pillow has it
APART = 0.01  # by which a probability may be beyond 0 or 1, or a sum from 1: rounding in half
SURE = 1e-6  # a probability is kept this far from 0 and 1, so that its log-odds are finite


class Outputs(nn.Module):
    """What a network gives -> logits (n, k), one for each of its k classes.

    A single logit z becomes the two logits -z/2 and z/2, so that softmax gives sigmoid(z) and the
    higher one is the answer. Thresholds are taken from the logits, so that an answer is a logit
    above 0, or the higher of two.
    """

    shifts: Tensor  # (outputs,) or (1,)
    scales: Tensor  # (outputs,) or (1,)

    def __init__(self, head: Head, classes: int) -> None:
        super().__init__()
        self.head, self.count = head, head.outputs(classes)
        shifts, scales = head.shifts() or (0.0,), head.temperatures or (1.0,)
        if head.answers == "softmax" and head.thresholds:  # of two classes
            shifts = (0.0, *shifts)
        self.register_buffer("shifts", torch.tensor(shifts), persistent=False)
        self.register_buffer("scales", torch.tensor(scales), persistent=False)

    def forward(self, given: Any) -> Tensor:
        """Logits (n, k); raises UsageError where there are none among what the network gives."""
        logits = logits_among(given, self.head.output, self.count)
        if self.head.probabilities:
            logits = _log_odds(logits, self.head)
        if self.head.thresholds or self.head.temperatures:
            logits = logits / self.scales - self.shifts
        return both_ways(logits[:, 0]) if self.head.answers == "sigmoid" else logits


def both_ways(logit: Tensor) -> Tensor:
    """The logit (n,) of a yes against a no -> two logits (n, 2), no and yes."""
    return torch.stack([-logit / 2, logit / 2], 1)


class OneLabel(nn.Module):
    """The question whether one label is on a picture: images -> two logits (n, 2), no and yes.

    `network` gives a logit (n, k) for each label.
    """

    def __init__(self, network: nn.Module, label: int) -> None:
        super().__init__()
        self.network, self.label = network, label

    @property
    def model(self) -> Any:
        """The architecture itself, whose layers have the names that its users know."""
        return getattr(self.network, "model", self.network)

    def forward(self, images: Tensor) -> Tensor:
        """Logits (n, 2)."""
        return both_ways(self.network(images)[:, self.label])


def logits_among(given: Any, which: str | int | None, count: int) -> Tensor:
    """The logits (n, count) among what a network gives: a tensor, or a tuple, dict or object of
    tensors.

    which: its key, attribute or place; None: `logits` or `out`, or else the only tensor of
        `count` columns.

    Raises:
        UsageError: there is none, or several could be; says what there is.
    """
    named, others = _candidates(given, which)
    fitting = [each for each in map(partial(_fitting, count=count), named) if each is not None]
    if not fitting:
        fitting = [each for each in map(partial(_fitting, count=count), others) if each is not None]
        if len(fitting) > 1:
            raise UsageError(
                f"its output is {_shown(given)}, and any of {len(fitting)} could be its logits; "
                "say which with 'head: {output: NAME OR NUMBER}'"
            )
    if fitting:
        return fitting[0]
    raise UsageError(
        f"its output is {_shown(given)}, and {count} logits for each picture are asked for"
        + ("" if which is None else f" under '{which}'")
        + "; say which of several with 'head: {output: NAME OR NUMBER}'"
    )


def _fitting(each: Any, count: int) -> Tensor | None:
    """It as (n, count) logits, if it can be."""
    if not isinstance(each, Tensor) or not each.dim():
        return None
    flat = each.flatten(1) if each.dim() > 1 else each[:, None]
    if flat.shape[1] != count:
        return None
    return flat.float() if flat.dtype in (torch.float16, torch.bfloat16) else flat


def _candidates(given: Any, which: str | int | None) -> tuple[list[Any], list[Any]]:
    """What is named as the logits among what a network gives, and what else there is."""
    if isinstance(given, Tensor):
        return [given], []
    parts = _parts(given)
    if which is not None:
        return [parts.get(which)], []
    once = {id(each): each for each in parts.values()}  # a named tuple has each by name and place
    return [parts.get(name) for name in ("logits", "out")], list(once.values())


def _parts(given: Any) -> dict[Any, Any]:
    """The parts of an output by key, attribute or place."""
    if isinstance(given, Mapping):
        return dict(given)
    if isinstance(given, list | tuple):
        fields = getattr(given, "_fields", ())  # a named tuple, as GoogLeNet gives
        return dict(enumerate(given)) | dict(zip(fields, given, strict=False))
    return dict(vars(given)) if hasattr(given, "__dict__") else {}


def _shown(given: Any) -> str:
    """What a network gives, in words."""
    if isinstance(given, Tensor):
        return f"of shape {tuple(given.shape)}"
    shapes = []
    for name, each in _parts(given).items():
        shape = tuple(each.shape) if isinstance(each, Tensor) else type(each).__name__
        shapes.append(f"{name}: {shape}")
    return f"a {type(given).__name__} of {', '.join(shapes) or 'nothing'}"


def _log_odds(probabilities: Tensor, head: Head) -> Tensor:
    """Logits whose softmax, or sigmoid, are these probabilities (n, k)."""
    if not torch.is_grad_enabled():  # asked, and not differentiated
        _refuse_what_is_none(probabilities, head)
    inside = probabilities.clamp(SURE, 1 - SURE)
    return inside.log() if head.answers == "softmax" else torch.logit(inside)


def _refuse_what_is_none(given: Tensor, head: Head) -> None:
    """Raises UsageError where these (n, k) are no probabilities."""
    low, high = float(given.min()), float(given.max())
    sums = given.sum(1)
    whole = head.answers != "softmax" or bool(((sums - 1).abs() < APART).all())
    if low < -APART or high > 1 + APART or not whole:
        raise UsageError(
            f"'head: {{probabilities: true}}', and its outputs are from {low:.3g} to {high:.3g}"
            + ("" if whole else ", and do not sum to 1")
            + ": they are logits; leave 'probabilities' out"
        )


def as_channels(images: Tensor, channels: int) -> Tensor:
    """Colour images (n, 3, h, w) in [0, 1] -> (n, channels, h, w).

    One channel is grey, as Pillow makes it; the fourth of four is opaque.
    """
    if channels == 1:
        luma = torch.tensor(LUMA, dtype=images.dtype, device=images.device).view(1, 3, 1, 1)
        return (images * luma).sum(1, keepdim=True)
    if channels == 4:
        return torch.cat([images, torch.ones_like(images[:, :1])], 1)
    return images
