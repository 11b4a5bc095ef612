"""`.safetensors`: tensors and a few words about them; nothing in it can run."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from shortcut_audit.errors import ModelError
from shortcut_audit.files.whole import refuse_placeholder, replacing, unreadable
from shortcut_audit.registry import register

if TYPE_CHECKING:
    from torch import Tensor

LONGEST_HEADER = 100_000_000  # bytes; what the safetensors library itself accepts


@register("checkpoint")
@dataclass(frozen=True)
class Safetensors:
    """The preferred format: safe, and able to describe itself."""

    suffixes: ClassVar[tuple[str, ...]] = (".safetensors",)

    def metadata(self, path: Path) -> dict[str, str]:
        """What the file says of itself, read without torch and without touching the weights.

        Raises:
            UsageError, MachineError: the folder or the machine does not give the file.
            ModelError: the header is truncated, longer than the file, or not the JSON that it
                should be.
        """
        try:
            refuse_placeholder(path)
            with path.open("rb") as file:
                length = int.from_bytes(file.read(8), "little")
                if not 2 <= length <= min(path.stat().st_size - 8, LONGEST_HEADER):
                    raise ModelError(
                        f"'{path.name}' is not a whole safetensors file: "
                        f"its header would be {length} bytes long"
                    )
                header = json.loads(file.read(length))
            words = header.get("__metadata__") or {}
            return {str(key): str(value) for key, value in words.items()}
        except (OSError, MemoryError) as error:
            raise unreadable(path, error) or error from None
        except (ValueError, AttributeError, RecursionError):
            raise ModelError(
                f"'{path.name}' is not a whole safetensors file: its header is not a JSON mapping"
            ) from None

    def read(self, path: Path) -> dict[str, Tensor]:
        """The tensors by name, on the CPU.

        Raises:
            UsageError, MachineError: as `metadata`.
            ModelError: as `metadata`, or the tensors do not fill the file exactly.
        """
        import torch
        from safetensors.torch import load_file

        self.metadata(path)
        try:
            tensors: dict[str, torch.Tensor] = load_file(path)
        # a hostile header reaches into many corners: whatever breaks, it is this file's fault
        except Exception as error:
            said = " ".join(str(error).split())
            found = ModelError(f"'{path.name}' is not a whole safetensors file: {said}")
            raise unreadable(path, error) or found from None
        return tensors

    def words(self, path: Path) -> dict[str, Any]:
        """What the file says of itself, each word that is JSON as what it stands for."""
        return {key: _understood(text) for key, text in self.metadata(path).items()}

    def write(self, path: Path, tensors: Mapping[str, Tensor], metadata: Mapping[str, str]) -> None:
        """Writes the file whole or not at all.

        Law: the same tensors and metadata give the same bytes.
        """
        from safetensors.torch import save

        own = {}
        for name, tensor in sorted(tensors.items()):
            # a clone: the library refuses tensors that share memory, as tied weights do
            own[name] = tensor.detach().cpu().clone().contiguous()
        content = save(own)
        # the header is ours: the library writes metadata in random order, which would give equal
        # models unequal digests
        start = 8 + int.from_bytes(content[:8], "little")
        header = {"__metadata__": dict(sorted(metadata.items())), **json.loads(content[8:start])}
        text = json.dumps(header, separators=(",", ":")).encode()
        text += b" " * (-len(text) % 8)
        with replacing(path) as unfinished:
            unfinished.write_bytes(len(text).to_bytes(8, "little") + text + content[start:])


def _understood(text: str) -> Any:
    """What a text stands for where it is JSON, else the text itself."""
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return text
