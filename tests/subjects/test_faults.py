"""Whose fault it is that a model is not audited: the checkpoint's, the manifest's or the machine's,
and no other.
"""

from __future__ import annotations

import errno
import resource
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from shortcut_audit.errors import MachineError, ModelError, ShortcutAuditError, UsageError
from shortcut_audit.records import Candidate
from shortcut_audit.subjects.checkpoints.safetensors import Safetensors
from shortcut_audit.subjects.checkpoints.state_dict import StateDict
from shortcut_audit.subjects.loading import subject as loading
from shortcut_audit.subjects.loading.networks import build_architecture
from shortcut_audit.subjects.loading.subject import check_answers, load_subject, trial_images
from shortcut_audit.subjects.manifest.candidates import read_candidates, refusal
from shortcut_audit.subjects.manifest.descriptions import write_manifest

CLASSES = ("cat", "dog", "owl")
Change = Callable[[Candidate], Candidate]


@pytest.fixture
def candidate(tmp_path: Path) -> Candidate:
    made = Candidate("F0", tmp_path / "F0.pt", "shortcut_audit:small_resnet", CLASSES, 32)
    with torch.random.fork_rng(devices=[]):
        StateDict().write(made.file, build_architecture(made.arch, 3).state_dict(), {})
    return made


def rewritten(candidate: Candidate, content: object) -> Candidate:
    torch.save(content, candidate.file)
    return candidate


def tensors(candidate: Candidate) -> dict[str, Tensor]:
    return StateDict().read(candidate.file)


def truncated(candidate: Candidate) -> Candidate:
    candidate.file.write_bytes(candidate.file.read_bytes()[:-100])
    return candidate


def not_finite(candidate: Candidate) -> Candidate:
    return rewritten(candidate, tensors(candidate) | {"fc.bias": torch.full((3,), float("nan"))})


MANIFEST_S: dict[str, tuple[Change, str]] = {
    "a source misspelt": (
        lambda each: replace(each, arch="shortcut_adit:small_resnet"),
        "did you mean 'shortcut_audit'",
    ),
    "an architecture misspelt": (
        lambda each: replace(each, arch="shortcut_audit:small_resnt"),
        "did you mean 'small_resnet'",
    ),
    "another architecture": (
        lambda each: replace(each, arch="torchvision:resnet18"),
        "is 'arch' right?",
    ),
    "an unknown option": (
        lambda each: replace(each, arch_options=(("depht", 2),)),
        "takes no 'depht', which arch_options give",
    ),
    "weights from elsewhere": (
        lambda each: replace(each, arch_options=(("pretrained", True),)),
        "cannot have 'pretrained'",
    ),
    "a class too few": (
        lambda each: replace(each, classes=("cat", "dog")),
        "owl missing, none extra",
    ),
    "a class too many": (
        lambda each: replace(each, classes=(*CLASSES, "yak")),
        "the file has 3 outputs, and 4 classes",
    ),
    "a class misspelt": (
        lambda each: replace(each, classes=("cat", "dgo", "owl")),
        "dog missing, dgo extra",
    ),
    "no file": (
        lambda each: replace(each, file=each.file.with_name("F1.pt")),
        "cannot be read: No such file",
    ),
    "a folder": (lambda each: replace(each, file=each.file.parent), "no checkpoint format reads"),
    "another model's half": (
        lambda each: rewritten(each, {"model": tensors(each), "ema": tensors(each)}),
        "several models",
    ),
    "an optimiser": (lambda each: rewritten(each, {"epoch": 1}), "holds no state dict"),
    "a problem of the manifest's": (
        lambda each: replace(each, problem="it is not in rashomon.yaml"),
        "rashomon.yaml",
    ),
    "words that contradict": (
        lambda each: rewritten(
            each, {"net": tensors(each), "class_to_idx": {"dog": 0, "cat": 1, "owl": 2}}
        ),
        "output 0 is 'dog'",
    ),
}
ITS_OWN: dict[str, tuple[Change, str]] = {
    "truncated": (truncated, "is not a whole state dict"),
    "not finite": (not_finite, "3 values of 'fc.bias' are not finite"),
    "broken at first sight": (
        lambda each: replace(each, problem="it is empty", broken=True),
        "it is empty",
    ),
}


