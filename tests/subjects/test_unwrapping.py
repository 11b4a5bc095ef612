"""One model in a file is found under any key; a second one is refused under any key; what training
keeps is neither.
"""

from __future__ import annotations

import argparse
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn

from shortcut_audit.errors import ModelError, UsageError
from shortcut_audit.subjects.loading.small_resnet import SmallResnet
from shortcut_audit.subjects.loading.unwrapping import one_model, words_beside


def network() -> SmallResnet:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        return SmallResnet(3)


MODEL = network().state_dict()
PARAMETERS = [each.detach() for each in network().parameters()]
AVERAGED = {
    "n_averaged": torch.tensor(12),
    **{f"module.{key}": each for key, each in MODEL.items()},
}
HALF_OF_THEM = {key: each for key, each in MODEL.items() if key.startswith("layer")}


def adam() -> dict[str, Any]:
    """The state of an optimiser after a step: twice as large as the model."""
    trained = network()
    optimiser = torch.optim.Adam(trained.parameters())
    for parameter in trained.parameters():
        parameter.grad = torch.ones_like(parameter)
    optimiser.step()
    return optimiser.state_dict()


BESIDE: dict[str, Any] = {
    "optimizer": adam(),
    "optimizer_states": [adam()],
    "kept": adam(),  # whatever it is called
    "lr_schedulers": [{"last_epoch": 3}],
    "criterion": {"weight": torch.ones(3)},
    "loss_state": {"prototypes": torch.ones(64, 64)},
    "metrics": {"confusion": torch.ones(40, 40), "per_class": torch.ones(40, 3)},
    "confusion": torch.ones(3, 3),
    "val_curve": torch.arange(500.0),
    "rng_state": torch.zeros(5056, dtype=torch.uint8),
    "best_acc1": torch.tensor(93.1),
    "args": argparse.Namespace(lr=0.1, classes=["a", "b", "c"]),
    "epoch": 3,
    "history": [{"loss": 0.1}, {"loss": torch.tensor(0.05)}],
}
SECOND: dict[str, Any] = {
    "model_ema": AVERAGED,
    "ema": MODEL,
    "ema_state_dict": {"module": MODEL},
    "averaged": {"net": {"state_dict": MODEL}},
    "swa": {f"net.{key}": each for key, each in MODEL.items()},
    "shadow": {
        "decay": 0.99,
        "num_updates": 3,
        "shadow_params": PARAMETERS,
        "collected_params": None,
    },
    "shadow_params": PARAMETERS,
    "current_model_state": MODEL,
    "best_acc_model": MODEL,
    "teacher": {"backbone": {"w": torch.ones(50, 50), "b": torch.ones(50)}},
    "parts": HALF_OF_THEM,
    "in_a_row": nn.utils.parameters_to_vector(PARAMETERS),
    "in_a_list": [[{"weights": MODEL}]],
    "hidden": argparse.Namespace(copy=MODEL),
}
KEYS = st.sampled_from(["model", "state_dict", "net", "weights", "my model", "student", "G", "0"])


def same(found: dict[str, Tensor], wanted: dict[str, Tensor]) -> bool:
    return found.keys() == wanted.keys() and all(found[key] is wanted[key] for key in wanted)


@settings(max_examples=60, deadline=None)
@given(
    path=st.lists(KEYS, max_size=3),
    beside=st.sets(st.sampled_from(sorted(BESIDE))),
    depth=st.integers(0, 3),
)
def test_one_model_is_found_under_any_key_beside_whatever_training_keeps(
    path: list[str], beside: set[str], depth: int
) -> None:
    """Law: the tensors found are the model's own, wherever it stands and whatever stands beside it."""
    content: Any = MODEL
    for at, key in enumerate(path):
        content = {
            key: content,
            **({name: BESIDE[name] for name in beside} if at == min(depth, len(path) - 1) else {}),
        }
    assert same(one_model(content, "F0.pt"), MODEL)


