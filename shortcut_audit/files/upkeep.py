"""A store -> what it holds, what of it is damaged, and what can be taken away."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import suppress
from typing import NamedTuple

from shortcut_audit.files.entries import ENTRY, STRAY, is_sound
from shortcut_audit.files.storage.contract import Held, Storage

DAY = 24 * 3600.0  # seconds


class Kind(NamedTuple):
    """The entries of one kind together."""

    name: str
    entries: int
    size: int  # bytes
    oldest: float  # when it was last used or written, seconds since 1970
    newest: float


def entries_of(listed: Iterable[Held]) -> list[Held]:
    """Every entry, whole or not, the one that was used longest ago first."""
    found = [held for held in listed if ENTRY.fullmatch(held.name)]
    return sorted(found, key=lambda held: (held.at, held.name))


def kinds(entries: list[Held]) -> list[Kind]:
    """The kinds in alphabetical order; `entries` as `entries_of` gives them."""
    of_kind: dict[str, list[Held]] = {}
    for held in entries:
        of_kind.setdefault(held.name.partition("/")[0], []).append(held)
    return [_together(name, own) for name, own in sorted(of_kind.items())]


def _together(name: str, own: list[Held]) -> Kind:
    return Kind(name, len(own), sum(held.size for held in own), own[0].at, own[-1].at)


def damaged(storage: Storage, entries: list[Held]) -> Iterator[tuple[str, str]]:
    """The name of each entry that is not what was kept there, and what is wrong; all are read."""
    for held in entries:
        try:
            content = storage.read(held.name)
        except OSError as error:
            yield held.name, f"cannot be read ({error.strerror or error})"
            continue
        # one that is gone was taken away since it was listed
        if content is not None and not is_sound(held.name, content):
            yield held.name, "is not what was kept there"


def removable(
    entries: list[Held], now: float, older_than: float | None, keep_bytes: float | None
) -> list[Held]:
    """The entries that go, the one that was used longest ago first; `entries` as `entries_of`.

    Law: what stays is younger than `older_than` (seconds) and together at most `keep_bytes`, and
    nothing younger goes before something older; None is no limit.
    """
    left, going = sum(held.size for held in entries), []
    for held in entries:
        too_old = older_than is not None and held.at < now - older_than
        if too_old or (keep_bytes is not None and left > keep_bytes):
            going.append(held)
            left -= held.size
    return going


def strays(listed: Iterable[Held], now: float) -> list[Held]:
    """What writers that were killed have left, and locks; none that may be in use: of a day ago."""
    return [held for held in listed if STRAY.fullmatch(held.name) and held.at < now - DAY]


def trim(storage: Storage, keep_bytes: float) -> None:
    """Takes away what was used longest ago, until what stays is at most so many bytes.

    What cannot be taken away stays; whoever asks for what is gone computes it again.
    """
    with suppress(OSError):
        going = removable(entries_of(storage.listed()), 0.0, None, keep_bytes)
        storage.remove([held.name for held in going])
