"""The store: computed once, whole or not at all, and never in the way."""

from __future__ import annotations

import multiprocessing
import os
from contextlib import suppress
from multiprocessing.synchronize import Event
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from filelock import FileLock, Timeout
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as numpy_strategies

from shortcut_audit.files.storage import folder as folder_module
from shortcut_audit.files.store import Store, _own_temporary, cache_folder

ARRAYS = {"scores": np.arange(6, dtype=np.float32).reshape(2, 3), "flags": np.array([True, False])}


def refuse() -> dict[str, np.ndarray]:
    raise AssertionError("computed again")


def test_evidence_is_computed_once_and_read_by_the_next_run(tmp_path):
    first = Store(tmp_path).arrays("masks", {"model": "a"}, lambda: ARRAYS)
    again = Store(tmp_path).arrays("masks", {"model": "a"}, refuse)
    for name, array in ARRAYS.items():
        np.testing.assert_array_equal(first[name], array)
        np.testing.assert_array_equal(again[name], array)


OTHERS = [
    ("masks", {"model": "b"}),
    ("influence", {"model": "a"}),
    ("masks", {"model": "a", "area": 0.1}),
]


@pytest.mark.parametrize("other", OTHERS)
def test_another_key_is_another_entry(tmp_path, other):
    store = Store(tmp_path)
    store.arrays("masks", {"model": "a"}, lambda: ARRAYS)
    assert store.arrays(*other, lambda: {"other": np.ones(1)}).keys() == {"other"}


def test_the_order_of_a_key_does_not_matter(tmp_path):
    store = Store(tmp_path)
    assert store.path("masks", {"a": 1, "b": 2}) == store.path("masks", {"b": 2, "a": 1})


def test_a_damaged_entry_is_computed_again(tmp_path):
    store = Store(tmp_path)
    store.arrays("masks", {"model": "a"}, lambda: ARRAYS)
    path = store.path("masks", {"model": "a"})
    path.write_bytes(path.read_bytes()[:20])
    assert store.arrays("masks", {"model": "a"}, lambda: ARRAYS).keys() == ARRAYS.keys()
    assert store.arrays("masks", {"model": "a"}, refuse).keys() == ARRAYS.keys()


def test_another_entrys_file_is_not_taken_for_ones_own(tmp_path):
    """A clean model's answers under a decoy model's address would promote it."""
    store = Store(tmp_path)
    store.arrays("logits", {"model": "clean"}, lambda: {"logits": np.zeros(3)})
    store.arrays("logits", {"model": "decoy"}, lambda: {"logits": np.ones(3)})
    store.path("logits", {"model": "decoy"}).write_bytes(
        store.path("logits", {"model": "clean"}).read_bytes()
    )
    again = Store(tmp_path)
    assert again.arrays("logits", {"model": "decoy"}, lambda: {"logits": np.ones(3)})[
        "logits"
    ].tolist() == [1, 1, 1]
    assert "was not what was kept there" in again.problems[0]


def test_an_entry_that_was_edited_is_computed_again(tmp_path):
    store = Store(tmp_path)
    store.arrays("logits", {"model": "a"}, lambda: {"logits": np.ones(3, np.float32)})
    path = store.path("logits", {"model": "a"})
    one = np.ones(1, np.float32).tobytes()
    path.write_bytes(path.read_bytes().replace(3 * one, 3 * bytes(4)))
    assert store.arrays("logits", {"model": "a"}, lambda: {"logits": np.ones(3, np.float32)})[
        "logits"
    ].tolist() == [1, 1, 1]


def test_what_fails_leaves_nothing_behind(tmp_path):
    store = Store(tmp_path)
    with pytest.raises(AssertionError):
        store.arrays("masks", {"model": "a"}, refuse)
    assert not list(tmp_path.rglob("*.safetensors"))
    assert store.arrays("masks", {"model": "a"}, lambda: ARRAYS).keys() == ARRAYS.keys()


def test_an_error_of_the_computation_is_not_taken_for_a_full_disk(tmp_path):
    calls = []

    def compute():
        calls.append(1)
        raise OSError("the data set's disk is gone")

    store = Store(tmp_path)
    with pytest.raises(OSError, match="data set"):
        store.arrays("masks", {"model": "a"}, compute)
    assert len(calls) == 1
    assert not store.problems


def test_a_folder_that_cannot_be_written_costs_only_the_keeping(tmp_path):
    (tmp_path / "evidence").write_text("a file is in the way")
    store = Store(tmp_path / "evidence")
    assert store.arrays("masks", {"model": "a"}, lambda: ARRAYS).keys() == ARRAYS.keys()
    assert "could not be kept" in store.problems[0]


def test_a_full_disk_costs_only_the_keeping(tmp_path, monkeypatch):
    def full(*_arguments, **_named):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "write_bytes", full)
    store = Store(tmp_path)
    assert store.arrays("masks", {"model": "a"}, lambda: ARRAYS).keys() == ARRAYS.keys()
    assert "No space left on device" in store.problems[0]
    assert not [path for path in tmp_path.rglob("*") if path.suffix in (".safetensors", ".tmp")]


PATIENCE = 60.0  # seconds, of which none is spent unless something is broken


