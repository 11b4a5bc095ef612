"""The linear classifier on top of a network, as a convex problem.

Features + labels -> weights, and the queries' losses without each training image.
"""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from shortcut_audit.errors import ModelError
from shortcut_audit.evidence.gradients.factors import chunks
from shortcut_audit.evidence.gradients.layers_and_scalars import as_input, classifier, inner_model
from shortcut_audit.evidence.lent_network import borrowed


def head_features(network: nn.Module, pixels: Tensor, batch: int) -> tuple[Tensor, int]:
    """Gives what the classifier sees of each image, and the number of classes.

    Returns:
        (n, d + 1) float64 on the CPU, the last column a 1 for the bias; and k.

    Raises:
        ModelError: the classifier does not see one vector for each image.
    """
    name = classifier(network)
    seen: list[Tensor] = []
    layer = inner_model(network).get_submodule(name)
    handle = layer.register_forward_hook(
        lambda _module, arguments, _output: seen.append(arguments[0])
    )
    classes = 0
    try:
        with torch.no_grad(), borrowed(network):
            for part in chunks(len(pixels), batch):
                classes = network(as_input(pixels[part], network)).shape[1]
    finally:
        handle.remove()
    features = torch.cat(seen).double().cpu()
    if features.shape[:-1] != (len(pixels),):
        raise ModelError(
            f"the classifier {name} sees {tuple(features.shape)}, not one vector for each of "
            f"{len(pixels)} images"
        )
    return torch.cat([features, torch.ones(len(features), 1, dtype=torch.float64)], 1), classes


def fit_head(
    z: Tensor,
    targets: Tensor,
    decay: float,
    left_out: int | None = None,
    start: Tensor | None = None,
) -> Tensor:
    """Fits weights (d, k) by Newton's method.

    They are at the minimum of sum(cross-entropy) / m + decay / 2 * |weights|^2. Leaving an image
    out takes its term away and keeps 1 / m, so that the change is the one that influence functions
    approximate. Newton's method ends at a gradient below 1e-12 of its terms.

    Args:
        z: (m, d) float64.
        targets: (m, k) float64, one-hot.
        left_out: the index of the image that is left out.
        start: the weights to start from; zeros by default.
    """
    m, (d, k) = len(z), (z.shape[1], targets.shape[1])
    weights = torch.ones(m, 1, dtype=z.dtype)
    if left_out is not None:
        weights[left_out] = 0
    theta = torch.zeros(d, k, dtype=z.dtype) if start is None else start

    def value(at: Tensor) -> float:
        losses = -(weights * targets * (z @ at).log_softmax(1)).sum() / m
        return float(losses + decay / 2 * at.square().sum())

    for _ in range(100):
        p = (z @ theta).softmax(1)
        gradient = z.T @ (weights * (p - targets)) / m + decay * theta
        if float(gradient.abs().max()) < 1e-12 * float(z.abs().max()):
            break
        step = torch.linalg.solve(_hessian(z, p, weights, decay), gradient.T.flatten()).view(k, d).T
        here, length = value(theta), 1.0
        while length > 1e-6 and value(theta - length * step) > here + 1e-15:
            length /= 2
        theta = theta - length * step
    return theta


def _hessian(z: Tensor, p: Tensor, weights: Tensor, decay: float) -> Tensor:
    """(k d, k d), class by class."""
    k = p.shape[1]
    curvature = torch.diag_embed(p) - p[:, :, None] * p[:, None]  # (m, k, k)
    rows = []
    for a in range(k):
        blocks = [z.T @ (z * (weights * curvature[:, a, b, None])) for b in range(k)]  # each (d, d)
        rows.append(torch.cat(blocks, 1))
    return torch.cat(rows) / len(z) + decay * torch.eye(k * z.shape[1], dtype=z.dtype)


def losses_without_each(
    z: Tensor, labels: Tensor, queries: Tensor, query_labels: Tensor, classes: int, decay: float
) -> Iterator[Tensor]:
    """Yields the queries' losses (q,) with all m training images, then without each in turn.

    Args:
        z, labels: the training images' features (m, d) and labels (m,).
        queries, query_labels: the queries' features (q, d) and labels (q,).
    """
    # with decay, the weights lie in the span of the features
    span = torch.linalg.svd(z, full_matrices=False).Vh
    near, ahead = z @ span.T, queries @ span.T
    targets = F.one_hot(labels, classes).double()
    whole = fit_head(near, targets, decay)
    yield F.cross_entropy(ahead @ whole, query_labels, reduction="none")
    for image in range(len(z)):
        without = fit_head(near, targets, decay, image, whole)
        yield F.cross_entropy(ahead @ without, query_labels, reduction="none")
