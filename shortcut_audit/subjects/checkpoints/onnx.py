"""`.onnx`: a graph of operations, which onnxruntime runs on the processor."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from shortcut_audit.errors import ModelError, ShortcutAuditError, UsageError, machine_fault
from shortcut_audit.files.whole import refuse_placeholder, unreadable
from shortcut_audit.registry import register

if TYPE_CHECKING:
    from torch import Tensor, nn

# of operations: ONNX's own, and those that onnxruntime brings along
DOMAINS = {"", "ai.onnx", "ai.onnx.ml", "com.microsoft"}
FLOATS = {1: "float32", 10: "float16", 11: "float64"}  # ONNX's numbers of the types of a tensor


@register("checkpoint")
@dataclass(frozen=True)
class Onnx:
    """Data, not code: only operations that onnxruntime itself has can be asked for."""

    suffixes: ClassVar[tuple[str, ...]] = (".onnx",)

    def metadata(self, path: Path) -> dict[str, str]:
        """Its own key-value texts, and the input's size and channels where the graph fixes them.

        Raises:
            ModelError: it is broken, or asks for what only code could give.
            UsageError, MachineError: it cannot be had, or onnx is not installed.
        """
        from shortcut_audit.subjects.manifest.preprocessing import input_of_shape

        model = _model(path)
        own = {each.key: each.value for each in model.metadata_props}
        said = input_of_shape(_as_nchw(_shape(_input(model, path))))
        if said and "input" not in own:
            own["input"] = json.dumps(said)
        return {**own, "arch": "program:onnx"}

    def words(self, path: Path) -> dict[str, Any]:
        """Nothing beside `metadata`."""
        return {}

    def files(self, path: Path) -> tuple[Path, ...]:
        """The files that hold weights of this graph.

        Raises:
            ModelError: it names one outside its own folder. UsageError: one is not there.
        """
        found = []
        for name in sorted(set(_elsewhere(_model(path)))):
            if not _is_below(name):
                raise ModelError(f"'{path.name}' names a file outside its folder: {name!r}")
            if not (path.parent / name).is_file():
                raise UsageError(f"'{path.name}' keeps weights in '{name}', which is not beside it")
            found.append(path.parent / name)
        return tuple(found)

    def program(self, path: Path) -> nn.Module:
        """The network, on the CPU; raises as `metadata` does."""
        from shortcut_audit.subjects.loading.programs import Program

        model = _model(path)
        self.files(path)  # none of them is outside
        shape, kind = _shape(_input(model, path)), _input(model, path).type.tensor_type.elem_type
        if kind not in FLOATS:
            raise UsageError(
                f"'{path.name}' takes pictures as whole numbers, not as normalised values: "
                "export it without its own preprocessing"
            )
        ask = _asked(_session(path), FLOATS[kind], _as_nchw(shape) != shape)
        return Program(ask, shape[0] if shape else None)


def _model(path: Path) -> Any:
    """The graph, without the weights that lie in other files."""
    try:
        import onnx
    except ImportError:
        raise _lacking() from None
    try:
        refuse_placeholder(path)
        model = onnx.load(path, load_external_data=False)
    except (OSError, MemoryError) as error:
        raise unreadable(path, error) or error from None
    except ShortcutAuditError:
        raise
    except Exception as error:  # the parser's own
        said = " ".join(str(error).split())[:200]
        raise ModelError(f"'{path.name}' is not a whole ONNX model: {said}") from None
    own = {function.domain for function in model.functions}
    if strange := sorted({node.domain for node in _nodes(model)} - DOMAINS - own):
        raise ModelError(
            f"'{path.name}' asks for operations of '{strange[0]}', which onnxruntime has not got; "
            "export it with ONNX's own operations"
        )
    return model


def _lacking() -> UsageError:
    return UsageError("onnxruntime is not installed; run: pip install 'shortcut-audit[onnx]'")


def _session(path: Path) -> Any:
    """onnxruntime's session, on the processor, with as many threads as torch."""
    try:
        import onnxruntime
    except ImportError:
        raise _lacking() from None
    import torch

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = torch.get_num_threads()
    options.log_severity_level = 3  # errors alone
    try:
        return onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
    except Exception as error:  # each fault has a class of its own
        said = " ".join(str(error).split())[:200]
        raise machine_fault(error) or ModelError(
            f"'{path.name}' cannot be run by onnxruntime: {said}"
        ) from None


def _asked(session: Any, kind: str, last: bool) -> Any:
    """Images (n, c, h, w) -> the output, or the outputs by name; the graph may want `last` c."""
    name = session.get_inputs()[0].name
    outputs = [each.name for each in session.get_outputs()]

    def ask(images: Tensor) -> Any:
        import torch

        given = images.permute(0, 2, 3, 1) if last else images
        pixels = given.detach().cpu().contiguous().numpy().astype(kind)
        found = {}
        for key, each in zip(outputs, session.run(outputs, {name: pixels}), strict=True):
            found[key] = torch.from_numpy(each).to(images.device)
        return found if len(outputs) > 1 else found[outputs[0]]

    return ask


def _input(model: Any, path: Path) -> Any:
    """The one input that is no weight.

    Raises:
        UsageError: there are several.
    """
    weights = {each.name for each in model.graph.initializer}
    inputs = [each for each in model.graph.input if each.name not in weights]
    if len(inputs) != 1:
        named = ", ".join(each.name for each in inputs) or "none"
        raise UsageError(f"'{path.name}' has the inputs {named}, and pictures are only one")
    return inputs[0]


def _shape(value: Any) -> list[int | None]:
    """The shape of an input, None where it may be any number; [] where it is not said."""
    return [each.dim_value or None for each in value.type.tensor_type.shape.dim]


def _as_nchw(shape: list[int | None]) -> list[int | None]:
    """(n, h, w, c), as TensorFlow has it, as (n, c, h, w)."""
    if len(shape) == 4 and shape[1] not in (1, 3, 4) and shape[3] in (1, 3, 4):
        return [shape[0], shape[3], shape[1], shape[2]]
    return shape


def _nodes(model: Any) -> Iterator[Any]:
    """Every operation, in the functions and the branches of the graph too."""
    waiting = [*model.graph.node]
    for function in model.functions:
        waiting += function.node
    while waiting:
        node = waiting.pop()
        yield node
        for attribute in node.attribute:
            for graph in (attribute.g, *attribute.graphs):
                waiting += graph.node


def _graphs(model: Any) -> Iterator[Any]:
    """The graph and those in its branches."""
    yield model.graph
    for node in _nodes(model):
        for attribute in node.attribute:
            yield from (attribute.g, *attribute.graphs)


def _elsewhere(model: Any) -> Iterator[str]:
    """The name of a file for each tensor that lies in one."""
    tensors = []
    for graph in _graphs(model):
        tensors += graph.initializer
        for sparse in graph.sparse_initializer:
            tensors += [sparse.values, sparse.indices]
    for node in _nodes(model):
        for attribute in node.attribute:
            tensors += [attribute.t, *attribute.tensors]
    for tensor in tensors:
        if tensor.data_location == 1:  # TensorProto.EXTERNAL
            yield from (each.value for each in tensor.external_data if each.key == "location")


def _is_below(name: str) -> bool:
    """Whether it is a path that stays in the folder."""
    parts = name.split("/")
    return bool(name) and not set(name) & set("\\\0:") and not set(parts) & {"", ".", ".."}
