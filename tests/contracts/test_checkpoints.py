"""Every checkpoint format, by being registered: what is written is read back, and whatever is no
such file is refused.
"""

from __future__ import annotations

import os
import pickle
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from shortcut_audit import registry
from shortcut_audit.errors import ModelError, ShortcutAuditError, UsageError

DTYPES = (
    torch.float32,
    torch.float64,
    torch.float16,
    torch.bfloat16,
    torch.int64,
    torch.uint8,
    torch.bool,
)
METADATA = {"name": "F0", "arch": "timm:é", "reference": "true"}


FORMATS = registry.names("checkpoint")
WRITTEN = [name for name in FORMATS if hasattr(registry.lookup("checkpoint", name), "write")]


@pytest.fixture(params=WRITTEN)
def entry(request: pytest.FixtureRequest) -> Any:
    return registry.build("checkpoint", request.param)


@pytest.fixture(params=FORMATS)
def any_entry(request: pytest.FixtureRequest) -> Any:
    return registry.build("checkpoint", request.param)


def read(entry: Any, file: Path) -> Any:
    """The tensors, or the network that the file is."""
    return entry.program(file) if hasattr(entry, "program") else entry.read(file)


def tensors() -> dict[str, torch.Tensor]:
    shared = torch.arange(6.0).reshape(2, 3)
    odd = {
        "tied.a": shared,
        "tied.b": shared,
        "turned": shared.T,
        "scalar": torch.tensor(3),
        "none": torch.zeros(0, 4),
    }
    return odd | {str(dtype): torch.arange(4).to(dtype) for dtype in DTYPES}


def same(left: dict[str, torch.Tensor], right: dict[str, torch.Tensor]) -> bool:
    return left.keys() == right.keys() and all(
        left[key].dtype == right[key].dtype and torch.equal(left[key], right[key]) for key in left
    )


def test_what_is_written_is_read_back(entry: Any, tmp_path: Path) -> None:
    for suffix in entry.suffixes:
        file = tmp_path / "new folder" / f"F0{suffix}"
        entry.write(file, tensors(), METADATA)
        assert same(entry.read(file), tensors())
        assert entry.metadata(file) in ({}, METADATA)
        assert [each.name for each in file.parent.iterdir()] == [file.name], (
            "nothing unfinished is left behind"
        )
        file.unlink()


def test_the_same_tensors_give_the_same_bytes(entry: Any, tmp_path: Path) -> None:
    # The safetensors library itself writes metadata in another order each time, even within one
    # process.
    words = dict.fromkeys("zyxwvutsrq", "word")
    first, second = tmp_path / f"first{entry.suffixes[0]}", tmp_path / f"second{entry.suffixes[0]}"
    entry.write(first, tensors(), words)
    entry.write(second, dict(reversed(tensors().items())), words)
    assert first.read_bytes() == second.read_bytes()


def test_a_write_that_fails_leaves_the_old_file_and_nothing_else(
    entry: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / f"F0{entry.suffixes[0]}"
    entry.write(file, tensors(), {})
    before = file.read_bytes()

    def fail(*_: object) -> None:
        raise OSError("disk full")

    monkeypatch.setattr(os, "replace", fail)
    with pytest.raises(OSError, match="disk full"):
        entry.write(file, {"a": torch.ones(1)}, {})
    assert file.read_bytes() == before
    assert list(tmp_path.iterdir()) == [file]


def test_writing_does_not_touch_what_is_written(entry: Any, tmp_path: Path) -> None:
    weights = {"w": torch.ones(2, 2, requires_grad=True)}
    entry.write(tmp_path / f"F0{entry.suffixes[0]}", weights, {})
    assert weights["w"].requires_grad


def test_every_truncation_is_refused_in_one_sentence(entry: Any, tmp_path: Path) -> None:
    file = tmp_path / f"F0{entry.suffixes[0]}"
    entry.write(file, {"weight": torch.arange(4.0)}, METADATA)
    whole = file.read_bytes()
    for length in [*range(12), *range(12, len(whole), 97), len(whole) - 1]:
        file.write_bytes(whole[:length])
        with pytest.raises(ModelError, match=f"'{file.name}' is ") as caught:
            entry.read(file)
        assert "\n" not in str(caught.value)


@settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@example(content=b"\xff" * 8 + b"{}")  # a header of 2 ** 64 bytes
@example(content=(2**40).to_bytes(8, "little") + b"{}")
@example(content=(200_000).to_bytes(8, "little") + b"[" * 200_000)  # deeper than any stack
@example(content=(4).to_bytes(8, "little") + b"null")
@example(content=b"\x80\x04" + b"(" * 1000)
@example(content=b"PK\x03\x04" + bytes(200))
@example(content=b"<!DOCTYPE html><html>Sign in</html>")
@given(content=st.binary(max_size=300))
def test_any_other_bytes_are_refused_in_one_sentence(
    any_entry: Any, tmp_path: Path, content: bytes
) -> None:
    file = tmp_path / f"F0{any_entry.suffixes[0]}"
    file.write_bytes(content)
    with pytest.raises(ShortcutAuditError, match=f"'{file.name}' ") as caught:
        read(any_entry, file)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
def test_a_file_that_would_run_something_is_refused_and_nothing_runs(
    entry: Any, tmp_path: Path, protocol: int
) -> None:
    proof = tmp_path / "it-ran"
    file = tmp_path / f"F0{entry.suffixes[0]}"
    file.write_bytes(pickle.dumps(Hostile(proof), protocol))
    with pytest.raises(ModelError):
        entry.read(file)
    entry_says = entry.metadata if entry.suffixes[0] != ".safetensors" else (lambda _: {})
    assert entry_says(file) == {}
    assert not proof.exists()
    pickle.loads(file.read_bytes())
    assert proof.exists(), "the file was harmless, so that this test could not have failed"


class Hostile:
    """Creates a file where it is unpickled."""

    def __init__(self, proof: Path) -> None:
        self.proof = proof

    def __reduce__(self) -> tuple[Any, ...]:
        return os.system, (f"touch '{self.proof}'",)


def test_a_placeholder_a_folder_and_a_missing_file_are_refused(
    any_entry: Any, tmp_path: Path
) -> None:
    entry = any_entry
    file = tmp_path / f"F0{entry.suffixes[0]}"
    expected = {
        "missing": f"'{file.name}' cannot be read: No such file or directory",
        "empty": f"'{file.name}' is empty",
        "pointer": f"'{file.name}' is only a Git LFS pointer; fetch the file itself with: git lfs pull",
        "folder": f"'{file.name}' cannot be read: Is a directory",
    }
    said = {"missing": refusal(entry, file)}
    file.touch()
    said["empty"] = refusal(entry, file, ModelError)
    file.write_text("version git-lfs/spec/v1\noid sha256:4d7a\nsize 12345\n")
    said["pointer"] = refusal(entry, file)
    file.unlink()
    file.mkdir()
    said["folder"] = refusal(entry, file)
    assert said == expected


def refusal(entry: Any, file: Path, kind: type[ShortcutAuditError] = UsageError) -> str:
    with pytest.raises(ShortcutAuditError) as caught:
        read(entry, file)
    assert type(caught.value) is kind
    return str(caught.value)


def test_of_one_suffix_all_formats_but_one_recognise_their_files() -> None:
    plain = []
    for name in FORMATS:
        entry = registry.lookup("checkpoint", name)
        assert all(each == each.lower() and each.startswith(".") for each in entry.suffixes)
        plain += [] if hasattr(entry, "recognises") else entry.suffixes
    assert len(plain) == len(set(plain))
