"""`model.safetensors.index.json`, `pytorch_model.bin.index.json`: weights in several files."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from shortcut_audit.errors import ModelError, UsageError
from shortcut_audit.files.checkpoint_files import format_of
from shortcut_audit.files.whole import refuse_placeholder, unreadable
from shortcut_audit.registry import register

if TYPE_CHECKING:
    from torch import Tensor

LONGEST = 50_000_000  # bytes of an index; the largest models' are a hundredth of it


@register("checkpoint")
@dataclass(frozen=True)
class Sharded:
    """The index says in which file beside it each tensor lies."""

    suffixes: ClassVar[tuple[str, ...]] = (".safetensors.index.json", ".bin.index.json")

    def metadata(self, path: Path) -> dict[str, str]:
        """Nothing; raises as `files` does where the index cannot be read."""
        self.files(path)
        return {}

    def words(self, path: Path) -> dict[str, Any]:
        """Nothing: what there is to say of such a model stands in its config.json."""
        return {}

    def files(self, path: Path) -> tuple[Path, ...]:
        """The shards.

        Raises:
            ModelError: the index is broken, or names a file outside its own folder.
            UsageError: it cannot be read, or a shard is not there.
        """
        shards = []
        for name in sorted(set(_places(path).values())):
            shard = path.parent / name
            if not shard.is_file():
                raise UsageError(f"'{path.name}' names '{name}', which is not beside it")
            shards.append(shard)
        return tuple(shards)

    def read(self, path: Path) -> dict[str, Tensor]:
        """The tensors of all shards by name, on the CPU; raises as the shards' own format does.

        Raises:
            ModelError: a tensor is not in the shard that the index names, or is in two.
        """
        places, tensors = _places(path), {}
        for shard in self.files(path):
            for name, tensor in format_of(shard).read(shard).items():
                if places.get(name) != shard.name:
                    raise ModelError(
                        f"'{shard.name}' holds '{name}', which '{path.name}' does not place there"
                    )
                tensors[name] = tensor
        if missing := sorted(places.keys() - tensors.keys()):
            raise ModelError(
                f"'{places[missing[0]]}' lacks '{missing[0]}', which '{path.name}' places there"
            )
        return tensors


def _places(path: Path) -> dict[str, str]:
    """Tensor -> the name of its file."""
    try:
        refuse_placeholder(path)
        if path.stat().st_size > LONGEST:
            raise ModelError(f"'{path.name}' is larger than the index of any model")
        places = json.loads(path.read_bytes())["weight_map"]
    except OSError as error:
        raise unreadable(path, error) or error from None
    except (ValueError, KeyError, TypeError, RecursionError):
        raise ModelError(f"'{path.name}' is no index of weights: it has no 'weight_map'") from None
    if not isinstance(places, Mapping) or not places:
        raise ModelError(f"'{path.name}' is no index of weights: its 'weight_map' is empty")
    found = {}
    for tensor, name in places.items():
        if not isinstance(name, str) or not _is_beside(name):
            raise ModelError(f"'{path.name}' names a file outside its folder: {name!r}")
        found[str(tensor)] = name
    return found


def _is_beside(name: str) -> bool:
    """Whether it is the plain name of a file, of a kind that holds weights."""
    plain = not set(name) & set("/\\\0:") and name not in ("", ".", "..")
    return plain and name.endswith((".safetensors", ".bin"))
