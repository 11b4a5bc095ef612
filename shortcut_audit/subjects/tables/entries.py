"""Rows -> entries: one for each picture that counts, with all that the table says of it."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace

from shortcut_audit.errors import DataError
from shortcut_audit.subjects.decoding.photograph import Photograph
from shortcut_audit.subjects.tables.labels import Labels
from shortcut_audit.subjects.tables.marks import Place, Reader
from shortcut_audit.subjects.tables.reading import Row, left_out

EVERY = ""  # the split of what is said of no one split


@dataclass(frozen=True)
class Entry:
    """One picture of the table."""

    photograph: Photograph
    split: str
    where: str  # "row 7"
    group: str = ""
    flags: tuple[bool, ...] = ()  # of each attribute
    places: tuple[Place, ...] = field(default=(), compare=False)  # likewise


@dataclass(frozen=True)
class How:
    """How a row is read."""

    labels: Labels
    marks: Sequence[Reader]
    photograph: Callable[[Row], Photograph | str]  # text: why the row is left out
    group: Callable[[Row], str] | None  # empty text where the row says none


class Left:
    """Which rows are left out of which split, and why."""

    def __init__(self, name: str) -> None:
        self.name = name
        self._rows: defaultdict[tuple[str, str], list[str]] = defaultdict(list)

    def add(self, split: str, why: str, where: str) -> None:
        """A row that is left out of a split."""
        self._rows[split, why].append(where)

    def said(self, split: str) -> Iterator[str]:
        """A sentence for each reason."""
        for (of, why), which in self._rows.items():
            if of in (split, EVERY):
                yield from left_out(self.name, why, which)


def entries(rows: Iterable[tuple[str, Row]], how: How, left: Left) -> tuple[Entry, ...]:
    """The pictures that count, sorted by their identities; `left` is told of the other rows.

    Laws: a picture counts once; what counts does not depend on the order of the rows.

    Args:
        rows: each with its split.
        how: how a row is read.
        left: is told of the rows that are left out.
    """
    named: defaultdict[str, list[Entry]] = defaultdict(list)
    for split, row in rows:
        found = _entry(split, row, how)
        if isinstance(found, str):
            left.add(split, found, row.where)
        else:
            named[found.photograph.identity].append(found)
    kept = []
    for identity, same in sorted(named.items()):
        counts_as = _one_of(same)
        if counts_as is not None:
            kept.append(counts_as)
        why = "name a picture that another row names"
        for each in same:
            if each is not counts_as:
                otherwise = ", and say otherwise" if counts_as is None else ""
                left.add(each.split, why + otherwise, f"{each.where} ('{identity}')")
    return tuple(kept)


def _one_of(same: Sequence[Entry]) -> Entry | None:
    """Which entry of one picture counts: a training picture is no validation picture.

    None does where they say different things of it.
    """
    if any(_meaning(each) != _meaning(same[0]) for each in same):
        return None
    trained = [each for each in same if each.split == "train"]
    alike = len({each.split for each in same}) == 1
    return (trained or same)[0] if trained or alike else None


def refuse_straddling(found: Iterable[tuple[str, str]], by: str) -> None:
    """Raises DataError where a group is in two splits; names two of them.

    Pictures of one patient are alike: a model that has seen one of them knows the others.

    Args:
        found: the split and the group of each row.
        by: what says which group it is, such as `the column 'patient'`.
    """
    splits: defaultdict[str, set[str]] = defaultdict(set)
    for split, group in found:
        splits[group].add(split)
    both = {group: sorted(of) for group, of in sorted(splits.items()) if group and len(of) > 1}
    if both:
        named = [f"'{group}' (in {' and '.join(of)})" for group, of in list(both.items())[:2]]
        count = "a group is" if len(both) == 1 else f"{len(both)} groups are"
        raise DataError(
            f"{count} in two splits by {by}: {', '.join(named)}; put all pictures of a group "
            "into one split, as a model knows those that it has seen, or say with 'group' "
            "what else the groups are ('group: \"\"' if there are none)"
        )


def _entry(split: str, row: Row, how: How) -> Entry | str:
    """What a row says, or why it is left out."""
    photograph = how.photograph(row)
    if isinstance(photograph, str):
        return photograph
    answer = _answer(split, row, how.labels)
    if isinstance(answer, str):
        return answer
    flags, places = [], []
    for mark in how.marks:
        shown, place = mark.read(row)
        if isinstance(shown, str):
            return shown
        flags.append(shown)
        places.append(place)
    group = how.group(row) if how.group else EVERY
    if how.group and not group:
        return "say nothing of their group"
    if isinstance(answer, tuple):
        told = replace(photograph, shown=answer)
    else:
        told = replace(photograph, label=answer)
    return Entry(told, split, row.where, group, tuple(flags), tuple(places))


def _answer(split: str, row: Row, labels: Labels) -> int | tuple[bool, ...] | str:
    """What is right for a row; a background shows none of the classes."""
    found = labels.answer(row)
    if split != "background":
        return found
    if isinstance(found, str) or found == labels.none:
        return labels.none
    return "show one of the classes, and are said to be background"


def _meaning(entry: Entry) -> tuple[object, ...]:
    """All that is said of a picture but its split."""
    photograph = entry.photograph
    return photograph.label, photograph.shown, entry.group, entry.flags


def counts(found: Iterable[Entry], classes: Sequence[str], split: str) -> Mapping[str, int]:
    """Class -> how many pictures of a split show it."""
    number = dict.fromkeys(classes, 0)
    for each in found:
        if each.split == split:
            shown = each.photograph.shown
            for label, name in enumerate(classes):
                number[name] += shown[label] if shown else each.photograph.label == label
    return number
