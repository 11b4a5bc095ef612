"""Models that answer each label on its own: every label is a question with two answers, no and yes.

What is asked of such a model is asked about one label. Its logits (n, k) become the two of that
label, so that whatever compares classes compares these.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from torch import nn

from shortcut_audit.errors import UsageError
from shortcut_audit.observations import Predictions
from shortcut_audit.records import Candidate, Pictures, Subject
from shortcut_audit.subjects.loading.heads import OneLabel

YES = 1  # the column of yes; that of no is 0
CONDITIONS = ("plain", "decoyed", "control", "decoy_only", "control_only")


def answers_each(candidate: Candidate) -> bool:
    """Whether the model answers each label on its own."""
    return candidate.head.answers == "labels"


def shown(pictures: Pictures) -> np.ndarray:
    """(n, k) bool: every class on each picture."""
    if pictures.shown is not None:
        return pictures.shown
    labels: np.ndarray = pictures.labels[:, None] == np.arange(len(pictures.classes))
    return labels


def groups(pictures: Pictures) -> np.ndarray:
    """(n,) int64: which pictures belong together; each picture alone where nothing says so."""
    return np.arange(len(pictures.labels)) if pictures.groups is None else pictures.groups


def of_label(said: Predictions, label: int) -> Predictions:
    """The predictions about one label: logits (n, 2), and 1 for each picture that shows it."""
    both = {name: both_of(getattr(said, name), label) for name in CONDITIONS}
    known = np.zeros((len(said.labels), 0), bool) if said.shown is None else said.shown
    on = known[:, label] if label < known.shape[1] else np.zeros(len(said.labels), bool)
    return replace(said, **both, labels=on.astype(np.int64), shown=None)


def both_of(logits: np.ndarray, label: int) -> np.ndarray:
    """(n, 2) the logits of no and yes of one label, from those (n, k) of all."""
    half = logits[:, label] / 2
    return np.stack([-half, half], 1)


def question(subject: Subject, candidate: Candidate, target: int) -> tuple[nn.Module, int]:
    """The network that is asked about a class, and the column of that class in its logits."""
    if not answers_each(candidate):
        return subject.network, target
    return OneLabel(subject.network, target), YES


def right(pictures: Pictures, logits: np.ndarray, candidate: Candidate) -> np.ndarray:
    """(n,) how much of each picture is right: 0 or 1, or the share of the labels.

    Args:
        logits: (n, at least k).
    """
    if answers_each(candidate):
        truth = shown(pictures)  # (n, k)
        found: np.ndarray = ((logits[:, : truth.shape[1]] > 0) == truth).mean(1)
        return found
    answered: np.ndarray = logits.argmax(1) == pictures.labels
    return answered


def often(logits: np.ndarray, candidate: Candidate) -> np.ndarray:
    """(k,) how many of the n pictures get each class as an answer."""
    if answers_each(candidate):
        counted: np.ndarray = (logits > 0).sum(0)
        return counted
    return np.bincount(logits.argmax(1), minlength=logits.shape[1])


def refuse_several(candidate: Candidate, pictures: Pictures) -> None:
    """Raises UsageError where pictures may show several classes and the model names one."""
    if pictures.shown is not None and not answers_each(candidate):
        raise UsageError(
            f"{candidate.name}: it answers with one class for each picture, and these pictures may "
            "show several: if its outputs are independent, add 'head: {answers: labels}'"
        )


def refuse_each_label(candidate: Candidate, what: str) -> None:
    """Raises UsageError where what is asked compares classes with each other."""
    if answers_each(candidate):
        raise UsageError(
            f"{candidate.name}: {what} asks for models that name one class for each picture, and "
            "this one answers each label on its own"
        )
