"""A method that remembers its answers: each is computed once for an instance and arguments."""

from __future__ import annotations

import inspect
from collections import OrderedDict
from collections.abc import Callable
from functools import update_wrapper
from typing import Any, Concatenate, ParamSpec, TypeVar

ROOM = 1 << 30  # bytes of arrays that stay in an instance, of the answers of one method

Self = TypeVar("Self")
Given = ParamSpec("Given")
Answer = TypeVar("Answer")


def remembered(
    method: Callable[Concatenate[Self, Given], Answer],
) -> Callable[Concatenate[Self, Given], Answer]:
    """The same method, which keeps its answers on the instance for as long as that lives.

    The arguments must be hashable. Given by position, by name or left to their defaults they are
    the same. What raises is asked again. So is what was asked for longest ago, once the arrays in
    all answers take more than ROOM: logits of 1,000 classes on 50,000 pictures are 200 MB.
    """
    signature, name = inspect.signature(method), f"_remembered_{method.__name__}"

    def answer(self: Self, /, *given: Given.args, **named: Given.kwargs) -> Answer:
        bound = signature.bind(self, *given, **named)
        bound.apply_defaults()
        asked = bound.args[1:]
        # arguments -> the answer, and the bytes of its arrays
        answers: OrderedDict[Any, tuple[Answer, int]] = self.__dict__.setdefault(
            name, OrderedDict()
        )
        if asked not in answers:
            found = method(self, *given, **named)
            answers[asked] = found, _held(found)
            while len(answers) > 1 and sum(size for _, size in answers.values()) > ROOM:
                answers.popitem(last=False)
        answers.move_to_end(asked)
        return answers[asked][0]

    update_wrapper(answer, method)
    return answer


def _held(answer: object) -> int:
    """Bytes of an array, or of those that are a record's fields."""
    parts = [answer, *getattr(answer, "__dict__", {}).values()]
    return sum(getattr(part, "nbytes", 0) for part in parts)
