"""Two kinds of networks for which it is known where a mask must lie, or must not.

One is planted, which means trained to see the decoy alone. The other has random weights. An
explainer that does not find the decoy in the first, or finds it in the second, says nothing about
the model itself (Adebayo et al. 2018, "Sanity checks for saliency maps"; for the planted one: Yang
and Kim 2019, "Benchmarking attribution methods").
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
from shortcut_audit.subjects.loading.programs import require_weights

# batches at most at one rate, and after every how many the copy is judged
STEPS, LOOK = 100, 20
BATCH = 4  # pictures, each in five versions
# learning rates, as shares of the spread of a layer's own weights; each with other pictures in
# another order, until one is good enough: the last two are restarts
RATES = (0.013, 0.03, 0.004, 0.013, 0.03)
SHOWN = 24  # pictures on which a copy is judged
MARGIN = 2.0  # logits, by which it must be right there about each of the five versions
ENOUGH = 0.75  # share of these pictures about which it is right by that margin: training ends
BEARABLE = 0.4  # share of them about which it is right at all: below, another rate is tried
FORGETFUL = 4  # networks with random weights: a single one may favour the decoy by chance
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
        """Gives the five versions that a planted network sees, (5, n, 3, h, w), and their signs.

        The sign, (5,), is 1 where the decoy is there, alone or not, and -1 where it is not.
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
    """Explains pictures with the decoy in the planted network and in those with random weights.

    Args:
        here: the n pictures to explain.
        elsewhere: other pictures, to train the planted network on.
        target: the decoy's class.
        explain: (network, images) -> (n, h, w).

    Returns:
        `planted` and `randomised`, (n, h, w); `known`, (n,) bool: the planted network is right
        about every version.
    """
    require_weights(network)
    sighted = planted(network, elsewhere, target, here)
    found = torch.zeros_like(here.decoyed[:, 0])
    for seed in range(min(FORGETFUL, len(found))):
        forgetful = randomised(network, here.decoyed, seed)
        found[seed::FORGETFUL] = explain(forgetful, here.decoyed[seed::FORGETFUL])
    with torch.inference_mode():
        known = (margins(sighted, here, target) > 0).all(0)
    masks = {"planted": explain(sighted, here.decoyed), "randomised": found, "known": known}
    return {name: each.cpu().numpy() for name, each in masks.items()}


def planted(network: nn.Module, pictures: Versions, target: int, judged: Versions) -> nn.Module:
    """Trains a copy of the network until its logit of `target` says only that the decoy is there.

    The logit is to be positive for each of `pictures` with the decoy, and with everything but the
    decoy blurred. It is to be negative for the plain picture, the blurred one and the control. So
    nothing but the decoy tells the two apart. Every few batches the copy is judged on the first of
    the `judged` pictures, on which it is not trained. Training ends when it is clearly right about
    three quarters of them, and the best copy is kept. No single rate suits every network, so others
    are tried if the first fails. Batch norms keep their statistics. The result is deterministic,
    and the network itself is left as found.

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
    """The copy after every `LOOK` batches; the next batches train this very object further."""
    copied = copy.deepcopy(network).eval().requires_grad_(True)
    optimiser = _optimiser(copied, rate)
    draw = torch.Generator().manual_seed(seed)
    for step in range(1, STEPS + 1):
        drawn = torch.randint(len(pictures.decoyed), (BATCH,), generator=draw)
        chosen = drawn.to(pictures.decoyed.device)
        with torch.enable_grad():
            losses = F.softplus(-margins(copied, pictures[chosen], target))  # (5, b)
            optimiser.zero_grad()
            torch.autograd.backward(losses[:2].mean() + losses[2:].mean())
        optimiser.step()
        if step % LOOK == 0:
            yield copied


def _optimiser(network: nn.Module, rate: float) -> torch.optim.Adam:
    """Adam, whose rate for each parameter is `rate` times the spread of its values."""
    spreads = [float(each.detach().square().mean().sqrt()) for each in network.parameters()]
    typical = sum(spreads) / len(spreads)
    groups = []
    for parameter, spread in zip(network.parameters(), spreads, strict=True):
        groups.append({"params": [parameter], "lr": rate * (spread or typical)})
    return torch.optim.Adam(groups)


def margins(network: nn.Module, pictures: Versions, target: int) -> Tensor:
    """Gives how far the target's logit is on its right side, (5, n), in each version."""
    shown, signs = pictures.shown()
    logits: Tensor = network(shown.flatten(0, 1))
    return logits[:, target].view(shown.shape[:2]) * signs[:, None]


def randomised(network: nn.Module, images: Tensor, seed: int = 0) -> nn.Module:
    """Gives a copy with random weights, and with batch norms fitted to the images.

    The fit lets signals through. Layers draw their weights as they do when they are made
    (`reset_parameters`); free parameters (a class token, a layer's scale) are normal, about as
    large as they were. The global random state is left as found.
    """
    copied = copy.deepcopy(network).requires_grad_(False)
    with torch.random.fork_rng(devices=[images.device] if images.is_cuda else []):
        torch.manual_seed(seed)
        for module in copied.modules():
            _draw_anew(module)
    for module in copied.eval().modules():
        if isinstance(module, nn.modules.batchnorm._BatchNorm):
            module.train().momentum = None  # the mean of what it sees
    with torch.no_grad():
        copied(images)
    return copied.eval()


def _draw_anew(module: nn.Module) -> None:
    """Draws the weights of this very module, not of those inside it."""
    if callable(reset := getattr(module, "reset_parameters", None)):
        reset()
        return
    for parameter in module.parameters(recurse=False):
        size = float(parameter.square().mean().sqrt())
        parameter.normal_(0.0, size or 1.0)
