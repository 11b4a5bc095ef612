"""What a store needs of the storage below it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple, Protocol

FOR_EVER = -1.0


class Held(NamedTuple):
    """A file or an object of a storage."""

    name: str  # below the storage, with `/` on every system
    size: int  # bytes
    at: float  # when it was written or, in a folder, last used: seconds since 1970


class Storage(Protocol):
    """Names -> bytes. What fails is an OSError, whichever library noticed it."""

    @property
    def where(self) -> str:
        """Its path or address."""

    @property
    def locks(self) -> bool:
        """Whether `claim` keeps anybody away."""

    def check(self) -> None:
        """Raises UsageError or MachineError, one sentence, where nothing can be kept here."""

    def read(self, name: str) -> bytes | None:
        """All bytes, in one request; None where nothing is there."""

    def write(self, name: str, content: bytes) -> None:
        """Keeps all of them or, where it is killed or fails, none."""

    def has(self, name: str) -> bool:
        """Whether there is something of this name, or below it."""

    def use(self, name: str) -> None:
        """Notes that this is of use still, where that can be noted."""

    def claim(self, name: str, patience: float) -> Callable[[], None] | None:
        """Keeps other processes from a name: what lets go of it, or None where another has it.

        patience: seconds to wait for it, or FOR_EVER.
        """

    def listed(self) -> Iterator[Held]:
        """At least everything that lies as a store's entries do, in any order."""

    def remove(self, names: Sequence[str]) -> None:
        """Takes these away; what is gone already, or is claimed, is left as it is."""
