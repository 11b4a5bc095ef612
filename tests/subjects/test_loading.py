"""Candidate -> Subject: the file's weights, logits in the data set's order, and every refusal in
one sentence.
"""

from __future__ import annotations

import hashlib
import os
from argparse import Namespace
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from torch import Tensor, nn
from torchvision.transforms.functional import normalize

from shortcut_audit import registry
from shortcut_audit.errors import ModelError, ShortcutAuditError, UsageError
from shortcut_audit.records import Candidate
from shortcut_audit.subjects.checkpoints.state_dict import StateDict
from shortcut_audit.subjects.loading.networks import build_architecture
from shortcut_audit.subjects.loading.small_resnet import SmallResnet
from shortcut_audit.subjects.loading.subject import load_subject, save_checkpoint
from shortcut_audit.subjects.manifest.candidates import read_candidates
from shortcut_audit.subjects.manifest.descriptions import write_manifest

CLASSES = ("cat", "dog", "owl")


@pytest.fixture
def network() -> SmallResnet:
    """Random weights, and running statistics that differ between train and eval mode."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        made = SmallResnet(3)
        made(torch.rand(8, 3, 32, 32))
    return made.eval()


@pytest.fixture
def candidate(tmp_path: Path, network: SmallResnet) -> Candidate:
    made = Candidate(
        "F0",
        tmp_path / "F0.safetensors",
        "shortcut_audit:small_resnet",
        CLASSES,
        32,
        reference=True,
    )
    save_checkpoint(made, network)
    return made


def images() -> Tensor:
    return torch.rand(4, 3, 32, 32, generator=torch.Generator().manual_seed(1))


def logits(network: nn.Module, candidate: Candidate) -> Tensor:
    """What the network says of normalised images, by torchvision's own normalisation."""
    with torch.no_grad():
        return network(normalize(images(), list(candidate.mean), list(candidate.std)))  # type: ignore[no-any-return]


def refusal(
    candidate: Candidate,
    classes: tuple[str, ...] | None = None,
    kind: type[ShortcutAuditError] = UsageError,
    trust: bool = False,
) -> str:
    """The sentence, by exactly this kind of error: a UsageError is charged to nobody, a ModelError
    to the checkpoint.
    """
    with pytest.raises(ShortcutAuditError) as caught:
        load_subject(candidate, classes, trust)
    assert type(caught.value) is kind
    return str(caught.value)


def altered(candidate: Candidate, tensors: dict[str, Tensor]) -> Candidate:
    file = candidate.file.with_suffix(".pt")
    StateDict().write(file, tensors, {})
    return replace(candidate, file=file)


def test_a_subject_answers_as_the_network_that_was_saved(
    candidate: Candidate, network: SmallResnet
) -> None:
    subject = load_subject(candidate, CLASSES)
    torch.testing.assert_close(subject.network(images()), logits(network, candidate))
    assert subject.sha256 == hashlib.sha256(candidate.file.read_bytes()).hexdigest()
    assert (subject.name, subject.classes, subject.size, subject.reference) == (
        "F0",
        CLASSES,
        32,
        True,
    )
    assert not any(module.training for module in subject.network.modules())
    assert not any(parameter.requires_grad for parameter in subject.network.parameters())
    assert isinstance(subject.network.get_submodule("model.layer4"), nn.Sequential)


@pytest.mark.parametrize("suffix", [".safetensors", ".pt", ".pth", ".bin", ".ckpt", ".PT"])
def test_every_suffix_goes_through_folder_manifest_and_loading(
    tmp_path: Path, network: SmallResnet, suffix: str
) -> None:
    written = Candidate("F1", tmp_path / f"F1{suffix}", "shortcut_audit:small_resnet", CLASSES, 32)
    save_checkpoint(written, network)
    write_manifest(tmp_path, [written])
    (found,) = read_candidates(tmp_path)
    assert found == written
    torch.testing.assert_close(load_subject(found).network(images()), logits(network, written))


def test_the_logits_follow_the_data_set_s_classes(
    candidate: Candidate, network: SmallResnet
) -> None:
    subject = load_subject(candidate, ("owl", "cat", "dog"))
    assert subject.classes == ("owl", "cat", "dog")
    torch.testing.assert_close(subject.network(images()), logits(network, candidate)[:, [2, 0, 1]])


@pytest.mark.parametrize(
    "prefix", ["module.", "_orig_mod.", "model.", "module._orig_mod.", "_orig_mod.module.model."]
)
def test_what_wrappers_put_before_the_names_is_taken_off(
    candidate: Candidate, network: SmallResnet, prefix: str
) -> None:
    wrapped = altered(
        candidate, {prefix + key: tensor for key, tensor in network.state_dict().items()}
    )
    torch.testing.assert_close(load_subject(wrapped).network(images()), logits(network, candidate))


