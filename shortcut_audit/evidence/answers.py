"""Any model and any pixels -> logits, masks, scores through masks, influence: computed once, and
kept.

Everything is addressed by content: the checkpoint's SHA-256, the SHA-256 of the very pixels, and
the method's recipe.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable
from dataclasses import InitVar, dataclass
from functools import partial

import numpy as np
import torch
from torch import Tensor

from shortcut_audit import registry
from shortcut_audit.errors import ModelError, ShortcutAuditError, UsageError
from shortcut_audit.evidence.asking import answers_of, asking, not_finite
from shortcut_audit.evidence.each_label import question
from shortcut_audit.evidence.gradients.scores import ranked
from shortcut_audit.evidence.lent_network import fast_layout
from shortcut_audit.evidence.masks.area import mask_of_area
from shortcut_audit.evidence.masks.attribution import in_batches
from shortcut_audit.evidence.masks.perturbation import perturbation_levels, perturbed
from shortcut_audit.files.checkpoint_files import digest_of, format_of
from shortcut_audit.files.sources import code_of, code_of_module, our_code
from shortcut_audit.files.store import Arrays, Store
from shortcut_audit.progress import Progress
from shortcut_audit.records import Candidate, Subject
from shortcut_audit.remembered import remembered
from shortcut_audit.rows import Rows, block_count, block_of, digest_of_block, rows_digest
from shortcut_audit.scenario import Scenario
from shortcut_audit.subjects.loading.programs import require_weights
from shortcut_audit.subjects.loading.subject import check_answers, load_subject
from shortcut_audit.subjects.manifest.candidates import refusal
from shortcut_audit.subjects.manifest.descriptions import read_as
from shortcut_audit.subjects.pictures.material import Material

ASKED_TWICE = 8  # validation pictures on which a model must answer alike, alone and in a batch
RETRAIN = "train it again or drop it"
SEEN = 64  # images that are blurred at a time: each is held at eight levels


def silent(_what: str, _done: int, _total: int) -> None:
    """Reports no progress."""


@dataclass(eq=False)
class Answers:
    """What models say about pixels, by the scenario's explainer and influence method."""

    scenario: Scenario
    models: InitVar[Iterable[Candidate]]
    store: Store
    device: str = "cpu"
    trust_code: bool = False
    progress: Progress = silent
    pictures: InitVar[Material | None] = None  # those of other runs, where they share them

    def __post_init__(self, models: Iterable[Candidate], pictures: Material | None) -> None:
        scenario = self.scenario
        self.material = pictures or Material(scenario)
        self.candidates = {candidate.name: candidate for candidate in models}
        self._loaded: dict[str, Subject | ShortcutAuditError] = {}
        self._explainer = registry.build(
            "explainer", scenario.masks.explainer, scenario.masks.options
        )
        self._method = registry.build(
            "influence", scenario.influence.method, scenario.influence.options
        )

    def subject(self, model: str) -> Subject:
        """The loaded model. Law: its weights are the bytes that `sha256` names, and its code is the
        code that `digest` names.

        Raises:
            ModelError: it cannot be audited; the same error each time it is asked for.
            UsageError: the manifest is at fault, or the file or the code changed after it was
                first read.
        """
        if model not in self._loaded:
            self._keep_one_model()
            try:
                self._loaded[model] = self._load(model)
            except (ModelError, UsageError) as error:
                self._loaded[model] = error
        found = self._loaded[model]
        if isinstance(found, ShortcutAuditError):
            raise found
        return found

    def _keep_one_model(self) -> None:
        """Two models in memory are enough, for cases come model by model."""
        loaded = [name for name, kept in self._loaded.items() if isinstance(kept, Subject)]
        for name in loaded[:-1]:
            del self._loaded[name]

    def _load(self, model: str) -> Subject:
        candidate, digest, code = self.candidates[model], self.sha256(model), self._code(model)
        classes, known_as = self.material.classes, self.material.known_as
        subject = load_subject(candidate, classes, self.trust_code, self.device, known_as)
        if subject.sha256 != digest:
            raise UsageError(
                f"{model}: '{candidate.file.name}' changed during the audit: "
                "run it again once the file is written"
            )
        seen = self.material.pictures("validation", candidate.size).pixels[:ASKED_TWICE]
        if len(seen) > 1:
            images = self.as_images(seen)
            answers_of(model, subject.network, images, lambda *_: None)
            ask = partial(check_answers, subject.network, name=model)
            in_batches(ask, (images,), ASKED_TWICE)
        if self._code(model) != code:
            raise UsageError(
                f"{model}: the code behind '{candidate.arch}' changed during the audit: "
                "run it again"
            )
        return subject

    def question(self, model: str, target: int) -> tuple[torch.nn.Module, int]:
        """The network that is asked about a class of the data set, and its column there."""
        return question(self.subject(model), self.described(model), target)

    def described(self, model: str) -> Candidate:
        """What is known of the model before it is loaded; its `size` is that of its pictures.

        Raises:
            ModelError, UsageError: it could not be described; the first is charged to the model.
        """
        candidate = self.candidates[model]
        if refused := refusal(candidate):
            raise refused
        return candidate

    @remembered
    def sha256(self, model: str) -> str:
        """SHA-256 of the checkpoint's bytes when it was first asked for.

        What is loaded later must be the same.
        """
        return digest_of(self.described(model).file)

    @remembered
    def digest(self, model: str) -> str:
        """Everything that the model's answers depend on: its bytes, how they are read, by which
        code, on which device.
        """
        candidate = self.described(model)
        read = (read_as(candidate), self.material.classes, torch.device(self.device).type)
        return hashlib.sha256(
            f"{self.sha256(model)}{read}{our_code()}{self._code(model)}".encode()
        ).hexdigest()

    def _code(self, model: str) -> str:
        """A digest of the code of a user's own that makes this model; "" where all of it is ours or
        a library's.
        """
        candidate = self.candidates[model]
        reader = code_of(type(format_of(candidate.file)))
        source = candidate.arch.partition(":")[0]
        if source in registry.names("architecture"):
            return reader + code_of(registry.lookup("architecture", source))
        return reader + (code_of_module(source) if self.trust_code else "")

    def logits(self, model: str, pixels: Rows) -> np.ndarray:
        """(n, k) float32 logits on (n, 3, h, w) uint8 pixels.

        Raises:
            ModelError: the model's answer is not finite, or it fails on some images.
            MachineError: the machine failed, its memory for one.
        """

        parts = [np.zeros((0, len(self.material.classes)), np.float32)] if not len(pixels) else []
        for i in range(block_count(pixels)):
            parts.append(self.of_block(model, pixels, i))
        logits = np.concatenate(parts)
        if bad := not_finite(logits):
            raise ModelError(f"{model}: {bad} get logits that are not finite; {RETRAIN}")
        return logits

    def of_block(self, model: str, pixels: Rows, i: int) -> np.ndarray:
        """Logits on block i of the pixels, whatever they are."""

        def forward() -> Arrays:
            return {"logits": self.answered(model, block_of(pixels, i))}

        key: dict[str, object] = {"pixels": digest_of_block(pixels, i)}
        return self.stored("logits", model, key, forward)["logits"]

    def answered(self, model: str, pixels: Tensor) -> np.ndarray:
        """As `logits`, asked each time and not kept; they may be anything."""
        network = self.subject(model).network
        if not len(pixels):
            return np.zeros((0, len(self.material.classes)), np.float32)
        layout = fast_layout(network, self.as_images(pixels[:2]))

        def forward(part: Tensor) -> Tensor:
            images = self.as_images(part).contiguous(memory_format=layout)
            logits: Tensor = network(images).float().cpu()
            return logits

        with torch.inference_mode():
            found = answers_of(
                model, forward, pixels, partial(self.progress, f"predictions of {model}")
            )
        answers: np.ndarray = found.numpy()
        return answers

    def revealed(self, model: str, pixels: Tensor, target: int) -> np.ndarray:
        """(n, h, w) bool: the scenario's share of each picture that says most for `target`.

        Raises:
            UsageError: the explainer says nothing of some pictures. No mask is made of that: it
                would miss any decoy.
        """

        def explain() -> Arrays:
            network, at = self.question(model, target)
            explained = self.explained(network, self.as_images(pixels), at, f"masks of {model}")
            return {"saliency": explained.float().cpu().numpy()}

        saliency = self.stored("masks", model, self.mask_key(pixels, target), explain)["saliency"]
        if bad := not_finite(saliency):
            raise UsageError(
                f"{model}: {bad} get masks that are not finite; "
                "name another explainer in the scenario (masks.explainer)"
            )
        area = self.scenario.masks.area
        shown: np.ndarray = mask_of_area(torch.from_numpy(saliency), area).numpy()
        return shown

    def explained(self, network: torch.nn.Module, images: Tensor, target: int, what: str) -> Tensor:
        """(n, h, w) saliency of any network's class `target`; not kept.

        images: (n, 3, h, w) in [0, 1].
        """
        require_weights(network)
        targets = torch.full((len(images),), target, device=self.device)
        saliency: Tensor = self._explainer.explain(
            network,
            images,
            targets,
            self.scenario.masks.area,
            lambda done, total: self.progress(what, done, total),
        )
        return saliency

    def mask_key(self, pixels: Tensor, target: int) -> dict[str, object]:
        """What masks depend on besides the model; our own code counts in `digest`."""
        area, explainer = self.scenario.masks.area, self._explainer
        recipe = f"{explainer!r}{code_of(type(explainer))}"
        return {"pixels": rows_digest(pixels), "target": target, "area": area, "explainer": recipe}

    def score(self, model: str, pixels: Tensor, revealed: np.ndarray, target: int) -> np.ndarray:
        """(n,) softmax score of `target` on blurred pixels (n, 3, h, w).

        They stay sharp where `revealed` (n, h, w).
        """
        shown = torch.from_numpy(revealed)

        def forward() -> Arrays:
            network, at = self.question(model, target)

            def seen(part: Tensor, mask: Tensor) -> Tensor:
                blurred = perturbation_levels(self.as_images(part), "blur")
                images = perturbed(blurred, mask.to(self.device, torch.float32))
                scores: Tensor = network(images).softmax(1)[:, at].float().cpu()
                return scores

            with torch.inference_mode():
                return {"score": torch.cat(in_batches(seen, (pixels, shown), SEEN)).numpy()}

        key = {"pixels": rows_digest(pixels), "revealed": rows_digest(shown), "target": target}
        score = self.stored("transfer", model, key, forward)["score"]
        if bad := not_finite(score):
            raise ModelError(f"{model}: {bad} get scores that are not finite; {RETRAIN}")
        return score

    def ranking(self, model: str, queries: Tensor, training: Rows, target: int) -> Arrays:
        """`scores` (q, m) float32 and `basis`, UTF-8, of training pictures (m, 3, h, w) for queries
        (q, 3, h, w) of one class.
        """

        def rank() -> Arrays:
            network, at = self.question(model, target)
            report = partial(self.progress, f"influence in {model}")
            return ranked(self._method, network, queries, training, at, report)

        digests = {"queries": rows_digest(queries), "training": rows_digest(training)}
        recipe = f"{self._method!r}{code_of(type(self._method))}"
        return self.stored(
            "influence", model, {**digests, "target": target, "recipe": recipe}, rank
        )

    def as_images(self, pixels: Tensor) -> Tensor:
        """uint8 -> float32 in [0, 1], on the device."""
        return pixels.to(self.device, torch.float32) / 255

    def stored(
        self, kind: str, model: str, key: dict[str, object], compute: Callable[[], Arrays]
    ) -> Arrays:
        """What `compute` gives for this very model and key: read where it is kept, else computed
        and kept.

        Raises:
            UsageError, MachineError: as `asking`.
        """
        with asking(model, lambda: self.subject(model).network):
            return self.store.arrays(kind, {"model": self.digest(model), **key}, compute)
