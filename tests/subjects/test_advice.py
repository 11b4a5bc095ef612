"""What a refusal advises is done, and then the model is loaded: no advice leads nowhere."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from made_formats import quiet
from torch import nn

from shortcut_audit.errors import UsageError
from shortcut_audit.inputs_and_outputs import Head
from shortcut_audit.records import Candidate
from shortcut_audit.subjects.loading.small_resnet import SmallResnet
from shortcut_audit.subjects.loading.subject import load_subject
from shortcut_audit.subjects.manifest.outputs import imagenet, names_of_outputs

TWO = ("cat", "dog")


def grey() -> dict[str, Any]:
    network = SmallResnet(2)
    network.conv1 = nn.Conv2d(1, 16, 3, bias=False)
    return network.state_dict()


CASES = {  # tensors, what the refusal says, what is done then
    "grey": (grey, "add 'channels: 1'", {"channels": 1, "mean": (0.5,), "std": (0.5,)}),
    "sigmoid": (
        lambda: SmallResnet(1).state_dict(),
        "add 'head: {answers: sigmoid}'",
        {"head": Head("sigmoid")},
    ),
    "imagenet": (
        lambda: SmallResnet(1000).state_dict(),
        "give 'classes: imagenet'",
        {"classes": imagenet()},
    ),
    "some of them": (
        lambda: SmallResnet(1000).state_dict(),
        "such as 'classes: {3: cat, 5: dog}' with 'outputs: 1000'",
        {"classes": names_of_outputs({3: "cat", 5: "dog"}, 1000)},
    ),
}


@pytest.mark.parametrize("name", CASES)
def test_what_is_advised_is_done(name: str, tmp_path: Path) -> None:
    tensors, advice, change = CASES[name]
    torch.save(tensors(), tmp_path / "m.pt")
    candidate = Candidate("m", tmp_path / "m.pt", "shortcut_audit:small_resnet", TWO, 32)
    with pytest.raises(UsageError) as caught:
        load_subject(candidate)
    assert advice in str(caught.value)
    changed = replace(candidate, **change)
    wanted = TWO if changed.classes != imagenet() else (imagenet()[5], imagenet()[3])
    assert load_subject(changed, wanted).classes[:2] == wanted


@pytest.mark.filterwarnings("ignore")  # torch announces the end of its own quantisation
def test_a_quantised_model_is_audited_as_a_program(tmp_path: Path) -> None:
    # what such a model answers depends a little on the batch, and with some weights too much
    torch.manual_seed(0)
    network = torch.ao.quantization.quantize_dynamic(SmallResnet(2).eval(), {nn.Linear})
    torch.save(network.state_dict(), tmp_path / "m.pt")
    candidate = Candidate("m", tmp_path / "m.pt", "shortcut_audit:small_resnet", TWO, 32)
    with pytest.raises(UsageError, match=r"audited as it is \(torch\.jit\.save of a traced model"):
        load_subject(candidate)
    with quiet():
        torch.jit.save(torch.jit.trace(network, torch.rand(1, 3, 32, 32)), str(tmp_path / "m.pt"))
    subject = load_subject(candidate, trust_code=True)
    images = torch.rand(3, 3, 32, 32)
    mean, std = (torch.tensor(each).view(1, 3, 1, 1) for each in (Candidate.mean, Candidate.std))
    torch.testing.assert_close(subject.network(images), network((images - mean) / std))
