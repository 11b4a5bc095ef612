"""Gradient cosine by other people's tools, each used as its own documentation says: (network,
images) -> (q, m) scores.

Every function takes a network in eval mode, queries and training images as float (n, 3, h, w) in
[0, 1] with labels (n,), and gives the cosine of the cross-entropy's gradients by its default layers
(a ResNet18's layer3, layer4 and fc), as near as the tool comes. A tool that only offers inner products gets its
own self-influences for the norms.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from copy import deepcopy
from functools import partial
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.func import functional_call, grad, vmap
from torch.nn import functional as F
from torch.utils.data import DataLoader, TensorDataset

from shortcut_audit.evidence.gradients.layers_and_scalars import default_layers

Images = tuple[Tensor, Tensor]
LAYERS = ("layer3", "layer4", "fc")


def chosen(network: nn.Module) -> dict[str, nn.Parameter]:
    """The parameters by name that the scores are about."""
    layers = tuple(f"{layer}." for layer in default_layers(network))
    return {name: p for name, p in network.named_parameters() if name.startswith(layers)}


def naive_loop(network: nn.Module, queries: Images, training: Images) -> np.ndarray:
    """Plain autograd, one image at a time, queries' gradients kept; in float64 it is the truth for
    `residual`.
    """
    parameters = list(chosen(network).values())

    def gradient(image: Tensor, label: Tensor) -> Tensor:
        loss = F.cross_entropy(network(image[None]), label[None])
        return torch.cat([g.flatten() for g in torch.autograd.grad(loss, parameters)])

    kept = torch.stack(
        [F.normalize(gradient(*each), dim=0, eps=0) for each in zip(*queries, strict=True)]
    )
    rows = [
        kept @ F.normalize(gradient(*each), dim=0, eps=0) for each in zip(*training, strict=True)
    ]
    return torch.stack(rows, 1).numpy()


def vmap_grad(network: nn.Module, queries: Images, training: Images) -> np.ndarray:
    """torch.func's per-sample gradients, four images at a time."""
    parameters = {name: p.detach() for name, p in chosen(network).items()}

    def loss(parameters: dict[str, Tensor], image: Tensor, label: Tensor) -> Tensor:
        return F.cross_entropy(functional_call(network, parameters, (image[None],)), label[None])

    def gradients(images: Tensor, labels: Tensor) -> Tensor:
        each = vmap(grad(loss), in_dims=(None, 0, 0))(parameters, images, labels)
        return F.normalize(torch.cat([g.flatten(1) for g in each.values()], 1), dim=1, eps=0)

    parts = [
        [part for part in zip(*(each.split(4) for each in some), strict=True)]
        for some in (queries, training)
    ]
    with torch.no_grad():
        kept = torch.cat([gradients(*part) for part in parts[0]])
        return torch.cat([kept @ gradients(*part).T for part in parts[1]], 1).numpy()


def captum(
    network: nn.Module, queries: Images, training: Images, sample_wise: bool = False
) -> np.ndarray:
    """captum.influence.TracInCP on one checkpoint, divided by the roots of its self-influences.

    Its quicker mode, `sample_wise`, knows convolutions and linear layers alone and leaves batch
    norm out.
    """
    from captum.influence import TracInCP

    def load(model: nn.Module, _: Any) -> float:
        return 1.0

    tracin = TracInCP(
        network,
        TensorDataset(*training),
        ["now"],
        load,
        layers=list(LAYERS),
        loss_fn=nn.CrossEntropyLoss(reduction="sum" if sample_wise else "none"),
        batch_size=16,
        sample_wise_grads_per_batch=sample_wise,
    )
    own = tracin.self_influence()
    return _cosine(
        tracin.influence(queries),
        tracin.self_influence(DataLoader(TensorDataset(*queries), 16)),
        own,
    )


def dattri(network: nn.Module, queries: Images, training: Images) -> np.ndarray:
    """dattri's TracInAttributor with normalized_grad."""
    from dattri.algorithm.tracin import TracInAttributor
    from dattri.task import AttributionTask

    def loss(parameters: dict[str, Tensor], pair: Images) -> Tensor:
        image, label = pair
        return F.cross_entropy(functional_call(network, parameters, (image[None],)), label[None])

    task = AttributionTask(loss_func=loss, model=network, checkpoints=network.state_dict())
    names = list(chosen(network))
    attributor = TracInAttributor(
        task, torch.ones(1), normalized_grad=True, layer_name=names, projector_kwargs=None
    )
    attributor.projector_kwargs = None
    loaders = [DataLoader(TensorDataset(*some), 40, shuffle=False) for some in (training, queries)]
    return attributor.attribute(*loaders).T.detach().numpy()


