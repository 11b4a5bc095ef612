"""A network that flattens by `view` takes pictures as they are; others may have them in the layout
that is fast.
"""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from shortcut_audit.evidence.lent_network import fast_layout, lean


class Views(nn.Module):
    """As LeNet is often written."""

    def __init__(self, flattens: bool) -> None:
        super().__init__()
        self.conv, self.fc, self.flattens = (
            nn.Conv2d(3, 4, 3, padding=1),
            nn.Linear(4 * 8 * 8, 3),
            flattens,
        )

    def forward(self, images: Tensor) -> Tensor:
        maps = self.conv(images)
        logits: Tensor = self.fc(maps.view(len(maps), -1) if self.flattens else maps.flatten(1))
        return logits


@pytest.mark.parametrize(
    ("flattens", "layout"), [(True, torch.contiguous_format), (False, torch.channels_last)]
)
def test_the_layout_is_one_that_the_network_takes(
    flattens: bool, layout: torch.memory_format
) -> None:
    images = torch.rand(5, 3, 8, 8, generator=torch.Generator().manual_seed(0))
    network = Views(flattens).eval()
    assert fast_layout(network, images) == layout
    with lean(network, images) as logits, torch.no_grad():
        assert torch.allclose(logits(images), network(images), atol=1e-5)