def test_a_name_that_the_architecture_itself_uses_is_kept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    code = (
        "from torch import nn\nclass Own(nn.Module):\n"
        "    def __init__(self, k):\n        super().__init__()\n        self.model = nn.Linear(3, k)\n"
        "    def forward(self, x):\n        return self.model(x.mean((2, 3)))\n"
    )
    (tmp_path / "own_model_factory.py").write_text(code)
    monkeypatch.syspath_prepend(tmp_path)
    weights = nn.Linear(3, 3).state_dict()
    file = tmp_path / "own.pt"
    StateDict().write(file, {f"module.model.{key}": tensor for key, tensor in weights.items()}, {})
    own = Candidate("own", file, "own_model_factory:Own", CLASSES, 32)
    assert torch.equal(
        load_subject(own, trust_code=True).network.get_parameter("model.model.weight"),
        weights["weight"],
    )
    assert "needs --audit-trust-code" in refusal(own)


def test_loading_leaves_the_global_random_state_alone(candidate: Candidate) -> None:
    before = torch.get_rng_state()
    load_subject(candidate)
    assert torch.equal(torch.get_rng_state(), before)


def test_a_candidate_with_a_problem_is_refused_for_it(candidate: Candidate) -> None:
    assert (
        refusal(replace(candidate, problem="'F0.pt' is not in rashomon.yaml"))
        == "F0: 'F0.pt' is not in rashomon.yaml"
    )
    broken = replace(candidate, problem="'F0.pt' is empty", broken=True)
    assert refusal(broken, kind=ModelError) == "F0: 'F0.pt' is empty"


def test_classes_that_are_not_the_data_set_s_are_listed(candidate: Candidate) -> None:
    assert refusal(candidate, ("cat", "dog", "zebra", "yak")) == (
        "F0: its classes are not those of the data set: yak, zebra missing, owl extra"
    )
    many = tuple(f"c{number}" for number in range(9))
    assert refusal(candidate, (*CLASSES, *many)) == (
        "F0: its classes are not those of the data set: c0, c1, c2 and 6 more missing, none extra"
    )


def test_another_number_of_outputs_is_said_as_such(
    candidate: Candidate, network: SmallResnet
) -> None:
    bare = altered(candidate, network.state_dict())
    assert refusal(replace(bare, classes=("cat", "dog"))) == (
        "F0: the file has 3 outputs, and 2 classes are named; give one name for each output, or only some by "
        "their numbers from 0, such as 'classes: {3: cat, 5: dog}' with 'outputs: 3' beside it (those that the data set lacks are "
        "only watched)"
    )
    assert refusal(replace(bare, classes=("cat", "dog", "owl", "yak"))) == (
        "F0: the file has 3 outputs, and 4 classes are named; give one name for each output"
    )


def test_tensors_of_another_architecture_are_listed_briefly(
    candidate: Candidate, network: SmallResnet
) -> None:
    tensors = network.state_dict()
    assert refusal(altered(candidate, {f"x{key}": tensor for key, tensor in tensors.items()})) == (
        "F0: the file's tensors are not the architecture's: bn1.bias, bn1.running_mean, bn1.running_var and 64 more "
        "missing, xbn1.bias, xbn1.num_batches_tracked, xbn1.running_mean and 77 more unexpected; is 'arch' right?"
    )
    del tensors["fc.bias"]
    assert refusal(altered(candidate, {**tensors, "ema": torch.ones(1)})) == (
        "F0: the file's tensors are not the architecture's: fc.bias missing, ema unexpected; is 'arch' right?"
    )
    assert refusal(
        altered(candidate, {**network.state_dict(), "conv1.weight": torch.ones(16, 3, 7, 7)})
    ) == (
        "F0: the file's tensors do not fit the architecture: conv1.weight (16, 3, 7, 7) in the file, "
        "(16, 3, 3, 3) in the architecture; is 'arch' right?"
    )


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_weights_that_are_not_finite_are_refused(
    candidate: Candidate, network: SmallResnet, value: float
) -> None:
    tensors = network.state_dict()
    tensors["fc.weight"] = tensors["fc.weight"].clone()
    tensors["fc.weight"][0, :3] = value
    assert (
        refusal(altered(candidate, tensors), kind=ModelError)
        == "F0: 3 values of 'fc.weight' are not finite"
    )


def test_finite_weights_that_give_no_finite_answer_are_refused(
    candidate: Candidate, network: SmallResnet
) -> None:
    tensors = network.state_dict() | {"fc.weight": torch.full((3, 128), 3e38)}
    said = refusal(altered(candidate, tensors), kind=ModelError)
    assert said == "F0: it answers pictures with logits that are not finite"


