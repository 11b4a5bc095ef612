"""A ResNet for small pictures, which trains on two CPU cores in seconds."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torchvision.models.resnet import BasicBlock


class SmallResnet(nn.Module):
    """(n, 3, h, w) normalised images -> (n, k) logits; made for 64 pixels.

    It has 309,000 parameters for five classes, and its layers are called as those of torchvision's
    ResNets: one `BasicBlock` in each of `layer1` .. `layer4`, of 16, 32, 64 and 128 channels. The
    last gives 4 x 4 places at 64 pixels.
    """

    def __init__(self, classes: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(3, 16, 3, stride=2, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(16)
        self.relu = nn.ReLU(inplace=True)
        self.layer1 = _layer(16, 16, stride=2)
        self.layer2 = _layer(16, 32, stride=2)
        self.layer3 = _layer(32, 64, stride=2)
        self.layer4 = _layer(64, 128, stride=1)
        self.avgpool = nn.AdaptiveAvgPool2d(1)
        self.fc = nn.Linear(128, classes)
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")

    def forward(self, images: Tensor) -> Tensor:
        """Logits (n, k)."""
        features = self.relu(self.bn1(self.conv1(images)))
        features = self.layer4(self.layer3(self.layer2(self.layer1(features))))
        logits: Tensor = self.fc(torch.flatten(self.avgpool(features), 1))
        return logits


def _layer(inside: int, outside: int, stride: int) -> nn.Sequential:
    """One block from `inside` to `outside` channels; a stride of 2 halves height and width."""
    shortcut = None
    if stride != 1 or inside != outside:
        shortcut = nn.Sequential(
            nn.Conv2d(inside, outside, 1, stride=stride, bias=False), nn.BatchNorm2d(outside)
        )
    return nn.Sequential(BasicBlock(inside, outside, stride, shortcut))
