"""Whatever a network takes and gives, there are colour pictures in and a logit for each class out."""

from __future__ import annotations

from collections import namedtuple
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import timm
import torch
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image
from torch import Tensor, nn
from torchvision import models

from shortcut_audit.errors import UsageError
from shortcut_audit.inputs_and_outputs import Head, InputSize
from shortcut_audit.records import Candidate
from shortcut_audit.subjects.loading.heads import OneLabel, Outputs, as_channels, logits_among
from shortcut_audit.subjects.loading.networks import taking
from shortcut_audit.subjects.loading.small_resnet import SmallResnet
from shortcut_audit.subjects.loading.subject import load_subject, trial_images

LOGITS = torch.tensor([[2.0, -1.0, 0.5], [0.1, 0.2, 0.3]])
Two = namedtuple("Two", ["out", "aux"])


@dataclass
class Answer:
    """As transformers gives it."""

    loss: None
    logits: Tensor


@pytest.mark.parametrize(
    ("given", "which"),
    [
        (LOGITS, None),
        (LOGITS[:, :, None, None], None),
        ((LOGITS, LOGITS[:, :2]), None),
        ([torch.zeros(2, 7), LOGITS], None),
        ({"features": torch.zeros(2, 8), "logits": LOGITS}, None),
        ({"aux": torch.zeros(2, 3), "main": LOGITS}, "main"),
        ((torch.zeros(2, 3), LOGITS), 1),
        (Two(LOGITS, torch.zeros(2, 3)), None),
        (Answer(None, LOGITS), None),
    ],
)
def test_logits_are_found_among_several_outputs(given: Any, which: str | int | None) -> None:
    assert torch.equal(logits_among(given, which, 3), LOGITS)


def test_what_has_no_logits_is_told_by_what_it_has() -> None:
    with pytest.raises(UsageError) as caught:
        logits_among({"features": torch.zeros(2, 8), "box": None}, None, 3)
    assert str(caught.value) == (
        "its output is a dict of features: (2, 8), box: NoneType, and 3 logits for each picture are "
        "asked for; say which of several with 'head: {output: NAME OR NUMBER}'"
    )


@given(st.lists(st.floats(-30, 30), min_size=1, max_size=5), st.floats(0.02, 0.98))
def test_one_logit_is_the_second_class_where_it_is_above_its_threshold(
    logits: list[float], threshold: float
) -> None:
    given_ = torch.tensor(logits)[:, None]
    plain = Outputs(Head("sigmoid"), 2)(given_)
    torch.testing.assert_close(plain.softmax(1)[:, 1], given_[:, 0].sigmoid())
    shifted = Outputs(Head("sigmoid", (threshold,)), 2)(given_)
    clear = (given_[:, 0].sigmoid() - threshold).abs() > 1e-5
    assert torch.equal((shifted.argmax(1) == 1)[clear], (given_[:, 0].sigmoid() > threshold)[clear])
    assert torch.equal(Outputs(Head("sigmoid"), 2)(given_[:, 0]), plain)  # of a squeezed output


@given(st.lists(st.floats(0.001, 0.999), min_size=3, max_size=3))
def test_each_label_is_compared_with_its_own_threshold(thresholds: list[float]) -> None:
    logits = torch.linspace(-6, 6, 12).view(4, 3)
    answers = Outputs(Head("labels", tuple(thresholds)), 3)(logits) > 0
    clear = (logits.sigmoid() - torch.tensor(thresholds)).abs() > 1e-5
    assert torch.equal(answers[clear], (logits.sigmoid() > torch.tensor(thresholds))[clear])


def test_probabilities_and_temperatures_give_the_logits_that_made_them() -> None:
    softmax = Outputs(Head(probabilities=True), 3)(LOGITS.softmax(1))
    torch.testing.assert_close(softmax.softmax(1), LOGITS.softmax(1))
    labels = Outputs(Head("labels", probabilities=True), 3)(LOGITS.sigmoid())
    torch.testing.assert_close(labels, LOGITS, atol=1e-4, rtol=1e-4)
    tempered = Outputs(Head(temperatures=(2.0,)), 3)(LOGITS)
    torch.testing.assert_close(tempered, LOGITS / 2)


