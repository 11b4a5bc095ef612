"""Subject -> Predictions, Masks, Influence: each computed when an audit first asks for it, once, and kept.

Everything is addressed by content: the checkpoint's SHA-256, the SHA-256 of the very pixels, and the method's recipe.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from functools import cache, partial
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch.utils.weak import WeakIdKeyDictionary

from shortcut_audit import registry
from shortcut_audit.errors import ModelError
from shortcut_audit.evidence.perturbation import perturbation_levels, perturbed
from shortcut_audit.evidence.ranked import ranked
from shortcut_audit.evidence.revealing import top_area
from shortcut_audit.evidence.sanity_networks import COPIES, Versions, sanity_masks
from shortcut_audit.files import sha256
from shortcut_audit.records import (
    Accuracy,
    Candidate,
    Decoyed,
    ExplainerCheck,
    Influence,
    Masks,
    Pictures,
    Predictions,
    SeenThrough,
    Subject,
    Transfer,
)
from shortcut_audit.scenario import Scenario
from shortcut_audit.store import Store
from shortcut_audit.subjects.loading import load_subject
from shortcut_audit.subjects.material import Material

if TYPE_CHECKING:
    from torch import Tensor

Progress = Callable[[str, int, int], None]
BATCH = 256  # images a forward pass
CHECKED = 36  # images on which the explainer itself is checked
LEARNED = 1000  # images at most from which the copy for that check learns the decoy


def silent(_what: str, _done: int, _total: int) -> None:
    """Reports no progress."""


class Evidence:
    """What is known about the models of one run."""

    def __init__(
        self,
        scenario: Scenario,
        candidates: list[Candidate],
        store: Store,
        device: str = "cpu",
        trust_code: bool = False,
        progress: Progress = silent,
    ) -> None:
        self.scenario = scenario
        self.material = Material(scenario)
        self.candidates = {candidate.name: candidate for candidate in candidates}
        self.store = store
        self.device = device
        self.trust_code = trust_code
        self.progress = progress
        self._loaded: dict[str, Subject | ModelError] = {}
        self.digest = cache(self._digest)
        self.predictions = cache(self._predictions)
        self.accuracy = cache(self._accuracy)
        self.masks = cache(self._masks)
        self.explainer_check = cache(self._explainer_check)
        self.transfer = cache(self._transfer)
        self._explainer = registry.build("explainer", scenario.masks.explainer, scenario.masks.options)
        self.influence = cache(self._influence)

    def subject(self, model: str) -> Subject:
        """The loaded model.

        Raises:
            ModelError: it cannot be loaded; the same error each time it is asked for.
        """
        if model not in self._loaded:
            for name in [name for name, kept in self._loaded.items() if isinstance(kept, Subject)][:-1]:
                del self._loaded[name]  # two models in memory are enough: cases come model by model
            try:
                self._loaded[model] = load_subject(self.candidates[model], self.material.classes, self.trust_code, self.device)
            except ModelError as error:
                self._loaded[model] = error
        found = self._loaded[model]
        if isinstance(found, ModelError):
            raise found
        return found

    def _digest(self, model: str) -> str:
        candidate = self._described(model)
        read_as = (candidate.arch, candidate.classes, candidate.size, candidate.mean, candidate.std, self.material.classes)
        return hashlib.sha256(f"{sha256(candidate.file)}{read_as}".encode()).hexdigest()

    def logits(self, model: str, pixels: Tensor) -> np.ndarray:
        """(n, k) float32 logits on (n, 3, h, w) uint8 pixels.

        Raises:
            ModelError: the model's answer is not finite.
        """

        def forward() -> dict[str, np.ndarray]:
            network = self.subject(model).network
            rows = []
            with torch.inference_mode():
                for start in range(0, len(pixels), BATCH):
                    self.progress(f"predictions of {model}", start, len(pixels))
                    rows.append(network(_as_float(pixels[start : start + BATCH], self.device)).float().cpu().numpy())
            return {"logits": np.concatenate(rows) if rows else np.zeros((0, len(self.material.classes)), np.float32)}

        logits = self._stored("logits", model, {"pixels": pixel_digest(pixels)}, forward)["logits"]
        if not np.isfinite(logits).all():
            bad = int((~np.isfinite(logits).all(1)).sum())
            raise ModelError(f"{model}: {bad} of {len(logits)} images get logits that are not finite; train it again or drop it")
        return logits

    def _predictions(self, model: str, decoy: str) -> Predictions:
        """Logits on the validation pictures: plain, decoyed, under the control, and the decoy on pictures without a class."""
        size = self._size(model)
        validation = self.material.pictures("validation", size)
        placed = self.material.with_decoy(decoy, "validation", size)
        alone = self.material.with_decoy(decoy, "background", size)
        return Predictions(
            plain=self.logits(model, validation.pixels),
            decoyed=self.logits(model, placed.decoyed),
            control=self.logits(model, placed.control),
            decoy_only=self.logits(model, alone.decoyed),
            control_only=self.logits(model, alone.control),
            labels=validation.labels,
        )

    def _accuracy(self, model: str) -> Accuracy:
        """Which plain validation pictures the model gets right, beside the best of the models that can be audited."""
        right: dict[str, np.ndarray] = {}
        for name in [model, *self.candidates]:
            try:
                validation = self.material.pictures("validation", self._size(name))
                right[name] = self.logits(name, validation.pixels).argmax(1) == validation.labels
            except ModelError:
                if name == model:
                    raise
        best = max(sorted(right), key=lambda name: float(right[name].mean()))
        return Accuracy(own=right[model], best=right[best], best_name=best)

    def _masks(self, model: str, decoy: str) -> Masks:
        """Masks for the decoy's class, on the first `masks.images` validation pictures of that class."""
        chosen, validation, placed = self._members(model, decoy, self.scenario.masks.images)
        target = self.material.bait(decoy).target_index
        return Masks(
            plain=self._revealed(model, validation.pixels[chosen], target),
            decoyed=self._revealed(model, placed.decoyed[chosen], target),
            control=self._revealed(model, placed.control[chosen], target),
            footprint=placed.footprint[chosen].numpy(),
            objects=None if validation.objects is None else validation.objects[chosen].numpy(),
            area=self.scenario.masks.area,
        )

    def _revealed(self, model: str, pixels: Tensor, target: int) -> np.ndarray:
        def explain() -> dict[str, np.ndarray]:
            explained = self._explained(self.subject(model).network, _as_float(pixels, self.device), target, f"masks of {model}")
            return {"saliency": explained.float().cpu().numpy()}

        saliency = torch.from_numpy(self._stored("masks", model, self._mask_key(pixels, target), explain)["saliency"])
        revealed: np.ndarray = top_area(saliency, self.scenario.masks.area).numpy()
        return revealed

    def _explained(self, network: torch.nn.Module, images: Tensor, target: int, what: str) -> Tensor:
        targets = torch.full((len(images),), target, device=self.device)
        saliency: Tensor = self._explainer.explain(
            network, images, targets, self.scenario.masks.area, lambda done, total: self.progress(what, done, total)
        )
        return saliency

    def _mask_key(self, pixels: Tensor, target: int) -> dict[str, object]:
        area = self.scenario.masks.area
        return {"pixels": pixel_digest(pixels), "target": target, "area": area, "explainer": repr(self._explainer)}

    def _explainer_check(self, model: str, decoy: str) -> ExplainerCheck:
        """Masks of two copies of the model, on pictures that neither was fitted to."""
        chosen, validation, placed = self._members(model, decoy, CHECKED)
        target, area = self.material.bait(decoy).target_index, self.scenario.masks.area
        rest = np.setdiff1d(np.arange(len(validation.labels)), chosen)[:: len(validation.labels) // LEARNED + 1]
        footprint = placed.footprint[chosen].numpy()
        if footprint.all() or min(len(chosen), len(rest)) < 2:  # no mask could miss the decoy; nothing to learn it from
            return ExplainerCheck(footprint, footprint, np.zeros(len(chosen), bool), footprint)

        def check() -> dict[str, np.ndarray]:
            def versions(of: np.ndarray) -> Versions:
                shown = [_as_float(each[of], self.device) for each in pictures]
                return Versions(shown[0], shown[1], shown[2], placed.footprint[of].to(self.device))

            explain = partial(self._explained, target=target, what=f"explainer check of {model}")
            return sanity_masks(self.subject(model).network, versions(chosen), versions(rest), target, explain)

        pictures = (placed.decoyed, placed.control, validation.pixels)
        digests = [pixel_digest(each) for each in (*pictures, placed.footprint)]
        key = {**self._mask_key(placed.decoyed[chosen], target), "from": digests, "copies": COPIES, "learned": LEARNED}
        found = self._stored("explainer_check", model, key, check)
        sighted, forgetful = (top_area(torch.from_numpy(found[name]), area).numpy() for name in ("planted", "randomised"))
        return ExplainerCheck(sighted, forgetful, found["known"], footprint)

    def _transfer(self, model: str, other: str, decoy: str) -> Transfer:
        """Each model's score through its own mask and through the other's."""
        return Transfer(
            decoyed=self._seen_through(model, other, decoy, "decoyed"),
            control=self._seen_through(model, other, decoy, "control"),
        )

    def _seen_through(self, model: str, other: str, decoy: str, variant: str) -> SeenThrough:
        chosen, _, placed = self._members(model, decoy, self.scenario.masks.images)
        pixels = getattr(placed, variant)[chosen]
        revealed = {name: torch.from_numpy(getattr(self.masks(name, decoy), variant)) for name in (model, other)}
        nothing = torch.zeros_like(revealed[model])
        views = ((revealed[model], revealed[other], nothing), (revealed[other], revealed[model], nothing))
        scores = [
            [self._score(name, pixels, view, self.material.bait(decoy).target_index) for view in three]
            for name, three in zip((model, other), views, strict=True)
        ]
        own, through_other, blurred = np.stack(scores, axis=1)  # each (2, n)
        return SeenThrough(own, through_other, blurred)

    def _score(self, model: str, pixels: Tensor, revealed: Tensor, target: int) -> np.ndarray:
        def forward() -> dict[str, np.ndarray]:
            network = self.subject(model).network
            with torch.inference_mode():
                blurred = perturbation_levels(_as_float(pixels, self.device), "blur")
                seen = perturbed(blurred, revealed.to(self.device, torch.float32))
                return {"score": network(seen).softmax(1)[:, target].float().cpu().numpy()}

        key = {"pixels": pixel_digest(pixels), "revealed": pixel_digest(revealed), "target": target}
        return self._stored("transfer", model, key, forward)["score"]

    def _influence(self, model: str, decoy: str) -> Influence:
        """How much each training picture of the decoy's class, some of which carry it, speaks for each query."""
        settings = self.scenario.influence
        method = registry.build("influence", settings.method, settings.options)
        bait = self.material.bait(decoy)
        chosen, _, placed = self._members(model, decoy, settings.queries)
        queries = torch.cat([placed.decoyed[chosen], placed.control[chosen]])
        training, flags = self.material.partly_decoyed(decoy, self._size(model), settings.coverage)

        def rank() -> dict[str, np.ndarray]:
            network, what = self.subject(model).network, f"influence in {model}"
            return ranked(method, network, queries, training, bait.target_index, partial(self.progress, what))

        digests = {"queries": pixel_digest(queries), "training": pixel_digest(training)}
        key = {**digests, "target": bait.target_index, "recipe": repr(method)}
        found = self._stored("influence", model, key, rank)
        decoyed, control = np.split(found["scores"], 2)
        predictions = self.predictions(model, decoy)
        right = [logits[chosen].argmax(1) == bait.target_index for logits in (predictions.decoyed, predictions.control)]
        return Influence(decoyed, control, flags, right[0], right[1], found["basis"].tobytes().decode())

    def _described(self, model: str) -> Candidate:
        candidate = self.candidates[model]
        if candidate.problem:
            raise ModelError(f"{model}: {candidate.problem}")
        return candidate

    def _size(self, model: str) -> int:
        return self._described(model).size

    def _members(self, model: str, decoy: str, most: int) -> tuple[np.ndarray, Pictures, Decoyed]:
        size = self._size(model)
        chosen = self.material.members(decoy, "validation", size)[:most]
        return chosen, self.material.pictures("validation", size), self.material.with_decoy(decoy, "validation", size)

    def _stored(
        self, kind: str, model: str, key: dict[str, object], compute: Callable[[], dict[str, np.ndarray]]
    ) -> dict[str, np.ndarray]:
        return self.store.arrays(kind, {"model": self.digest(model), **key}, compute)


def _as_float(pixels: Tensor, device: str) -> Tensor:
    return pixels.to(device, torch.float32) / 255


_digests = WeakIdKeyDictionary()  # Tensor -> str


def pixel_digest(pixels: Tensor) -> str:
    """SHA-256 of a tensor's shape and bytes; remembered for as long as the tensor lives, for nobody writes to pixels."""
    if pixels not in _digests:
        whole = hashlib.sha256(f"{tuple(pixels.shape)}".encode())
        whole.update(pixels.contiguous().numpy().data)
        _digests[pixels] = whole.hexdigest()
    digest: str = _digests[pixels]
    return digest
