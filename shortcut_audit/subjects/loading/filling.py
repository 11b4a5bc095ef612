"""Tensors of a file + a network with random weights -> the network with those weights, or the
reason why they do not fit.

Names are compared without what wrappers put into them, and under any one prefix: what decides is
that every tensor of the architecture is found there, once.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from itertools import takewhile

import torch
from torch import Tensor, nn

from shortcut_audit.errors import ModelError, UsageError, machine_fault
from shortcut_audit.subjects.loading.unwrapping import BESIDE

# DataParallel and AveragedModel, torch.compile, FSDP, gradient checkpointing: anywhere in a name.
WRAPPERS = {"module", "_orig_mod", "_fsdp_wrapped_module", "_checkpoint_wrapped_module"}
DISPENSABLE = "num_batches_tracked"  # counted in training, and never looked at in eval mode
OWN_FACTORY = (
    "wrap it in a factory of your own (arch: package.module:factory, with --audit-trust-code)"
)


def fill(model: nn.Module, tensors: Mapping[str, Tensor], classes: int) -> None:
    """Puts the tensors into the network, as float32 where it is; what training keeps beside them is
    left out.

    Laws: prefixes and wrappers in the names change nothing; whatever else is missing or too
        much is refused and named.

    Raises:
        UsageError: they are another architecture's, another size's or several models'; says
            what would help.
        ModelError: values that are not finite.
        MachineError: no memory.
    """
    _refuse_quantised(tensors)
    expected = {name: each for name, each in model.state_dict().items() if isinstance(each, Tensor)}
    chosen, missing, left = _chosen(tensors, expected)
    left = [key for key in left if not _is_auxiliary(key, model)]
    _refuse_shapes(chosen, expected, classes)
    if missing or left:
        found = f"{few(missing)} missing, {few(left)} unexpected"
        raise UsageError(
            f"the file's tensors are not the architecture's: {found}; is 'arch' right?"
        )
    _refuse_types(chosen, expected)
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
    for name, tensor in model.state_dict().items():
        if isinstance(tensor, Tensor) and not torch.isfinite(tensor).all():
            raise ModelError(
                f"{int((~torch.isfinite(tensor)).sum())} values of '{name}' are not finite"
            )


def few(items: Iterable[str]) -> str:
    """The first three of them in order, and how many more there are."""
    listed = sorted(items)
    more = f" and {len(listed) - 3} more" if len(listed) > 3 else ""
    return f"{', '.join(listed[:3])}{more}" if listed else "none"


def short(error: BaseException) -> str:
    """An exception's kind and its first words, on one line."""
    return f"{type(error).__name__}: {' '.join(str(error).split())[:200]}".removesuffix(": ")


def _chosen(
    tensors: Mapping[str, Tensor], expected: Mapping[str, Tensor]
) -> tuple[dict[str, Tensor], list[str], list[str]]:
    """The architecture's tensors by its own names, those of them that the file lacks, and the names
    that are too much.
    """
    wanted = {_bare(name): name for name in expected}
    # it calls parts of its own as wrappers are called: names stay as they are
    if len(wanted) < len(expected):
        wanted, there = {name: name for name in expected}, {key: key for key in tensors}
    else:
        there = _unwrapped(tensors)
    needed = {bare for bare in wanted if not bare.endswith(DISPENSABLE)}
    counts = _prefixes(there, needed)
    if len(needed) not in counts.values():
        shared = _shared(needed)  # of a factory's wrapper, which the file does not know
        inner = {
            bare.removeprefix(shared): name
            for bare, name in wanted.items()
            if bare.startswith(shared)
        }
        inner_needed = {bare.removeprefix(shared) for bare in needed}
        inner_counts = _prefixes(there, inner_needed)
        if len(inner) == len(wanted) and len(needed) in inner_counts.values():
            wanted, needed, counts = inner, inner_needed, inner_counts
    prefix = min(counts, key=lambda each: (-counts[each], len(each), each), default="")
    # a block deep inside may look like the beginning
    prefix = prefix if 2 * counts[prefix] > len(needed) else ""
    own = {prefix + bare for bare in wanted}
    _refuse_second_model(prefix, own, counts, needed)
    chosen = {
        name: tensors[there[prefix + bare]]
        for bare, name in wanted.items()
        if prefix + bare in there
    }
    missing = [wanted[bare] for bare in needed if prefix + bare not in there]
    left = [key for key in there if key not in own]
    return chosen, missing, [there[key] for key in left if not _is_left_out(key, prefix)]


def _refuse_second_model(
    prefix: str, own: set[str], counts: Mapping[str, int], needed: set[str]
) -> None:
    for other, count in counts.items():
        enough = len(needed) if _is_beside(other) else len(needed) / 2 + 0.5
        if other != prefix and count >= enough and not {other + bare for bare in needed} <= own:
            names = " and ".join(
                f"'{each}'" if each else "no prefix" for each in sorted((prefix, other))
            )
            raise UsageError(
                f"the file holds several models, under {names}; save the one that you deploy as its own file"
            )


