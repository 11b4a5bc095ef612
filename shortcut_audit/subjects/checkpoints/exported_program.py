"""`.pt2`: a network as `torch.export.save` wrote it."""

from __future__ import annotations

import json
import warnings
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar
from zipfile import ZipFile

from shortcut_audit.files.whole import read_as_whole
from shortcut_audit.registry import register

if TYPE_CHECKING:
    from torch import nn

BROKEN = "not a whole program of torch.export"
LONGEST = 200_000_000  # bytes of the graph's text that are looked at


@register("checkpoint")
@dataclass(frozen=True)
class ExportedProgram:
    """A program: reading it may run what is in the file, and so only with the user's trust.

    It is one graph of elementary operations: the weights keep their names, and no layer is left.
    """

    suffixes: ClassVar[tuple[str, ...]] = (".pt2",)
    runs_code: ClassVar[bool] = True

    def metadata(self, path: Path) -> dict[str, str]:
        """That it is a program of this kind, and its input where the graph fixes that."""
        from shortcut_audit.subjects.manifest.preprocessing import input_of_shape

        said = input_of_shape(_input_shape(path))
        return {"arch": "program:exported_program", **({"input": json.dumps(said)} if said else {})}

    def words(self, path: Path) -> dict[str, Any]:
        """Nothing beside `metadata`."""
        return {}

    def program(self, path: Path) -> nn.Module:
        """The network, on the CPU.

        Raises:
            ModelError: the file is broken. UsageError, MachineError: it cannot be had.
        """
        import torch

        from shortcut_audit.subjects.loading.programs import Program

        with read_as_whole(path, BROKEN), warnings.catch_warnings():
            warnings.simplefilter("ignore")
            inner = torch.export.load(path).module()
        shape = _input_shape(path)
        return Program(inner, shape[0] if shape else None)


def _input_shape(path: Path) -> list[int | None]:
    """The shape of the one input that is a picture, None where it may be any number; [] if unknown.

    Raises:
        ModelError: the file is no such archive.
    """
    with read_as_whole(path, BROKEN), ZipFile(path) as archive:
        inside = [each for each in archive.infolist() if each.filename.endswith("model.json")]
        if not inside or inside[0].file_size > LONGEST:
            return []
        model = json.loads(archive.read(inside[0]))
    try:
        return _shape(model)
    except (KeyError, TypeError, AttributeError, IndexError):
        return []  # another version of torch writes it otherwise


def _shape(model: Mapping[str, Any]) -> list[int | None]:
    graph = model["graph_module"]["graph"]
    for spec in model["graph_module"]["signature"]["input_specs"]:
        if "user_input" in spec:
            name = spec["user_input"]["arg"]["as_tensor"]["name"]
            return [each.get("as_int") for each in graph["tensor_values"][name]["sizes"]]
    return []
