"""What a checkpoint says of itself: contradictions with the manifest are one sentence, and junk is
passed over.
"""

from __future__ import annotations

import argparse
import json
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from shortcut_audit.errors import UsageError
from shortcut_audit.records import Candidate
from shortcut_audit.subjects.loading.unwrapping import words_beside
from shortcut_audit.subjects.manifest.own_words import (
    hub_words,
    refuse_contradiction,
    stated_accuracy,
)

CANDIDATE = Candidate("F0", Path("F0.pt"), "timm:resnet18", ("cat", "dog", "owl"), 64)


def refusal(words: dict[str, Any]) -> str:
    with pytest.raises(UsageError) as caught:
        refuse_contradiction(CANDIDATE, words_beside(words))
    return str(caught.value)


@pytest.mark.parametrize("section", [None, "args", "hyper_parameters", "meta", "pretrained_cfg"])
@pytest.mark.parametrize(
    ("words", "said"),
    [
        (
            {"classes": ["dog", "cat", "owl"]},
            "output 0 is 'dog', and the manifest that it is 'cat'",
        ),
        (
            {"class_names": ("cat", "owl", "dog")},
            "output 1 is 'owl', and the manifest that it is 'dog'",
        ),
        ({"class_to_idx": {"cat": 1, "dog": 0, "owl": 2}}, "output 0 is 'dog'"),
        ({"idx_to_class": {0: "dog", 1: "cat", 2: "owl"}}, "output 0 is 'dog'"),
        ({"id2label": {"0": "dog", "1": "cat", "2": "owl"}}, "output 0 is 'dog'"),
        (
            {"classes": ["cat", "owl", "yak"]},
            "output 1 is 'owl', and the manifest that it is 'dog'",
        ),
        ({"classes": ["Dog", "CAT", "owl"]}, "output 0 is 'Dog'"),
        (
            {"mean": [0.5, 0.5, 0.5]},
            "the mean of its input is 0.5, 0.5, 0.5, and the manifest that it is 0.485, 0.456, 0.406",
        ),
        ({"std": (0.5, 0.5, 0.5)}, "the std of its input is 0.5, 0.5, 0.5"),
        ({"mean": [127.5, 127.5, 127.5]}, "the mean of its input is 0.5, 0.5, 0.5"),
        (
            {"input_size": (3, 224, 224)},
            "its input size is 224 pixels (input_size), and the manifest that it is 64",
        ),
        ({"img_size": 128}, "its input size is 128 pixels (img_size)"),
        (
            {"img_size": 64, "crop_pct": 0.875},
            "pictures are scaled to 73 pixels and then cropped, and the manifest that it is to 64 "
            "(input: resize)",
        ),
        (
            {"val_crop_size": 64, "val_resize_size": 64, "interpolation": "bicubic"},
            "pictures are scaled by 'bicubic' interpolation, and the manifest that it is by "
            "'bilinear' (input: interpolation)",
        ),
        (
            {"img_size": 64, "crop_pct": 1.0, "crop_mode": "squash"},
            "pictures are squashed to the input's shape, and the manifest that they keep theirs "
            "(input: squash)",
        ),
        (
            {"arch": "resnet34"},
            "its architecture is 'resnet34', and the manifest that it is 'timm:resnet18'",
        ),
        ({"architecture": "resnet18d.ra2_in1k"}, "its architecture is 'resnet18d.ra2_in1k'"),
        ({"arch": "torchvision:resnet18"}, "its architecture is 'torchvision:resnet18'"),
    ],
)
def test_a_contradiction_says_what_both_say(
    words: dict[str, Any], said: str, section: str | None
) -> None:
    sentence = refusal(
        {section: argparse.Namespace(**words) if section == "args" else words} if section else words
    )
    assert sentence.startswith(f"the file says of itself that {said}")
    assert sentence.endswith(
        "correct rashomon.yaml, or save the file without these words if they are wrong"
    )


@pytest.mark.parametrize(
    "words",
    [
        {
            "classes": ["cat", "dog", "owl"],
            "num_classes": 3,
            "arch": "resnet18",
            "mean": [0.485, 0.456, 0.406],
            "img_size": 64,
        },
        {"mean": [123.675, 116.28, 103.53], "std": [58.395, 57.12, 57.375]},
        # another list, and a default: the weights have three outputs
        {"labels": ["x", "y"], "num_classes": 10},
        {"classes": ["n01", "n02", "n03"]},  # another language's names
        {
            "classes": 3,
            "labels": [0, 1, 2],
            "class_to_idx": {"cat": "x"},
            "idx_to_class": {7: "cat"},
        },
        {"pretrained_cfg": {"num_classes": 1000, "label_names": [f"c{at}" for at in range(1000)]}},
        {
            "arch": "my_resnet",
            "model": {"conv1": 1},
            "args": {"arch": None, "mean": None, "input_size": None, "img_size": None},
        },
        {"size": 600, "data": {"size": 600}, "mean": 0.3, "std": [1, 2]},
        {
            "args": argparse.Namespace(
                mean=[0.485, 0.456, 0.406],
                crop_size={"height": 64, "width": 64},
                size={"shortest_edge": 73},
            )
        },
    ],
)
def test_agreement_and_what_is_no_statement_pass(words: dict[str, Any]) -> None:
    refuse_contradiction(CANDIDATE, words_beside(words))


def test_accents_written_in_two_ways_agree() -> None:
    refuse_contradiction(
        Candidate("F0", Path("F0.pt"), classes=("ros\u00e9",)), {"classes": ["rose\u0301"]}
    )


@pytest.mark.parametrize(
    ("words", "share"),
    [
        ({"val_acc": 0.93}, 0.93),
        ({"acc": 0.93, "metrics": {"accuracy": 0.99}}, None),  # perhaps of training
        ({"best_acc1": 93.0}, 0.93),
        ({"best_acc1": torch.tensor(93.0)}, 0.93),
        ({"args": {"val_acc": "0.8"}, "best_acc": 85}, 0.8),
        (
            {"acc": True, "accuracy": "high", "top1": -1, "val_acc": 1e9, "best_acc": float("nan")},
            None,
        ),
        ({"loss": 0.4}, None),
    ],
)
def test_the_least_accuracy_that_it_states_is_taken_as_a_share(
    words: dict[str, Any], share: float | None
) -> None:
    found = stated_accuracy(words_beside(words))
    assert found == (share if share is None else pytest.approx(share))


KNOWN = (
    "classes",
    "class_to_idx",
    "id2label",
    "mean",
    "std",
    "size",
    "input_size",
    "arch",
    "acc",
    "args",
    "config",
    "labels",
)
junk = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(st.sampled_from(KNOWN) | st.text(max_size=3), inner, max_size=4)
    ),
    max_leaves=12,
)


@settings(max_examples=200, deadline=None)
@given(words=st.dictionaries(st.sampled_from(KNOWN) | st.integers(), junk, max_size=6))
def test_junk_never_crashes(words: dict[Any, Any]) -> None:
    share = stated_accuracy(words_beside(words))
    assert share is None or 0 <= share <= 1
    with suppress(UsageError):
        refuse_contradiction(CANDIDATE, words_beside(words))


def test_a_hub_s_files_count_for_its_own_checkpoint_alone(tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text(
        json.dumps({"id2label": {"0": "dog", "1": "cat", "2": "owl"}})
    )
    (tmp_path / "preprocessor_config.json").write_text("{")
    assert [refusal(dict(words))[:43] for words in hub_words(tmp_path / "model.safetensors")] == [
        "the file says of itself that output 0 is 'd"
    ]
    assert not list(hub_words(tmp_path / "F0.safetensors"))
