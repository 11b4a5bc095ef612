"""Tensors of a file + a network with random weights -> the network with those weights.

Names are compared without what wrappers put into them, and under any one prefix: what decides is
that every tensor of the architecture is found there, once. Where that fails, the reason is said.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from itertools import takewhile

import torch
from torch import Tensor, nn

from shortcut_audit import registry
from shortcut_audit.errors import ModelError, UsageError, machine_fault
from shortcut_audit.subjects.loading.misfits import (
    refuse_quantised,
    refuse_shapes,
    refuse_types,
    short,
)
from shortcut_audit.subjects.loading.unwrapping import BESIDE
from shortcut_audit.subjects.manifest.outputs import few

# DataParallel and AveragedModel, torch.compile, FSDP, gradient checkpointing: anywhere in a name
WRAPPERS = {"module", "_orig_mod", "_fsdp_wrapped_module", "_checkpoint_wrapped_module"}
DISPENSABLE = "num_batches_tracked"  # counted in training, and never looked at in eval mode


def fill(model: nn.Module, tensors: Mapping[str, Tensor], classes: int) -> None:
    """Puts the tensors into the network, as float32 where the network is.

    What training keeps beside them is left out.

    Laws: prefixes and wrappers in the names change nothing; whatever else is missing or too much
    is refused and named.

    Raises:
        UsageError: they are another architecture's, another size's or several models'; says what
            would help.
        ModelError: values that are not finite.
        MachineError: no memory.
    """
    refuse_quantised(tensors)
    expected = _tensors_of(model)
    chosen, missing, left = _chosen(tensors, expected)
    unexpected = [key for key in left if not _is_auxiliary(key, model)]
    refuse_shapes(chosen, expected, classes)
    if missing or unexpected:
        found = f"{few(missing)} missing, {few(unexpected)} unexpected"
        raise UsageError(
            f"the file's tensors are not the architecture's: {found}; is 'arch' right?"
        )
    refuse_types(chosen, expected)
    _load(model, chosen, expected)
    _refuse_what_is_not_finite(model)


def under_own_names(
    model: nn.Module, tensors: Mapping[str, Tensor], arch: str
) -> Mapping[str, Tensor]:
    """The tensors as the network calls them, where its library calls them otherwise in files."""
    source = arch.partition(":")[0]
    if source not in registry.names("architecture"):
        return tensors
    entry = registry.build("architecture", source)
    if not hasattr(entry, "own_names"):
        return tensors
    names = entry.own_names(model)
    return {names.get(name, name): each for name, each in tensors.items()}


def _tensors_of(model: nn.Module) -> dict[str, Tensor]:
    """The network's state by name, without what is no tensor."""
    return {name: each for name, each in model.state_dict().items() if isinstance(each, Tensor)}


def _load(model: nn.Module, chosen: dict[str, Tensor], expected: Mapping[str, Tensor]) -> None:
    """Copies the chosen tensors into the network; raises UsageError where one keeps its own."""
    try:
        lacking = set(model.load_state_dict(chosen, strict=False).missing_keys) & expected.keys()
    except Exception as error:  # sparse or otherwise odd tensors
        raise machine_fault(error) or UsageError(
            f"its tensors cannot be loaded: {short(error)}"
        ) from None
    if untouched := [name for name in lacking if not name.endswith(DISPENSABLE)]:
        raise UsageError(
            f"the file has no tensors for {few(untouched)} of the architecture; is 'arch' right?"
        )


def _refuse_what_is_not_finite(model: nn.Module) -> None:
    """Raises ModelError for the first tensor of the network that holds an infinity or a NaN."""
    for name, tensor in _tensors_of(model).items():
        finite = torch.isfinite(tensor)
        if not finite.all():
            raise ModelError(f"{int((~finite).sum())} values of '{name}' are not finite")


def _chosen(
    tensors: Mapping[str, Tensor], expected: Mapping[str, Tensor]
) -> tuple[dict[str, Tensor], list[str], list[str]]:
    """Which tensor of the file is which of the architecture.

    Returns:
        The file's tensors by the architecture's names; the architecture's names that the file
        lacks; the file's names that are too much.
    """
    wanted, there = _bare_names(tensors, expected)
    needed = _needed(wanted)
    counts = _prefixes(there, needed)
    if len(needed) not in counts.values():
        inner = _without_shared(wanted)
        inner_counts = _prefixes(there, _needed(inner))
        if len(inner) == len(wanted) and len(needed) in inner_counts.values():
            wanted, needed, counts = inner, _needed(inner), inner_counts
    prefix = _best(counts, needed)
    own = {prefix + bare for bare in wanted}
    _refuse_second_model(prefix, own, counts, needed)
    chosen = {}
    for bare, name in wanted.items():
        if prefix + bare in there:
            chosen[name] = tensors[there[prefix + bare]]
    missing = [wanted[bare] for bare in needed if prefix + bare not in there]
    left = []
    for bare, key in there.items():
        if bare not in own and not _is_left_out(bare, prefix):
            left.append(key)
    return chosen, missing, left