def test_two_classes_may_have_a_threshold() -> None:
    logits = torch.tensor([[0.0, -0.5], [0.0, -1.5]])
    assert Outputs(Head(thresholds=(0.3,)), 2)(logits).argmax(1).tolist() == [1, 0]


def test_a_label_is_a_question_with_two_answers() -> None:
    network = nn.Linear(3, 3)
    asked = OneLabel(network, 1)
    images = torch.rand(5, 3)
    torch.testing.assert_close(asked(images).softmax(1)[:, 1], network(images)[:, 1].sigmoid())
    assert asked.model is network


def test_grey_is_what_pillow_makes_of_a_picture() -> None:
    colours = np.random.default_rng(0).integers(0, 256, (8, 9, 3), np.uint8)
    found = as_channels(torch.from_numpy(colours).permute(2, 0, 1)[None] / 255, 1)
    pillow = np.asarray(Image.fromarray(colours).convert("L"))
    assert np.abs(found[0, 0].numpy() * 255 - pillow).max() <= 1
    assert as_channels(torch.zeros(2, 3, 4, 5), 4)[:, 3].eq(1).all()


@pytest.mark.parametrize("channels", [1, 4])
@pytest.mark.parametrize(
    "network",
    [
        lambda: SmallResnet(2),
        lambda: models.mobilenet_v3_small(num_classes=2),
        lambda: models.vgg11(num_classes=2),
    ],
)
def test_a_first_convolution_of_other_channels(network: Any, channels: int) -> None:
    made = taking(network(), channels).eval()
    assert made(torch.zeros(2, channels, 64, 64)).shape == (2, 2)
    weights = [each.shape[1] for name, each in made.state_dict().items() if each.dim() == 4]
    assert weights[0] == channels


def test_a_network_without_such_a_convolution_is_refused() -> None:
    with pytest.raises(UsageError, match="no convolution of 3 channels that could take 1"):
        taking(nn.Sequential(nn.Flatten(), nn.Linear(12, 2)), 1)


def loaded(folder: Path, network: nn.Module, **about: Any) -> Any:
    file = folder / "model.pt"
    torch.save(network.state_dict(), file)
    return load_subject(Candidate("m", file, **about)).network


def test_a_grey_model_of_one_logit_is_what_its_owner_has(tmp_path: Path) -> None:
    own = timm.create_model("resnet10t", num_classes=1, in_chans=1).eval()
    about = {"arch": "timm:resnet10t", "classes": ("no", "yes"), "size": 32, "channels": 1}
    found = loaded(tmp_path, own, **about, mean=(0.4,), std=(0.2,), head=Head("sigmoid"))
    images = trial_images(32)
    with torch.inference_mode():
        wanted = own((as_channels(images, 1) - 0.4) / 0.2)[:, 0].sigmoid()
        torch.testing.assert_close(found(images).softmax(1)[:, 1], wanted)


def test_pictures_need_not_be_square(tmp_path: Path) -> None:
    size = InputSize(32, 48)
    found = loaded(
        tmp_path,
        SmallResnet(3),
        arch="shortcut_audit:small_resnet",
        classes=("a", "b", "c"),
        size=size,
    )
    assert trial_images(size).shape[1:] == (3, 32, 48)
    assert found(trial_images(size)).shape == (4, 3)


def test_one_output_for_two_names_says_what_to_write(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"add 'head: \{answers: sigmoid\}'"):
        loaded(
            tmp_path,
            SmallResnet(1),
            arch="shortcut_audit:small_resnet",
            classes=("no", "yes"),
            size=32,
        )


def test_several_outputs_that_could_be_the_logits_are_not_guessed_at() -> None:
    both = (torch.zeros(2, 3), LOGITS)
    with pytest.raises(UsageError, match="any of 2 could be its logits; say which"):
        logits_among(both, None, 3)
    assert torch.equal(logits_among(both, 1, 3), LOGITS)


@pytest.mark.parametrize(
    ("head", "words"),
    [
        (
            Head(probabilities=True),
            "outputs are from -1 to 2, and do not sum to 1: they are logits",
        ),
        (Head("labels", probabilities=True), "outputs are from -1 to 2: they are logits"),
    ],
)
def test_logits_that_are_called_probabilities_are_refused(head: Head, words: str) -> None:
    with torch.inference_mode(), pytest.raises(UsageError, match=words):
        Outputs(head, 3)(LOGITS)