@pytest.mark.parametrize(
    ("change", "said", "kind"),
    [
        *(pytest.param(*case, UsageError, id=name) for name, case in MANIFEST_S.items()),
        *(pytest.param(*case, ModelError, id=name) for name, case in ITS_OWN.items()),
    ],
)
def test_the_fault_is_where_it_belongs(
    candidate: Candidate, change: Change, said: str, kind: type[ShortcutAuditError]
) -> None:
    load_subject(candidate, CLASSES)  # the same candidate, unchanged, loads
    with pytest.raises(ShortcutAuditError) as caught:
        load_subject(change(candidate), CLASSES)
    assert type(caught.value) is kind
    assert said in str(caught.value)
    assert str(caught.value).startswith("F0: ")
    assert not str(caught.value).startswith("F0: F0: ")
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    "trouble",
    [
        MemoryError(),
        RuntimeError(
            "[enforce fail at alloc_cpu.cpp:117] DefaultCPUAllocator: can't allocate memory: you tried to allocate 9"
        ),
        OSError(errno.EIO, "Input/output error"),
        ImportError("cannot import name 'x' from partially initialized module 'torch._inductor'"),
    ],
    ids=["memory", "allocator", "disk", "import"],
)
@pytest.mark.parametrize(
    "where", ["digest_of", "build_architecture", "fill", "check_answers", "Normalised"]
)
def test_the_machine_s_trouble_is_never_charged_to_a_model(
    candidate: Candidate, monkeypatch: pytest.MonkeyPatch, trouble: Exception, where: str
) -> None:
    def fail(*_: object, **__: object) -> None:
        raise trouble

    monkeypatch.setattr(loading, where, fail)
    with pytest.raises(MachineError, match=r"^F0: (this machine|an import failed)"):
        load_subject(candidate)


@pytest.mark.parametrize(
    "trouble",
    [MemoryError(), RuntimeError("can't allocate memory: 9 bytes"), OSError(errno.EIO, "broken")],
)
@pytest.mark.parametrize("suffix", [".pt", ".safetensors"])
def test_reading_without_memory_or_disk_is_the_machine_s(
    candidate: Candidate, monkeypatch: pytest.MonkeyPatch, trouble: Exception, suffix: str
) -> None:
    file = candidate.file.with_suffix(suffix)
    if suffix == ".safetensors":
        Safetensors().write(file, tensors(candidate), {})

    def fail(*_: object, **__: object) -> None:
        raise trouble

    monkeypatch.setattr("torch.load", fail)
    monkeypatch.setattr("safetensors.torch.load_file", fail)
    with pytest.raises(MachineError, match=r"^F0: this machine"):
        load_subject(replace(candidate, file=file))


