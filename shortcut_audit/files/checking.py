"""Plain values -> a record of the asked types, or one sentence about what is wrong.

The sentence says which key, what was found and what is wanted. Nothing is converted on the way:
"64" is no number, 1 is no text, and yes is neither.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple, TypeVar, get_args

from pydantic import BaseModel, ValidationError

from shortcut_audit.errors import UsageError, did_you_mean

TEXT, WHOLE, NUMBER = "text", "a whole number", "a number"
CHOICE, LIST, MAPPING = "yes or no", "a list", "a mapping"
WANTED = {  # pydantic's types of errors, by how they begin
    "string": TEXT,
    "path": TEXT,
    "int": WHOLE,
    "float": NUMBER,
    "bool": CHOICE,
    "tuple": LIST,
    "list": LIST,
    "dict": MAPPING,
    "model": MAPPING,
    "dataclass": MAPPING,
}
KINDS = (  # types of plain values, and what they are in words; a bool is an int as well
    (bool, CHOICE),
    (int, WHOLE),
    (float, NUMBER),
    (str | os.PathLike, TEXT),
    (Mapping, MAPPING),
    (list | tuple, LIST),
)
Shape = TypeVar("Shape", bound=BaseModel)
Place = tuple[int | str, ...]

# parts of a place that pydantic adds: of a mapping's key, and of one of several types
PYDANTIC = re.compile(r"\[key\]|(tuple|dict|list|literal)\[.*\]|constrained-\w+")


class Problem(NamedTuple):
    """What is wrong with a value, and where it stands."""

    where: str  # "models.F0.file", or nothing where it is about the whole
    found: object
    reason: str


def checked(
    shape: type[Shape],
    content: Mapping[str, Any],
    what: str,
    reserved: frozenset[str] = frozenset(),
) -> Shape:
    """The content as this shape.

    Law: every value is as it was given, but for lists that become tuples and text that becomes
    a path.

    Args:
        shape: a model that forbids unknown keys where it should.
        content: plain values.
        what: the file in a sentence, e.g. "the scenario 'mine.yaml'".
        reserved: fields of the shape that are no keys.

    Raises:
        UsageError: an unknown key, a missing one, or a value that cannot be; names the file and
            the key.
    """
    for key in content:
        if key in reserved:
            hint = did_you_mean(key, _known(shape, ()) - reserved)
            raise UsageError(f"{what} has an unknown key '{key}'{hint}")
    try:
        read = shape.model_validate(content)
    except ValidationError as error:
        raise UsageError(f"{what} {_sentence(error, shape, reserved)}") from None
    for problem in converted(content, read):
        raise UsageError(f"{what} has a bad value at '{problem.where}': {problem.reason}")
    return read


def check_text(options: Mapping[str, Any], keys: Iterable[str], section: str, what: str) -> None:
    """Raises UsageError where one of these keys is no text, such as `target: 1`.

    The keys stand among free options, and may be missing.
    """
    for key in keys:
        if key in options and not isinstance(options[key], str):
            problem = mismatch(options[key], TEXT)
            raise UsageError(f"{what} has a bad value at '{section}.{key}': {problem}")


def problem_of(error: ValidationError) -> Problem:
    """The first of pydantic's errors, in our words."""
    first = _furthest(error.errors())
    kind, found = first["type"].split("_")[0], first["input"]
    if kind in ("greater", "less") and kind_of(found) not in (WHOLE, NUMBER):
        kind = "float"  # "0" and no are below every limit, but that is not what is wrong with them
    of_a_value = first["type"] == "value_error" or "finite" in first["type"]
    wanted = None if of_a_value else WANTED.get(kind)
    if wanted and kind_of(found) != wanted:
        reason = mismatch(found, wanted)
    else:
        reason = first["msg"].removeprefix("Value error, ")
    return Problem(_dotted(first["loc"]), found, reason)


