"""One network in every format that people have, each file written by the library itself."""

from __future__ import annotations

import json
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import onnx
import safetensors.torch
import torch
from torch import nn
from torch.optim.swa_utils import AveragedModel

FILES = (
    "plain.pth",
    "half.pt",
    "averaged.pth",
    "lightning.ckpt",
    "bare.safetensors",
    "sharded.safetensors.index.json",
    "traced.pt",
    "scripted.ts",
    "fixed.pt2",
    "any.pt2",
    "fixed.onnx",
    "any.onnx",
)
PROGRAMS = ("traced.pt", "scripted.ts", "fixed.pt2", "any.pt2", "fixed.onnx", "any.onnx")
SHOW_NO_WEIGHTS = ("traced.pt", "scripted.ts", "fixed.onnx", "any.onnx")


@contextmanager
def quiet() -> Iterator[None]:
    """Libraries warn of the age of their own formats, and of parts that this test does not use."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


def write(file: Path, network: nn.Module, size: int) -> None:
    """Writes the network, which takes (n, 3, size, size), in the way that the file's name says."""
    tensors, stem, network = network.state_dict(), file.name.partition(".")[0], network.eval()
    with quiet():
        if file.suffix == ".onnx" or file.suffix == ".pt2":
            _export(file, network, size, fixed=stem == "fixed")
        elif stem == "traced":
            torch.jit.save(torch.jit.trace(network, torch.rand(1, 3, size, size)), str(file))
        elif stem == "scripted":
            torch.jit.save(torch.jit.script(network), str(file))
        elif stem == "sharded":
            shard(file, tensors)
        elif file.suffix == ".safetensors":
            safetensors.torch.save_file(tensors, file)
        else:
            torch.save(_wrapped(stem, network), file)


def _wrapped(stem: str, network: nn.Module) -> object:
    tensors = network.state_dict()
    if stem == "half":
        return {name: each.half() for name, each in tensors.items()}
    if stem == "averaged":
        return AveragedModel(network).state_dict()
    if stem == "lightning":
        inner = {f"model.{name}": each for name, each in tensors.items()}
        return {"state_dict": {**inner, "criterion.weight": torch.ones(3)}, "epoch": 3}
    return tensors


def _export(file: Path, network: nn.Module, size: int, fixed: bool) -> None:
    """`fixed` takes 4 pictures at a time, and keeps its weights in a file of their own."""
    pictures = (torch.rand(4 if fixed else 2, 3, size, size),)
    shapes = None if fixed else ({0: torch.export.Dim("n")},)
    if file.suffix == ".pt2":
        torch.export.save(torch.export.export(network, pictures, dynamic_shapes=shapes), file)
        return
    options = {"dynamo": True, "verbose": False, "dynamic_shapes": shapes}
    torch.onnx.export(network, pictures, file, external_data=False, **options)
    if fixed:  # small ones too, which the exporter leaves where they are; not those of shapes
        places = {"save_as_external_data": True, "location": f"{file.name}.data"}
        onnx.save(onnx.load(file), file, size_threshold=60, **places)


def shard(index: Path, tensors: dict[str, torch.Tensor]) -> None:
    """Two shards, as `save_pretrained(max_shard_size=...)` writes them, and their index."""
    names = sorted(tensors)
    stem = index.name.removesuffix(".safetensors.index.json")
    places = {}
    for at in (0, 1):
        shard = f"{stem}-{at + 1:05}-of-00002.safetensors"
        part = {name: tensors[name].clone() for name in names[at::2]}
        safetensors.torch.save_file(part, index.parent / shard, {"format": "pt"})
        places |= dict.fromkeys(part, shard)
    index.write_text(json.dumps({"metadata": {"total_size": 1}, "weight_map": places}))
