"""Training pictures -> what a model needs to see of them, cut out and laid on other pictures."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Annotated, ClassVar

import numpy as np
import torch
from pydantic import Field, NonNegativeInt, PositiveInt
from scipy import ndimage
from torch import Tensor

from shortcut_audit import registry
from shortcut_audit.contracts import Progress
from shortcut_audit.discovery.appearance.aligned import aligned, largest_part
from shortcut_audit.discovery.appearance.matching import matches
from shortcut_audit.discovery.ground import Ground
from shortcut_audit.discovery.hosts import hosts_of, log_odds
from shortcut_audit.discovery.proposal import Proposal
from shortcut_audit.evidence.masks.area import mask_of_area
from shortcut_audit.records import Pictures
from shortcut_audit.registry import snake_case

Share = Annotated[float, Field(gt=0, lt=1)]
GROWN = 1 / 32  # of the side: by so much a cut-out is wider than what the mask reveals
COPY = 0.75  # correlation from which another picture shows the same thing
SEARCHED = 150  # pictures of the class in which each cut-out is looked for


@dataclass(frozen=True, eq=False)
class _Cut:
    """What the model needs to see of s training pictures of a class."""

    target: int
    at: np.ndarray  # (s,) which pictures of the searched half
    regions: Tensor  # (s, h, w) bool


@dataclass(frozen=True)
class Transplants(ABC):
    """Extremal masks, and what their cut-outs do on pictures of other classes.

    A subclass, which is a proposer, says which pictures are masked. Source of the idea: SentiNet
    (Chou et al. 2020); new is what is taken off: whatever a cut-out does in a peer as well.
    """

    sources: PositiveInt = 60  # training pictures that are masked for each class
    hosts: PositiveInt = 12  # pictures of other classes on which each cut-out is laid
    area: Share = 0.05  # of the picture that the mask reveals
    most: PositiveInt = 8  # proposals of a class beyond the peers
    shared: NonNegativeInt = 3  # and of what turns pictures whatever the peers do

    of_models: ClassVar[bool] = True

    @abstractmethod
    def fitting(self, search: Ground, target: int) -> np.ndarray:
        """(f,) pictures of the searched half that may be masked for a class, as indices."""

    def masked(self, search: Ground, target: int) -> np.ndarray:
        """(s,) the fitting pictures of which the model is surer than its peers, as indices."""
        fitting = self.fitting(search, target)
        sure = surer_than_peers(search, target)[fitting]
        chosen: np.ndarray = fitting[np.argsort(-sure, kind="stable")[: self.sources]]
        return chosen

    def propose(self, search: Ground, report: Progress | None = None) -> Sequence[Proposal]:
        """The cut-outs that speak for each class most, with their near copies in its pictures."""
        cuts: list[_Cut] = []
        for done, target in enumerate(search.targets, 1):
            at = self.masked(search, target)
            if len(at):
                regions = self._regions(search, search.parts.search.pixels[at], target)
                cuts.append(_Cut(target, at, regions))
            if report:
                report(done, len(search.targets))
        shifts = [self._shifts(search, model, cuts) for model in (search.model, *search.peers)]
        found: list[Proposal] = []
        for cut, own, *peers in zip(cuts, *shifts, strict=True):
            beyond = own - np.max(peers, axis=0) if peers else own
            found += self._proposed(search, cut, own, beyond)
        return sorted(found, key=lambda proposal: -proposal.score)

    def _shifts(self, search: Ground, model: str, cuts: list[_Cut]) -> list[np.ndarray]:
        """By how much the model's log-odds move when each cut-out is laid on other pictures.

        (s,) for each class's cuts, in standard deviations of the log-odds on such pictures.
        """
        pictures = search.parts.search
        logits, moved = search.answers.logits(model, pictures.pixels), []
        for cut in cuts:
            at = hosts_of(pictures, cut.target, self.hosts)
            hosts, pixels = pictures.pixels[at], pictures.pixels[cut.at]
            laid = torch.where(cut.regions[:, None, None], pixels[:, None], hosts[None])
            after = log_odds(search.answers.answered(model, laid.flatten(0, 1)), cut.target)
            before = log_odds(logits, cut.target)
            usual = before[pictures.labels != cut.target].std() + 1e-6
            moved.append((after.reshape(len(cut.at), -1) - before[at]).mean(1) / usual)
        return moved

    def _regions(self, search: Ground, pixels: Tensor, target: int) -> Tensor:
        """(s, h, w) bool: what the model needs to see, a little wider."""
        answers = search.answers
        network, images = answers.subject(search.model).network, answers.as_images(pixels)
        targets = torch.full((len(images),), target, device=images.device)
        explainer = registry.build("explainer", "extremal")
        saliency = explainer.explain(network, images, targets, self.area).cpu()
        grown = max(1, round(GROWN * pixels.shape[2]))
        revealed = mask_of_area(saliency, self.area).numpy() > 0
        wide = [ndimage.binary_dilation(each, iterations=grown) for each in revealed]
        return torch.from_numpy(np.stack(wide))

    def _proposed(
        self, search: Ground, cut: _Cut, own: np.ndarray, beyond: np.ndarray
    ) -> Iterator[Proposal]:
        """The best cut-outs: those beyond the peers, then those that move the model."""
        best = np.argsort(-beyond, kind="stable")[: self.most].tolist()
        rest = [i for i in np.argsort(-own, kind="stable").tolist() if i not in best]
        for i in (*best, *rest[: self.shared]):
            words = (
                f"laid on other pictures it moves {search.model} by {own[i]:.1f} standard "
                f"deviations of its log-odds, {beyond[i]:.1f} beyond its peers"
            )
            yield self._proposal(search, cut, i, float(beyond[i]), words)

    def _proposal(self, search: Ground, cut: _Cut, i: int, score: float, words: str) -> Proposal:
        """One cut-out with its near copies in other pictures of the class."""
        pictures = search.parts.search
        region, corner = largest_part(cut.regions[i].numpy())
        rows, columns = (
            slice(start, start + length) for start, length in zip(corner, region.shape, strict=True)
        )
        crop = pictures.pixels[int(cut.at[i]), :, rows, columns].permute(1, 2, 0).numpy()
        among = _among(pictures, cut.target, int(cut.at[i]))
        scores, corners = matches(crop, region, pictures.pixels[among])
        copies = np.argsort(-scores, kind="stable")[: int((scores >= COPY).sum())]
        seen = aligned(
            pictures.pixels[:],
            np.array([cut.at[i], *among[copies]]),
            np.array([corner, *corners[copies]]),
            region,
        )
        name = pictures.classes[cut.target]
        copies_of = f"{len(copies)} of {len(among)} other pictures of '{name}' show the same"
        return Proposal(
            snake_case(type(self).__name__),
            name,
            score,
            f"{words}; {copies_of}",
            crops=seen.crops,
            region=seen.region,
            corner=seen.corner,
            side=pictures.pixels.shape[2],
            model=search.model,
            sources=tuple(pictures.ids[int(k)] for k in seen.pictures),
        )


def _among(pictures: Pictures, target: int, own: int) -> np.ndarray:
    """(m,) other pictures of the class, in which copies are looked for."""
    of_class = np.flatnonzero(pictures.labels == target)
    others: np.ndarray = of_class[of_class != own][:SEARCHED]
    return others


def surer_than_peers(search: Ground, target: int) -> np.ndarray:
    """(n,) by how much the model is surer of the class than its peers are in the mean.

    On each picture of the searched half, in standard deviations of each model's log-odds.
    """
    pixels = search.parts.search.pixels
    sure = _scaled(search.answers.logits(search.model, pixels), target)
    for peer in search.peers:
        sure = sure - _scaled(search.answers.logits(peer, pixels), target) / len(search.peers)
    return sure


def _scaled(logits: np.ndarray, target: int) -> np.ndarray:
    """(n,) log-odds in standard deviations of all pictures."""
    odds = log_odds(logits, target)
    scaled: np.ndarray = odds / (odds.std() + 1e-6)
    return scaled
