"""Candidate -> Subject: builds the network, fills it with the file's tensors, and tries it.

A network is only taken if its answer to a picture depends on nothing but that picture.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from shortcut_audit.errors import (
    MachineError,
    ModelError,
    ShortcutAuditError,
    UsageError,
    machine_fault,
)
from shortcut_audit.files.checkpoint_files import digest_of, files_of, format_of
from shortcut_audit.files.whole import unreadable
from shortcut_audit.inputs_and_outputs import InputSize
from shortcut_audit.records import Candidate, Subject
from shortcut_audit.subjects.checkpoints.predictions import AS_THEY_ARE
from shortcut_audit.subjects.loading.filling import fill, under_own_names
from shortcut_audit.subjects.loading.heads import Outputs
from shortcut_audit.subjects.loading.misfits import one_output, short
from shortcut_audit.subjects.loading.networks import (
    Normalised,
    build_architecture,
    taking,
    without_checkpointing,
)
from shortcut_audit.subjects.loading.recorded import is_recorded, require_columns
from shortcut_audit.subjects.manifest.candidates import refusal
from shortcut_audit.subjects.manifest.descriptions import describe
from shortcut_audit.subjects.manifest.outputs import columns
from shortcut_audit.subjects.manifest.own_words import (
    Words,
    hub_words,
    refuse_contradiction,
    stated_accuracy,
)

TRIED = 4  # pictures that each model is asked about before anything is measured
# share of the spread of the logits by which two answers to one picture may differ: rounding is
# below a thousandth, TF32 included, and a dropped unit above a tenth
TOLERANCE = 0.01


def load_subject(
    candidate: Candidate,
    classes: tuple[str, ...] | None = None,
    trust_code: bool = False,
    device: str = "cpu",
    known_as: Mapping[str, Sequence[str]] = MappingProxyType({}),
) -> Subject:
    """The model under test: in eval mode, without gradients, normalisation inside.

    Its first outputs are `classes`, in that order, each found by its name or by one that it is
    `known_as`; classes that only the model knows follow in the model's order.

    Laws: the weights are the file's and `sha256` is the digest of just those bytes; the global
    random state is untouched; the answers are a function of each picture alone (`check_answers`).

    Raises:
        ModelError: the checkpoint's own fault: corrupt, hostile, not finite, answers that change.
            The model is rejected.
        UsageError: the manifest's fault or the folder's: another architecture, classes, size or
            file than was meant. Not audited.
        MachineError: no memory, a disk or an import that failed. Not audited.
        Each is one sentence that starts with the model's name.
    """
    try:
        return _loaded(candidate, classes, trust_code, device, known_as)
    except ShortcutAuditError as error:
        said = str(error).removeprefix(f"{candidate.name}: ")
        raise type(error)(f"{candidate.name}: {said}") from None
    except Exception as error:
        fault = machine_fault(error)
        if fault is None:
            raise
        raise MachineError(f"{candidate.name}: {fault}") from None


def save_checkpoint(candidate: Candidate, network: nn.Module) -> None:
    """Writes the network's weights to the candidate's file, and what the candidate says of them.

    A format that holds no metadata leaves the description out. `network` is the architecture
    itself, without the normalisation: `candidate.mean` and `.std` say what that is.
    """
    format_of(candidate.file).write(candidate.file, network.state_dict(), describe(candidate))


def check_answers(network: nn.Module, images: Tensor, name: str) -> None:
    """Asks about pictures twice, in another order, one alone, and one among others.

    Laws: a network whose logits depend on nothing but each picture passes, whatever rounds them; so
    does one with constant logits. The global random state is left as found. Of recorded answers
    nothing is asked: there is one to each picture, and nobody else sees what gave it.

    Args:
        network: takes pictures, gives logits (n, k).
        images: (n, 3, h, w) in [0, 1], n at least 2.
        name: the model's, with which a sentence begins.

    Raises:
        ModelError: its logits are not finite, or they change; says by what, and the likely cause.
    """
    if is_recorded(network):
        return
    first, others = images[:1], images[1:].flip(-1) * 0.5
    with (
        torch.random.fork_rng(devices=[images.device] if images.is_cuda else []),
        torch.inference_mode(),
    ):
        try:
            wanted, again = network(images), network(images)
        except (Exception, SystemExit) as error:
            raise machine_fault(error) or ModelError(
                f"{name}: it fails on some pictures of the right size ({short(error)})"
            ) from None
        if not torch.isfinite(wanted).all():
            raise ModelError(f"{name}: it answers pictures with logits that are not finite")
        try:
            ways = (
                network(images.flip(0)).flip(0),
                network(first),
                network(torch.cat([first, others]))[:1],
            )
        except Exception as error:
            raise machine_fault(error) or ModelError(
                f"{name}: it answers a batch and fails on one picture alone ({short(error)}); "
                "are batch statistics in use?"
            ) from None
    spread = float(wanted.max() - wanted.min())
    allowed = max(TOLERANCE * spread, 1e-5 * float(wanted.abs().max()), 1e-7)
    if _differs(wanted, again, allowed):
        raise ModelError(
            f"{name}: the same pictures asked twice get other answers; "
            "something random (dropout, noise, a sampled layer) is left on in eval mode"
        )
    if any(_differs(wanted[: len(way)], way, allowed) for way in ways):
        raise ModelError(
            f"{name}: its answer to a picture changes with the pictures beside it in the batch; "
            "batch statistics are left on in eval mode "
            "(a batch norm without running statistics, or a normalisation over the batch)"
        )


def _differs(wanted: Tensor, found: Tensor, allowed: float) -> bool:
    """Whether logits (n, k) are of another shape, or anywhere further apart than allowed."""
    return wanted.shape != found.shape or not bool(((wanted - found).abs() <= allowed).all())


def _loaded(
    candidate: Candidate,
    classes: tuple[str, ...] | None,
    trust_code: bool,
    device: str,
    known_as: Mapping[str, Sequence[str]],
) -> Subject:
    """As `load_subject`; its sentences do not start with the model's name yet."""
    if refused := refusal(candidate):
        raise refused
    order, names = _columns(candidate, classes or candidate.classes, known_as)
    file, form = candidate.file, format_of(candidate.file)
    before = _state(file)
    words = _words(file, form)
    for each in words:
        refuse_contradiction(candidate, each)
    model = _network(candidate, form, trust_code)
    if _state(file) != before:
        raise UsageError(
            f"'{file.name}' changed while it was read; wait until it is written, and run again"
        )
    outputs = Outputs(candidate.head, len(candidate.classes))
    mean, std = AS_THEY_ARE if is_recorded(model) else (candidate.mean, candidate.std)
    network = Normalised(model, mean, std, order, outputs).to(device)
    network = network.eval().requires_grad_(False)
    _probe(network, candidate, device)
    return Subject(
        candidate.name,
        network,
        names,
        candidate.size,
        candidate.reference,
        before[0],
        _least_accuracy(words),
    )


