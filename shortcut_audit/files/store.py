"""key -> arrays, kept and read again by every later run.

The address is the SHA-256 of the key, which names everything that the arrays depend on (checkpoint
digest, digest of the pixels, recipe, code). An entry is written whole or not at all and carries its
key and the SHA-256 of its arrays: one that cannot be read, lies under another entry's address or
was changed since is computed again; one that cannot be written is still returned. In a folder it is
locked against other processes while it is made. Object storage has no locks: there two who ask at
once both compute.
"""

from __future__ import annotations

import os
import re
import stat
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from functools import cache
from pathlib import Path

from shortcut_audit.files.entries import Arrays as Arrays
from shortcut_audit.files.entries import Key, address, packed, unpacked
from shortcut_audit.files.storage.at import storage_at
from shortcut_audit.files.storage.contract import FOR_EVER

__all__ = ["Arrays", "Store", "cache_folder", "store_at"]

PAUSE = 0.05  # seconds between two looks at what another process makes


def cache_folder() -> Path:
    """`$XDG_CACHE_HOME/shortcut-audit`, by default `~/.cache/shortcut-audit`.

    Where that cannot be, it is a temporary folder, of the user's own and the same in each process:
    a container's user often has no home. Where there is not even that, it is a folder in which
    nothing can be kept, and a `Store` there computes each time.
    """
    asked = os.environ.get("XDG_CACHE_HOME")
    try:
        folder = (Path(asked) if asked else Path.home() / ".cache") / "shortcut-audit"
        folder.mkdir(parents=True, exist_ok=True)
        if os.access(folder, os.W_OK | os.X_OK):
            return folder
    except (OSError, RuntimeError):  # RuntimeError: nothing says where the user's home is
        pass
    try:
        return _temporary()
    except OSError:
        return Path(os.devnull) / "shortcut-audit"


def _temporary() -> Path:
    """A folder that nobody else could have put there or can write to."""
    user = os.getuid() if hasattr(os, "getuid") else 0
    folder = Path(tempfile.gettempdir()) / f"shortcut-audit-{user}"
    with suppress(OSError):
        folder.mkdir(mode=0o700, exist_ok=True)
        found = folder.lstat()
        if stat.S_ISDIR(found.st_mode) and found.st_uid == user and not found.st_mode & 0o022:
            return folder
    return _own_temporary()


@cache
def _own_temporary() -> Path:
    """Where even that name is taken: a folder of this process."""
    return Path(tempfile.mkdtemp(prefix="shortcut-audit-"))