def converted(given: Any, read: Any, at: Place = ()) -> Iterator[Problem]:
    """Every value that is of another type than the one that was made of it.

    A list may have become a tuple, a whole number a number, a path may have been text, and one
    value a tuple of it alone.
    """
    if isinstance(given, Mapping):
        for key, value in given.items():
            is_mapping = isinstance(read, Mapping)
            made = read.get(key, value) if is_mapping else getattr(read, key, value)
            yield from converted(value, made, (*at, key))
    elif isinstance(given, list | tuple) and isinstance(read, list | tuple):
        for i, (each, made) in enumerate(zip(given, read, strict=False)):
            yield from converted(each, made, (*at, i))
    elif isinstance(read, tuple) and len(read) == 1:
        yield from converted(given, read[0], at)
    elif isinstance(given, bool | int | float | str) and not _is_as_given(given, read):
        yield Problem(_dotted(at), given, mismatch(given, kind_of(read)))


def _is_as_given(given: bool | int | float | str, read: Any) -> bool:
    """Whether nothing was converted; a class's own type, such as an enumeration, is as given."""
    if isinstance(given, str) or not isinstance(read, bool | int | float | str | os.PathLike):
        return not isinstance(read, bool | int | float)
    if isinstance(given, int) and not isinstance(given, bool):
        return type(read) in (int, float)
    return type(read) is type(given)


def kind_of(value: object) -> str:
    """What a value is, in words, e.g. `a whole number`."""
    for types, kind in KINDS:
        if isinstance(value, types):
            return kind
    return "nothing" if value is None else "something else"


def mismatch(found: object, wanted: str) -> str:
    """The sentence `1 is a whole number, and text is wanted: put it in quotes`."""
    shown, kind = f"{found!r:.60}", kind_of(found)
    if found is None:
        shown = "it"
    elif isinstance(found, bool):
        shown, kind = str(found).lower(), "a yes/no value, as yes, no, on and off are"
    advice = ""
    if wanted == TEXT and isinstance(found, bool | int | float):
        advice = ": put it in quotes"
    elif isinstance(found, str) and wanted in (WHOLE, NUMBER):
        advice = ": write it in digits, without quotes"
    return f"{shown} is {kind}, and {wanted} is wanted{advice}"


def _sentence(error: ValidationError, shape: type[BaseModel], reserved: frozenset[str]) -> str:
    """What is wrong, as the rest of a sentence that begins with the file."""
    errors = error.errors()
    for each in errors:  # an unknown key goes first: a typo explains a missing key
        if each["type"] == "extra_forbidden":
            *section, key = each["loc"]
            hint = did_you_mean(str(key), _known(shape, tuple(section)) - reserved)
            return f"has an unknown key '{_dotted(each['loc'])}'{hint}"
    if errors[0]["type"] == "missing":
        return f"lacks the key '{_dotted(errors[0]['loc'])}'"
    where, found, reason = problem_of(error)
    at = f" at '{where}'" if where else ""
    shown = f"{found!r:.60}: " if reason.startswith("Input should") else ""
    return f"has a bad value{at}: {shown}{reason}"


def _furthest(errors: Sequence[Any]) -> Any:
    """Of the errors about the first bad value, one for each type that it may have, the one that got
    furthest into it: that is the type which was meant.
    """
    start = _dotted(errors[0]["loc"])
    about = [each for each in errors if f"{_dotted(each['loc'])}.".startswith(f"{start}.")]
    return max(about, key=lambda each: _dotted(each["loc"]).count("."))


def _dotted(place: Place) -> str:
    """A place as it is shown, e.g. `models.F0.file`."""
    return ".".join(str(part) for part in place if not PYDANTIC.fullmatch(str(part)))


def _known(shape: type[BaseModel], place: Place) -> set[str]:
    """The keys of the section at this place."""
    section = shape
    for part in place:
        if part in section.model_fields:
            section = _section(section.model_fields[str(part)].annotation) or section
    return set(section.model_fields)


def _section(annotation: Any) -> type[BaseModel] | None:
    """The model in `tuple[Group, ...]`, `dict[str, Entry]` or `Calibration | None`."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    for part in get_args(annotation):
        found = _section(part)
        if found:
            return found
    return None
