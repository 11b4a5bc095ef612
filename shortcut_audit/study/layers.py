"""A network's parts, and how alike the gradients of pictures are in each of them (table 5.1)."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor, nn

from shortcut_audit.evidence.answers import Answers
from shortcut_audit.evidence.gradients.gram import Settings, gradient_gram
from shortcut_audit.evidence.gradients.layers_and_scalars import inner_model
from shortcut_audit.files.store import Arrays
from shortcut_audit.records import Labelled
from shortcut_audit.rows import rows_digest

NAMED = 5  # parts with a name of their own: the classifier and the four stages of a ResNet
REST = "all the rest"


def parts(network: nn.Module) -> dict[str, tuple[str, ...]]:
    """Name of a part -> patterns of the layers in it, the classifier first.

    The last NAMED modules with parameters are a part each; what is left is one part, called REST.
    """
    names = []
    for name, child in inner_model(network).named_children():
        if next(child.parameters(), None) is not None:
            names.append(name)
    names.reverse()
    patterns: dict[str, tuple[str, ...]] = {name: (name,) for name in names[:NAMED]}
    if len(names) > NAMED:
        patterns[REST] = ("*",)
    return patterns


def subsets(named: Sequence[str]) -> list[list[str]]:
    """The first part alone, the first two, and so on, to the full network."""
    return [list(named[: last + 1]) for last in range(len(named))]


def similarities(
    answers: Answers, model: str, pixels: Tensor, target: int
) -> dict[str, np.ndarray]:
    """Part -> (n, n) cosine of the gradients of n pictures by this part and those before it.

    All parts are measured in one pass, and kept in the store. The gradient is that of the influence
    method's scalar, by default the logit of the class `target`.
    """
    scalar = answers.scenario.influence.options.get("scalar", "logit")

    def compare() -> Arrays:
        network = answers.subject(model).network
        pictures = Labelled(pixels, torch.full((len(pixels),), target))

        def report(done: int, total: int) -> None:
            answers.progress(f"gradients of {model}", done, total)

        settings = Settings(scalar)
        gram = gradient_gram(network, pictures, pictures, parts(network), settings, report)
        cosines: Arrays = {}
        for subset in subsets(list(parts(network))):
            cosines[subset[-1]] = gram.cosine(subset).float().cpu().numpy()
        return cosines

    key = {"pixels": rows_digest(pixels), "target": target, "named": NAMED, "scalar": scalar}
    found = answers.stored("layers", model, key, compare)
    names = parts(answers.subject(model).network)
    return {name: found[name] for name in names}  # a stored file does not keep the order