def test_an_input_size_that_the_network_cannot_take_is_said(tmp_path: Path) -> None:
    tiny = Candidate("A", tmp_path / "A.pt", "torchvision:squeezenet1_1", ("a", "b"), 8)
    save_checkpoint(tiny, registry.build("architecture", "torchvision").build("squeezenet1_1", 2))
    assert refusal(tiny).startswith("A: it fails on images of 8 x 8 pixels: RuntimeError: ")


ASKED = (
    ", and 3 logits for each picture are asked for; "
    "say which of several with 'head: {output: NAME OR NUMBER}'"
)


@pytest.mark.parametrize(
    ("returned", "expected"),
    [
        ("x.mean((2, 3))[:, :2]", f"A: its output is of shape (2, 2){ASKED}"),
        ("x.sum()", f"A: its output is of shape (){ASKED}"),
        ("{'logits': x}", f"A: its output is a dict of logits: (2, 3, 32, 32){ASKED}"),
        (
            "1 / 0",
            "A: it fails on images of 32 x 32 pixels: ZeroDivisionError: division by zero; is the input 'size' right?",
        ),
    ],
)
def test_a_network_that_gives_no_logits_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, returned: str, expected: str
) -> None:
    code = (
        "from torch import nn, zeros\nclass Odd(nn.Module):\n"
        "    def __init__(self, k):\n        super().__init__()\n        self.w = nn.Parameter(zeros(1))\n"
        f"    def forward(self, x):\n        return {returned}\n"
        "def broken(k):\n    raise KeyError(k)\n"
    )
    module = f"odd_factory_{len(returned)}"
    (tmp_path / f"{module}.py").write_text(code)
    monkeypatch.syspath_prepend(tmp_path)
    StateDict().write(tmp_path / "A.pt", {"w": torch.zeros(1)}, {})
    odd = Candidate("A", tmp_path / "A.pt", f"{module}:Odd", CLASSES, 32)
    assert refusal(odd, trust=True) == expected
    assert refusal(replace(odd, arch=f"{module}:broken"), trust=True) == (
        f"A: '{module}:broken' cannot be built for 3 classes, pictures of 32 pixels: KeyError: 3"
    )


def test_a_hostile_file_is_charged_to_its_model_and_a_missing_one_to_nobody(
    candidate: Candidate,
) -> None:
    candidate.file.with_suffix(".pt").write_bytes(b"(S'true'\nios\nsystem\n.")
    hostile = refusal(replace(candidate, file=candidate.file.with_suffix(".pt")), kind=ModelError)
    assert hostile.startswith("F0: 'F0.pt' is refused: it asks to run os")
    assert refusal(replace(candidate, arch="torchvison:x")).startswith("F0: ")
    candidate.file.unlink()
    assert refusal(candidate) == "F0: 'F0.safetensors' cannot be read: No such file or directory"
    assert refusal(replace(candidate, file=candidate.file.with_suffix(".onnx"))).startswith("F0: ")


@pytest.mark.parametrize("forged", [False, True])
def test_a_file_that_changes_while_it_is_read_is_refused(
    candidate: Candidate, monkeypatch: pytest.MonkeyPatch, forged: bool
) -> None:
    """The digest in the verdict must be of the very bytes that were audited, even where size and
    time are made to agree.
    """
    read = StateDict.read
    moved = altered(candidate, SmallResnet(3).state_dict())

    def read_and_overwrite(self: StateDict, path: Path) -> dict[str, Tensor]:
        tensors, before = read(self, path), path.stat()
        other = bytearray(path.read_bytes())
        other[len(other) // 2] ^= 1
        with path.open("r+b") as file:  # the same inode and size
            file.write(other)
        if forged:
            os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))
        return tensors

    monkeypatch.setattr(StateDict, "read", read_and_overwrite)
    assert (
        refusal(moved)
        == "F0: 'F0.pt' changed while it was read; wait until it is written, and run again"
    )


def test_a_model_that_knows_more_classes_has_the_data_set_s_first(
    candidate: Candidate, network: SmallResnet
) -> None:
    subject = load_subject(candidate, ("owl", "cat"))
    assert subject.classes == ("owl", "cat", "dog")
    torch.testing.assert_close(subject.network(images()), logits(network, candidate)[:, [2, 0, 1]])
    exact = load_subject(candidate, ("cat", "dog"))
    assert exact.classes == CLASSES
    torch.testing.assert_close(exact.network(images()), logits(network, candidate))