class Store:
    """Evidence that many processes share: in a folder, or in object storage (`s3://bucket/prefix`).

    `problems` says what could not be kept or read, a sentence each. A store is for one thread;
    pickled, it is only its address.

    `meanwhile` is called while another process makes what this one waits for. It does one other
    piece of work and gives True, or gives False where nothing is free. It is not called within
    itself, nor by a process that makes an entry (which another may be waiting for): such waits
    are plain ones. What it raises belongs to nobody who waits here, and is left to whoever asks for
    that piece.
    """

    def __init__(self, where: str | Path) -> None:
        """Opens nothing yet.

        Raises:
            UsageError: it is an address of no known kind.
        """
        self.where = where
        self.storage = storage_at(where)
        self.problems: list[str] = []
        self.meanwhile: Callable[[], bool] | None = None
        self._making: set[str] = set()
        self._elsewhere = False  # whether `meanwhile` is at work

    def __reduce__(self) -> tuple[type[Store], tuple[str | Path]]:
        # whoever unpickles it may be in another folder
        return type(self), (self.folder.absolute() if self.storage.locks else self.where,)

    @property
    def folder(self) -> Path:
        """The folder of this machine that it is, or one in the user's cache for what needs a disk.

        Only what is no evidence is put there by others, such as a database of examples.
        """
        if self.storage.locks:
            return Path(self.storage.where)
        return cache_folder() / "beside" / re.sub(r"\W+", "-", self.storage.where)

    def path(self, kind: str, key: Key) -> Path:
        """Where the evidence of this kind and key is, or would be, in a store that is a folder."""
        return self.folder / address(kind, key)

    def arrays(self, kind: str, key: Key, compute: Callable[[], Arrays]) -> Arrays:
        """The arrays under this key; `compute` runs once, whichever process comes first.

        In object storage it runs once for each process that asks before the first has finished.

        Args:
            kind: the folder, e.g. "masks".
            key: JSON-serialisable; everything that the arrays depend on.
            compute: makes the arrays; called only where no readable entry is there.
        """
        found = self.kept(kind, key)
        if found is not None:
            return found
        with self._locked(address(kind, key)):
            # another process may have made it while this one waited
            found = self.kept(kind, key) if self.storage.locks else None
            if found is None:
                found = compute()
                self._write(found, kind, key)
        return found

    def kept(self, kind: str, key: Key) -> Arrays | None:
        """The arrays under this key, if they are kept, whole, and this key's."""
        name = address(kind, key)
        try:
            content = self.storage.read(name)
        except OSError as error:
            self._say(
                f"evidence in '{self.where}' could not be read ({_reason(error)}): "
                "it was computed again"
            )
            return None
        found = None if content is None else unpacked(content, kind, key)
        if found is not None:
            self.storage.use(name)
        elif content is not None:
            self._say(
                f"evidence in '{self.where}' was not what was kept there: it was computed again"
            )
        return found

    def has_kind(self, kind: str) -> bool:
        """Whether anything of this kind was ever kept, as far as the storage answers."""
        return self._has(kind)

    @contextmanager
    def claimed(self, kind: str, key: Key) -> Iterator[bool]:
        """Gives whether an entry is free: neither kept nor being made by anybody.

        A free one is this process's to make for as long as the `with` lasts, and no other process
        of a folder takes it. Nobody waits here.
        """
        name = address(kind, key)
        taken = name in self._making or self._has(name)
        release = None if taken else self._claim(name, patience=0)
        if release is None:
            yield False
            return
        with self._making_it(name, release):
            # where there are locks, another process may have made it between the two looks
            yield not (self.storage.locks and self._has(name))

    def free(self, kind: str, key: Key) -> bool:
        """Whether an entry is neither kept nor being made by anybody, at this moment."""
        with self.claimed(kind, key) as free:
            return free

    @contextmanager
    def _locked(self, name: str) -> Iterator[None]:
        """Keeps other processes from making the entry meanwhile, where there can be a lock."""
        if name in self._making:  # claimed before
            yield
            return
        with self._making_it(name, self._turn(name)):
            yield

    @contextmanager
    def _making_it(self, name: str, release: Callable[[], None]) -> Iterator[None]:
        self._making.add(name)
        try:
            yield
        finally:
            self._making.discard(name)
            release()

    def _turn(self, name: str) -> Callable[[], None]:
        """What lets go of the entry, once no other process makes it."""
        # whoever waits here for a piece of `meanwhile`, while others wait for what it makes itself,
        # would keep them waiting for ever
        plain = self.meanwhile is None or bool(self._making) or self._elsewhere
        while (release := self._claim(name, FOR_EVER if plain else 0)) is None:
            if not self._other_work():
                time.sleep(PAUSE)
        return release

    def _other_work(self) -> bool:
        """Whether `meanwhile` did something."""
        self._elsewhere = True
        try:
            return self.meanwhile is not None and self.meanwhile()
        except Exception:  # the model that waits here is not at fault
            return False
        finally:
            self._elsewhere = False

    def _claim(self, name: str, patience: float) -> Callable[[], None] | None:
        try:
            return self.storage.claim(name, patience)
        except OSError as error:  # there can be no lock here: whoever asks, computes
            self._not_kept(error)
            return lambda: None

    def _write(self, arrays: Arrays, kind: str, key: Key) -> None:
        content = packed(kind, key, arrays)
        try:
            self.storage.write(address(kind, key), content)
        except OSError as error:
            self._not_kept(error)

    def _has(self, name: str) -> bool:
        """Whether there is something, as far as the storage answers."""
        with suppress(OSError):
            return self.storage.has(name)
        return False

    def _not_kept(self, error: OSError) -> None:
        self._say(
            f"evidence could not be kept in '{self.where}' ({_reason(error)}): "
            "it will be computed again"
        )

    def _say(self, problem: str) -> None:
        if problem not in self.problems:
            self.problems.append(problem)


def _reason(error: OSError) -> str:
    return error.strerror or str(error)


def store_at(where: str | Path) -> Store:
    """The store at a path or an address, which has been looked at once.

    Raises:
        UsageError: it cannot be: an unknown kind of storage, a package, a bucket or credentials
            that are not there.
        MachineError: it cannot be reached.
    """
    store = Store(where)
    store.storage.check()
    return store
