"""Black-box explaining: look at images through fixed masks, the same for every image, and turn the
scores into pixels.

RISE, occlusion, LIME and SHAP differ in their masks and in the linear map from scores to pixels,
and in nothing else. Only the network's answers are needed, never a gradient. What no mask keeps
turns to the image's mean colour, or is blurred.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Literal

import torch
from pydantic import Field
from torch import Tensor, nn

from shortcut_audit.evidence.lent_network import lean
from shortcut_audit.evidence.masks.attribution import Report, in_batches, joined, stretched
from shortcut_audit.evidence.masks.perturbation import perturbation_levels
from shortcut_audit.evidence.masks.search import Logits

Absence = Literal["fade", "blur"]  # see `perturbation_levels`
Score = Literal["probability", "logit"]
Share = Annotated[float, Field(gt=0, lt=1)]
Several = Annotated[int, Field(ge=2)]
IMAGES, VIEWS = 8, 16  # at a time, and masks of each in one forward pass


@dataclass(frozen=True)
class Probes:
    """What is looked through, and what each look's score says about each pixel."""

    masks: Tensor  # (v, h, w) float32 in [0, 1]; 1 keeps
    maps: Tensor  # (v, h, w) or, one value a superpixel, (v, f)
    places: Tensor | None = None  # (h, w) int64 in 0 .. f - 1, which superpixel a pixel belongs to

    def saliency(self, scores: Tensor) -> Tensor:
        """Scores (n, v) -> (n, h, w), their sum weighted by the maps."""
        values = torch.einsum("nv,v...->n...", scores.to(self.maps), self.maps)
        return values if self.places is None else values[:, self.places]


def explained(
    network: nn.Module,
    images: Tensor,
    targets: Tensor,
    probes: Probes,
    absence: Absence,
    score: Score,
    report: Report | None,
) -> Tensor:
    """(n, h, w) float32 in [0, 1]: the probes' saliency, stretched."""
    with lean(network, images[:2]) as logits, torch.no_grad():

        def step(some: Tensor, of: Tensor) -> Tensor:
            return stretched(
                probes.saliency(scores(logits, some, of, probes.masks, absence, score))
            ).to(images.device)

        return joined(in_batches(step, (images, targets), IMAGES, report), images)


def scores(
    logits: Logits,
    images: Tensor,
    targets: Tensor,
    masks: Tensor,
    absence: Absence = "fade",
    score: Score = "probability",
) -> Tensor:
    """(n, v): each image's target through each mask.

    Args:
        logits: (v, 3, h, w) -> (v, k).
        images: (n, 3, h, w) in [0, 1].
        targets: (n,) int64.
        masks: (v, h, w) in [0, 1].
    """
    levels = perturbation_levels(images, absence)  # (n, 2, 3, h, w)
    absent, gain = levels[:, :1], levels[:, 1:] - levels[:, :1]
    found = []
    for some in torch.split(masks.to(images), VIEWS):
        views = torch.addcmul(absent, some[:, None], gain)  # (n, VIEWS, 3, h, w)
        answers = logits(views.flatten(0, 1)).view(*views.shape[:2], -1)  # (n, VIEWS, k)
        answers = answers.softmax(2) if score == "probability" else answers
        found.append(answers.gather(2, targets[:, None, None].expand(-1, len(some), 1))[..., 0])
    return torch.cat(found, dim=1)


def superpixels(height: int, width: int, across: int) -> Tensor:
    """(height, width) int64: the number of the square that a pixel is in, `across` squares along
    the shorter side.
    """
    side = min(height, width) / across
    down, right = (min(size, round(size / side)) for size in (height, width))
    return (torch.arange(height) * down // height)[:, None] * right + torch.arange(
        width
    ) * right // width
