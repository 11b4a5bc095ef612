"""Checkpoint -> what is known of it, what is guessed and from what, and what must be filled in.

A guess is tried: the file is loaded as it says, and asked about a few of the user's pictures.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import torch
from torch import Tensor

from shortcut_audit.errors import ShortcutAuditError
from shortcut_audit.files.checkpoint_files import format_of
from shortcut_audit.records import Candidate, Subject
from shortcut_audit.starting.fitting import Fit, fitting
from shortcut_audit.starting.found import PictureFolders
from shortcut_audit.starting.reading import (
    SIZES,
    USUAL_INPUT,
    as_said,
    loading,
    read_with,
    sizes_of,
)
from shortcut_audit.starting.said import said_classes, said_outputs
from shortcut_audit.starting.trial import Sample
from shortcut_audit.subjects.loading.subject import trial_images
from shortcut_audit.subjects.manifest.own_words import Words, hub_words

OWN = (
    "SOURCE:NAME, e.g. torchvision:resnet18; no classifier of torchvision, or of timm where that "
    "is installed, has the tensors of this file; a network of your own is package.module:factory"
)


@dataclass(frozen=True)
class Guess:
    """A model as it will stand in the manifest.

    What is not known is empty in the candidate, and `to_fill` says what belongs there.
    """

    candidate: Candidate
    guessed: Mapping[str, str] = field(default_factory=dict)  # key -> guessed from what
    to_fill: Mapping[str, str] = field(default_factory=dict)  # key -> what belongs there
    note: str = ""  # of the model, for its line


def guesses_of(
    candidates: Iterable[Candidate], pictures: PictureFolders | None, sample: Sample | None
) -> list[Guess]:
    """What can be said of each model; nothing in a file is run, and what it says goes first."""
    guesses: list[Guess] = []
    for candidate in candidates:
        guesses.append(_guess(candidate, pictures, sample, guesses))
    return guesses


def _guess(
    candidate: Candidate,
    pictures: PictureFolders | None,
    sample: Sample | None,
    earlier: Iterable[Guess],
) -> Guess:
    """What can be said of one model, after the earlier ones."""
    known = replace(candidate, problem=None, broken=False)
    try:
        form = format_of(known.file)
        words = _merged([form.words(known.file), *hub_words(known.file)])
        if hasattr(form, "program"):  # nothing in a file is run here
            return _unread(known, pictures, "")
        tensors = form.read(known.file)
    except ShortcutAuditError as error:
        return replace(_unread(known, pictures, "what it is, if it is a model"), note=str(error))
    known, normalised = as_said(known, words)
    guess = Guess(known)
    if not (known.arch and known.classes):
        guess = _identified(known, tensors, words, pictures)
    if guess.to_fill:
        return guess
    alike = (each.candidate for each in earlier if _is_like(each.candidate, guess.candidate))
    read, more, note = read_with(guess.candidate, normalised, sample, next(alike, None))
    return Guess(read, {**guess.guessed, **more}, note=note)


def _identified(
    known: Candidate,
    tensors: Mapping[str, Tensor],
    words: Words,
    pictures: PictureFolders | None,
) -> Guess:
    """The guess with an architecture and classes, as far as there are any."""
    outputs = said_outputs(words) if known.arch else 0
    fit, said = ((known.arch, outputs), "") if outputs else _fit(known, tensors)
    if fit is None:
        return _unread(known, pictures, said)
    guessed = {} if known.arch else {"arch": said}
    known = replace(known, arch=known.arch or fit[0])
    classes, said = _classes(known, fit[1], words, pictures)
    if classes:
        guessed |= {"classes": said} if said else {}
        return Guess(replace(known, classes=classes), guessed)
    guessed |= {} if known.size else {"size": USUAL_INPUT}
    return Guess(replace(known, size=sizes_of(known)[0]), guessed, {"classes": said})


def _is_like(one: Candidate, other: Candidate) -> bool:
    """Whether two models have the same architecture and the same names of outputs."""
    ours = (one.arch, one.arch_options, one.classes)
    return ours == (other.arch, other.arch_options, other.classes)


def _unread(known: Candidate, pictures: PictureFolders | None, arch: str) -> Guess:
    """The guess for a file of which nothing but what the folders say is known.

    `arch` says what must be filled in for the architecture.
    """
    guessed, to_fill = {}, {} if known.arch else {"arch": arch}
    if not known.size:
        guessed["size"] = "what most people train with"
    if not known.classes and pictures is not None:
        guessed["classes"] = f"the folders of {pictures.shown} in alphabetical order"
    elif not known.classes:
        to_fill["classes"] = "the names of its outputs, in their order"
    classes = known.classes or (pictures.classes if pictures else ())
    return Guess(replace(known, classes=classes, size=known.size or SIZES[0]), guessed, to_fill)


def _merged(words: Iterable[Words]) -> dict[Any, Any]:
    """All the words in one mapping; of two that say the same the first counts."""
    found: dict[Any, Any] = {}
    for each in words:
        found = {**each, **found}
    return found


def _fit(known: Candidate, tensors: Mapping[str, Tensor]) -> tuple[Fit | None, str]:
    """The architecture and its outputs, and from what; or None, and what must be filled in."""
    for fits in fitting(tensors):
        loaded: dict[Fit, Subject] = {}
        for fit in fits:
            outputs = tuple(f"output {output}" for output in range(fit[1]))
            shell = replace(known, arch=fit[0], classes=outputs)
            subject = next(loading(shell, sizes_of(shell)), None)
            if subject is not None:
                loaded[fit] = subject
        if not loaded:
            continue
        named = ", ".join(arch for arch, _ in loaded)
        if not _alike(list(loaded.values())):
            return None, f"one of {named}: their tensors are the same, and their answers differ"
        also = f", as {named} have them" if len(loaded) > 1 else ""
        fit = min(loaded, key=lambda each: (len(each[0]), each))
        return fit, f"the names and shapes of its tensors{also}"
    return None, OWN


def _alike(subjects: list[Subject]) -> bool:
    """Whether all give the same logits for trial pictures."""
    images = trial_images(subjects[0].size)
    with torch.inference_mode():
        wanted = subjects[0].network(images)
        for each in subjects[1:]:
            if each.size != subjects[0].size or not torch.allclose(each.network(images), wanted):
                return False
    return True


def _classes(
    known: Candidate, outputs: int, words: Words, pictures: PictureFolders | None
) -> tuple[tuple[str, ...], str]:
    """The names of the outputs and what they are guessed from, nothing where the file says them.

    Without names: what must be filled in.
    """
    if len(known.classes) == outputs:
        return known.classes, ""
    if said := said_classes(words, outputs):
        return said, ""
    if pictures is not None and len(pictures.classes) == outputs:
        return pictures.classes, f"the folders of {pictures.shown} in alphabetical order"
    there = ""
    if pictures is not None:
        there = f", and {pictures.shown} has {len(pictures.classes)} class folders"
    return (), f"a name for each output, in their order; the file has {outputs} outputs{there}"
