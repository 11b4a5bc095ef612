"""What real and hostile checkpoint files hold: what is read, what is refused, and every sentence
about it.
"""

from __future__ import annotations

import argparse
import io
import json
import os
import pickle
import zipfile
from collections import OrderedDict
from pathlib import Path
from typing import Any

import pytest
import torch
from torchvision.models.resnet import BasicBlock

from shortcut_audit.errors import ModelError, ShortcutAuditError, UsageError
from shortcut_audit.records import Candidate
from shortcut_audit.subjects.checkpoints.safetensors import Safetensors
from shortcut_audit.subjects.checkpoints.state_dict import StateDict
from shortcut_audit.subjects.loading.subject import load_subject

WEIGHTS = OrderedDict(w=torch.arange(3.0), b=torch.ones(1))


class Touch:
    """Runs a command where it is unpickled."""

    def __init__(self, proof: Path) -> None:
        self.proof = proof

    def __reduce__(self) -> tuple[Any, ...]:
        return os.system, (f"touch '{self.proof}'",)


def refusal(
    entry: Safetensors | StateDict, file: Path, kind: type[ShortcutAuditError] = ModelError
) -> str:
    with pytest.raises(ShortcutAuditError) as caught:
        entry.read(file)
    assert type(caught.value) is kind
    return str(caught.value)


def saved(tmp_path: Path, content: object, **options: Any) -> Path:
    file = tmp_path / "F0.pt"
    torch.save(content, file, **options)
    return file


@pytest.mark.parametrize(
    "wrapper",
    ["state_dict", "model_state_dict", "state_dict_ema", "model", "net", "weights_of_epoch_3"],
)
def test_the_usual_wrappers_are_opened(tmp_path: Path, wrapper: str) -> None:
    beside = {
        "epoch": 3,
        "args": argparse.Namespace(lr=0.1, nested=argparse.Namespace(a=[1])),
        "optimizer": {"state": {}},
    }
    assert StateDict().read(saved(tmp_path, {wrapper: WEIGHTS, **beside})).keys() == WEIGHTS.keys()


@pytest.mark.parametrize("zipped", [True, False])
def test_old_and_new_files_are_read_with_their_parameters(tmp_path: Path, zipped: bool) -> None:
    weights = {"w": torch.nn.Parameter(torch.arange(3.0)), "n": torch.tensor(2)}
    read = StateDict().read(saved(tmp_path, weights, _use_new_zipfile_serialization=zipped))
    assert torch.equal(read["w"], torch.arange(3.0))
    assert torch.equal(read["n"], torch.tensor(2))


@pytest.mark.parametrize("zipped", [True, False])
def test_hostile_code_beside_good_weights_is_named_and_not_run(
    tmp_path: Path, zipped: bool
) -> None:
    proof = tmp_path / "it-ran"
    content = {"state_dict": WEIGHTS, "extra": Touch(proof)}
    file = saved(tmp_path, content, _use_new_zipfile_serialization=zipped)
    assert refusal(StateDict(), file) == (
        "'F0.pt' is refused: it asks to run posix.system, which a state dict never needs; "
        "if it is a whole model of yours, save model.state_dict() in its place"
    )
    assert not proof.exists()
    torch.load(file, weights_only=False)
    assert proof.exists(), "the file was harmless, so that this test could not have failed"


def test_an_environment_variable_does_not_open_the_door(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TORCH_FORCE_NO_WEIGHTS_ONLY_LOAD", "1")
    proof = tmp_path / "it-ran"
    refusal(StateDict(), saved(tmp_path, Touch(proof)))
    assert not proof.exists()


def test_the_list_of_safe_globals_is_given_back(tmp_path: Path) -> None:
    before = torch.serialization.get_safe_globals()
    StateDict().read(saved(tmp_path, WEIGHTS))
    refusal(StateDict(), saved(tmp_path, Touch(tmp_path / "never")))
    assert set(torch.serialization.get_safe_globals()) == set(before)  # torch keeps a set


def test_a_whole_model_is_refused_with_what_to_do(tmp_path: Path) -> None:
    assert refusal(StateDict(), saved(tmp_path, BasicBlock(4, 4))) == (
        "'F0.pt' is refused: it asks to run torchvision.models.resnet.BasicBlock, torch.nn.modules.activation.ReLU, "
        "torch.nn.modules.batchnorm.BatchNorm2d, torch.nn.modules.conv.Conv2d, which a state dict never needs; "
        "if it is a whole model of yours, save model.state_dict() in its place"
    )


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (
            torch.ones(2, 3),
            "'F0.pt' holds one tensor of shape (2, 3), not a state dict; save model.state_dict() in its place",
        ),
        ([1], "'F0.pt' holds a list, not a state dict; save model.state_dict() in its place"),
        (
            {"epoch": 1, "net": {}},
            "'F0.pt' holds no state dict: its keys are epoch, net; save model.state_dict() in its place",
        ),
        (
            {},
            "'F0.pt' holds no state dict: its keys are none; save model.state_dict() in its place",
        ),
    ],
)
def test_what_is_no_state_dict_is_refused_with_what_it_is(
    tmp_path: Path, content: object, expected: str
) -> None:
    assert refusal(StateDict(), saved(tmp_path, content), UsageError) == expected


