"""What the factor engine needs of each image, kept in half precision: other queries and layers find
it without the model.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache, partial

import numpy as np
import torch
from torch import Tensor, nn

from shortcut_audit.evidence.gradients.layers_and_scalars import Scalar
from shortcut_audit.evidence.gradients.sources import capture, plain_squares
from shortcut_audit.files.store import Arrays, Store


@dataclass(frozen=True)
class KeptFactors:
    """Stands in for `capture` and `plain_squares`: one entry for each batch of images and layer.

    Law: an entry that is there is used and the network does not run. Numbers are scaled to each
        image's largest before they
    are halved, so that neither a sure model's gradients nor a deep one's are lost; eleven bits
    remain.
    """

    store: Store
    model: str  # a digest of the weights

    def capture(
        self,
        network: nn.Module,
        layers: Mapping[str, nn.Module],
        images: Tensor,
        labels: Tensor,
        scalar: Scalar,
    ) -> dict[str, tuple[Tensor, Tensor]]:
        """Input and output gradient of each layer, (n, ...) both."""
        seen = cache(partial(capture, network, layers, images, labels, scalar))
        found = self._each(
            layers,
            images,
            labels,
            scalar,
            "factors",
            lambda name: _halved(*seen()[name]) if name in seen() else {},
        )
        return {
            name: (_whole(kept, "x", images), _whole(kept, "g", images))
            for name, kept in found.items()
            if kept
        }

    def plain_squares(
        self,
        network: nn.Module,
        layers: Mapping[str, nn.Module],
        images: Tensor,
        labels: Tensor,
        scalar: Scalar,
    ) -> dict[str, Tensor]:
        """Squared norm of the first image's gradient by each layer, by plain autograd."""
        squares = cache(partial(plain_squares, network, layers, images, labels, scalar))
        found = self._each(
            layers,
            images,
            labels,
            scalar,
            "squares",
            lambda name: {"square": squares()[name].double().cpu().numpy()},
        )
        return {name: torch.from_numpy(kept["square"]).to(images) for name, kept in found.items()}

    def _each(
        self,
        layers: Mapping[str, nn.Module],
        images: Tensor,
        labels: Tensor,
        scalar: Scalar,
        what: str,
        make: Callable[[str], Arrays],
    ) -> dict[str, Arrays]:
        content = hashlib.sha256(f"{tuple(images.shape)} {images.dtype} {labels.tolist()}".encode())
        content.update(images.contiguous().cpu().numpy().data)
        key = {
            "model": self.model,
            "images": content.hexdigest(),
            "scalar": str(scalar),
            "what": what,
        }
        return {
            name: self.store.arrays("factors", {**key, "layer": name}, partial(make, name))
            for name in layers
        }


def _halved(x: Tensor, g: Tensor) -> Arrays:
    arrays: Arrays = {}
    for name, values in (("x", x), ("g", g)):
        scale = values.abs().flatten(1).amax(1).clamp(min=torch.finfo(values.dtype).tiny)  # (n,)
        halved = values / scale.view(-1, *[1] * (values.dim() - 1))
        arrays |= {name: halved.half().cpu().numpy(), f"{name}_scale": scale.cpu().numpy()}
    return arrays


def _whole(kept: Mapping[str, np.ndarray], name: str, like: Tensor) -> Tensor:
    values, scale = (
        torch.from_numpy(kept[each]).to(like.device, like.dtype) for each in (name, f"{name}_scale")
    )
    return values * scale.view(-1, *[1] * (values.dim() - 1))


def weights_digest(network: nn.Module) -> str:
    """SHA-256 over the names and values of the network's weights: the same wherever the network was
    built.
    """
    digest = hashlib.sha256()
    for name, value in sorted(network.state_dict().items()):
        digest.update(name.encode() + np.ascontiguousarray(value.detach().cpu().numpy()).tobytes())
    return digest.hexdigest()
