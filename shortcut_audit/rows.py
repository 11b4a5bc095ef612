"""n pictures that are had block by block, so that they never stand in memory all at once.

A tensor is `Rows` as it is. `Lazy` rows are made when they are asked for, and made again when they
are asked for again: only the last few blocks stay.
"""

from __future__ import annotations

import hashlib
from collections import OrderedDict
from collections.abc import Callable, Iterator, MutableMapping, Sequence
from functools import cache
from math import ceil, prod
from typing import TYPE_CHECKING, Any, Protocol, TypeVar
from weakref import ref

import numpy as np

from shortcut_audit.errors import UsageError

if TYPE_CHECKING:
    from torch import Tensor

MANY, FEW = 512, 128  # rows a block, of small pictures and of large ones
SMALL = 1 << 16  # values a row: up to 147 pixels a side
LATELY = 6  # blocks that stay in memory, of all that were made

Made = TypeVar("Made")


class Rows(Protocol):
    """n rows of one shape and type: a tensor, or what makes parts of one."""

    @property
    def shape(self) -> Sequence[int]:
        """(n, ...)"""

    def __len__(self) -> int:
        """n"""

    def __getitem__(self, at: Any) -> Tensor:
        """Some of them, as a tensor is indexed."""


class Lazy:
    """Rows that are made block by block.

    Law: what is asked for is what the whole tensor would give, but no tensor of all is made unless
    all are asked for.

    Args:
        shape: (n, ...).
        make: number of a block -> its rows, (up to `step`, ...).
        step: rows a block; None is what `step_of` says of the shape.
        named: number of a block -> its digest, where that is known without making it.
        same: what must be the same each time, in words; of what is `named` it is not looked at.
    """

    def __init__(
        self,
        shape: Sequence[int],
        make: Callable[[int], Tensor],
        *,
        step: int | None = None,
        named: Callable[[int], str] | None = None,
        same: str = "what gives these pictures",
    ) -> None:
        self.shape = tuple(shape)
        self.step = step or step_of(self.shape)
        self._make, self._named, self._same = make, named, same
        self._digests: dict[int, str] = {}
        self._looked_at: dict[int, ref[Tensor]] = {}  # block -> the very rows that have its digest

    def __len__(self) -> int:
        """n"""
        return self.shape[0]

    def block(self, i: int) -> Tensor:
        """Rows i * step to (i + 1) * step, as far as there are any.

        Raises:
            UsageError: they are others than when they were made before.
        """
        made = self._make(i)
        if self._named is None and i in self._digests and not self._is_known(i, made):
            if self._digests[i] != block_digest(made):
                raise UsageError(
                    f"{self._same} is not the same each time it is asked for: let it depend on the "
                    "pictures and their ids alone"
                )
            self._looked_at[i] = ref(made)
        return made

    def _is_known(self, i: int, made: Tensor) -> bool:
        return i in self._looked_at and self._looked_at[i]() is made

    def digest(self, i: int) -> str:
        """As `block_digest` of block i, which is made at most once for it."""
        if i not in self._digests:
            self._digests[i] = self._named(i) if self._named else self._taken(i)
        return self._digests[i]

    def _taken(self, i: int) -> str:
        made = self.block(i)
        self._looked_at[i] = ref(made)
        return block_digest(made)

    def __getitem__(self, at: Any) -> Tensor:
        """As a tensor, by a number, a slice, places, flags, or a tuple that begins with one."""
        if isinstance(at, tuple):
            first, rest = at[0], at[1:]
            return self[first][rest if _one(first) else (slice(None), *rest)]
        if _one(at):
            place = range(len(self))[int(at)]
            return self.block(place // self.step)[place % self.step]
        return self._several(np.arange(len(self))[_places(at)])

    def _several(self, places: np.ndarray) -> Tensor:
        import torch

        if not len(places):
            blank = self.block(0)[:0] if len(self) else torch.empty(self.shape, dtype=torch.uint8)
            return blank
        of = places // self.step
        parts, order = [], []
        for i in dict.fromkeys(of.tolist()):
            here = np.flatnonzero(of == i)
            made, within = self.block(i), places[here] % self.step
            whole = np.array_equal(within, np.arange(len(made)))
            parts.append(made if whole else made[torch.from_numpy(within)])
            order.append(here)
        if len(parts) == 1:
            return parts[0]
        together = torch.empty((len(places), *self.shape[1:]), dtype=parts[0].dtype)
        for here, part in zip(order, parts, strict=True):
            together[torch.from_numpy(here)] = part
        return together


def _one(at: Any) -> bool:
    return not isinstance(at, slice) and np.ndim(at) == 0


def _places(at: Any) -> Any:
    if isinstance(at, list) and not at:
        return slice(0)  # numpy would take it for numbers that are no places
    return at if isinstance(at, slice) else np.asarray(at)


def step_of(shape: Sequence[int]) -> int:
    """How many rows of this shape (n, ...) a block has: evidence is kept block by block."""
    return MANY if prod(shape[1:]) <= SMALL else FEW


def block_count(rows: Rows) -> int:
    """How many blocks there are."""
    return ceil(len(rows) / _step(rows))


def block_of(rows: Rows, i: int) -> Tensor:
    """The rows of block i."""
    if isinstance(rows, Lazy):
        return rows.block(i)
    step = _step(rows)
    return rows[i * step : (i + 1) * step]


def each_row(rows: Rows) -> Iterator[Tensor]:
    """One after the other."""
    for i in range(block_count(rows)):
        yield from block_of(rows, i)


def span(rows: Rows, i: int) -> slice:
    """Where block i lies among the rows."""
    step = _step(rows)
    return slice(i * step, (i + 1) * step)


def rows_digest(rows: Rows) -> str:
    """SHA-256 over the shape and every value of rows, block by block.

    Law: lazy rows and the tensor of all of them have the same one.
    """
    if not isinstance(rows, Lazy):
        known = _known()
        if rows not in known:
            known[rows] = _whole(rows)
        return known[rows]
    return _whole(rows)


def _whole(rows: Rows) -> str:
    count = block_count(rows)
    if count == 1:
        return digest_of_block(rows, 0)
    whole = hashlib.sha256(repr(tuple(rows.shape)).encode())
    for i in range(count):
        whole.update(digest_of_block(rows, i).encode())
    return whole.hexdigest()


def block_digest(block: Tensor) -> str:
    """SHA-256 over the shape of a block and the digest of each of its rows."""
    return joined(tuple(block.shape), [row_digest(row) for row in block])


def mapped(rows: Rows, change: Callable[[Tensor], Tensor], shape: Sequence[int]) -> Rows:
    """The rows, each changed on its own; `shape` is that of all of them then."""
    if not isinstance(rows, Lazy):
        return change(rows[:])
    step = step_of(shape)  # of smaller rows there are more in a block
    return Lazy(shape, lambda i: change(rows[i * step : (i + 1) * step]), step=step)


def row_digest(row: Tensor) -> bytes:
    """SHA-256 of one row's values."""
    return hashlib.sha256(row.contiguous().numpy().data).digest()


def joined(shape: Sequence[int], digests: Sequence[bytes]) -> str:
    """The digest of a block of this shape, from those of its rows."""
    return hashlib.sha256(repr(tuple(shape)).encode() + b"".join(digests)).hexdigest()


def lately(make: Callable[[int], Made]) -> Callable[[int], Made]:
    """The same function of a block's number; its last results stay, with those of all others."""
    own = object()

    def made(i: int) -> Made:
        recent, key = _recent(), (own, i)
        if key not in recent:
            recent[key] = make(i)
            while len(recent) > LATELY:
                recent.popitem(last=False)
        recent.move_to_end(key)
        found: Made = recent[key]
        return found

    return made


@cache
def _recent() -> OrderedDict[tuple[object, int], Any]:
    return OrderedDict()


@cache
def _known() -> MutableMapping[Any, str]:
    """Tensor -> digest, for as long as the tensor lives: nobody writes to pixels."""
    # imported here, so that torch is not imported before there are pictures
    from torch.utils.weak import WeakIdKeyDictionary

    known: MutableMapping[Any, str] = WeakIdKeyDictionary()
    return known


def _step(rows: Rows) -> int:
    return rows.step if isinstance(rows, Lazy) else step_of(rows.shape)


def digest_of_block(rows: Rows, i: int) -> str:
    """As `block_digest` of block i."""
    return rows.digest(i) if isinstance(rows, Lazy) else block_digest(block_of(rows, i))