@settings(
    max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(wanted=st.lists(st.sampled_from(CLASSES), min_size=1, unique=True))
def test_each_column_is_the_class_that_its_name_says(
    candidate: Candidate, network: SmallResnet, wanted: list[str]
) -> None:
    """Law: whatever classes the data set has, and in whatever order, column i is the model's answer
    for `classes[i]`.
    """
    subject = load_subject(candidate, tuple(wanted))
    assert subject.classes[: len(wanted)] == tuple(wanted)
    columns = [CLASSES.index(name) for name in subject.classes]
    torch.testing.assert_close(subject.network(images()), logits(network, candidate)[:, columns])


def test_accents_written_in_two_ways_are_one_class(
    candidate: Candidate, network: SmallResnet
) -> None:
    accented = replace(
        altered(candidate, network.state_dict()), classes=("cat", "dog", "rose\u0301")
    )
    assert load_subject(accented, ("ros\u00e9", "cat", "dog")).classes == (
        "ros\u00e9",
        "cat",
        "dog",
    )


def test_a_single_yes_or_no_is_told_what_to_do(tmp_path: Path) -> None:
    one = Candidate("A", tmp_path / "A.pt", "shortcut_audit:small_resnet", ("cat",), 32)
    save_checkpoint(one, SmallResnet(1))
    assert refusal(one, ("cat", "dog")) == (
        "A: its classes are not those of the data set: dog missing, none extra; one output says yes or no: name two "
        "classes, first the one that it speaks against, and add 'head: {answers: sigmoid}'"
    )


@pytest.mark.parametrize(
    ("content", "share"),
    [
        ({"best_acc1": torch.tensor(87.5)}, 0.875),
        ({"args": Namespace(val_acc=0.5)}, 0.5),
        ({}, None),
    ],
)
def test_what_a_checkpoint_states_of_its_accuracy_travels_with_it(
    candidate: Candidate, network: SmallResnet, content: dict[str, object], share: float | None
) -> None:
    torch.save({"state_dict": network.state_dict(), **content}, candidate.file.with_suffix(".pt"))
    assert (
        load_subject(replace(candidate, file=candidate.file.with_suffix(".pt"))).stated_accuracy
        == share
    )


def test_a_self_described_file_that_contradicts_its_manifest_is_not_audited(
    candidate: Candidate,
) -> None:
    swapped = replace(candidate, classes=("dog", "cat", "owl"))
    assert refusal(swapped) == (
        "F0: the file says of itself that output 0 is 'cat', and the manifest that it is 'dog': correct rashomon.yaml, or save "
        "the file without these words if they are wrong"
    )


@pytest.mark.parametrize(
    ("arch", "size"),
    [("timm:vit_tiny_patch16_224", 64), ("torchvision:vit_b_16", 32), ("timm:mixer_s32_224", 96)],
)
def test_an_architecture_for_one_size_is_made_for_the_manifest_s(
    tmp_path: Path, arch: str, size: int
) -> None:
    pytest.importorskip("timm")
    vit = Candidate("V", tmp_path / "V.pt", arch, ("a", "b"), size)
    with torch.random.fork_rng(devices=[]):
        built = build_architecture(arch, 2, size=size)
    save_checkpoint(vit, built)
    assert load_subject(vit).network(torch.rand(1, 3, size, size)).shape == (1, 2)
    other = refusal(replace(vit, size=2 * size))
    assert "do not fit the architecture" in other
    assert "vit" not in arch or other.endswith(
        "it was trained on pictures of another size: is the input 'size' right?"
    )


def test_options_go_before_the_size_and_one_that_is_unknown_is_named(tmp_path: Path) -> None:
    timm = pytest.importorskip("timm")
    with torch.random.fork_rng(devices=[]):
        built = timm.create_model(
            "vit_tiny_patch16_224", num_classes=2, depth=1, img_size=64, dynamic_img_size=True
        )
    vit = Candidate("V", tmp_path / "V.pt", "timm:vit_tiny_patch16_224", ("a", "b"), 96)
    save_checkpoint(vit, built)
    told = replace(vit, arch_options=(("depth", 1), ("dynamic_img_size", True), ("img_size", 64)))
    assert load_subject(told).network(torch.rand(1, 3, 96, 96)).shape == (1, 2)
    assert refusal(replace(vit, arch_options=(("dpeth", 1),))) == (
        "V: 'timm:vit_tiny_patch16_224' takes no 'dpeth', which arch_options give; leave it out or correct it"
    )


def test_a_flag_that_no_file_holds_changes_the_answers_and_must_be_said(tmp_path: Path) -> None:
    flagged = Candidate("G", tmp_path / "G.pt", "torchvision:googlenet", ("a", "b"), 64)
    assert "arch_options: {transform_input: true}" in refusal(
        replace(flagged, file=_googlenet(tmp_path / "G.pt"))
    )
    for flag in (True, False):
        network = load_subject(replace(flagged, arch_options=(("transform_input", flag),))).network
        assert network.get_submodule("model").transform_input is flag


def _googlenet(file: Path) -> Path:
    with torch.random.fork_rng(devices=[]):
        network = build_architecture("torchvision:googlenet", 2, options={"transform_input": False})
    torch.save({"model": network.state_dict(), "epoch": 6}, file)
    return file
