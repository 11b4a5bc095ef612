"""key -> arrays, kept on the disk and read again by every later run.

The address is the SHA-256 of the key, which names everything that the arrays depend on (checkpoint
digest, digest of the pixels, recipe, code). An entry is written whole or not at all, and is locked
against other processes while it is made. It carries its key and the SHA-256 of its arrays: one
that cannot be read, lies under another entry's address or was changed since is computed again; one
that cannot be written is still returned.
"""

from __future__ import annotations

import hashlib
import json
import os
import stat
import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from functools import cache
from pathlib import Path

import numpy as np
from filelock import FileLock
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save

from shortcut_audit.files.whole import replacing

Arrays = dict[str, np.ndarray]


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
    """A folder of evidence that many processes share.

    `problems` says what could not be kept, a sentence each.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.problems: list[str] = []

    def path(self, kind: str, key: Mapping[str, object]) -> Path:
        """Where the evidence of this kind and key is, or would be."""
        digest = hashlib.sha256(_text(key).encode()).hexdigest()
        return self.folder / kind / digest[:2] / f"{digest[2:]}.safetensors"

    def arrays(self, kind: str, key: Mapping[str, object], compute: Callable[[], Arrays]) -> Arrays:
        """The arrays under this key; `compute` runs once, whichever process comes first.

        Args:
            kind: the folder, e.g. "masks".
            key: JSON-serialisable; everything that the arrays depend on.
            compute: makes the arrays; called only where no readable entry is there.
        """
        path = self.path(kind, key)
        found = self._read(path, kind, key)
        if found is not None:
            return found
        with self._locked(path):
            # another process may have made it while this one waited
            found = self._read(path, kind, key)
            if found is None:
                found = compute()
                self._write(path, found, kind, key)
        return found

    @contextmanager
    def _locked(self, path: Path) -> Iterator[None]:
        """Keeps other processes from making the entry meanwhile, where there can be a lock."""
        lock = FileLock(path.with_suffix(".lock"))
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            lock.acquire()
        except OSError as error:
            self._not_kept(error)
        try:
            yield
        finally:
            lock.release(force=True)

    def _write(self, path: Path, arrays: Arrays, kind: str, key: Mapping[str, object]) -> None:
        whole = {name: np.ascontiguousarray(array) for name, array in arrays.items()}
        content = save(whole, metadata=_words(kind, key, whole))
        try:
            with replacing(path) as unfinished:
                unfinished.write_bytes(content)
        except OSError as error:
            self._not_kept(error)

    def _read(self, path: Path, kind: str, key: Mapping[str, object]) -> Arrays | None:
        """The entry at `path`, if it is whole and is this key's."""
        if not path.exists():
            return None
        try:
            with safe_open(path, framework="np") as entry:
                said = entry.metadata() or {}
                names = entry.keys()
                found = {name: entry.get_tensor(name) for name in names}
        except (SafetensorError, OSError):
            said, found = {}, {}
        if said == _words(kind, key, found):
            return found
        self._say(f"evidence in '{self.folder}' was not what was kept there: it was computed again")
        return None

    def _not_kept(self, error: OSError) -> None:
        self._say(
            f"evidence could not be kept in '{self.folder}' ({error.strerror}): "
            "it will be computed again"
        )

    def _say(self, problem: str) -> None:
        if problem not in self.problems:
            self.problems.append(problem)


def _words(kind: str, key: Mapping[str, object], arrays: Arrays) -> dict[str, str]:
    """What an entry says of itself."""
    return {"key": _text(key), "kind": kind, "sha256": _checksum(arrays)}


def _text(key: Mapping[str, object]) -> str:
    return json.dumps(key, sort_keys=True)


def _checksum(arrays: Arrays) -> str:
    """SHA-256 over names, types, shapes and values."""
    whole = hashlib.sha256()
    for name, array in sorted(arrays.items()):
        whole.update(repr((name, array.dtype.str, array.shape)).encode())
        whole.update(np.ascontiguousarray(array).data if array.size else b"")
    return whole.hexdigest()
