"""A U-Net at half resolution whose logits are corrected at full resolution.

Full-resolution layers are what a U-Net spends most of its time on, and on a CPU they are slow out
of proportion. Here MONAI's DynUNet works on every second voxel, its logits are brought back by
trilinear interpolation (which leaves no checkerboard, as transposed convolutions do: Odena et al.
2016), and one convolution that sees the images themselves puts edges and small lesions back.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from monai.networks.nets import DynUNet
from torch import nn
from torch.nn import functional


class HalfUNet(nn.Module):
    """DynUNet at half resolution, and a correction at full resolution.

    Its logits are never normalised. MONAI's own UNet normalises its last three channels in each
    window, so that an empty window and one full of tumour have the same spread.

    Args:
        in_channels: of the input.
        out_channels: logits.
        images: how many leading input channels the correction sees.
        filters: of DynUNet, from half resolution down; one halving each.
        refine: channels of the correction; 0 leaves it out.
        dropout: of DynUNet.
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        images: int,
        filters: Sequence[int],
        refine: int,
        dropout: float = 0.0,
    ) -> None:
        super().__init__()
        strides = (2,) * len(filters)
        self.images = images
        self.coarse = DynUNet(
            spatial_dims=3,
            in_channels=in_channels,
            out_channels=out_channels,
            kernel_size=(3,) * len(filters),
            strides=strides,
            upsample_kernel_size=strides[1:],
            filters=tuple(filters),
            dropout=dropout or None,
            deep_supervision=False,
        )
        self.refinement: nn.Sequential | None = None
        if refine:
            self.refinement = nn.Sequential(
                nn.Conv3d(out_channels + images, refine, 3, padding=1),
                nn.LeakyReLU(0.1, inplace=True),
                nn.Conv3d(refine, out_channels, 1),
            )

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Logits ``(B, out, D, H, W)`` of ``x (B, in, D, H, W)``."""
        half = self.coarse(x)
        logits = functional.interpolate(half, size=x.shape[2:], mode="trilinear")
        if self.refinement is None:
            return logits
        # Autocast leaves concatenation alone, so the two would differ in precision.
        seen = torch.cat([logits, x[:, : self.images].to(logits.dtype)], dim=1)
        corrected: torch.Tensor = logits + self.refinement(seen)
        return corrected
