"""`.pt`, `.pth`, `.ts`, `.torchscript`: a network as `torch.jit.save` wrote it."""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar
from zipfile import BadZipFile, ZipFile

from shortcut_audit.files.whole import read_as_whole
from shortcut_audit.registry import register

if TYPE_CHECKING:
    from torch import Tensor, nn


@register("checkpoint")
@dataclass(frozen=True)
class TorchScript:
    """A program: it runs what is in the file, and so only with the user's trust.

    Its layers are compiled: nothing is seen of what goes through them.
    """

    suffixes: ClassVar[tuple[str, ...]] = (".pt", ".pth", ".ts", ".torchscript")
    runs_code: ClassVar[bool] = True

    def recognises(self, path: Path) -> bool:
        """Whether torch.jit.save wrote it: an archive with constants beside its code."""
        try:
            with ZipFile(path) as archive:
                return any(name.endswith("/constants.pkl") for name in archive.namelist())
        except (OSError, BadZipFile, ValueError, NotImplementedError):
            return False

    def metadata(self, path: Path) -> dict[str, str]:
        """That it is a program of this kind; it has no other words."""
        return {"arch": "program:torch_script"}

    def words(self, path: Path) -> dict[str, Any]:
        """Nothing."""
        return {}

    def program(self, path: Path) -> nn.Module:
        """The network, on the CPU and in eval mode.

        Raises:
            ModelError: the file is broken. UsageError, MachineError: it cannot be had.
        """
        import torch

        from shortcut_audit.subjects.loading.programs import Program

        whole = read_as_whole(path, "not a whole TorchScript program")
        with whole, warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of their age: torch reads them all the same
            program = torch.jit.load(str(path), "cpu").eval()  # type: ignore[no-untyped-call]
        for parameter in program.parameters():
            parameter.requires_grad_(False)

        # no module: what changes the weights of a compiled one for a while does not give them back
        def ask(images: Tensor) -> Any:
            return program.to(images.device)(images)

        return Program(ask)
