"""Candidate -> Subject: builds the network, fills it with the file's tensors, and sees that it answers at all."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path

import torch
from torch import Tensor, nn

from shortcut_audit.errors import ModelError, ShortcutAuditError
from shortcut_audit.files import sha256
from shortcut_audit.records import Candidate, Subject
from shortcut_audit.subjects.manifest import describe, format_of
from shortcut_audit.subjects.networks import Normalised, build_architecture

PREFIXES = ("module.", "_orig_mod.", "model.")  # of DataParallel, torch.compile and Lightning


def load_subject(
    candidate: Candidate, classes: tuple[str, ...] | None = None, trust_code: bool = False, device: str = "cpu"
) -> Subject:
    """The model under test: in eval mode, without gradients, normalisation inside, logits in the order of `classes`.

    Laws: the weights are the file's and `sha256` is the digest of just those bytes; the global random state is untouched.

    Raises:
        ModelError: whatever keeps this one checkpoint from being audited, in one sentence that starts with its name.
    """
    try:
        if candidate.problem:
            raise ModelError(candidate.problem)
        order = _order(candidate.classes, classes)
        before = _state(candidate.file)
        tensors = format_of(candidate.file).read(candidate.file)
        model = _built(candidate, trust_code)
        _fill(model, _without_prefixes(tensors, model.state_dict()), len(candidate.classes))
        digest = sha256(candidate.file)
        if _state(candidate.file) != before:
            raise ModelError(f"'{candidate.file.name}' changed while it was read; wait until it is written")
        network = Normalised(model, candidate.mean, candidate.std, order).to(device).eval().requires_grad_(False)
        _probe(network, candidate.size, len(candidate.classes), device)
    except ShortcutAuditError as error:
        raise ModelError(f"{candidate.name}: {error}") from None
    return Subject(candidate.name, network, classes or candidate.classes, candidate.size, candidate.reference, digest)


def save_checkpoint(candidate: Candidate, network: nn.Module) -> None:
    """Writes the network's weights to the candidate's file, described by the candidate where the format can hold that.

    `network` is the architecture itself, without the normalisation: `candidate.mean` and `.std` say what that is.
    """
    format_of(candidate.file).write(candidate.file, network.state_dict(), describe(candidate))


def _state(file: Path) -> tuple[int, ...]:
    try:
        status = file.stat()
    except OSError as error:
        raise ModelError(f"'{file}' cannot be read: {error.strerror}") from None
    return status.st_ino, status.st_size, status.st_mtime_ns


def _order(own: tuple[str, ...], wanted: tuple[str, ...] | None) -> tuple[int, ...] | None:
    """Where to find each wanted class among the model's outputs; None where they agree as they are."""
    if wanted is None or own == wanted:
        return None
    missing, extra = set(wanted) - set(own), set(own) - set(wanted)
    if missing or extra:
        raise ModelError(f"its classes are not those of the data set: {_few(missing)} missing, {_few(extra)} extra")
    return tuple(own.index(name) for name in wanted)


def _built(candidate: Candidate, trust_code: bool) -> nn.Module:
    try:
        with torch.random.fork_rng(devices=[]):
            return build_architecture(candidate.arch, len(candidate.classes), trust_code)
    except ShortcutAuditError:
        raise
    except Exception as error:  # an architecture's own constructor, or a stranger's factory
        raise ModelError(f"'{candidate.arch}' cannot be built for {len(candidate.classes)} classes: {_short(error)}") from None


def _without_prefixes(tensors: dict[str, Tensor], expected: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Takes off what all keys start with and the architecture does not know, however many wrappers put it there."""
    prefix = next((each for each in PREFIXES if tensors and all(key.startswith(each) for key in tensors)), None)
    if prefix is None or tensors.keys() & expected.keys():
        return tensors
    return _without_prefixes({key.removeprefix(prefix): tensor for key, tensor in tensors.items()}, expected)


def _fill(model: nn.Module, tensors: dict[str, Tensor], classes: int) -> None:
    expected = model.state_dict()
    differing = [key for key in tensors.keys() & expected.keys() if tensors[key].shape != expected[key].shape]
    if differing:
        _refuse_shapes(sorted(differing), tensors, expected, classes)
    try:
        keys = model.load_state_dict(tensors, strict=False)
    except Exception as error:  # sparse, quantised or otherwise odd tensors
        raise ModelError(f"its tensors cannot be loaded: {_short(error)}") from None
    if keys.missing_keys or keys.unexpected_keys:
        found = f"{_few(keys.missing_keys)} missing, {_few(keys.unexpected_keys)} unexpected"
        raise ModelError(f"the file's tensors are not the architecture's: {found}; is 'arch' right?")
    for name, tensor in model.state_dict().items():
        if not torch.isfinite(tensor).all():
            raise ModelError(f"{int((~torch.isfinite(tensor)).sum())} values of '{name}' are not finite")


def _refuse_shapes(differing: list[str], tensors: Mapping[str, Tensor], expected: Mapping[str, Tensor], classes: int) -> None:
    """Says that the number of classes is wrong where that explains every difference."""
    outputs = {(*tensors[key].shape[:1],) for key in differing}
    only_outputs = all(
        tensors[key].shape[1:] == expected[key].shape[1:] and expected[key].shape[:1] == (classes,) for key in differing
    )
    if only_outputs and len(outputs) == 1:
        raise ModelError(
            f"the file has {next(iter(outputs))[0]} outputs, and {classes} classes are named; give one name for each output"
        )
    shapes = [
        f"{key} {tuple(tensors[key].shape)} in the file, {tuple(expected[key].shape)} in the architecture" for key in differing
    ]
    raise ModelError(f"the file's tensors do not fit the architecture: {_few(shapes)}; is 'arch' right?")


def _probe(network: nn.Module, size: int, classes: int, device: str) -> None:
    """Two grey images must give two rows of finite logits."""
    images = torch.full((2, 3, size, size), 0.5, device=device)
    try:
        with torch.inference_mode():
            logits = network(images)
    except Exception as error:
        raise ModelError(f"it fails on images of {size} x {size} pixels: {_short(error)}") from None
    if not isinstance(logits, Tensor) or logits.shape != (2, classes):
        found = f"shape {tuple(logits.shape)}" if isinstance(logits, Tensor) else type(logits).__name__
        raise ModelError(f"two images give {found}, not (2, {classes}) logits")
    if not torch.isfinite(logits).all():
        raise ModelError("it answers a grey image with logits that are not finite")


def _few(items: Iterable[str]) -> str:
    listed = sorted(items)
    more = f" and {len(listed) - 3} more" if len(listed) > 3 else ""
    return f"{', '.join(listed[:3])}{more}" if listed else "none"


def _short(error: Exception) -> str:
    return f"{type(error).__name__}: {' '.join(str(error).split())[:200]}"
