"""While another process makes an entry, a store's process does other work, and never twice."""

from __future__ import annotations

import multiprocessing
import pickle
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from multiprocessing.synchronize import Barrier, Event
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shortcut_audit.files import store as store_module
from shortcut_audit.files.storage.contract import FOR_EVER
from shortcut_audit.files.storage.folder import Folder
from shortcut_audit.files.store import Store

KEYS = "ABCDEFGH"
PATIENCE = 60.0  # seconds, of which none is spent unless something is broken
ONE = {"x": np.ones(1)}


def key(letter: str) -> dict[str, object]:
    return {"letter": letter}


def work_list(store: Store, ask: Callable[[str], object]) -> Callable[[], bool]:
    """Does the first piece that is free."""

    def other() -> bool:
        for letter in KEYS:
            with store.claimed("k", key(letter)) as free:
                if free:
                    ask(letter)
                    return True
        return False

    return other


@dataclass
class Worker:
    """Asks for every key in turn. Whoever makes A is not done before somebody has done another
    piece instead of waiting for A.
    """

    folder: Path
    log: Path
    start: Barrier
    moved: Event

    def note(self, line: str) -> None:
        with self.log.open("a") as lines:
            lines.write(f"{line}\n")

    def ask(self, letter: str) -> None:
        def compute() -> dict[str, np.ndarray]:
            self.note(f"made {letter}")
            assert letter != "A" or self.moved.wait(PATIENCE)
            time.sleep(0.02)
            return {"x": np.array([ord(letter)])}

        assert self.store.arrays("k", key(letter), compute)["x"].tolist() == [ord(letter)]

    def instead(self, letter: str) -> None:
        self.note(f"instead {letter}")
        self.ask(letter)
        self.moved.set()

    def idle(self, seconds: float) -> None:
        # what is free can only become less, so that this holds however slow a process is
        for letter in KEYS:
            if self.store.free("k", key(letter)):
                self.note(f"idle while {letter} is free")
        time.sleep(seconds)

    def run(self) -> None:
        store_module.time = SimpleNamespace(sleep=self.idle)  # type: ignore[assignment]
        self.store = Store(self.folder)
        self.store.meanwhile = work_list(self.store, self.instead)
        self.start.wait(PATIENCE)
        for letter in KEYS:
            self.ask(letter)


