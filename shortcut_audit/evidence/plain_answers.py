"""What the models of a run answer on plain pictures, and what their outputs are called."""

from __future__ import annotations

import numpy as np
import torch

from shortcut_audit.errors import ModelError, UsageError
from shortcut_audit.evidence.answers import Answers
from shortcut_audit.evidence.each_label import answers_each, groups, often, refuse_several, shown
from shortcut_audit.evidence.each_label import right as right_of
from shortcut_audit.evidence.other_readings import chosen, right_otherwise
from shortcut_audit.files.store import Arrays
from shortcut_audit.observations import Accuracy
from shortcut_audit.remembered import remembered
from shortcut_audit.rows import rows_digest
from shortcut_audit.subjects.manifest.outputs import columns


class PlainAnswers(Answers):
    """What models say about plain validation pictures."""

    def stated_accuracy(self, model: str) -> float | None:
        """The share of pictures that the checkpoint itself says it gets right, if it does."""

        def read() -> Arrays:
            stated = getattr(self.subject(model), "stated_accuracy", None)
            return {"share": np.array([np.nan if stated is None else stated])}

        share = float(self.stored("stated", model, {}, read)["share"][0])
        return None if np.isnan(share) else share

    def asked_otherwise(self, model: str) -> str:
        """The label that `otherwise` asks about, of a model that answers each on its own; else "".

        It is the one that is nearest to being on half of the pictures.
        """
        candidate = self.described(model)
        if not answers_each(candidate):
            return ""
        shares = shown(self.material.pictures("validation", candidate.size)).mean(0)  # (k,)
        return self.material.classes[int(np.abs(shares - 0.5).argmin())]

    def otherwise(self, model: str) -> tuple[np.ndarray, dict[str, np.ndarray]]:
        """Which pictures are right as the manifest reads them, (n,) bool, and in other readings
        (see `other_readings.py`).
        """
        candidate = self.described(model)
        validation, at = self.material.pictures("validation", candidate.size), 0
        labels = validation.labels
        if label := self.asked_otherwise(model):
            at = self.material.classes.index(label)
            labels = shown(validation)[:, at].astype(np.int64)
        asked = chosen(len(labels))
        pixels, labels = validation.pixels[asked], labels[asked]

        def ask() -> Arrays:
            network, _ = self.question(model, at)
            with torch.inference_mode():
                found = right_otherwise(
                    lambda images: network(images.to(self.device)), candidate, pixels, labels
                )
            words = np.frombuffer("\n".join(found).encode(), np.uint8)
            return {
                "words": words,
                "right": np.stack(list(found.values())) if found else np.zeros((0, len(labels))),
            }

        kept = self.stored(
            "otherwise", model, {"pixels": rows_digest(pixels), "labels": labels.tolist()}, ask
        )
        names = [name for name in kept["words"].tobytes().decode().split("\n") if name]
        logits = self.logits(model, validation.pixels)[asked]
        answers = logits[:, at] > 0 if answers_each(candidate) else logits.argmax(1)
        as_read = answers == labels
        return as_read, dict(zip(names, kept["right"], strict=True))

    @remembered
    def outputs(self, model: str) -> tuple[str, ...]:
        """Names of the logits' columns: the data set's classes, and then what else the model tells
        apart.
        """
        known = self.material.classes
        return columns(self.described(model).classes, known, self.material.known_as)[1]

    def columns(self, model: str, target: str) -> tuple[str, ...]:
        """What the columns of `about` stand for."""
        if answers_each(self.described(model)):
            return f"no {target}", target
        return self.outputs(model)

    def often(self, model: str, logits: np.ndarray) -> np.ndarray:
        """(k,) how many of n pictures with these logits (n, k) get each class as an answer."""
        return often(logits, self.described(model))

    def right_about(self, model: str, label: str) -> tuple[np.ndarray, np.ndarray]:
        """Whether each validation picture shows a label, and whether the model says so: (n,) 0, 1.

        Of a model that answers each label on its own.
        """
        pictures = self.material.pictures("validation", self._size(model))
        at = self.material.classes.index(label)
        answers = self.logits(model, pictures.pixels)[:, at] > 0
        return shown(pictures)[:, at].astype(np.int64), answers.astype(np.int64)

    @remembered
    def accuracy(self, model: str) -> Accuracy:
        """Which plain validation pictures the model gets right, beside the best of the models that
        can be audited.
        """
        right: dict[str, np.ndarray] = {}
        for name in [model, *self.candidates]:
            try:
                validation = self.material.pictures("validation", self._size(name))
                refuse_several(self.described(name), validation)
                logits = self.logits(name, validation.pixels)
                right[name] = right_of(validation, logits, self.described(name))
            except (ModelError, UsageError):
                if name == model:
                    raise
        best = max(sorted(right), key=lambda name: float(right[name].mean()))
        together = groups(self.material.pictures("validation", self._size(model)))
        return Accuracy(own=right[model], best=right[best], best_name=best, groups=together)

    def _size(self, model: str) -> int:
        return self.described(model).size
