"""A model of a known architecture -> at which input size and normalisation it is to be read.

What the file says counts. Else the usual ones do, unless others make the model right on clearly
more of a few of the user's pictures.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace

from shortcut_audit.errors import ShortcutAuditError
from shortcut_audit.records import Candidate, Subject
from shortcut_audit.starting.said import said_normalisation, said_size
from shortcut_audit.starting.trial import Sample
from shortcut_audit.subjects.loading.subject import load_subject
from shortcut_audit.subjects.manifest.own_words import Words

USUAL = {"shortcut_audit:small_resnet": 64, "torchvision:inception_v3": 299}  # sides, in pixels
SIZES = (224, 32, 64, 96, 128, 160, 192, 256, 299, 384, 512)
TRIED = 256  # larger inputs are tried only where no smaller one fits the architecture
NORMALISATIONS = (  # (mean, std) beside ImageNet's: pixel values in [-1, 1], and in [0, 1]
    ((0.5, 0.5, 0.5), (0.5, 0.5, 0.5)),
    ((0.0, 0.0, 0.0), (1.0, 1.0, 1.0)),
)
USUAL_INPUT = "the architecture, whose usual input it is"
CLEARLY = 0.1  # share of the pictures by which another reading must be better than the usual one


def as_said(known: Candidate, words: Words) -> tuple[Candidate, bool]:
    """The candidate with the input that the file says, and whether it says the normalisation."""
    normalisation = said_normalisation(words)
    if normalisation:
        known = replace(known, mean=normalisation[0], std=normalisation[1])
    return replace(known, size=known.size or said_size(words) or 0), normalisation is not None


def read_with(
    known: Candidate, normalised: bool, sample: Sample | None, like: Candidate | None = None
) -> tuple[Candidate, dict[str, str], str]:
    """The candidate with its input, what was guessed from what, and how often it is right.

    Args:
        known: has an architecture and classes, and a size if the file says one.
        normalised: its mean and std are what the file says.
        sample: the user's pictures, if there are any.
        like: a model of the same architecture and classes; it is read as that one if it can be.
    """
    guessed: dict[str, str] = {}
    if not known.size and like and next(loading(known, [like.size]), None):
        guessed["size"] = f"how {like.name} is read"
        known = replace(known, size=like.size)
        if not normalised:
            guessed["mean"] = guessed["size"]
            known = replace(known, mean=like.mean, std=like.std)
    if sample is None or not set(sample.classes) <= set(known.classes):
        if not known.size:
            first = next(loading(known, sizes_of(known)), None)
            known = replace(known, size=first.size if first else sizes_of(known)[0])
            guessed["size"] = USUAL_INPUT
        return known, guessed, ""
    if not known.size:
        known, guessed["size"] = _best_size(known, sample)
    if not normalised and "mean" not in guessed:
        known, guessed["mean"] = _best_normalisation(known, sample)
    return known, guessed, _how_right(known, sample)


def sizes_of(known: Candidate) -> tuple[int, ...]:
    """Sides to try in pixels, the architecture's usual one first; or the one that is known."""
    if known.size:
        return (known.size,)
    usual = USUAL.get(known.arch, SIZES[0])
    source, _, name = known.arch.partition(":")
    if source == "timm":
        import timm

        about = timm.get_pretrained_cfg(name)
        usual = about.input_size[-1] if about else usual
    return (usual, *(size for size in SIZES if size != usual))


def loading(
    known: Candidate, sizes: Iterable[int], classes: tuple[str, ...] | None = None
) -> Iterator[Subject]:
    """The model at each of the sizes at which it loads."""
    for size in sizes:
        try:
            yield load_subject(replace(known, size=size), classes)
        except ShortcutAuditError:
            continue


def _best_size(known: Candidate, sample: Sample) -> tuple[Candidate, str]:
    """The usual size, or the one at which clearly more pictures are right; and from what."""
    right: dict[int, int] = {}
    count = len(sample.photographs)
    for subject in loading(known, sizes_of(known), sample.classes):
        if right and subject.size > TRIED:
            break
        right[subject.size], count = sample.right(subject)
    if not right:
        return replace(known, size=sizes_of(known)[0]), USUAL_INPUT
    usual = next(iter(right))
    best = max(right, key=lambda size: right[size])
    chosen = best if right[best] - right[usual] >= CLEARLY * count else usual
    other = f", {right[usual]} at {usual}" if chosen != usual else ""
    said = f"{count} pictures, {right[chosen]} of them right at this size{other}"
    return replace(known, size=chosen), said


def _best_normalisation(known: Candidate, sample: Sample) -> tuple[Candidate, str]:
    """ImageNet's, or another with which clearly more pictures are right; and from what."""
    readings = [known]
    for mean, std in NORMALISATIONS:
        readings.append(replace(known, mean=mean, std=std))
    right, count = [], len(sample.photographs)
    for each in readings:
        subject = next(loading(each, [each.size], sample.classes), None)
        found, count = sample.right(subject) if subject else (0, count)
        right.append(found)
    best = max(range(len(readings)), key=lambda i: right[i])
    if right[best] - right[0] >= CLEARLY * count:
        return readings[best], (
            f"{count} pictures, {right[best]} of them right with these, {right[0]} with ImageNet's"
        )
    return known, "ImageNet's, which most people train with"


def _how_right(known: Candidate, sample: Sample) -> str:
    """How many pictures the model gets right as it is read now; or why it is not read."""
    try:
        subject = load_subject(known, sample.classes)
    except ShortcutAuditError as error:
        return str(error)
    right, count = sample.right(subject)
    doubt = "" if 2 * right > count else ": are the classes, their order and the input right?"
    return f"right on {right} of {count} pictures{doubt}"