def test_two_processes_make_each_entry_once_and_none_waits_while_another_is_free(tmp_path):
    context = multiprocessing.get_context("spawn")
    each = Worker(tmp_path / "store", tmp_path / "log", context.Barrier(2), context.Event())
    workers = [context.Process(target=each.run) for _ in range(2)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
        assert worker.exitcode == 0
    lines = (tmp_path / "log").read_text().splitlines()
    assert sorted(line for line in lines if line.startswith("made")) == [f"made {k}" for k in KEYS]
    assert [line for line in lines if line.startswith("instead")]
    assert not [line for line in lines if line.startswith("idle")]


@given(
    orders=st.lists(st.permutations(KEYS), min_size=2, max_size=4),
    helping=st.lists(st.booleans(), min_size=4, max_size=4),
)
@settings(max_examples=25)
def test_in_whatever_order_they_are_asked_for_each_entry_is_made_once(
    tmp_path_factory, orders, helping
):
    """Threads with a store each, whose locks are as far apart as those of processes."""
    folder, made = tmp_path_factory.mktemp("store"), []

    def ask(store: Store, letter: str) -> None:
        store.arrays("k", key(letter), lambda: made.append(letter) or ONE)

    def go(order: list[str], helps: bool) -> None:
        store = Store(folder)
        if helps:
            store.meanwhile = work_list(store, lambda letter: ask(store, letter))
        for letter in order:
            ask(store, letter)

    threads = [
        threading.Thread(target=go, args=each) for each in zip(orders, helping, strict=False)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(made) == list(KEYS)


@dataclass(frozen=True)
class Busy(Folder):
    """A folder in which another process makes the first entry for the first `looks` looks."""

    looks: int = 0
    asked: list[float] = field(default_factory=list)

    def claim(self, name: str, patience: float) -> Callable[[], None] | None:
        self.asked.append(patience)
        if patience == 0 and len(self.asked) <= self.looks:
            return None
        return super().claim(name, patience)


def busy(tmp_path: Path, looks: int) -> Store:
    store = Store(tmp_path)
    store.storage = Busy(tmp_path, looks)
    return store


@pytest.fixture
def pauses(monkeypatch):
    """The seconds that a store has slept; it sleeps none."""
    slept: list[float] = []
    monkeypatch.setattr(store_module, "time", SimpleNamespace(sleep=slept.append))
    return slept


def test_it_pauses_only_where_nothing_else_was_done(tmp_path, pauses):
    store = busy(tmp_path, looks=4)
    answers = iter([True, False, True, False])
    store.meanwhile = lambda: next(answers)
    assert store.arrays("k", key("A"), lambda: ONE)["x"] == 1
    assert store.storage.asked == [0] * 5
    assert pauses == [store_module.PAUSE] * 2


def test_without_other_work_the_wait_is_a_plain_one(tmp_path, pauses):
    store = busy(tmp_path, looks=4)
    store.arrays("k", key("A"), lambda: ONE)
    assert store.storage.asked == [FOR_EVER]
    assert pauses == []


def test_a_wait_within_other_work_is_a_plain_one(tmp_path, pauses):
    store = busy(tmp_path, looks=1)

    def other() -> bool:
        store.arrays("k", key("B"), lambda: ONE)
        return True

    store.meanwhile = other
    store.arrays("k", key("A"), lambda: ONE)
    assert store.storage.asked == [0, FOR_EVER, 0]


def test_who_makes_an_entry_waits_plainly_for_what_it_needs(tmp_path, pauses):
    """Others may be waiting for it, while they hold what the other work would ask for."""
    store = busy(tmp_path, looks=0)
    store.meanwhile = lambda: pytest.fail("not while others wait for A")
    store.arrays("k", key("A"), lambda: store.arrays("k", key("B"), lambda: ONE))
    assert store.storage.asked == [0, FOR_EVER]


def test_what_fails_meanwhile_is_no_fault_of_who_waits(tmp_path, pauses):
    store = busy(tmp_path, looks=1)

    def other() -> bool:
        raise OSError("another model's file is gone")

    store.meanwhile = other
    assert store.arrays("k", key("A"), lambda: ONE)["x"] == 1
    assert store.problems == []
    assert len(pauses) == 1


def test_what_is_kept_or_claimed_is_not_free(tmp_path):
    mine, others = Store(tmp_path), Store(tmp_path)
    assert mine.free("k", key("A"))
    with mine.claimed("k", key("A")) as free:
        assert free
        assert not others.free("k", key("A"))
        assert others.free("k", key("B"))
        with mine.claimed("k", key("A")) as again:
            assert not again, "it is being made, by itself"
        mine.arrays("k", key("A"), lambda: ONE)
    assert not others.free("k", key("A"))
    others.arrays("k", key("A"), lambda: pytest.fail("computed again"))


def test_a_claim_ends_with_an_error(tmp_path):
    mine, others = Store(tmp_path), Store(tmp_path)
    with pytest.raises(ZeroDivisionError), mine.claimed("k", key("A")):
        raise ZeroDivisionError
    assert others.free("k", key("A"))
    assert mine.free("k", key("A"))


def test_an_entry_that_was_made_between_two_looks_is_not_free(tmp_path):
    store = Store(tmp_path)

    @dataclass(frozen=True)
    class Overtaken(Folder):
        def claim(self, name: str, patience: float) -> Callable[[], None] | None:
            Store(tmp_path).arrays("k", key("A"), lambda: ONE)
            return super().claim(name, patience)

    store.storage = Overtaken(tmp_path)
    assert not store.free("k", key("A"))


def test_a_folder_without_locks_keeps_nobody_from_working(tmp_path):
    (tmp_path / "evidence").write_text("a file is in the way")
    store = Store(tmp_path / "evidence")
    store.meanwhile = lambda: pytest.fail("nobody waits")
    assert store.free("k", key("A"))
    assert store.arrays("k", key("A"), lambda: ONE)["x"] == 1


def test_a_pickled_store_is_its_address(tmp_path):
    store = Store(tmp_path)
    store.meanwhile = lambda: True
    store.arrays("k", key("A"), lambda: ONE)
    again = pickle.loads(pickle.dumps(store))
    assert again.meanwhile is None
    assert again.problems == []
    assert again.arrays("k", key("A"), lambda: pytest.fail("computed again"))["x"] == 1


def test_a_pickled_store_is_the_same_folder_elsewhere(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    pickled = pickle.dumps(Store("evidence"))
    Store("evidence").arrays("k", key("A"), lambda: ONE)
    monkeypatch.chdir("/")
    assert pickle.loads(pickled).kept("k", key("A")) is not None