def _first(folder: Path, computing: Event, answered: Event, log: Path) -> None:
    """Asks first, and is not done before the second process has computed, or waits."""

    def compute() -> dict[str, np.ndarray]:
        computing.set()
        assert answered.wait(PATIENCE)
        with log.open("a") as lines:
            lines.write("the first computed\n")
        return ARRAYS

    Store(folder).arrays("masks", {"model": "a"}, compute)


def _second(folder: Path, computing: Event, answered: Event, log: Path) -> None:
    """Asks while the first one computes, and answers by computing, or where it begins to wait."""

    class Waiting(FileLock):
        def acquire(self, timeout: float = -1, **named: Any) -> Any:
            if timeout < 0:  # who waits for ever waits for the first one
                with suppress(Timeout):
                    return super().acquire(timeout=0, **named)
                answered.set()
            return super().acquire(timeout=timeout, **named)

    def compute() -> dict[str, np.ndarray]:
        with log.open("a") as lines:
            lines.write("the second computed\n")
        answered.set()
        return ARRAYS

    assert computing.wait(PATIENCE)
    folder_module.FileLock = Waiting
    found = Store(folder).arrays("masks", {"model": "a"}, compute)
    np.testing.assert_array_equal(found["scores"], ARRAYS["scores"])


def test_processes_that_ask_at_once_compute_once(tmp_path):
    """The first is held in its computation until the second has answered: by computing too, or by
    waiting. Nothing here depends on which process is faster.
    """
    context = multiprocessing.get_context("spawn")
    computing, answered = context.Event(), context.Event()
    given = (tmp_path / "store", computing, answered, tmp_path / "log")
    workers = [context.Process(target=work, args=given) for work in (_first, _second)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
        assert worker.exitcode == 0
    assert (tmp_path / "log").read_text() == "the first computed\n"


@given(
    array=numpy_strategies.arrays(
        st.sampled_from([np.float32, np.bool_, np.int64]), numpy_strategies.array_shapes()
    )
)
def test_any_array_comes_back_as_it_was(tmp_path_factory, array):
    store = Store(tmp_path_factory.mktemp("store"))
    for _ in range(2):
        np.testing.assert_array_equal(store.arrays("x", {"k": 1}, lambda: {"a": array})["a"], array)


def test_without_a_home_the_cache_is_a_temporary_folder(tmp_path, monkeypatch):
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    monkeypatch.delenv("XDG_CACHE_HOME", raising=False)

    def nobody(_cls=None):
        raise RuntimeError("Could not determine home directory.")

    monkeypatch.setattr(Path, "home", nobody)
    folder = cache_folder()
    assert folder.parent == tmp_path
    assert folder == cache_folder(), "every process finds the same"
    assert folder.stat().st_mode & 0o077 == 0
    assert Store(folder).arrays("x", {"a": 1}, lambda: {"y": np.zeros(1)})["y"].shape == (1,)


@pytest.mark.parametrize("key", ["XDG_CACHE_HOME", "HOME"])
def test_a_cache_that_cannot_be_written_is_a_temporary_folder(tmp_path, monkeypatch, key):
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    (tmp_path / "file").touch()
    monkeypatch.delenv("XDG_CACHE_HOME", raising=False)
    monkeypatch.setenv(key, str(tmp_path / "file"))
    assert cache_folder().parent == tmp_path
    monkeypatch.setenv(key, str(tmp_path / "home"))
    assert tmp_path / "home" in cache_folder().parents
    monkeypatch.setattr(os, "access", lambda *_: False)
    assert cache_folder().parent == tmp_path


@pytest.mark.parametrize("lacking", [os.W_OK, os.X_OK])
def test_a_cache_needs_to_be_written_and_entered(tmp_path, monkeypatch, lacking):
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    assert cache_folder().parent == tmp_path / "cache"
    monkeypatch.setattr(os, "access", lambda _, mode: not mode & lacking)
    assert cache_folder().parent == tmp_path


@pytest.mark.parametrize(
    ("mode", "used"), [(0o755, True), (0o711, True), (0o720, False), (0o702, False)]
)
def test_a_temporary_folder_that_others_can_write_to_is_not_used(tmp_path, monkeypatch, mode, used):
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    monkeypatch.setenv("XDG_CACHE_HOME", "/dev/null/nowhere")
    _own_temporary.cache_clear()
    folder = cache_folder()
    folder.chmod(mode)
    assert (cache_folder() == folder) is used


def test_a_temporary_folder_of_somebody_else_is_not_used(tmp_path, monkeypatch):
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    monkeypatch.setenv("XDG_CACHE_HOME", "/dev/null/nowhere")
    taken = cache_folder()
    taken.chmod(0o777)
    other = cache_folder()
    assert other != taken
    assert other.stat().st_mode & 0o077 == 0
    taken.rmdir()
    taken.symlink_to(tmp_path)
    assert cache_folder() != taken


def test_where_nothing_can_be_written_nothing_is_kept(monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", "/dev/null/nowhere")
    monkeypatch.setattr("tempfile.tempdir", "/dev/null/nowhere")
    _own_temporary.cache_clear()
    store = Store(cache_folder())
    assert store.arrays("x", {"a": 1}, lambda: {"y": np.ones(1)})["y"] == 1
    assert len(store.problems) == 1
