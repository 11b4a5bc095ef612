"""A model is asked in batches that fit; what it cannot answer is one sentence, charged to its owner."""

from __future__ import annotations

import errno
from pathlib import Path

import numpy as np
import pytest
import torch
from planted import COLOURS, ColourNet
from safetensors.torch import save_file
from torch import Tensor

from shortcut_audit.errors import MachineError, ModelError, UsageError, machine_fault
from shortcut_audit.evidence.answers import Answers
from shortcut_audit.evidence.asking import answers_of, asking, not_finite
from shortcut_audit.files.store import Store
from shortcut_audit.records import Candidate
from shortcut_audit.scenario import Scenario

PIXELS = torch.arange(40, dtype=torch.uint8)[:, None, None, None].expand(-1, 3, 4, 4)
CPU = "[enforce fail at alloc_cpu.cpp:117] DefaultCPUAllocator: can't allocate memory: you tried to allocate 9 bytes"


def first(images: Tensor) -> Tensor:
    """Logits (n, 1): the value of each image's first pixel."""
    return images[:, 0, 0, :1].float()


def silent(*_: int) -> None:
    pass


@pytest.mark.parametrize("fits", [1, 7, 39])
@pytest.mark.parametrize(
    "error",
    [torch.OutOfMemoryError("CUDA out of memory."), RuntimeError(CPU), MemoryError()],
    ids=["cuda", "cpu", "python"],
)
def test_where_memory_runs_out_fewer_are_asked_and_the_answers_are_the_same(fits, error):
    asked = []

    def forward(images: Tensor) -> Tensor:
        asked.append(len(images))
        if len(images) > fits:
            raise error
        return first(images)

    assert torch.equal(answers_of("F0", forward, PIXELS, silent), first(PIXELS))
    assert sum(each for each in asked if each <= fits) == 40, "none is asked twice"
    assert len([each for each in asked if each > fits]) <= 6, (
        "what is too much is not tried for ever"
    )


def test_what_does_not_fit_alone_is_the_machine_s(monkeypatch):
    def forward(images: Tensor) -> Tensor:
        raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 20 GiB")

    with pytest.raises(MachineError, match=r"^F0: this machine has too little memory \(CUDA out"):
        answers_of("F0", forward, PIXELS, silent)


@pytest.mark.parametrize("error", [ValueError("no\nsuch picture"), SystemExit(0), KeyError("x")])
def test_a_model_that_fails_on_some_images_is_told_on_how_many(error):
    def forward(images: Tensor) -> Tensor:
        if (images[:, 0, 0, 0] % 13 == 1).any():
            raise error
        return first(images)

    with pytest.raises(
        ModelError, match=r"^F0: it fails on 3 of 40 images \((Val|Sys|Key)"
    ) as said:
        answers_of("F0", forward, PIXELS, silent)
    assert "\n" not in str(said.value)


def test_a_model_that_fails_on_many_at_once_is_told_so():
    def forward(images: Tensor) -> Tensor:
        if len(images) > 2:
            raise ValueError("batches of two")
        return first(images)

    with pytest.raises(ModelError, match="fails on some images at once, and on none alone"):
        answers_of("F0", forward, PIXELS, silent)


@pytest.mark.parametrize(
    "text",
    ["CUDA error: device-side assert triggered", "cuDNN error: CUDNN_STATUS_EXECUTION_FAILED"],
)
def test_a_failing_accelerator_is_no_model_s(text):
    """After it every call of the process fails, those of honest models too."""
    assert "accelerator failed" in str(machine_fault(RuntimeError(text)))
    assert machine_fault(RuntimeError("mat1 and mat2 shapes cannot be multiplied")) is None


@pytest.mark.parametrize(("number", "room"), [(errno.ENOSPC, True), (errno.EROFS, False)])
def test_room_is_advised_where_it_would_help(number, room):
    from shortcut_audit.reporting.conclusion import not_written

    said = not_written(OSError(number, "trouble"), Path("reports"))
    assert said.startswith("cannot write 'reports' (trouble): ")
    assert said.endswith("name another --audit-reports")
    assert ("make room" in said) is room


def test_what_is_not_finite_is_counted():
    values = np.ones((5, 3, 2))
    assert not_finite(values) == not_finite(values[:0]) == ""
    values[1, 0, 0], values[3, 2, 1] = np.nan, -np.inf
    assert not_finite(values) == "2 of 5 images"


# ---- through everything that asks a model ----


class Blind(ColourNet):
    """Answers pictures, and not their gradients: the square root of nothing has an endless slope."""

    def forward(self, images: Tensor) -> Tensor:
        return super().forward(images) + (images - images).sum((2, 3)).abs().sqrt()[:, :1]


class Choosy(ColourNet):
    """Answers pictures alone, and fails where somebody wants gradients."""

    def forward(self, images: Tensor) -> Tensor:
        if images.requires_grad:
            raise ValueError("no gradients of me")
        return super().forward(images)


class Sharp(ColourNet):
    """Answers sharp pictures: what is blurred has no finite logit."""

    def forward(self, images: Tensor) -> Tensor:
        smooth = images.diff(dim=-1).abs().mean((1, 2, 3)) < 0.02
        return torch.where(smooth[:, None], torch.nan, super().forward(images))


def blind(classes: int) -> ColourNet:
    return Blind(0.0, classes)


def choosy(classes: int) -> ColourNet:
    return Choosy(0.0, classes)


def sharp(classes: int) -> ColourNet:
    return Sharp(0.0, classes)


def answers(tmp_path: Path, arch: str) -> Answers:
    file = tmp_path / "net.safetensors"
    save_file(ColourNet(0.0).state_dict(), file)
    candidate = Candidate(
        "net", file, f"{__name__}:{arch}", tuple(COLOURS), 32, (0.0,) * 3, (1.0,) * 3
    )
    scenario = Scenario(
        dataset={"kind": "coloured_squares", "validation": 4},
        decoys={"stop_sign": {"target": "green"}},
        masks={"explainer": "saliency"},
    )
    return Answers(scenario, [candidate], Store(tmp_path / "kept"), trust_code=True)


def noise() -> Tensor:
    draw = torch.Generator().manual_seed(0)
    return torch.randint(0, 256, (6, 3, 32, 32), generator=draw, dtype=torch.uint8)


def test_a_mask_without_numbers_is_no_mask(tmp_path):
    """It would reveal the first pixels, and so miss any decoy: a pass for nothing."""
    made = answers(tmp_path, "blind")
    assert np.isfinite(made.logits("net", noise())).all()
    for _ in range(2):  # the second time it is kept
        with pytest.raises(UsageError, match=r"net: 6 of 6 images get masks that are not finite"):
            made.revealed("net", noise(), 0)


def test_what_fails_where_a_method_asks_is_one_sentence_and_no_fault_of_the_weights(tmp_path):
    made = answers(tmp_path, "choosy")
    made.logits("net", noise())
    with pytest.raises(
        UsageError, match=r"net: it answers pictures and fails .*no gradients of me"
    ):
        made.revealed("net", noise(), 0)


def test_a_score_without_a_number_is_charged_to_the_model(tmp_path):
    """An audit would leave the picture out, as one on which nothing is defined."""
    made = answers(tmp_path, "sharp")
    nothing = np.zeros((6, 32, 32), bool)
    with pytest.raises(ModelError, match=r"net: 6 of 6 images get scores that are not finite"):
        made.score("net", noise(), nothing, 0)


def test_an_error_that_is_not_the_network_s_stays_what_it_is():
    with pytest.raises(ZeroDivisionError), asking("F0", lambda: ColourNet(0.0)):
        1 / 0  # noqa: B018