def _unwrapped(tensors: Mapping[str, Tensor]) -> dict[str, str]:
    """Name without wrappers -> name in the file."""
    there: dict[str, str] = {}
    for key in tensors:
        if (other := there.setdefault(_bare(key), key)) != key:
            raise UsageError(
                f"the file holds several models: '{other}' and '{key}'; save the one that you deploy as its own file"
            )
    return there


def _bare(name: str) -> str:
    return ".".join(part for part in name.split(".") if part not in WRAPPERS) or name


def _shared(names: set[str]) -> str:
    """The parts with which every name begins, with a dot behind each."""
    columns = zip(*(name.split(".")[:-1] for name in names), strict=False)
    return "".join(
        f"{parts[0]}." for parts in takewhile(lambda parts: len(set(parts)) == 1, columns)
    )


def _prefixes(there: Iterable[str], needed: set[str]) -> Counter[str]:
    """Prefix -> how many of the needed names are found under it."""
    counts: Counter[str] = Counter()
    for key in there:
        parts = key.split(".")
        for at in range(len(parts)):
            if ".".join(parts[at:]) in needed:
                counts["".join(f"{part}." for part in parts[:at])] += 1
    return counts


def _is_left_out(key: str, prefix: str) -> bool:
    """Whether training keeps it beside the model; inside the model only its first part may say so,
    for it is no layer's.
    """
    return (
        _is_beside(key.removeprefix(prefix).partition(".")[0])
        if key.startswith(prefix)
        else _is_beside(key)
    )


def _is_beside(key: str) -> bool:
    return any(BESIDE.fullmatch(part) for part in key.split("."))


def _is_auxiliary(key: str, model: nn.Module) -> bool:
    """Whether it belongs to a head that this network has left out because only training asks it
    (GoogLeNet, Inception).
    """
    return any(
        part.lower().startswith("aux") and part in vars(model) and vars(model)[part] is None
        for part in _bare(key).split(".")[:2]
    )


def _refuse_quantised(tensors: Mapping[str, Tensor]) -> None:
    odd = [
        key
        for key, each in tensors.items()
        if each.is_quantized or key.rpartition(".")[2] in ("zero_point", "_packed_params")
    ]
    if odd:
        raise UsageError(
            f"its weights are quantised ({few(odd)}): audit the float checkpoint that it was made from"
        )


def _refuse_types(chosen: Mapping[str, Tensor], expected: Mapping[str, Tensor]) -> None:
    odd = [
        f"{name} {str(each.dtype).removeprefix('torch.')}"
        for name, each in chosen.items()
        if expected[name].is_floating_point() and not each.is_floating_point()
    ]
    if odd:
        raise UsageError(
            f"its weights are no floating point numbers ({few(odd)}): save the float checkpoint, and audit that"
        )


def _refuse_shapes(
    chosen: Mapping[str, Tensor], expected: Mapping[str, Tensor], classes: int
) -> None:
    """Says what the difference means where one thing explains every difference."""
    pairs = {
        name: (tuple(tensor.shape), tuple(expected[name].shape))
        for name, tensor in chosen.items()
        if not torch.nn.parameter.is_lazy(expected[name]) and tensor.shape != expected[name].shape
    }
    if not pairs:
        return
    outputs = {
        found[:1]
        for found, asked in pairs.values()
        if found[1:] == asked[1:] and asked[:1] == (classes,)
    }
    if len(outputs) == 1 and all(
        found[:1] in outputs and found[1:] == asked[1:] for found, asked in pairs.values()
    ):
        raise UsageError(_other_outputs(next(iter(outputs))[0], classes))
    channels = {
        found[1]
        for found, asked in pairs.values()
        if asked[1:2] == (3,) and (*found[:1], 3, *found[2:]) == asked
    }
    if len(pairs) == len(channels) == 1:
        raise UsageError(
            f"it takes pictures of {_counted(next(iter(channels)), 'channel')}, and audits show them in colour: {OWN_FACTORY} "
            "that turns (n, 3, h, w) into what it takes"
        )
    shapes = [
        f"{name} {found} in the file, {asked} in the architecture"
        for name, (found, asked) in pairs.items()
    ]
    advice = "is 'arch' right?"
    if all("pos" in name for name in pairs):
        advice = "it was trained on pictures of another size: is the input 'size' right?"
    raise UsageError(f"the file's tensors do not fit the architecture: {few(shapes)}; {advice}")


def _other_outputs(found: int, classes: int) -> str:
    said = f"the file has {_counted(found, 'output')}, and {_counted(classes, 'class')} are named"
    if found == 1:
        return f"{said}: {one_output()}"
    return (
        f"{said}; give one name for each output, in their order (those that the data set lacks too: they are only watched)"
        if found > classes
        else f"{said}; give one name for each output"
    )


def one_output() -> str:
    """What to do with a model that says yes or no by one number."""
    return f"a single yes or no has no second class to turn to; {OWN_FACTORY} that gives two outputs, 0 and its own"


def _counted(number: int, noun: str) -> str:
    return f"1 {noun}" if number == 1 else f"{number} {noun}{'es' if noun.endswith('s') else 's'}"
