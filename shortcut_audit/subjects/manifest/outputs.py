"""What each output of a network is called, and at which output a class of the data set is found."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from functools import cache, lru_cache
from pathlib import Path

from shortcut_audit.errors import UsageError
from shortcut_audit.files.whole import canonical

# a line for each of ImageNet's 1000 classes, in the order of the outputs: wnid, names in WordNet
LIST = Path(__file__).parent / "imagenet.txt"
BACKGROUND = "background"  # the first of 1001 outputs, as TensorFlow's models have it
NAMED = 3  # of many, how many a sentence names


@cache
def imagenet() -> tuple[str, ...]:
    """The names of ImageNet's 1000 classes in the usual order, as torchvision has them."""
    return tuple(names[0] for _, names in _listed())


@cache
def _listed() -> tuple[tuple[str, tuple[str, ...]], ...]:
    """(wnid, names) of each of the 1000 classes."""
    lines = LIST.read_text(encoding="utf-8").splitlines()
    return tuple((line[:9], tuple(line[10:].split("|"))) for line in lines)


def names_of_outputs(
    classes: Sequence[str] | Mapping[int, str] | str, outputs: int | None
) -> tuple[str, ...]:
    """A name for each output, from all the names, some of them by number, or `imagenet`.

    Outputs that nobody names are called `output 7`.

    Raises:
        ValueError: the names are not as many as the outputs, or a number is beyond them.
    """
    if isinstance(classes, str):
        names = imagenet()
        return (BACKGROUND, *names) if outputs == len(names) + 1 else names
    if not isinstance(classes, Mapping):
        return tuple(classes)
    if outputs is None:
        raise ValueError(
            "classes that are named by their numbers need 'outputs: N' beside them, "
            "how many outputs the network has"
        )
    if max(classes, default=0) >= outputs:
        raise ValueError(f"there is no output {max(classes)} among {outputs}, counted from 0")
    return tuple(classes.get(at, f"output {at}") for at in range(outputs))


def columns(
    own: Sequence[str], wanted: Sequence[str], known_as: Mapping[str, Sequence[str]]
) -> tuple[tuple[int, ...], tuple[str, ...]]:
    """Which output stands in each column of the logits, and what each column is called.

    The wanted classes come first, in their order and as they are spelt there; the others follow in
    the network's order. A class of ImageNet is found by its wnid, its number, or any of its names.

    Args:
        own: the k names of the outputs.
        wanted: the data set's classes.
        known_as: class -> other names of it, such as its wnid, which go before its own.

    Raises:
        UsageError: a class is not among the outputs, or is the name of several.
    """
    at = _places(tuple(own))
    first: list[int] = []
    missing = []
    for name in wanted:
        found = _found(at, [*known_as.get(name, ()), name])
        if len(found) > 1:
            raise UsageError(
                f"'{name}' is the name of outputs {' and '.join(map(str, found))}: "
                "call the class by its wnid or number"
            )
        if found and found[0] in first:
            same = wanted[first.index(found[0])]
            raise UsageError(f"'{same}' and '{name}' are the same output of it, {found[0]}")
        first += found
        if not found:
            missing.append(name)
    extra = [name for index, name in enumerate(own) if index not in first]
    if missing:
        raise UsageError(
            f"its classes are not those of the data set: {few(missing)} missing, {few(extra)} extra"
        )
    order = (*first, *(index for index in range(len(own)) if index not in first))
    return order, (*wanted, *extra)


def few(items: Iterable[str]) -> str:
    """The first three of them in order, and how many more there are."""
    listed = sorted(items)
    more = f" and {len(listed) - NAMED} more" if len(listed) > NAMED else ""
    return f"{', '.join(listed[:NAMED])}{more}" if listed else "none"


Places = Mapping[str, Sequence[int]]  # name -> outputs


def _found(at: tuple[Places, Places], names: Sequence[str]) -> list[int]:
    """The outputs of the first of these names that any output has, in its case or another."""
    for name in names:
        as_written, in_lower_case = canonical(name), canonical(name).casefold()
        if found := at[0].get(as_written) or at[1].get(in_lower_case):
            return sorted(found)
    return []


@lru_cache(maxsize=8)
def _places(own: tuple[str, ...]) -> tuple[Places, Places]:
    """Where each name stands, as it is written and in lower case; ImageNet's other names too."""
    shift = len(own) - len(imagenet())
    of_imagenet = shift in (0, 1) and own[shift:] == imagenet()
    at: defaultdict[str, list[int]] = defaultdict(list)
    lower: defaultdict[str, list[int]] = defaultdict(list)
    for index, name in enumerate(own):
        names = {canonical(name)}
        if of_imagenet and index >= shift:
            wnid, known = _listed()[index - shift]
            names = {wnid, str(index), *map(canonical, known)}
        for each in names:
            at[each].append(index)
        for each in {name.casefold() for name in names}:
            lower[each].append(index)
    return dict(at), dict(lower)
