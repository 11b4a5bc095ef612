"""Two networks of which it is known where a mask must lie: one planted to see the decoy alone, one
that has forgotten everything.

An explainer that does not find the decoy in the first, or finds it in the second, says nothing
about the model between them (Adebayo et al. 2018, "Sanity checks for saliency maps"; a planted one:
Yang and Kim 2019, "Benchmarking attribution methods").
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from shortcut_audit.evidence.lent_network import require_gradient
from shortcut_audit.evidence.masks.perturbation import perturbation_levels, perturbed

# at most so many batches at one rate, and after every how many the copy is looked at
STEPS, LOOK = 100, 20
BATCH = 4  # pictures, each in five versions
# of the spread of a layer's own weights, one after the other until one is good enough
RATES = (0.013, 0.03, 0.004)
SHOWN = 24  # pictures on which a copy is looked at
MARGIN = 2.0  # logits, by which it is to be right there about each of the five
ENOUGH = 0.75  # share of them about which it is right by that margin: training ends
BEARABLE = 0.4  # share of them about which it is right at all: below, another rate is tried
FORGETFUL = 4  # networks with random weights: one alone may happen to like the decoy
# what copies depend on beside the network
COPIES = (STEPS, LOOK, BATCH, RATES, SHOWN, MARGIN, ENOUGH, BEARABLE, FORGETFUL)


@dataclass(frozen=True)
class Versions:
    """The same n pictures with the decoy, with its control and plain: float32 in [0, 1]."""

    decoyed: Tensor  # (n, 3, h, w)
    control: Tensor  # (n, 3, h, w)
    plain: Tensor  # (n, 3, h, w)
    footprint: Tensor  # (n, h, w) bool

    def __getitem__(self, chosen: Tensor) -> Versions:
        return Versions(
            self.decoyed[chosen], self.control[chosen], self.plain[chosen], self.footprint[chosen]
        )

    def shown(self) -> tuple[Tensor, Tensor]:
        """(5, n, 3, h, w), and a sign for each: the decoy, alone or not, is to be seen, and
        everything else is not.
        """
        alone = perturbed(perturbation_levels(self.decoyed), self.footprint.to(self.decoyed))
        blurred = perturbation_levels(self.plain, "blur")[:, 0]
        signs = torch.tensor([1.0, 1.0, -1.0, -1.0, -1.0], device=self.decoyed.device)
        return torch.stack([self.decoyed, alone, self.control, self.plain, blurred]), signs


def sanity_masks(
    network: nn.Module,
    here: Versions,
    elsewhere: Versions,
    target: int,
    explain: Callable[[nn.Module, Tensor], Tensor],
) -> dict[str, np.ndarray]:
    """An explainer's saliency on pictures with the decoy, in the planted network and in the
    forgetful ones.

    Args:
        here: the n pictures to explain.
        elsewhere: other pictures, to train the planted network on.
        target: the decoy's class.
        explain: (network, images) -> (n, h, w).

    Returns:
        `planted` and `randomised`, (n, h, w); `known`, (n,) bool: the planted network is right
        about every version.
    """
    sighted = planted(network, elsewhere, target, here)
    found = torch.zeros_like(here.decoyed[:, 0])
    for seed in range(min(FORGETFUL, len(found))):
        found[seed::FORGETFUL] = explain(
            randomised(network, here.decoyed, seed), here.decoyed[seed::FORGETFUL]
        )
    with torch.inference_mode():
        known = (margins(sighted, here, target) > 0).all(0)
    masks = {"planted": explain(sighted, here.decoyed), "randomised": found, "known": known}
    return {name: each.cpu().numpy() for name, each in masks.items()}


def planted(network: nn.Module, pictures: Versions, target: int, judged: Versions) -> nn.Module:
    """A copy of the network trained on until the logit of `target` says one thing: that the decoy
    is there.

    Each of `pictures` comes with the decoy, and with all but the decoy blurred (the logit is to be
    positive), and plain, blurred and under the control (negative), so that nothing else tells. Now
    and then the copy is looked at on the first of the `judged` pictures, which it is not trained
    on: training ends when it is clearly right about three in four, and the best copy is kept. One
    rate does not suit every network: others are tried where it does not. Batch norms keep their
    statistics. Deterministic; the network itself is left as found.

    Raises:
        UsageError: the network's answers carry no gradient, so that no copy can be trained.
    """
    require_gradient(network, pictures.plain, weights=True)
    some = judged[torch.arange(min(SHOWN, len(judged.plain)), device=judged.plain.device)]
    best, sure, right = network, -1.0, 0.0
    for seed, rate in enumerate(RATES):
        for copied in _trained(network, pictures, target, rate, seed):
            with torch.inference_mode():
                least = margins(copied, some, target).amin(0)  # (n,)
            shares = float((least > MARGIN).float().mean()), float((least > 0).float().mean())
            if shares > (sure, right):
                best, (sure, right) = copy.deepcopy(copied).requires_grad_(False), shares
            if sure >= ENOUGH:
                return best
        if right >= BEARABLE:
            break
    return best


def _trained(
    network: nn.Module, pictures: Versions, target: int, rate: float, seed: int
) -> Iterator[nn.Module]:
    """The copy after every `LOOK` batches; it is trained on where it stands."""
    copied = copy.deepcopy(network).eval().requires_grad_(True)
    spreads = [float(each.detach().square().mean().sqrt()) for each in copied.parameters()]
    typical = sum(spreads) / len(spreads)
    groups = zip(copied.parameters(), spreads, strict=True)
    optimiser = torch.optim.Adam(
        [{"params": [each], "lr": rate * (spread or typical)} for each, spread in groups]
    )
    draw = torch.Generator().manual_seed(seed)
    for step in range(1, STEPS + 1):
        chosen = torch.randint(len(pictures.decoyed), (BATCH,), generator=draw).to(
            pictures.decoyed.device
        )
        with torch.enable_grad():
            losses = F.softplus(-margins(copied, pictures[chosen], target))  # (5, b)
            optimiser.zero_grad()
            torch.autograd.backward(losses[:2].mean() + losses[2:].mean())
        optimiser.step()
        if step % LOOK == 0:
            yield copied


def margins(network: nn.Module, pictures: Versions, target: int) -> Tensor:
    """(5, n): how far the target's logit is on its right side."""
    shown, signs = pictures.shown()
    logits: Tensor = network(shown.flatten(0, 1))
    return logits[:, target].view(shown.shape[:2]) * signs[:, None]


def randomised(network: nn.Module, images: Tensor, seed: int = 0) -> nn.Module:
    """A copy that has forgotten everything: all weights drawn anew, batch norms fitted to the
    images so that signals get through.

    Layers draw as they do when they are made (`reset_parameters`); free parameters are normal with
    their own spread. The global random state is left as found.
    """
    copied = copy.deepcopy(network).requires_grad_(False)
    with torch.random.fork_rng(devices=[images.device] if images.is_cuda else []):
        torch.manual_seed(seed)
        for module in copied.modules():
            if callable(reset := getattr(module, "reset_parameters", None)):
                reset()
            else:
                for parameter in module.parameters(recurse=False):
                    spread = float(parameter.std()) if parameter.numel() > 1 else 0.0
                    parameter.normal_(0.0, spread or 1.0)
    norms = [
        module
        for module in copied.eval().modules()
        if isinstance(module, nn.modules.batchnorm._BatchNorm)
    ]
    for norm in norms:
        norm.train().momentum = None  # the mean of what it sees
    with torch.no_grad():
        copied(images)
    return copied.eval()
