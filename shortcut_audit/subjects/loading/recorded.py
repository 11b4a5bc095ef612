"""What a model answered elsewhere, looked up: a network that nobody has here."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from shortcut_audit.errors import UsageError
from shortcut_audit.records import Candidate
from shortcut_audit.subjects.pictures.record import pixel_digest

ROUNDING = 1e-3  # of a value in 0..255; pictures that differ by more are no whole numbers


class Recorded(nn.Module):
    """Images (n, 3, h, w) in [0, 1] -> the answers (n, k) that are kept about these very pictures.

    Law: a picture is known by its content alone, never by its place or a name, so that an answer is
    given to the picture that it was given about, or not at all.

    Args:
        name: of the file, for sentences.
        digests: m of them, each the `pixel_digest` of a picture (3, h, w) uint8; no two are equal.
        answers: (m, k) float32.
    """

    def __init__(self, name: str, digests: Sequence[str], answers: Tensor) -> None:
        super().__init__()
        self.name, self.answers = name, answers
        self._rows = {digest: row for row, digest in enumerate(digests)}

    def forward(self, images: Tensor) -> Tensor:
        """The answers; raises UsageError where one of the pictures has none."""
        rows = [self._rows.get(digest, -1) for digest in _digests(images)]
        if lacking := rows.count(-1):
            raise UsageError(
                f"'{self.name}' has no answer to {lacking} of {len(rows)} pictures that are asked "
                "about: if scenario, data or input size have changed, run shortcut-audit plant "
                "again and have all of it answered; no other picture can be asked about of "
                "answers alone"
            )
        return self.answers[rows].to(images.device)


def is_recorded(network: nn.Module) -> bool:
    """Whether no more is known of the network than what it answered."""
    return any(isinstance(module, Recorded) for module in network.modules())


def require_columns(model: nn.Module, candidate: Candidate) -> None:
    """Raises UsageError where kept answers have other columns than the classes ask for."""
    wanted = candidate.head.outputs(len(candidate.classes))
    if isinstance(model, Recorded) and model.answers.shape[1] != wanted:
        raise UsageError(
            f"'{model.name}' has {model.answers.shape[1]} logits for each picture, and "
            f"{len(candidate.classes)} classes with a head of '{candidate.head.answers}' ask for "
            f"{wanted}: name all classes in the order of the logits"
        )


def _digests(images: Tensor) -> list[str]:
    """The digest of each picture; "" of one that is not of whole numbers in 0..255."""
    values = images.detach().cpu().contiguous() * 255
    pixels = values.round()
    whole = ((values - pixels).abs() < ROUNDING).flatten(1).all(1)  # (n,)
    whole &= ((pixels >= 0) & (pixels <= 255)).flatten(1).all(1)
    pictures = pixels.clamp(0, 255).nan_to_num().to(torch.uint8)
    found = []
    for picture, known in zip(pictures, whole.tolist(), strict=True):
        found.append(pixel_digest(picture) if known else "")
    return found
