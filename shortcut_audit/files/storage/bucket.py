"""Object storage that machines share, over fsspec: `s3://bucket/prefix`, `gs://`, `memory://`."""

from __future__ import annotations

import errno
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from datetime import datetime
from typing import Any, TypeVar

from shortcut_audit.errors import MachineError, ShortcutAuditError, UsageError
from shortcut_audit.files.storage.contract import Held

# scheme -> what to install for it; each puts an object whole or not at all
PACKAGES = {
    "gs": "gcsfs",
    "memory": "'shortcut-audit[store]'",
    "s3": "'shortcut-audit[store]'",
}
OF_BUCKETS = ("gs", "s3")
ONE_REQUEST = {"s3": {"max_concurrency": 1}}  # else s3fs asks for the size before each read
PAUSES = (0.2, 1.0, 0.0)  # seconds after each try
REST = 120.0  # seconds for which storage that could not be reached is not asked again

Answer = TypeVar("Answer")


class Bucket:
    """Objects below an address.

    A name is put whole or not at all, but nobody can be kept from it: two who make one entry at
    once both compute it, and either one's bytes are kept. Nothing is opened before it is asked, so
    that it costs nothing to make one.
    """

    locks = False

    def __init__(self, scheme: str, rest: str) -> None:
        self.scheme = scheme
        self.where = f"{scheme}://{rest}"
        self._rests_until = 0.0
        self._fault = OSError(errno.EIO, "it was never asked")

    def check(self) -> None:
        """As `Storage.check`: lists the address once."""
        try:
            self._look()
        except ImportError:
            raise UsageError(
                f"'{self.where}' needs a package that is not installed: "
                f"pip install {PACKAGES[self.scheme]}"
            ) from None
        except Exception as error:  # each library has errors of its own
            raise self._sentence(error) from None

    def _look(self) -> None:
        """Lists what lies right below the address; nothing there is nothing wrong."""
        files, root = self._opened()
        try:
            files.ls(root)
        except FileNotFoundError:
            if self.scheme in OF_BUCKETS:
                with suppress(PermissionError):  # who may not ask for the bucket may still list it
                    files.info(root.partition("/")[0])

    def _sentence(self, error: Exception) -> ShortcutAuditError:
        said = " ".join(str(error).split())[:200]
        if isinstance(error, FileNotFoundError):
            return UsageError(
                f"there is no bucket for '{self.where}', or not for these credentials: "
                "make it, or name another one"
            )
        if isinstance(error, PermissionError):
            return UsageError(
                f"these credentials may not list '{self.where}' ({said}): "
                "give them the right to list, get and put there"
            )
        if "Credential" in type(error).__name__:
            return UsageError(
                f"there are no credentials for '{self.where}' ({said}): set them as the storage's "
                "own tools take them, such as AWS_PROFILE or GOOGLE_APPLICATION_CREDENTIALS"
            )
        return MachineError(
            f"'{self.where}' cannot be reached ({said}): see that the network is there and, for a "
            "server of your own, that its address is set (AWS_ENDPOINT_URL for S3)"
        )

    def read(self, name: str) -> bytes | None:
        """As `Storage.read`."""
        options = ONE_REQUEST.get(self.scheme, {})
        with suppress(FileNotFoundError):
            content: bytes = self._asked(lambda files, at: files.cat_file(at + name, **options))
            return content
        return None

    def write(self, name: str, content: bytes) -> None:
        """As `Storage.write`."""
        self._asked(lambda files, at: files.pipe_file(at + name, content))

    def has(self, name: str) -> bool:
        """As `Storage.has`."""
        return bool(self._asked(lambda files, at: files.exists(at + name)))

    def use(self, name: str) -> None:
        """Does nothing: an object's date is that of its writing."""

    def claim(self, name: str, patience: float) -> Callable[[], None]:
        """Gives what lets go of nothing: object storage has no locks."""
        return lambda: None

    def listed(self) -> Iterator[Held]:
        """As `Storage.listed`."""
        found, start = self._asked(lambda files, at: (files.find(at, detail=True), len(at)))
        for path, info in found.items():
            yield Held(path[start:], info["size"], _when(info))

    def remove(self, names: Sequence[str]) -> None:
        """As `Storage.remove`."""
        for name in names:
            with suppress(FileNotFoundError):
                self._asked(lambda files, at, name=name: files.rm_file(at + name))

    def _opened(self) -> tuple[Any, str]:
        """The file system, which fsspec keeps for each process, and where the address is in it."""
        from fsspec.core import url_to_fs

        # others write meanwhile, so that a listing is old at once
        files, root = url_to_fs(self.where, use_listings_cache=False)
        return files, root.rstrip("/")

    def _asked(self, ask: Callable[..., Answer]) -> Answer:
        """What `ask(files, "bucket/prefix/")` gives, which is tried again where it fails.

        Raises:
            FileNotFoundError: nothing is there, which is an answer.
            OSError: it failed each time, or did so a moment ago.
        """
        if time.monotonic() < self._rests_until:
            raise self._fault
        for pause in PAUSES:
            try:
                files, root = self._opened()
                return ask(files, f"{root}/")
            except FileNotFoundError:
                raise
            except Exception as error:  # each library has errors of its own
                self._fault = OSError(errno.EIO, " ".join(str(error).split())[:200])
                if isinstance(error, PermissionError):  # an answer: others may be allowed
                    raise self._fault from None
                time.sleep(pause)
        self._rests_until = time.monotonic() + REST
        raise self._fault


def _when(info: Mapping[str, Any]) -> float:
    """When an object was written, by whichever of the libraries' names says so."""
    for key in ("LastModified", "mtime", "created"):
        found = info.get(key)
        if found is not None:
            return found.timestamp() if isinstance(found, datetime) else float(found)
    return time.time()