@pytest.mark.parametrize("name", sorted(BESIDE))
def test_what_training_keeps_is_no_second_model(name: str) -> None:
    assert same(one_model({name: BESIDE[name], "model": MODEL}, "F0.pt"), MODEL)


@pytest.mark.parametrize("name", sorted(SECOND))
@pytest.mark.parametrize("first", ["model", "state_dict", "whatever"])
def test_a_second_model_is_refused_under_any_name_and_in_any_order(name: str, first: str) -> None:
    for content in (
        {first: MODEL, name: SECOND[name]},
        {name: SECOND[name], first: MODEL},
        {"a": {first: MODEL}, name: SECOND[name]},
    ):
        with pytest.raises(
            UsageError,
            match=r"^'F0\.pt' holds several models, under .*; save the one that you deploy as its own",
        ):
            one_model(content, "F0.pt")


def test_two_small_models_are_told_from_a_small_model_and_its_metrics() -> None:
    small = {"weight": torch.ones(2, 4), "bias": torch.ones(2)}
    assert same(
        one_model(
            {"net": small, "confusion": torch.ones(2, 2), "seen": {"count": torch.tensor(3.0)}},
            "F0.pt",
        ),
        small,
    )
    for second in (
        small,
        {"head.weight": torch.zeros(2, 4), "head.bias": torch.zeros(2)},
        [torch.zeros(2, 4), torch.zeros(2)],
    ):
        with pytest.raises(UsageError, match="several models, under ema, net"):
            one_model({"net": small, "ema": second}, "F0.pt")


def test_a_second_model_beside_bare_tensors_is_refused() -> None:
    with pytest.raises(UsageError, match="several models, under ema, its top"):
        one_model({**MODEL, "ema": MODEL}, "F0.pt")


def test_lists_that_hold_themselves_end() -> None:
    ring: list[Any] = []
    ring += [ring, ring, ring]
    with pytest.raises(ModelError, match="holds lists in lists beyond those of any checkpoint"):
        one_model({"model": MODEL, "ring": ring}, "F0.pt")


def test_words_are_plain_and_never_hold_a_tensor() -> None:
    words = words_beside({**BESIDE, "model": MODEL})
    assert words["args"] == {"lr": 0.1, "classes": ["a", "b", "c"]}
    assert words["best_acc1"] == pytest.approx(93.1)
    assert words["epoch"] == 3
    assert "conv1.weight" not in words["model"]
    assert words_beside([1]) == words_beside(torch.ones(2)) == words_beside(None) == {}


AVERAGES = {
    "a list beside the optimiser's state": lambda average: {
        "optimizer": {"state": {}, "param_groups": [], "ema": list(average.values())}
    },
    "ASGD's own": lambda average: {
        "optimizer": {
            "state": {at: {"ax": each} for at, each in enumerate(average.values())},
            "param_groups": [],
        }
    },
    "under a metric's name": lambda average: {"best_acc_shadow": list(average.values())},
    "with other names": lambda average: {
        "scheduler": {"swa": {f"avg{at}": each for at, each in enumerate(average.values())}}
    },
}


@pytest.mark.parametrize("where", AVERAGES)
def test_averages_are_found_wherever_training_keeps_them(where):
    weights = {
        "conv.weight": torch.randn(8, 3, 3, 3),
        "fc.weight": torch.randn(4, 8),
        "fc.bias": torch.randn(4),
    }
    average = {name: each + 1 for name, each in weights.items()}
    with pytest.raises(UsageError, match="holds several models"):
        one_model({"model": weights, **AVERAGES[where](average)}, "net.pth")


def test_adam_s_running_means_are_no_model():
    weights = {"conv.weight": torch.randn(8, 3, 3, 3), "fc.weight": torch.randn(4, 8)}
    state = {
        at: {"exp_avg": each, "exp_avg_sq": each, "square_avg": each}
        for at, each in enumerate(weights.values())
    }
    assert (
        one_model(
            {"model": weights, "optimizer": {"state": state, "param_groups": []}}, "net.pth"
        ).keys()
        == weights.keys()
    )
