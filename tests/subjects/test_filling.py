"""Tensors find their places whatever wrappers wrote into their names, and what does not fit is
refused with what would help.
"""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn
from torch.optim.swa_utils import AveragedModel
from torchvision import models

from shortcut_audit.errors import ModelError, UsageError
from shortcut_audit.subjects.loading.filling import WRAPPERS, fill
from shortcut_audit.subjects.loading.small_resnet import SmallResnet

MODEL = SmallResnet(3).state_dict()
MODEL["bn1.running_mean"] = torch.arange(16.0)
LEFT_OUT = (
    "criterion.weight",
    "loss_fn.pos_weight",
    "train_acc.tp",
    "val_metrics.acc.total",
    "n_averaged",
    "confmat.confmat",
    "class_weights",
)


def filled(tensors: dict[str, Tensor], model: nn.Module | None = None) -> nn.Module:
    model = model or SmallResnet(3)
    fill(model, tensors, 3)
    return model


def refusal(tensors: dict[str, Tensor], model: nn.Module | None = None, classes: int = 3) -> str:
    with pytest.raises(UsageError) as caught:
        fill(model or SmallResnet(classes), tensors, classes)
    return str(caught.value)


def same(model: nn.Module) -> bool:
    found = model.state_dict()
    return all(torch.equal(found[key], each) for key, each in MODEL.items())


def prefixed(prefix: str, tensors: dict[str, Tensor] = MODEL) -> dict[str, Tensor]:
    return {prefix + key: each for key, each in tensors.items()}


@settings(max_examples=40, deadline=None)
@given(
    prefix=st.lists(
        st.sampled_from(["model", "net", "backbone", "encoder", "0", "my_classifier"]), max_size=3
    ),
    wrappers=st.lists(
        st.lists(st.sampled_from(sorted(WRAPPERS)), max_size=2), min_size=4, max_size=4
    ),
    beside=st.sets(st.sampled_from(LEFT_OUT)),
    half=st.booleans(),
    order=st.randoms(use_true_random=False),
)
def test_wrappers_and_prefixes_change_nothing(
    prefix: list[str], wrappers: list[list[str]], beside: set[str], half: bool, order: object
) -> None:
    """Law: whatever stands before the names, wrappers anywhere in them, in any order, the same
    tensors arrive, as float32.
    """
    tensors: dict[str, Tensor] = {}
    for key, each in MODEL.items():
        parts = [*prefix, *key.split(".")]
        words = [
            word
            for at, part in enumerate(parts)
            for word in (*(wrappers[at] if at < len(wrappers) else ()), part)
        ]
        tensors[".".join(words)] = each
    tensors |= dict.fromkeys(beside, torch.ones(3))
    keys = list(tensors)
    order.shuffle(keys)  # type: ignore[attr-defined]
    model = filled(
        {
            key: tensors[key].half() if half and tensors[key].is_floating_point() else tensors[key]
            for key in keys
        }
    )
    assert same(model) or (half and model.get_parameter("conv1.weight").dtype is torch.float32)


def test_averaged_parallel_and_wrapped_models_load() -> None:
    trained = SmallResnet(3)
    trained.load_state_dict(MODEL)
    assert same(filled(AveragedModel(trained).state_dict()))
    trained.layer2 = nn.DataParallel(trained.layer2)
    assert same(filled(trained.state_dict()))