def dattri_llm(network: nn.Module, queries: Images, training: Images) -> np.ndarray:
    """dattri-llm's TracInAttributor with normalized_grad: factors and ghost inner products, as
    ours; no batch norm.
    """
    from dattri_llm import (
        AttributionArguments,
        AttributionTask,
        HookManagerConfig,
        TracInAttributor,
    )

    def loss(model: nn.Module, batch: Any) -> Tensor:
        return F.cross_entropy(model(batch["image"]), batch["label"], reduction="sum")

    hooked = [
        name
        for name, layer in network.named_modules()
        if name.split(".")[0] in LAYERS and isinstance(layer, nn.Conv2d | nn.Linear)
    ]
    datasets = [
        [{"image": i, "label": t} for i, t in zip(*some, strict=True)]
        for some in (training, queries)
    ]
    with tempfile.TemporaryDirectory() as folder:
        arguments = AttributionArguments(
            output_dir=folder,
            per_device_train_batch_size=32,
            per_device_eval_batch_size=32,
            use_cpu=True,
        )
        attributor = TracInAttributor(arguments, task=AttributionTask(loss, network))
        score = attributor.attribute(
            *datasets, hook_config=HookManagerConfig(linear_io=hooked), normalized_grad=True
        )
        _, matrix = score.agnostic_matrix()
    return matrix.T.detach().float().numpy()


def kronfluence(network: nn.Module, queries: Images, training: Images) -> np.ndarray:
    """kronfluence with the identity strategy, divided by the roots of its self-scores; no batch
    norm.
    """
    from kronfluence.analyzer import Analyzer, prepare_model
    from kronfluence.arguments import FactorArguments
    from kronfluence.task import Task

    class Classify(Task):
        def compute_train_loss(self, batch: Any, model: nn.Module, sample: bool = False) -> Tensor:
            return F.cross_entropy(model(batch[0]), batch[1], reduction="sum")

        def compute_measurement(self, batch: Any, model: nn.Module) -> Tensor:
            return self.compute_train_loss(batch, model)

        def get_influence_tracked_modules(self) -> list[str]:
            layers = network.named_modules()
            return [
                n
                for n, m in layers
                if n.split(".")[0] in LAYERS and isinstance(m, nn.Conv2d | nn.Linear)
            ]

    task = Classify()
    with tempfile.TemporaryDirectory() as folder:
        model = prepare_model(deepcopy(network), task)  # it would stay wrapped
        analyzer = Analyzer("now", model, task, cpu=True, disable_tqdm=True, output_dir=folder)
        sets = [TensorDataset(*some) for some in (queries, training)]
        analyzer.fit_all_factors(
            "identity", sets[1], factor_args=FactorArguments(strategy="identity")
        )
        for at, each in enumerate(sets):
            analyzer.compute_self_scores(f"own{at}", "identity", each, 16)
        analyzer.compute_pairwise_scores("pairs", "identity", *sets, len(queries[0]), 16)
        own = [analyzer.load_self_scores(f"own{at}") for at in (0, 1)]
        dots = analyzer.load_pairwise_scores("pairs")
    return _cosine(*(each["all_modules"].detach() for each in (dots, *own)))


def _cosine(dots: Tensor, queries: Tensor, training: Tensor) -> np.ndarray:
    return (dots / queries.sqrt()[:, None] / training.sqrt()[None]).detach().numpy()


PEERS: dict[str, Callable[[nn.Module, Images, Images], np.ndarray]] = {
    "naive loop": naive_loop,
    "vmap(grad)": vmap_grad,
    "captum": captum,
    "captum, sample-wise": partial(captum, sample_wise=True),
    "dattri": dattri,
    "dattri-llm": dattri_llm,
    "kronfluence": kronfluence,
}

# they know convolutions and linear layers alone
LEAVE_OUT_BATCH_NORM = ("captum, sample-wise", "dattri-llm", "kronfluence")
