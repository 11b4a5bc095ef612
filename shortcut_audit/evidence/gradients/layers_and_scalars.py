"""Which scalar of a network is differentiated, and with respect to which of its layers.

Network + names -> layers; logits + labels -> what is back-propagated.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from fnmatch import fnmatchcase
from typing import Literal

import torch
from torch import Tensor, nn

from shortcut_audit.errors import DataError, ModelError, UsageError, did_you_mean
from shortcut_audit.evidence.lent_network import borrowed
from shortcut_audit.records import Labelled

NamedScalar = Literal["logit", "predicted", "loss"]
Scalar = NamedScalar | Callable[[Tensor, Tensor], Tensor]

THESIS_LAYERS = ("layer3", "layer4", "fc")
MOST = 0.8  # of a model's parameters: a module that holds so many is more than a stage


def inner_model(network: nn.Module) -> nn.Module:
    """Gives the real network, whose layers' names the user knows.

    A wrapper (normalisation inside) keeps it under `.model`.
    """
    inside = getattr(network, "model", None)
    return inside if isinstance(inside, nn.Module) else network


def own_parameters(module: nn.Module) -> list[Tensor]:
    """Gives the parameters of this very module, not of those inside it."""
    return [parameter for parameter in module._parameters.values() if parameter is not None]


def default_layers(network: nn.Module) -> tuple[str, ...]:
    """Gives the thesis's layers (section 5.1.1), or the last two stages and what follows them.

    A stage is a module whose children have parameters. The children of the model are the stages;
    where there are fewer than three before the classifier, or one of them holds most of the model,
    the largest is opened, until there is no such one or nothing is left to open.
    """
    model = inner_model(network)
    if all(isinstance(getattr(model, name, None), nn.Module) for name in THESIS_LAYERS):
        return THESIS_LAYERS
    parts = _children(model, "")
    while closed := [(name, part) for name, part in parts[:-1] or parts if _children(part, name)]:
        largest = max(closed, key=_size)
        if len(_stages(parts)) >= 3 and _size(largest) < MOST * _size(("", model)):
            break
        at = parts.index(largest)
        parts[at : at + 1] = _children(largest[1], largest[0])
    stages = _stages(parts)
    first = stages[-2] if len(stages) > 1 else max(0, len(parts) - 3)
    return tuple(name for name, _ in parts[first:])


def _size(part: tuple[str, nn.Module]) -> int:
    """How many numbers a named module's parameters have."""
    return sum(parameter.numel() for parameter in part[1].parameters())


def _children(model: nn.Module, prefix: str) -> list[tuple[str, nn.Module]]:
    """The children that have parameters, each with its full name."""
    prefix = prefix and prefix + "."
    found = []
    for name, child in model.named_children():
        if next(child.parameters(), None) is not None:
            found.append((prefix + name, child))
    return found


def _stages(parts: Sequence[tuple[str, nn.Module]]) -> list[int]:
    """Where the modules are whose children have parameters, without the last, the classifier."""
    return [at for at, (name, module) in enumerate(parts[:-1]) if _children(module, name)]


def owners(network: nn.Module, layers: Sequence[str]) -> dict[str, nn.Module]:
    """Gives the modules that own parameters below any of these names, by name.

    A name is a module's, a prefix of modules' ('layer3' is layer3.0.conv1 and so on), or a pattern
    ('*' is every one). The modules come in the model's order, each once.

    Raises:
        UsageError: a name that fits no module with parameters.
    """
    owning = {}
    for name, module in inner_model(network).named_modules():
        if own_parameters(module):
            owning[name] = module
    chosen: set[str] = set()
    for asked in layers:
        fits = [name for name in owning if _fits(name, asked)]
        if not fits:
            hint = did_you_mean(asked, _prefixes(owning))
            raise UsageError(f"the model has no layer with parameters called '{asked}'{hint}")
        chosen.update(fits)
    return {name: module for name, module in owning.items() if name in chosen}


def _fits(name: str, asked: str) -> bool:
    return name == asked or name.startswith(asked + ".") or fnmatchcase(name, asked)


def _prefixes(names: Iterable[str]) -> set[str]:
    """Every name, and every module that it lies in."""
    found = set()
    for name in names:
        words = name.split(".")
        for end in range(len(words)):
            found.add(".".join(words[: end + 1]))
    return found


def cotangents(logits: Tensor, labels: Tensor, scalar: Scalar) -> Tensor:
    """Gives what to back-propagate from the logits (n, k).

    It is such that sum(cotangents * logits) has the scalar's gradient. `logit`: 1 at the label;
    `predicted`: 1 at the highest logit; `loss`: the cross-entropy's residual p - e_y divided by
    1 - p_y, that is -1 at the label and softmax over the other classes elsewhere. The loss of a
    confident model has p_y = 1 in float32 and its gradient cancels to 0; the unit residual points
    the same way and does not cancel.

    Raises:
        DataError: a label that the scalar needs and that is no class.
        ModelError: the loss of a model with one class.
    """
    if scalar == "predicted":
        labels = logits.argmax(1)
    elif callable(scalar):
        return scalar(logits, labels)
    else:
        _check_labels(labels, logits.shape[1])
    at_label = torch.zeros_like(logits).scatter_(1, labels[:, None], 1.0)  # (n, k)
    if scalar != "loss":
        return at_label
    if logits.shape[1] < 2:
        raise ModelError(
            "the loss of a model with one class has no gradient; ask for scalar 'logit'"
        )
    return logits.masked_fill(at_label.bool(), -torch.inf).softmax(1) - at_label


def _check_labels(labels: Tensor, classes: int) -> None:
    least, most = int(labels.min()), int(labels.max())
    if least < 0 or most >= classes:
        raise DataError(
            f"influence needs the class of every image, 0 to {classes - 1}; found a label of "
            f"{least if least < 0 else most}: leave that image out or ask for scalar 'predicted'"
        )


@contextmanager
def exact_products() -> Iterator[None]:
    """Switches TF32 and fused attention off, and back as they were afterwards.

    TF32's ten bits cost three digits of every score; fused attention has no gradient by weights.
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
    """Turns uint8 (n, 3, h, w) into [0, 1], in the network's own precision and place."""
    like = next(network.parameters())
    images = pixels.to(like.device).to(like.dtype, memory_format=torch.channels_last)
    return images.div_(255)


def missed_probability(network: nn.Module, some: Labelled, batch: int = 32) -> Tensor:
    """Gives 1 - p_y of each image, (n,) float64 on the CPU: the size of the loss's residual.

    It is summed from the other classes, so that it is not rounded to 0.
    """
    parts = []
    with torch.no_grad(), borrowed(network):
        for start in range(0, len(some.labels), batch):
            at = slice(start, start + batch)
            logits = network(as_input(some.images[at], network)).double().cpu()
            others = logits.scatter(1, some.labels[at].cpu()[:, None], -torch.inf)
            parts.append((others.logsumexp(1) - logits.logsumexp(1)).exp())
    return torch.cat(parts)


def classifier(network: nn.Module) -> str:
    """Gives the name of the last linear layer.

    Raises:
        ModelError: the model ends in something else.
    """
    name, layer = list(owners(network, ("*",)).items())[-1]
    if not isinstance(layer, nn.Linear):
        raise ModelError(
            f"the model's last layer, {name}, is a {type(layer).__name__} and no linear "
            "classifier; name layers"
        )
    return name
