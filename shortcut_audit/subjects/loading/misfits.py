"""Tensors that do not fit the architecture -> the sentence that says why, and what would help."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor

from shortcut_audit.errors import UsageError
from shortcut_audit.subjects.manifest.outputs import few

OWN_FACTORY = (
    "wrap it in a factory of your own (arch: package.module:factory, with --audit-trust-code)"
)
OF_IMAGENET = (1000, 1001)  # outputs

Shape = tuple[int, ...]
Shapes = Mapping[str, tuple[Shape, Shape]]  # name -> its shape in the file, in the architecture


def short(error: BaseException) -> str:
    """An exception's kind and its first words, on one line."""
    return f"{type(error).__name__}: {' '.join(str(error).split())[:200]}".removesuffix(": ")


def one_output() -> str:
    """What to do with a model that says yes or no by one number."""
    return (
        "one output says yes or no: name two classes, first the one that it speaks against, "
        "and add 'head: {answers: sigmoid}'"
    )


def refuse_quantised(tensors: Mapping[str, Tensor]) -> None:
    """Raises UsageError where the file's tensors are whole numbers that stand for others."""
    odd = []
    for key, tensor in tensors.items():
        if tensor.is_quantized or key.rpartition(".")[2] in ("zero_point", "_packed_params"):
            odd.append(key)
    if odd:
        raise UsageError(
            f"its weights are quantised ({few(odd)}): "
            "save what runs as a program, which is audited as it is "
            "(torch.jit.save of a traced model, or ONNX), "
            "or audit the float checkpoint that it was made from"
        )


def refuse_types(chosen: Mapping[str, Tensor], expected: Mapping[str, Tensor]) -> None:
    """Raises UsageError where the architecture has floating point numbers and the file has not."""
    odd = []
    for name, tensor in chosen.items():
        if expected[name].is_floating_point() and not tensor.is_floating_point():
            odd.append(f"{name} {str(tensor.dtype).removeprefix('torch.')}")
    if odd:
        raise UsageError(
            f"its weights are no floating point numbers ({few(odd)}): "
            "save the float checkpoint, and audit that"
        )


def refuse_shapes(
    chosen: Mapping[str, Tensor], expected: Mapping[str, Tensor], classes: int
) -> None:
    """Raises UsageError for tensors of another shape than the architecture's.

    It says what the difference means where one thing explains every difference: another number of
    outputs, another number of channels, or pictures of another size.
    """
    unequal = _unequal(chosen, expected)
    if not unequal:
        return
    outputs = _outputs(unequal, classes)
    if outputs is not None:
        raise UsageError(_other_outputs(outputs, classes))
    channels = _channels(unequal)
    if channels is not None:
        said = f"it takes pictures of {_counted(channels, 'channel')}"
        if channels in (1, 4):
            raise UsageError(f"{said}: add 'channels: {channels}' to its 'input'")
        raise UsageError(
            f"{said}, and audits show them in colour: {OWN_FACTORY} "
            "that turns (n, 3, h, w) into what it takes"
        )
    shapes = []
    for name, (found, asked) in unequal.items():
        shapes.append(f"{name} {found} in the file, {asked} in the architecture")
    advice = "is 'arch' right?"
    if all("pos" in name for name in unequal):  # embeddings of positions
        advice = "it was trained on pictures of another size: is the input 'size' right?"
    raise UsageError(f"the file's tensors do not fit the architecture: {few(shapes)}; {advice}")


def _unequal(chosen: Mapping[str, Tensor], expected: Mapping[str, Tensor]) -> Shapes:
    """The shapes of every tensor that has two; a lazy one of the architecture takes any shape."""
    unequal = {}
    for name, tensor in chosen.items():
        asked = expected[name]
        if not torch.nn.parameter.is_lazy(asked) and tensor.shape != asked.shape:
            unequal[name] = (tuple(tensor.shape), tuple(asked.shape))
    return unequal


def _outputs(unequal: Shapes, classes: int) -> int | None:
    """How many outputs the file has, where their number explains every difference; else None."""
    outputs = set()
    for found, asked in unequal.values():
        if found and found[1:] == asked[1:] and asked[:1] == (classes,):
            outputs.add(found[:1])
    if len(outputs) != 1:
        return None
    for found, asked in unequal.values():
        if found[:1] not in outputs or found[1:] != asked[1:]:
            return None
    return outputs.pop()[0]


def _channels(unequal: Shapes) -> int | None:
    """How many channels the file's first layer takes, where that is the one difference."""
    if len(unequal) != 1:
        return None
    ((found, asked),) = unequal.values()
    if len(found) < 2 or asked[1:2] != (3,) or (found[0], 3, *found[2:]) != asked:
        return None
    return found[1]


def _other_outputs(found: int, classes: int) -> str:
    """The sentence for a file of `found` outputs and a manifest of `classes` names."""
    said = f"the file has {_counted(found, 'output')}, and {_counted(classes, 'class')} are named"
    if found == 1:
        return f"{said}: {one_output()}"
    if found > classes:
        every = "'classes: imagenet'" if found in OF_IMAGENET else "one name for each output"
        return (
            f"{said}; give {every}, or only some by their numbers from 0, such as "
            f"'classes: {{3: cat, 5: dog}}' with 'outputs: {found}' beside it "
            "(those that the data set lacks are only watched)"
        )
    return f"{said}; give one name for each output"


def _counted(number: int, noun: str) -> str:
    """`1 class`, `2 classes`, `3 outputs`."""
    return f"1 {noun}" if number == 1 else f"{number} {noun}{'es' if noun.endswith('s') else 's'}"
