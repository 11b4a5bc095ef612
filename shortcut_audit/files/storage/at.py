"""A path or an address -> the storage there."""

from __future__ import annotations

import os
import re
from pathlib import Path
from urllib.request import url2pathname

from shortcut_audit.errors import UsageError, did_you_mean
from shortcut_audit.files.storage.bucket import OF_BUCKETS, PACKAGES, Bucket
from shortcut_audit.files.storage.contract import Storage
from shortcut_audit.files.storage.folder import Folder

ADDRESS = re.compile(r"([^/]{2,}):(/+)(.*)", re.DOTALL)  # `C:/x` is none


def storage_at(where: str | Path) -> Storage:
    """The storage at a path, `file:///path`, `s3://bucket/prefix`, `gs://bucket/prefix` or
    `memory://prefix`; it is not asked for anything yet.

    Raises:
        UsageError: it is an address of another kind, or is written wrongly.
    """
    text = os.fspath(where)
    address = ADDRESS.fullmatch(text)
    if address is None:
        return Folder(Path(where))
    scheme, slashes, rest = address[1].lower(), address[2], address[3].rstrip("/")
    if scheme not in ("file", *PACKAGES):
        known = did_you_mean(scheme, ("file", *PACKAGES))
        raise UsageError(f"no storage is called '{scheme}', as in '{text}'{known}")
    if scheme == "file":
        return Folder(_path(slashes, rest, text))
    if len(slashes) != 2 or not rest.partition("/")[0]:
        wanted = f"{scheme}://{'bucket/' if scheme in OF_BUCKETS else ''}prefix"
        raise UsageError(f"'{text}' is no address of a storage: write {wanted}")
    return Bucket(scheme, rest)


def _path(slashes: str, rest: str, text: str) -> Path:
    if len(slashes) == 2:  # what follows would be another machine
        raise UsageError(f"'{text}' names a machine and no folder: write file:///path")
    return Path(url2pathname(f"/{rest}"))
