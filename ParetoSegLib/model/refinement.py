"""A U-Net that looks once more at full resolution: smooth upsampling, then a small correction."""

from __future__ import annotations

from typing import Any

import torch
from monai.networks.nets import UNet
from torch import nn


class RefinedUNet(UNet):
    """MONAI's UNet, its logits smoothed and corrected at full resolution.

    MONAI's UNet halves the image in its first layer, so its finest features are half as fine as the
    voxels, and its last transposed convolution leaves a checkerboard where membership is
    uncertain (Odena et al. 2016). A binomial filter removes exactly that pattern, and a convolution
    that sees the images themselves puts the detail back. The correction starts at zero, so that a
    trained UNet can be given one.

    One layer of 3³ is all: at full resolution a second one costs as much as the whole UNet.

    Args:
        width: channels of the correction.
        images: how many leading input channels the correction sees.
        arguments: of MONAI's UNet.
    """

    def __init__(self, width: int, images: int, **arguments: Any) -> None:
        super().__init__(**arguments)
        out = arguments["out_channels"]
        self.images = images
        last = nn.Conv3d(width, out, 1)
        nn.init.zeros_(last.weight)
        if last.bias is not None:
            nn.init.zeros_(last.bias)
        self.refinement = nn.Sequential(
            nn.Conv3d(out + images, width, 3, padding=1), nn.LeakyReLU(0.1, inplace=True), last
        )

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Logits ``(B, out, D, H, W)`` of ``x (B, in, D, H, W)``."""
        coarse = binomial(super().forward(x))
        # Autocast leaves concatenation alone, so the two would differ in precision.
        images = x[:, : self.images].to(coarse.dtype)
        return coarse + self.refinement(torch.cat([coarse, images], dim=1))


def binomial(x: torch.Tensor) -> torch.Tensor:
    """Filter with [1, 2, 1] / 4 along each axis of ``(B, C, D, H, W)``; edges are repeated.

    Its gain at the period of two voxels is 0.
    """
    for axis in (2, 3, 4):
        size = x.shape[axis]
        after = torch.cat([x.narrow(axis, 1, size - 1), x.narrow(axis, size - 1, 1)], axis)
        before = torch.cat([x.narrow(axis, 0, 1), x.narrow(axis, 0, size - 1)], axis)
        x = 0.5 * x + 0.25 * (before + after)
    return x
