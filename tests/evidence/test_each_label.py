"""A model that answers each label on its own is asked about one label at a time."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from shortcut_audit.errors import UsageError
from shortcut_audit.evidence.each_label import (
    of_label,
    often,
    refuse_each_label,
    refuse_several,
    right,
    shown,
)
from shortcut_audit.inputs_and_outputs import Head
from shortcut_audit.observations import Predictions
from shortcut_audit.records import Candidate, Pictures

LABELS = Candidate("m", Path("m.pt"), classes=("a", "b", "c"), head=Head("labels"))
ONE = Candidate("m", Path("m.pt"), classes=("a", "b", "c"))
TRUTH = np.array([[1, 0, 1], [0, 0, 0], [1, 1, 1], [0, 1, 0]], bool)
LOGITS = np.array([[2, -1, 1], [-3, -1, 0.5], [1, 1, -1], [-1, 2, -1]], np.float32)


def pictures(several: bool) -> Pictures:
    labels = np.full(4, -1) if several else np.array([0, 1, 2, -1])
    pixels = torch.zeros(4, 3, 2, 2, dtype=torch.uint8)
    known = TRUTH if several else None
    return Pictures(pixels, labels, tuple("wxyz"), ("a", "b", "c"), "", shown=known)


def said() -> Predictions:
    none, groups = np.zeros((0, 3), np.float32), np.arange(4)
    alone = np.zeros(0, np.int64)
    return Predictions(LOGITS, LOGITS + 1, LOGITS, none, none, np.full(4, -1), groups, alone, TRUTH)


@pytest.mark.parametrize("label", [0, 1, 2])
def test_the_question_about_a_label_is_whether_its_logit_is_above_0(label: int) -> None:
    asked = of_label(said(), label)
    assert np.array_equal(asked.plain.argmax(1) == 1, LOGITS[:, label] > 0)
    assert np.array_equal(asked.decoyed.argmax(1) == 1, LOGITS[:, label] + 1 > 0)
    assert np.array_equal(asked.labels, TRUTH[:, label])
    assert asked.decoy_only.shape == (0, 2)


def test_what_is_right_is_the_share_of_the_labels() -> None:
    assert right(pictures(True), LOGITS, LABELS).tolist() == pytest.approx([1, 2 / 3, 2 / 3, 1])
    assert right(pictures(False), LOGITS, ONE).tolist() == [True, False, False, False]
    assert often(LOGITS, LABELS).tolist() == [2, 2, 2]
    assert often(LOGITS, ONE).tolist() == [2, 1, 1]


def test_pictures_of_one_class_show_that_one() -> None:
    assert shown(pictures(False)).tolist() == [[1, 0, 0], [0, 1, 0], [0, 0, 1], [0, 0, 0]]


def test_a_model_of_one_class_is_not_asked_about_pictures_of_several() -> None:
    refuse_several(LABELS, pictures(True))
    refuse_several(ONE, pictures(False))
    with pytest.raises(UsageError, match=r"may show several: .* add 'head: \{answers: labels\}'"):
        refuse_several(ONE, pictures(True))


def test_what_compares_classes_is_not_asked_of_labels() -> None:
    refuse_each_label(ONE, "the search")
    with pytest.raises(UsageError, match="m: the search asks for models that name one class"):
        refuse_each_label(LABELS, "the search")
