"""Black-box explaining: score images through fixed masks, and turn the scores into pixels.

The masks are the same for every image. RISE, occlusion, LIME and SHAP differ in their masks and in
the linear map from scores to pixels, and in nothing else. They need only the network's answers,
never a gradient. What a mask hides turns to the image's mean colour, or is blurred.
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

Absence = Literal["fade", "blur"]  # what stands where a mask hides: see `perturbation_levels`
Score = Literal["probability", "logit"]
Share = Annotated[float, Field(gt=0, lt=1)]
Several = Annotated[int, Field(ge=2)]
IMAGES, VIEWS = 8, 16  # images at a time, and masks of each in one forward pass


@dataclass(frozen=True)
class Probes:
    """The masks to look through, and what the score of each view says about each pixel."""

    masks: Tensor  # (v, h, w) float32 in [0, 1]; 1 keeps
    maps: Tensor  # (v, h, w) or, one value a superpixel, (v, f)
    absence: Absence
    score: Score
    places: Tensor | None = None  # (h, w) int64 in 0 .. f - 1, which superpixel a pixel belongs to

    def saliency(self, scores: Tensor) -> Tensor:
        """Turns scores (n, v) into pixels (n, h, w): their sum, weighted by the maps."""
        values = torch.einsum("nv,v...->n...", scores.to(self.maps), self.maps)
        return values if self.places is None else values[:, self.places]


def explained(
    network: nn.Module, images: Tensor, targets: Tensor, probes: Probes, report: Report | None
) -> Tensor:
    """Gives the probes' saliency, stretched: (n, h, w) float32 in [0, 1]."""
    with lean(network, images[:2]) as logits, torch.no_grad():

        def step(some: Tensor, of: Tensor) -> Tensor:
            found = scores(logits, some, of, probes.masks, probes.absence, probes.score)
            return stretched(probes.saliency(found)).to(images.device)

        return joined(in_batches(step, (images, targets), IMAGES, report), images)


def scores(
    logits: Logits,
    images: Tensor,
    targets: Tensor,
    masks: Tensor,
    absence: Absence = "fade",
    score: Score = "probability",
) -> Tensor:
    """Gives the score of each image's target through each mask, (n, v).

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
    """Numbers the squares of a grid, and says of each pixel in which one it is.

    There are `across` squares along the shorter side.

    Returns:
        (height, width) int64.
    """
    side = min(height, width) / across
    down, right = min(height, round(height / side)), min(width, round(width / side))
    rows = torch.arange(height) * down // height
    columns = torch.arange(width) * right // width
    return rows[:, None] * right + columns