def _network(candidate: Candidate, form: Any, trust_code: bool) -> nn.Module:
    """The architecture with the file's weights, or the network that the file itself is."""
    file = candidate.file
    if getattr(form, "runs_code", False) and not trust_code:
        raise UsageError(
            f"'{file.name}' is a program, and to read it is to run what is in it: "
            "that needs --audit-trust-code in pytest, --trust-code elsewhere; "
            "model.state_dict() and ONNX need no trust"
        )
    if hasattr(form, "program"):
        network: nn.Module = form.program(file)
        require_columns(network, candidate)
        return network
    tensors = form.read(file)
    model = _built(candidate, trust_code)
    tensors = under_own_names(model, tensors, candidate.arch)
    fill(model, tensors, candidate.head.outputs(len(candidate.classes)))
    return model


def _words(file: Path, form: Any) -> list[Words]:
    """What the checkpoint and a hub's files beside it say of the model."""
    own = [form.words(file)] if hasattr(form, "words") else []
    return [*own, *hub_words(file)]


def _least_accuracy(words: Iterable[Words]) -> float | None:
    """The least accuracy that any of the words give; None without any."""
    found = []
    for each in words:
        accuracy = stated_accuracy(each)
        if accuracy is not None:
            found.append(accuracy)
    return min(found, default=None)