@contextmanager
def little_memory(spare: int) -> Iterator[None]:
    limits = resource.getrlimit(resource.RLIMIT_AS)
    used = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    resource.setrlimit(resource.RLIMIT_AS, (used + spare, limits[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_AS, limits)


@pytest.mark.skipif(sys.platform != "linux", reason="the limit is Linux's")
@pytest.mark.parametrize("suffix", [".pt", ".safetensors"])
def test_a_container_s_limit_is_the_machine_s(tmp_path: Path, suffix: str) -> None:
    file = tmp_path / f"big{suffix}"
    (StateDict() if suffix == ".pt" else Safetensors()).write(
        file, {"w": torch.zeros(80_000_000)}, {}
    )
    big = Candidate("big", file, "shortcut_audit:small_resnet", CLASSES, 32)
    with (
        little_memory(100 << 20),
        pytest.raises(MachineError, match=r"^big: this machine has too little memory"),
    ):
        load_subject(big)
    with pytest.raises(UsageError, match="is 'arch' right"):
        load_subject(big)


def test_candidates_say_whose_fault_they_are(tmp_path: Path) -> None:
    (tmp_path / "empty.safetensors").touch()
    (tmp_path / "pointer.safetensors").write_text(
        "version https://git-lfs.github.com/spec/v1\noid sha256:4d7a\nsize 12345\n"
    )
    (tmp_path / "nameless.pt").write_bytes(b"weights")
    kinds = {each.name: type(refusal(each)) for each in read_candidates(tmp_path)}
    assert kinds == {"empty": ModelError, "pointer": UsageError, "nameless": UsageError}
    write_manifest(tmp_path, [Candidate("A", tmp_path / "gone.pt", "timm:x", ("a",), 32)])
    assert {each.name: type(refusal(each)) for each in read_candidates(tmp_path)}["A"] is UsageError
    assert refusal(Candidate("A", tmp_path / "A.pt")) is None


class Noisy(nn.Module):
    """Logits that are a function of the picture, and a way to spoil that."""

    def __init__(self, spoil: Callable[[Tensor], Tensor]) -> None:
        super().__init__()
        self.spoil = spoil
        self.head = nn.Linear(3, 4)

    def forward(self, images: Tensor) -> Tensor:
        logits: Tensor = self.head(self.spoil(images.mean((2, 3))))
        return logits


def functional_dropout(values: Tensor) -> Tensor:
    return nn.functional.dropout(values, 0.1, training=True)


def batch_statistics(values: Tensor) -> Tensor:
    return nn.functional.batch_norm(
        values[:, :, None].expand(-1, -1, 2), None, None, training=True
    )[..., 0]


def place_in_batch(values: Tensor) -> Tensor:
    return values + 0.1 * torch.arange(len(values))[:, None]


def fails_alone(values: Tensor) -> Tensor:
    if len(values) == 1:
        raise ValueError("Expected more than 1 value per channel")
    return values


SPOILT = {
    functional_dropout: "the same pictures asked twice get other answers; something random",
    torch.rand_like: "the same pictures asked twice get other answers; something random",
    batch_statistics: "its answer to a picture changes with the pictures beside it in the batch; batch statistics",
    place_in_batch: "its answer to a picture changes with the pictures beside it in the batch",
    fails_alone: "it answers a batch and fails on one picture alone (ValueError: Expected more than 1 value per channel)",
}


@pytest.mark.parametrize("spoil", SPOILT)
def test_answers_that_are_no_function_of_the_picture_are_the_model_s_own_fault(
    spoil: Callable[[Tensor], Tensor],
) -> None:
    network = Noisy(spoil).eval()
    before = torch.get_rng_state()
    with pytest.raises(ModelError) as caught:
        check_answers(network, trial_images(16), "F0")
    assert str(caught.value).startswith(f"F0: {SPOILT[spoil]}")
    assert torch.equal(torch.get_rng_state(), before)


@pytest.mark.parametrize("keep", [torch.clone, torch.zeros_like, lambda values: values * 1e6])
def test_functions_of_the_picture_pass_constant_ones_too(keep: Callable[[Tensor], Tensor]) -> None:
    check_answers(Noisy(keep).eval(), trial_images(16), "F0")


@pytest.mark.parametrize(
    "arch",
    ["torchvision:mobilenet_v3_small", "torchvision:shufflenet_v2_x0_5", "timm:convnext_atto"],
)
def test_rounding_is_no_finding(arch: str) -> None:
    pytest.importorskip("timm")
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        network = build_architecture(arch, 5)
        network(trial_images(64))  # statistics of a batch
    check_answers(network.eval(), trial_images(64), "F0")


def test_a_model_that_answers_otherwise_each_time_is_found_when_it_is_loaded(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    code = (
        "import torch\nfrom shortcut_audit.subjects.loading.small_resnet import SmallResnet\n"
        "class Net(SmallResnet):\n    def forward(self, x):\n"
        "        return super().forward(torch.nn.functional.dropout(x, 0.5, training=True))\n"
    )
    (tmp_path / "dropping_net.py").write_text(code)
    monkeypatch.syspath_prepend(tmp_path)
    candidate = Candidate("F0", tmp_path / "F0.pt", "shortcut_audit:small_resnet", CLASSES, 32)
    with torch.random.fork_rng(devices=[]):
        StateDict().write(candidate.file, build_architecture(candidate.arch, 3).state_dict(), {})
    load_subject(candidate)
    with pytest.raises(ModelError, match=r"^F0: the same pictures asked twice"):
        load_subject(replace(candidate, arch="dropping_net:Net"), trust_code=True)
