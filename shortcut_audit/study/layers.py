"""A network's parts from the classifier down, and how alike the gradients of pictures are in each
of them (table 5.1).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import accumulate

import numpy as np
import torch
from torch import Tensor, nn

from shortcut_audit.evidence.answers import Answers, pixel_digest
from shortcut_audit.evidence.gradients.gram import gradient_gram
from shortcut_audit.evidence.gradients.layers_and_scalars import inner_model
from shortcut_audit.files.store import Arrays

NAMED = 5  # parts with a name of their own: the classifier and the four stages of a ResNet
REST = "all the rest"


def parts(network: nn.Module) -> dict[str, tuple[str, ...]]:
    """Name -> patterns of layers: the last modules with parameters, the classifier first, and all
    the rest.
    """
    names = [
        name
        for name, child in inner_model(network).named_children()
        if any(True for _ in child.parameters())
    ]
    named: dict[str, tuple[str, ...]] = {name: (name,) for name in names[::-1][:NAMED]}
    return named | ({REST: ("*",)} if len(names) > NAMED else {})


def subsets(named: Sequence[str]) -> list[list[str]]:
    """The classifier; the classifier and the part below; and so on, to the full network."""
    return list(accumulate(([name] for name in named), lambda before, new: [*before, *new]))


def similarities(
    answers: Answers, model: str, pixels: Tensor, target: int
) -> dict[str, np.ndarray]:
    """Part -> (n, n) cosine of the gradients of n pictures by this part and those before it, in one
    pass, and kept.

    The scalar is the influence method's, by default the logit of the class.
    """
    scalar = answers.scenario.influence.options.get("scalar", "logit")

    def compare() -> Arrays:
        network = answers.subject(model).network
        images = pixels, torch.full((len(pixels),), target)

        def report(done: int, total: int) -> None:
            answers.progress(f"gradients of {model}", done, total)

        gram = gradient_gram(network, images, images, parts(network), scalar, report=report)
        return {
            subset[-1]: gram.cosine(subset).float().cpu().numpy()
            for subset in subsets(list(parts(network)))
        }

    found = answers.stored(
        "layers",
        model,
        {"pixels": pixel_digest(pixels), "target": target, "named": NAMED, "scalar": scalar},
        compare,
    )
    return in_order(found, list(parts(answers.subject(model).network)))


def in_order(found: Mapping[str, np.ndarray], names: Sequence[str]) -> dict[str, np.ndarray]:
    """The same in this order: a file forgets it."""
    return {name: found[name] for name in names}
