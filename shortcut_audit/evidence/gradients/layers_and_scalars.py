"""Which scalar of a network, with respect to which of its layers: network + names -> parts, logits
-> cotangents.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from fnmatch import fnmatchcase
from typing import Literal

import torch
from torch import Tensor, nn

from shortcut_audit.errors import DataError, ModelError, UsageError, did_you_mean
from shortcut_audit.evidence.lent_network import borrowed

NamedScalar = Literal["logit", "predicted", "loss"]
Scalar = NamedScalar | Callable[[Tensor, Tensor], Tensor]

THESIS_LAYERS = ("layer3", "layer4", "fc")


def inner_model(network: nn.Module) -> nn.Module:
    """The real network: a wrapper (normalisation inside) keeps it under `.model`, and its users
    know its names.
    """
    inside = getattr(network, "model", None)
    return inside if isinstance(inside, nn.Module) else network


def default_layers(network: nn.Module) -> tuple[str, ...]:
    """layer3 + layer4 + fc (thesis, section 5.1.1), or the last two stages and all that follows
    them.

    A stage is a module whose children have parameters. The children of the model are the stages;
    where there are fewer than three before the classifier, the largest is opened until there are
    three, or nothing is left to open.
    """
    model = inner_model(network)
    if all(isinstance(getattr(model, name, None), nn.Module) for name in THESIS_LAYERS):
        return THESIS_LAYERS
    parts = _children(model, "")
    while len(_stages(parts)) < 3 and (
        closed := [part for part in parts[:-1] or parts if _children(part[1], part[0])]
    ):
        largest = max(closed, key=lambda part: sum(p.numel() for p in part[1].parameters()))
        at = parts.index(largest)
        parts[at : at + 1] = _children(largest[1], largest[0])
    stages = _stages(parts)
    first = stages[-2] if len(stages) > 1 else max(0, len(parts) - 3)
    return tuple(name for name, _ in parts[first:])


def _children(model: nn.Module, prefix: str) -> list[tuple[str, nn.Module]]:
    prefix = prefix and prefix + "."
    return [
        (prefix + name, child)
        for name, child in model.named_children()
        if any(True for _ in child.parameters())
    ]


def _stages(parts: Sequence[tuple[str, nn.Module]]) -> list[int]:
    """Where the modules whose children have parameters are, the last part (the classifier) apart."""
    return [at for at, (name, module) in enumerate(parts[:-1]) if _children(module, name)]


def owners(network: nn.Module, layers: Sequence[str]) -> dict[str, nn.Module]:
    """The modules that own parameters below any of these names, by name.

    A name is a module's, a prefix of modules' ('layer3' is layer3.0.conv1 and so on), or a pattern
    ('*' is every one).

    Raises:
        UsageError: a name that fits no module with parameters.
    """
    model = inner_model(network)
    owning = {
        name: module
        for name, module in model.named_modules()
        if any(p is not None for p in module._parameters.values())
    }
    chosen: dict[str, nn.Module] = {}
    for asked in layers:
        fits = {
            n: m
            for n, m in owning.items()
            if n == asked or n.startswith(asked + ".") or fnmatchcase(n, asked)
        }
        if not fits:
            known = {prefix for name in owning for prefix in _prefixes(name)}
            raise UsageError(
                f"the model has no layer with parameters called '{asked}'{did_you_mean(asked, known)}"
            )
        chosen.update(fits)
    # in the model's order, each once
    return {name: owning[name] for name in owning if name in chosen}


def _prefixes(name: str) -> list[str]:
    words = name.split(".")
    return [".".join(words[: end + 1]) for end in range(len(words))]


def cotangents(logits: Tensor, labels: Tensor, scalar: Scalar) -> Tensor:
    """What to back-propagate from the logits (n, k), so that sum(cotangents * logits) has the
    scalar's gradient.

    `logit`: 1 at the label; `predicted`: 1 at the highest logit; `loss`: the cross-entropy's
    residual p - e_y divided by 1 - p_y, that is -1 at the label and softmax over the other classes
    elsewhere. The loss of a confident model has p_y = 1 in float32 and its gradient cancels to 0;
    the unit residual points the same way and does not.
    """
    if scalar == "predicted":
        labels = logits.argmax(1)
    elif callable(scalar):
        return scalar(logits, labels)
    elif int(labels.min()) < 0 or int(labels.max()) >= logits.shape[1]:
        raise DataError(
            f"influence needs the class of every image, 0 to {logits.shape[1] - 1}; found a label of "
            f"{int(labels.min() if int(labels.min()) < 0 else labels.max())}: leave that image out or ask for scalar 'predicted'"
        )
    at_label = torch.zeros_like(logits).scatter_(1, labels[:, None], 1.0)  # (n, k)
    if scalar != "loss":
        return at_label
    if logits.shape[1] < 2:
        raise ModelError(
            "the loss of a model with one class has no gradient; ask for scalar 'logit'"
        )
    return logits.masked_fill(at_label.bool(), -torch.inf).softmax(1) - at_label


@contextmanager
def exact_products() -> Iterator[None]:
    """No TF32 inside, whose ten bits cost three digits of every score; no fused attention, which
    has no gradient by weights.
    """
    flags = torch.backends.cuda.matmul.allow_tf32, torch.backends.cudnn.allow_tf32
    fused = torch.backends.mha.get_fastpath_enabled()
    try:
        torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = False
        torch.backends.mha.set_fastpath_enabled(False)
        yield
    finally:
        torch.backends.cuda.matmul.allow_tf32, torch.backends.cudnn.allow_tf32 = flags
        torch.backends.mha.set_fastpath_enabled(fused)


def as_input(pixels: Tensor, network: nn.Module) -> Tensor:
    """uint8 (n, 3, h, w) -> [0, 1] in the network's own precision and place."""
    like = next(network.parameters())
    images = pixels.to(like.device).to(like.dtype, memory_format=torch.channels_last)
    return images.div_(255)


def missed_probability(
    network: nn.Module, pixels: Tensor, labels: Tensor, batch: int = 32
) -> Tensor:
    """1 - p_y of each image, (n,) float64 on the CPU: the size of the loss's residual, summed from
    the other classes.
    """
    parts = []
    with torch.no_grad(), borrowed(network):
        for part in zip(pixels.split(batch), labels.split(batch), strict=True):  # type: ignore[no-untyped-call]
            logits = network(as_input(part[0], network)).double().cpu()
            others = logits.scatter(1, part[1].cpu()[:, None], -torch.inf)
            parts.append((others.logsumexp(1) - logits.logsumexp(1)).exp())
    return torch.cat(parts)


def classifier(network: nn.Module) -> str:
    """The name of the last linear layer.

    Raises:
        ModelError: the model ends in something else.
    """
    last = list(owners(network, ("*",)).items())[-1]
    if not isinstance(last[1], nn.Linear):
        raise ModelError(
            f"the model's last layer, {last[0]}, is a {type(last[1]).__name__} and no linear classifier; name layers"
        )
    return last[0]
