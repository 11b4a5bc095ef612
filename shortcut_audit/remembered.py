"""A method that remembers its answers: each is computed once for an instance and arguments."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from functools import update_wrapper
from typing import Any, Concatenate, ParamSpec, TypeVar

Self = TypeVar("Self")
Given = ParamSpec("Given")
Answer = TypeVar("Answer")


def remembered(
    method: Callable[Concatenate[Self, Given], Answer],
) -> Callable[Concatenate[Self, Given], Answer]:
    """The same method, which keeps its answers on the instance for as long as that lives.

    The arguments must be hashable. Given by position, by name or left to their defaults they are
    the same. What raises is asked again.
    """
    signature, name = inspect.signature(method), f"_remembered_{method.__name__}"

    def answer(self: Self, /, *given: Given.args, **named: Given.kwargs) -> Answer:
        bound = signature.bind(self, *given, **named)
        bound.apply_defaults()
        asked = bound.args[1:]
        answers: dict[Any, Answer] = self.__dict__.setdefault(name, {})
        if asked not in answers:
            answers[asked] = method(self, *given, **named)
        return answers[asked]

    update_wrapper(answer, method)
    return answer
