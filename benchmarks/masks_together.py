"""Several models of one architecture in one batch, or one after the other: python
benchmarks/masks_together.py

CPU seconds for a forward and backward pass of four small nets on 32 images each at 64 px, the least
of five, one thread.
"""

from __future__ import annotations

import copy
import time
from collections.abc import Callable

import torch
from torch import Tensor
from torch.func import functional_call, stack_module_state, vmap

from shortcut_audit.evidence.lent_network import folded
from shortcut_audit.subjects.loading.networks import build_architecture


def seconds(slope: Callable[[], object]) -> float:
    times = []
    for _ in range(6):  # the first warms up
        start = time.process_time()
        slope()
        times.append(time.process_time() - start)
    return min(times[1:])


def main() -> None:
    torch.set_num_threads(1)
    networks = [
        build_architecture("shortcut_audit:small_resnet", 5).eval().requires_grad_(False)
        for _ in range(4)
    ]
    images = torch.rand(4, 32, 3, 64, 64).requires_grad_()
    lean = [folded(network, images[0, :2].detach()) for network in networks]
    state, empty = stack_module_state(networks), copy.deepcopy(networks[0]).to("meta")

    def in_turn() -> tuple[Tensor, ...]:
        pairs = zip(lean, images, strict=True)
        scores = [
            network(some.contiguous(memory_format=torch.channels_last))[:, 0].sum()
            for network, some in pairs
        ]
        return torch.autograd.grad(torch.stack(scores).sum(), images)

    def together() -> tuple[Tensor, ...]:
        logits = vmap(
            lambda weights, norms, some: functional_call(empty, (weights, norms), (some,))
        )(*state, images)
        return torch.autograd.grad(logits[..., 0].sum(), images)

    turn, once = seconds(in_turn), seconds(together)
    print(f"one after the other {turn:.3f} s, vmap {once:.3f} s: {once / turn:.1f} times as long")


if __name__ == "__main__":
    main()