def _bare_names(
    tensors: Iterable[str], expected: Iterable[str]
) -> tuple[dict[str, str], dict[str, str]]:
    """Name without wrappers -> name in the architecture, and -> name in the file.

    Names stay as they are where the architecture calls parts of its own as wrappers are called.
    """
    names = list(expected)
    wanted = {_bare(name): name for name in names}
    if len(wanted) < len(names):
        return {name: name for name in names}, {key: key for key in tensors}
    return wanted, _unwrapped(tensors)


def _unwrapped(tensors: Iterable[str]) -> dict[str, str]:
    """Name without wrappers -> name in the file."""
    there: dict[str, str] = {}
    for key in tensors:
        other = there.setdefault(_bare(key), key)
        if other != key:
            raise UsageError(
                f"the file holds several models: '{other}' and '{key}'; "
                "save the one that you deploy as its own file"
            )
    return there


def _bare(name: str) -> str:
    """A name without the parts that wrappers put into it."""
    return ".".join(part for part in name.split(".") if part not in WRAPPERS) or name


def _needed(wanted: Iterable[str]) -> set[str]:
    """The names without which the network would not be the file's."""
    return {bare for bare in wanted if not bare.endswith(DISPENSABLE)}


def _without_shared(wanted: Mapping[str, str]) -> dict[str, str]:
    """The names without the parts with which all begin: a factory's own wrapper put them there.

    The file does not know of that wrapper. A name that begins otherwise is left out.
    """
    shared = _shared(_needed(wanted))
    inner = {}
    for bare, name in wanted.items():
        if bare.startswith(shared):
            inner[bare.removeprefix(shared)] = name
    return inner


def _shared(names: set[str]) -> str:
    """The parts with which every name begins, with a dot behind each."""
    columns = zip(*(name.split(".")[:-1] for name in names), strict=False)
    alike = takewhile(lambda parts: len(set(parts)) == 1, columns)
    return "".join(f"{parts[0]}." for parts in alike)


def _prefixes(there: Iterable[str], needed: set[str]) -> Counter[str]:
    """Prefix -> how many of the needed names are found under it."""
    counts: Counter[str] = Counter()
    for key in there:
        parts = key.split(".")
        for at in range(len(parts)):
            if ".".join(parts[at:]) in needed:
                counts["".join(f"{part}." for part in parts[:at])] += 1
    return counts


def _best(counts: Counter[str], needed: set[str]) -> str:
    """The prefix under which most of the needed names stand; none where that is half or less.

    A block deep inside may look like the beginning of the network.
    """
    best = min(counts, key=lambda prefix: (-counts[prefix], len(prefix), prefix), default="")
    return best if 2 * counts[best] > len(needed) else ""


def _refuse_second_model(
    prefix: str, own: set[str], counts: Mapping[str, int], needed: set[str]
) -> None:
    """Raises UsageError where another prefix has enough of the needed names to be a model too."""
    for other, count in counts.items():
        enough = len(needed) if _is_beside(other) else len(needed) / 2 + 0.5
        if other != prefix and count >= enough and not {other + bare for bare in needed} <= own:
            first, second = sorted((prefix, other))
            raise UsageError(
                f"the file holds several models, under {_quoted(first)} and {_quoted(second)}; "
                "save the one that you deploy as its own file"
            )


def _quoted(prefix: str) -> str:
    """A prefix as a sentence names it."""
    return f"'{prefix}'" if prefix else "no prefix"


def _is_left_out(key: str, prefix: str) -> bool:
    """Whether training keeps this beside the model.

    Of what stands inside the model only the first part may say so, for it is no layer's.
    """
    if key.startswith(prefix):
        return _is_beside(key.removeprefix(prefix).partition(".")[0])
    return _is_beside(key)


def _is_beside(key: str) -> bool:
    """Whether a part of the name is one that optimisers, losses and metrics have."""
    return any(BESIDE.fullmatch(part) for part in key.split("."))


def _is_auxiliary(key: str, model: nn.Module) -> bool:
    """Whether it belongs to a head that this network has left out, as only training asks it.

    GoogLeNet and Inception have such heads.
    """
    for part in _bare(key).split(".")[:2]:
        if part.lower().startswith("aux") and part in vars(model) and vars(model)[part] is None:
            return True
    return False
