"""method + network + images of one class -> scores (q, m), and in words what they are the cosine
(and so on) of.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn


def ranked(
    method: Any,
    network: nn.Module,
    queries: Tensor,
    training: Tensor,
    target: int,
    report: Callable[[int, int], None],
) -> dict[str, np.ndarray]:
    """`scores` (q, m) float32, and `basis`, the method's own words in UTF-8 (its name if it has
    none).

    uint8 images (q, 3, h, w) and (m, 3, h, w), all of class `target`.
    """
    labels = [torch.full((len(images),), target) for images in (queries, training)]
    scores = method.scores(network, queries, labels[0], training, labels[1], report)
    said = getattr(method, "basis", None)
    basis = said(network, queries[:1], labels[0][:1]) if said else type(method).__name__
    return {"scores": scores, "basis": np.frombuffer(basis.encode(), np.uint8)}
