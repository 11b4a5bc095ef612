"""Method + network + images of one class -> scores (q, m), and in words what they compare."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from shortcut_audit.records import Labelled
from shortcut_audit.rows import Rows
from shortcut_audit.subjects.loading.programs import require_weights


def ranked(
    method: Any,
    network: nn.Module,
    queries: Tensor,
    training: Rows,
    target: int,
    report: Callable[[int, int], None],
) -> dict[str, np.ndarray]:
    """Asks an influence method for its scores, and for its own words about them.

    Training images stay as lazy as they are for a method that `streams`; another gets them whole.

    Args:
        queries, training: uint8 images (q, 3, h, w) and (m, 3, h, w), all of class `target`.

    Returns:
        `scores`, (q, m) float32; `basis`, the method's words in UTF-8, or its name where it has
        none.
    """
    require_weights(network)
    asked = _all_of(target, queries)
    images = training if getattr(method, "streams", False) else training[:]
    scores = method.scores(network, asked, _all_of(target, images), report)
    said = getattr(method, "basis", None)
    example = Labelled(asked.images[:1], asked.labels[:1])
    basis = said(network, example) if said else type(method).__name__
    return {"scores": scores, "basis": np.frombuffer(basis.encode(), np.uint8)}


def _all_of(target: int, images: Any) -> Labelled:
    return Labelled(images, torch.full((len(images),), target))
