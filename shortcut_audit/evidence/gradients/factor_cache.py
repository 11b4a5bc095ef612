"""The factor engine's input for each image, kept in half precision.

Other queries and layers find it there, without running the model.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache, partial

import numpy as np
import torch
from torch import Tensor, nn

from shortcut_audit.evidence.gradients.layers_and_scalars import Scalar
from shortcut_audit.evidence.gradients.passes.uses import Seen
from shortcut_audit.evidence.gradients.sources import capture, plain_squares
from shortcut_audit.files.store import Arrays, Store


@dataclass(frozen=True)
class KeptFactors:
    """Stands in for `capture` and `plain_squares`, with an entry for each batch and layer.

    Law: an entry that is there is used, and the network does not run. Numbers are scaled to each
    image's largest before they are halved, so that neither a sure model's gradients nor a deep
    one's are lost; eleven bits remain.
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
    ) -> dict[str, Seen]:
        """Gives what a pass over the images (n, 3, h, w) shows of each layer's gradients."""
        seen = cache(partial(capture, network, layers, images, labels, scalar))

        def made(layer: str) -> Arrays:
            return _halved(seen()[layer]) if layer in seen() else {}

        key = self._key(images, labels, scalar, "factors")
        factors = {}
        for layer in layers:
            kept = self.store.arrays("factors", {**key, "layer": layer}, partial(made, layer))
            if kept:
                factors[layer] = _whole(kept, images)
        return factors

    def plain_squares(
        self,
        network: nn.Module,
        layers: Mapping[str, nn.Module],
        images: Tensor,
        labels: Tensor,
        scalar: Scalar,
    ) -> dict[str, Tensor]:
        """Gives the squared norm of the first image's gradient by each layer, by plain autograd."""
        seen = cache(partial(plain_squares, network, layers, images, labels, scalar))

        def made(layer: str) -> Arrays:
            return {"square": seen()[layer].double().cpu().numpy()}

        key = self._key(images, labels, scalar, "squares")
        squares = {}
        for layer in layers:
            kept = self.store.arrays("factors", {**key, "layer": layer}, partial(made, layer))
            squares[layer] = torch.from_numpy(kept["square"]).to(images)
        return squares

    def _key(self, images: Tensor, labels: Tensor, scalar: Scalar, what: str) -> dict[str, object]:
        """What an entry depends on besides the layer."""
        content = hashlib.sha256(f"{tuple(images.shape)} {images.dtype} {labels.tolist()}".encode())
        content.update(images.contiguous().cpu().numpy().data)
        return {
            "model": self.model,
            "images": content.hexdigest(),
            "scalar": str(scalar),
            "what": what,
        }


def _halved(seen: Seen) -> Arrays:
    """What was seen (n, ...) as float16, each image divided by its largest number, kept too."""
    arrays: Arrays = {}
    for name, values in vars(seen).items():
        if values is None:
            continue
        scale = values.abs().flatten(1).amax(1).clamp(min=torch.finfo(values.dtype).tiny)  # (n,)
        halved = values / scale.view(-1, *[1] * (values.dim() - 1))
        arrays |= {name: halved.half().cpu().numpy(), f"{name}_scale": scale.cpu().numpy()}
    return arrays


def _whole(kept: Mapping[str, np.ndarray], like: Tensor) -> Seen:
    """The inverse of `_halved`, up to its rounding."""
    seen = {}
    for name in ("x", "g", "rows"):
        if name in kept:
            values = torch.from_numpy(kept[name]).to(like.device, like.dtype)
            scale = torch.from_numpy(kept[f"{name}_scale"]).to(like.device, like.dtype)
            seen[name] = values * scale.view(-1, *[1] * (values.dim() - 1))
    return Seen(**seen)


def weights_digest(network: nn.Module) -> str:
    """Gives the SHA-256 over the names and values of the network's weights.

    It is the same wherever the network was built.
    """
    digest = hashlib.sha256()
    for name, value in sorted(network.state_dict().items()):
        digest.update(name.encode() + np.ascontiguousarray(value.detach().cpu().numpy()).tobytes())
    return digest.hexdigest()