def test_a_factory_s_wrapper_takes_the_bare_weights_of_what_it_wraps() -> None:
    class Grey(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.inside = nn.ModuleDict({"net": SmallResnet(3)})

    model = filled(MODEL, Grey())
    assert torch.equal(model.state_dict()["inside.net.fc.weight"], MODEL["fc.weight"])
    assert same(filled(prefixed("module.inside.net."), Grey()).inside["net"])  # type: ignore[index, union-attr]


def test_no_weight_stays_random_where_parts_are_called_as_wrappers_are() -> None:
    class Twin(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.fc = nn.Linear(2, 3)
            self.module = nn.ModuleDict({"fc": nn.Linear(2, 3)})

    trained = Twin().state_dict()
    model = filled(trained, Twin())
    assert all(torch.equal(each, trained[name]) for name, each in model.state_dict().items())
    assert same(filled(prefixed("net."), nn.ModuleDict({"module": SmallResnet(3)}))["module"])  # type: ignore[index]
    assert "fc.weight missing" in refusal(
        {name: each for name, each in trained.items() if name != "fc.weight"}, Twin()
    )


def test_a_yes_or_no_wrapped_as_advised_loads() -> None:
    class Two(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.net = SmallResnet(1)

        def forward(self, images: Tensor) -> Tensor:
            said: Tensor = self.net(images)
            return torch.cat([torch.zeros_like(said), said], 1)

    one = SmallResnet(1).eval()
    model = Two().eval()
    fill(model, one.state_dict(), 2)
    pictures = torch.rand(2, 3, 32, 32)
    torch.testing.assert_close(model(pictures).softmax(1)[:, 1:], one(pictures).sigmoid())


@pytest.mark.parametrize("other", ["ema_model.", "teacher.net.", "module.ema.", ""])
def test_two_models_under_two_prefixes_are_refused(other: str) -> None:
    second = {key: each + 1 for key, each in MODEL.items()}
    assert "holds several models, under " in refusal(
        {**prefixed("model."), **prefixed(other, second)}
    )
    only_parameters = {
        key: each for key, each in second.items() if "running" not in key and "tracked" not in key
    }
    assert "holds several models, under " in refusal(
        {**prefixed("model."), **prefixed(other, only_parameters)}
    )


def test_the_same_name_with_and_without_a_wrapper_is_two_models() -> None:
    assert "holds several models: " in refusal({**MODEL, **prefixed("module.")})


def test_what_is_missing_or_too_much_is_named() -> None:
    lacking = {key: each for key, each in MODEL.items() if key != "fc.bias"}
    assert refusal({**lacking, "embed": torch.ones(1)}) == (
        "the file's tensors are not the architecture's: fc.bias missing, embed unexpected; is 'arch' right?"
    )
    inside = {**prefixed("model."), "model.layer1.loss.weight": torch.ones(3, 3)}
    assert "none missing, model.layer1.loss.weight unexpected" in refusal(inside)
    assert "none missing, model.neck.weight unexpected" in refusal(
        {**prefixed("model."), "model.neck.weight": torch.ones(3, 3)}
    )


def test_a_counter_that_eval_mode_never_reads_may_be_missing() -> None:
    filled({key: each for key, each in MODEL.items() if "num_batches_tracked" not in key})


def test_advice_leads_somewhere() -> None:
    grey = {**MODEL, "conv1.weight": torch.ones(16, 1, 3, 3)}
    assert refusal(grey) == "it takes pictures of 1 channel: add 'channels: 1' to its 'input'"
    two = {**MODEL, "conv1.weight": torch.ones(16, 2, 3, 3)}
    assert "2 channels, and audits show them in colour: wrap it in a factory" in refusal(two)
    one = {**MODEL, "fc.weight": torch.ones(1, 128), "fc.bias": torch.ones(1)}
    assert refusal(one).endswith(
        "one output says yes or no: name two classes, first the one that it speaks against, "
        "and add 'head: {answers: sigmoid}'"
    )
    many = {**MODEL, "fc.weight": torch.ones(1000, 128), "fc.bias": torch.ones(1000)}
    assert (
        "the file has 1000 outputs, and 3 classes are named; give 'classes: imagenet', or only some "
        "by their numbers from 0" in refusal(many)
    )
    vit = {"pos_embed": torch.ones(1, 197, 8)}
    holder = nn.Module()
    holder.pos_embed = nn.Parameter(torch.ones(1, 17, 8))
    assert refusal(vit, holder).endswith(
        "it was trained on pictures of another size: is the input 'size' right?"
    )


@pytest.mark.parametrize("dtype", [torch.int8, torch.uint8, torch.complex64])
def test_numbers_that_are_no_floats_are_refused(dtype: torch.dtype) -> None:
    assert "its weights are no floating point numbers (fc.weight " in refusal(
        {**MODEL, "fc.weight": MODEL["fc.weight"].to(torch.float32).to(dtype)}
    )


@pytest.mark.filterwarnings("ignore:torch.quantize_per_tensor")
def test_quantised_weights_are_named_as_such() -> None:
    packed = {**MODEL, "fc.scale": torch.tensor(1.0), "fc.zero_point": torch.tensor(0)}
    assert refusal(packed) == (
        "its weights are quantised (fc.zero_point): save what runs as a program, which is audited as "
        "it is (torch.jit.save of a traced model, or ONNX), or audit the float checkpoint that it "
        "was made from"
    )
    quantised = torch.quantize_per_tensor(MODEL["fc.weight"], 0.1, 0, torch.qint8)
    assert "its weights are quantised (fc.weight)" in refusal({**MODEL, "fc.weight": quantised})


@pytest.mark.parametrize("heads", [True, False])
def test_heads_that_only_training_asks_are_left_out(heads: bool) -> None:
    with torch.random.fork_rng(devices=[]):
        trained = models.googlenet(num_classes=3, aux_logits=heads, init_weights=False).eval()
        model = models.googlenet(num_classes=3, aux_logits=False, init_weights=False).eval()
    filled(trained.state_dict(), model)
    pictures = torch.rand(2, 3, 64, 64)
    with torch.no_grad():
        torch.testing.assert_close(model(pictures), trained(pictures))


def test_a_part_that_the_architecture_lacks_is_not_left_out_because_of_its_name() -> None:
    assert "auxiliary.weight unexpected" in refusal({**MODEL, "auxiliary.weight": torch.ones(3, 3)})


def test_values_beyond_float32_are_not_finite() -> None:
    with pytest.raises(ModelError, match=r"1 values of 'fc\.bias' are not finite"):
        filled({**MODEL, "fc.bias": torch.tensor([1e300, 0, 0], dtype=torch.float64)})