def archive(tmp_path: Path, names: dict[str, bytes], compression: int = zipfile.ZIP_STORED) -> Path:
    file = tmp_path / "F0.pt"
    with zipfile.ZipFile(file, "w", compression) as opened:
        for name, content in names.items():
            opened.writestr(name, content)
    return file


def test_a_torchscript_program_is_refused(tmp_path: Path) -> None:
    file = archive(tmp_path, {"net/data.pkl": b"", "net/constants.pkl": b""})
    assert refusal(StateDict(), file) == (
        "'F0.pt' is a TorchScript program, not a state dict; save model.state_dict() in its place"
    )


def test_an_archive_that_would_grow_is_refused_before_it_does(tmp_path: Path) -> None:
    file = archive(tmp_path, {"archive/data.pkl": bytes(1_000_000)}, zipfile.ZIP_DEFLATED)
    assert refusal(StateDict(), file) == (
        "'F0.pt' is compressed, as torch.save never does: it may grow beyond all memory; save it again"
    )


def test_an_archive_of_something_else_is_refused(tmp_path: Path) -> None:
    said = refusal(StateDict(), archive(tmp_path, {"photo.jpg": b"x"}))
    assert said.startswith(
        "'F0.pt' is not a whole state dict that torch.save wrote (RuntimeError: "
    )


def test_every_way_to_name_a_global_is_seen(tmp_path: Path) -> None:
    file = tmp_path / "F0.pt"
    for protocol in range(pickle.HIGHEST_PROTOCOL + 1):
        file.write_bytes(pickle.dumps(Touch(tmp_path / "never"), protocol))
        assert "it asks to run posix.system, " in refusal(StateDict(), file)
    file.write_bytes(b"(S'true'\nios\nsystem\n.")  # INST, of the first protocol
    assert "it asks to run os.system, " in refusal(StateDict(), file)


def header(file: Path, content: object, data: bytes = b"", length: int | None = None) -> Path:
    text = json.dumps(content).encode()
    file.write_bytes((len(text) if length is None else length).to_bytes(8, "little") + text + data)
    return file


@pytest.mark.parametrize(
    ("content", "data", "length", "expected"),
    [
        ({}, b"", 2**63, "its header would be 9223372036854775808 bytes long"),
        ({}, b"", 100_000_001, "its header would be 100000001 bytes long"),
        ([], b"", None, "its header is not a JSON mapping"),
        ({"__metadata__": [1]}, b"", None, "its header is not a JSON mapping"),
        ({"w": {"dtype": "F32", "shape": [2**40], "data_offsets": [0, 2**42]}}, b"", None, ""),
        ({"w": {"dtype": "F32", "shape": [-1], "data_offsets": [0, 4]}}, bytes(4), None, ""),
        (
            {"w": {"dtype": "F32", "shape": [2**62, 2**62], "data_offsets": [0, 4]}},
            bytes(4),
            None,
            "",
        ),
        ({"w": {"dtype": "F32", "shape": [1], "data_offsets": [4, 0]}}, bytes(4), None, ""),
        ({"w": {"dtype": "NONSENSE", "shape": [1], "data_offsets": [0, 4]}}, bytes(4), None, ""),
        ({"w": {"dtype": "F32", "shape": [1], "data_offsets": [0, 4]}}, bytes(5), None, ""),
    ],
)
def test_a_header_that_lies_is_refused(
    tmp_path: Path, content: object, data: bytes, length: int | None, expected: str
) -> None:
    said = refusal(Safetensors(), header(tmp_path / "F0.safetensors", content, data, length))
    assert said.startswith(f"'F0.safetensors' is not a whole safetensors file: {expected}")


def test_a_pickle_called_safetensors_and_the_reverse_are_refused(tmp_path: Path) -> None:
    Safetensors().write(tmp_path / "F0.safetensors", WEIGHTS, {})
    (tmp_path / "F0.safetensors").rename(tmp_path / "F1.pt")
    assert refusal(StateDict(), tmp_path / "F1.pt").startswith(
        "'F1.pt' is not a whole state dict that torch.save wrote ("
    )
    buffer = io.BytesIO()
    torch.save(WEIGHTS, buffer)
    (tmp_path / "F2.safetensors").write_bytes(buffer.getvalue())
    assert refusal(Safetensors(), tmp_path / "F2.safetensors").startswith(
        "'F2.safetensors' is not a whole safetensors file"
    )


def test_tensors_of_odd_kinds_are_a_sentence(tmp_path: Path) -> None:
    meta = {"w": torch.ones(3, 3, device="meta"), "n": torch.ones((), device="meta")}
    file = saved(tmp_path, {"model": meta, "acc": torch.ones((), device="meta")})
    assert StateDict().words(file) == {"model": {}}
    candidate = Candidate("F0", file, "shortcut_audit:small_resnet", ("a", "b"), 32)
    with pytest.raises(ShortcutAuditError, match=r"^F0: "):
        load_subject(candidate)
    torch.save(
        {
            "w": torch.sparse_coo_tensor([[0], [1]], [1.0], (2, 2), check_invariants=True),
            "b": torch.ones(2),
        },
        file,
    )
    with pytest.raises(ShortcutAuditError, match=r"^F0: "):
        load_subject(candidate)