def _state(file: Path) -> tuple[str, list[tuple[int, ...]]]:
    """The digest of the checkpoint, and numbers that change with any write to one of its files.

    The numbers change even where the same bytes are written again.
    """
    try:
        return digest_of(file), [_written(each) for each in files_of(file)]
    except OSError as error:
        raise unreadable(file, error) or UsageError(
            f"'{file.name}' cannot be read: {error.strerror or error}"
        ) from None


def _written(file: Path) -> tuple[int, ...]:
    """Numbers that change with any write to the file."""
    status = file.stat()
    return status.st_ino, status.st_size, status.st_mtime_ns, status.st_ctime_ns


def _columns(
    candidate: Candidate, wanted: tuple[str, ...], known_as: Mapping[str, Sequence[str]]
) -> tuple[tuple[int, ...] | None, tuple[str, ...]]:
    """The outputs in the order of the columns, None where they are in it, and the columns' names.

    Raises:
        UsageError: as `columns`; of a model with one class it says what to do.
    """
    try:
        order, names = columns(candidate.classes, wanted, known_as)
    except UsageError as error:
        raise UsageError(
            f"{error}; {one_output()}" if len(candidate.classes) == 1 else str(error)
        ) from None
    return (None if order == tuple(range(len(order))) else order), names


def _built(candidate: Candidate, trust_code: bool) -> nn.Module:
    """The candidate's architecture with random weights.

    Law: the global random state is left as found.
    """
    options = dict(candidate.arch_options)
    classes = candidate.head.outputs(len(candidate.classes))
    try:
        with torch.random.fork_rng(devices=[]), warnings.catch_warnings():
            # a library's deprecations are nobody's fault where warnings are errors
            warnings.simplefilter("ignore")
            built = build_architecture(candidate.arch, classes, trust_code, options, candidate.size)
            taking(built, candidate.channels)
    except ShortcutAuditError:
        raise
    except Exception as error:  # an architecture's own constructor, or a stranger's factory
        what = (
            f"'{candidate.arch}' cannot be built for {classes} classes, "
            f"pictures of {candidate.size} pixels"
        )
        if options:
            what += f" and arch_options {options}"
        raise machine_fault(error) or UsageError(f"{what}: {short(error)}") from None
    return without_checkpointing(built)


def _probe(network: nn.Module, candidate: Candidate, device: str) -> None:
    """Raises unless each trial picture gets a row of finite logits that depends on it alone."""
    if is_recorded(network):  # it answers no trial picture
        return
    images = trial_images(candidate.size).to(device)
    classes = len(candidate.classes)
    try:
        with torch.random.fork_rng(devices=[]), torch.inference_mode():
            logits = network(images[:2])
    except UsageError:  # what it gives is not understood
        raise
    except Exception as error:  # of the size or the architecture: weights cannot make it fail
        what = f"it fails on images of {candidate.size} x {candidate.size} pixels"
        raise machine_fault(error) or UsageError(
            f"{what}: {short(error)}; is the input 'size' right?"
        ) from None
    if not isinstance(logits, Tensor) or logits.shape != (2, classes):
        found = type(logits).__name__
        if isinstance(logits, Tensor):
            found = f"shape {tuple(logits.shape)}"
        raise UsageError(f"two images give {found}, not (2, {classes}) logits")
    check_answers(network, images, candidate.name)


def trial_images(size: int) -> Tensor:
    """(TRIED, 3, height, width) float32 in [0, 1], the same in every run.

    They are coloured fields of unlike brightness, with noise on them.
    """
    draw, shape = torch.Generator().manual_seed(0), InputSize.of(size)
    sides = shape.height, shape.width
    fields = F.interpolate(torch.rand(TRIED, 3, 4, 4, generator=draw), size=sides)
    brightness = torch.linspace(0.2, 1.0, TRIED)[:, None, None, None]
    noise = 0.2 * torch.rand(TRIED, 3, *sides, generator=draw)
    return (fields * brightness + noise).clamp(0, 1)
