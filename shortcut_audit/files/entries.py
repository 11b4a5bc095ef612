"""Arrays under a key <-> the bytes of a store's entry, which say whose they are and whether they
are whole.

An entry is a safetensors file. Its metadata are its kind, its key and the SHA-256 of its arrays;
its name is the SHA-256 of its key.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping

import numpy as np
from safetensors import SafetensorError
from safetensors.numpy import load, save

Arrays = dict[str, np.ndarray]
Key = Mapping[str, object]  # JSON-serialisable

ENTRY = re.compile(r"[^/]+/[0-9a-f]{2}/[0-9a-f]{62}\.safetensors")
# what a writer that was killed leaves beside an entry, and the lock of one
STRAY = re.compile(
    r"[^/]+/[0-9a-f]{2}/(\.[0-9a-f]{62}\.safetensors\.[0-9a-f]+\.tmp|[0-9a-f]{62}\.lock)"
)


def address(kind: str, key: Key) -> str:
    """An entry's name, e.g. `masks/1f/….safetensors`; the order of the key's parts is no matter."""
    return _named(kind, _text(key))


def packed(kind: str, key: Key, arrays: Arrays) -> bytes:
    """The bytes of an entry.

    Law: `unpacked` gives these arrays back for this kind and key, and nothing for any other.
    """
    whole = {name: np.ascontiguousarray(array) for name, array in arrays.items()}
    return save(whole, metadata=_words(kind, _text(key), whole))


def unpacked(content: bytes, kind: str, key: Key) -> Arrays | None:
    """The arrays of an entry, if it is whole and is this key's."""
    said, found = _parts(content)
    return found if said == _words(kind, _text(key), found) else None


def is_sound(name: str, content: bytes) -> bool:
    """Whether these bytes are a whole entry, and one that belongs under this name."""
    said, found = _parts(content)
    kind, text = said.get("kind", ""), said.get("key", "")
    return name == _named(kind, text) and said == _words(kind, text, found)


def _parts(content: bytes) -> tuple[dict[str, str], Arrays]:
    """What an entry says of itself, and its arrays; both are empty where it cannot be read."""
    try:
        found = load(content)  # refuses whatever has no sound header
        end = 8 + int.from_bytes(content[:8], "little")
        return json.loads(content[8:end]).get("__metadata__", {}), found
    except (SafetensorError, ValueError, KeyError):
        return {}, {}


def _words(kind: str, text: str, arrays: Arrays) -> dict[str, str]:
    """What an entry says of itself."""
    return {"key": text, "kind": kind, "sha256": _checksum(arrays)}


def _named(kind: str, text: str) -> str:
    digest = hashlib.sha256(text.encode()).hexdigest()
    return f"{kind}/{digest[:2]}/{digest[2:]}.safetensors"


def _text(key: Key) -> str:
    return json.dumps(key, sort_keys=True)


def _checksum(arrays: Arrays) -> str:
    """SHA-256 over names, types, shapes and values."""
    whole = hashlib.sha256()
    for name, array in sorted(arrays.items()):
        whole.update(repr((name, array.dtype.str, array.shape)).encode())
        whole.update(np.ascontiguousarray(array).data if array.size else b"")
    return whole.hexdigest()
