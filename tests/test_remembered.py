"""A remembered method is computed once for an instance and its arguments, however they are given."""

from __future__ import annotations

import inspect
from dataclasses import dataclass

import numpy as np
import pytest

import shortcut_audit.remembered as module
from shortcut_audit.remembered import remembered


class Asked:
    def __init__(self) -> None:
        self.calls: list[tuple[str, int]] = []

    @remembered
    def value(self, name: str, times: int = 1) -> list[str]:
        """The name, so many times."""
        self.calls.append((name, times))
        if times < 0:
            raise ValueError(name)
        return [name] * times


def test_the_same_arguments_are_one_question_however_they_are_given() -> None:
    asked = Asked()
    answers = [
        asked.value("a"),
        asked.value("a", 1),
        asked.value(name="a"),
        asked.value("a", times=1),
    ]
    assert all(answer is answers[0] for answer in answers)
    assert asked.calls == [("a", 1)]
    assert asked.value("a", 2) == ["a", "a"]
    assert asked.calls == [("a", 1), ("a", 2)]


def test_instances_share_nothing() -> None:
    one, two = Asked(), Asked()
    assert one.value("a") is not two.value("a")


def test_what_raises_is_asked_again() -> None:
    asked = Asked()
    for _ in range(2):
        with pytest.raises(ValueError, match="a"):
            asked.value("a", -1)
    assert len(asked.calls) == 2


def test_signature_and_docstring_are_the_methods_own() -> None:
    assert list(inspect.signature(Asked.value).parameters) == ["self", "name", "times"]
    assert Asked.value.__doc__ == "The name, so many times."


@dataclass(frozen=True)
class Answer:
    logits: np.ndarray
    name: str


class Large:
    def __init__(self) -> None:
        self.calls: list[str] = []

    @remembered
    def value(self, name: str, size: int = 10) -> Answer:
        self.calls.append(name)
        return Answer(np.zeros(size, np.uint8), name)


def asked(names: str, large: Large) -> str:
    """Which of the names were computed."""
    before = len(large.calls)
    for name in names:
        assert large.value(name).name == name
    return "".join(large.calls[before:])


def test_what_was_asked_for_longest_ago_makes_room(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "ROOM", 30)  # three answers
    large = Large()
    assert asked("abc", large) == "abc"
    assert asked("abca", large) == ""
    assert asked("d", large) == "d"  # in place of b
    assert asked("cad", large) == ""
    assert asked("b", large) == "b"


def test_the_last_answer_stays_however_large_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "ROOM", 5)
    large = Large()
    assert asked("aabb", large) == "ab"
    assert asked("a", large) == "a"


def test_answers_without_arrays_all_stay(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "ROOM", 0)
    words = Asked()
    for _ in range(2):
        for name in "abc":
            words.value(name)
    assert len(words.calls) == 3
