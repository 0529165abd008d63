"""A U-Net at half resolution whose logits are corrected at full resolution.

Full-resolution layers are what a U-Net spends most of its time on, and on a CPU they are slow out
of proportion. Here MONAI's DynUNet works at half resolution, its logits are brought back by
trilinear interpolation (which leaves no checkerboard, as transposed convolutions do: Odena et al.
2016), and one convolution that sees the images themselves puts edges and small lesions back.

A lesion of 3 mm is one or two voxels there. With ``details`` the network gets all eight voxels of
each of its own as channels, and hands channels back that are laid out over the eight again (as
in sub-pixel convolution: Shi et al. 2016), for the correction to use.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import product

import torch
from monai.networks.nets import DynUNet
from torch import nn
from torch.nn import functional

from ParetoSegLib.core.errors import ModelFolderError
from ParetoSegLib.model.fixed_norm import use_fixed_norms

EIGHT = 8
"""Voxels in a block of two along each axis."""


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
        details: channels at full resolution that the correction gets from DynUNet; 0 for none,
            and a network that strides over its input.
        dropout: of DynUNet.
        fixed_norms: a scale and a shift in place of each InstanceNorm, see ``fixed_norm.py``.

    Raises:
        ModelFolderError: there are details and nothing to use them.
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        images: int,
        filters: Sequence[int],
        refine: int,
        details: int = 0,
        dropout: float = 0.0,
        fixed_norms: bool = False,
    ) -> None:
        super().__init__()
        if details and not refine:
            raise ModelFolderError(
                "A HalfUNet with details needs a correction that uses them; set refine above 0."
            )
        strides = (1 if details else 2,) + (2,) * (len(filters) - 1)
        self.images, self.logits = images, out_channels
        self.coarse = DynUNet(
            spatial_dims=3,
            in_channels=EIGHT * images + (in_channels - images) if details else in_channels,
            out_channels=out_channels + EIGHT * details,
            kernel_size=(3,) * len(filters),
            strides=strides,
            upsample_kernel_size=strides[1:],
            filters=tuple(filters),
            dropout=dropout or None,
            deep_supervision=False,
        )
        if fixed_norms:
            use_fixed_norms(self.coarse)
        self.refinement: nn.Sequential | None = None
        if refine:
            self.refinement = nn.Sequential(
                nn.Conv3d(out_channels + details + images, refine, 3, padding=1),
                nn.LeakyReLU(0.1, inplace=True),
                nn.Conv3d(refine, out_channels, 1),
            )

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Logits ``(B, out, D, H, W)`` of ``x (B, in, D, H, W)``."""
        images = x[:, : self.images]
        if self.coarse.out_channels > self.logits:
            # The other channels are flags, the same in all voxels.
            flags = x[:, self.images :, ::2, ::2, ::2]
            half = self.coarse(torch.cat([pack(images), flags], dim=1))
            half, details = half[:, : self.logits], [unpack(half[:, self.logits :])]
        else:
            half, details = self.coarse(x), []
        logits = functional.interpolate(half, size=x.shape[2:], mode="trilinear")
        if self.refinement is None:
            return logits
        # Autocast leaves concatenation alone, so the two would differ in precision.
        seen = torch.cat([logits, *details, images.to(logits.dtype)], dim=1)
        corrected: torch.Tensor = logits + self.refinement(seen)
        return corrected


@torch.no_grad()
def take_over(fine: HalfUNet, coarse: HalfUNet) -> None:
    """Give a network with details the weights of one without: its logits are then the same.

    The first convolution of ``coarse`` strides over its input: along each axis it sees the last
    voxel of the block before its own and both of its own. In packed channels these are places of
    an ordinary convolution. Details start unused and are learnt from there.

    Args:
        fine: changed in place; has details.
        coarse: of the same filters and correction, without.

    Raises:
        ModelFolderError: they differ in more than details.
    """
    mine, theirs = dict(fine.named_parameters()), dict(coarse.named_parameters())
    first, last, seen = (
        "coarse.input_block.conv1.conv.weight",
        "coarse.output_block.conv.conv.",
        "refinement.0.weight",
    )
    grown = {first, last + "weight", last + "bias", seen}
    alike = mine.keys() == theirs.keys() and all(
        name in grown or mine[name].shape == value.shape for name, value in theirs.items()
    )
    if not alike or mine[first].shape[1] <= theirs[first].shape[1]:
        raise ModelFolderError("These networks differ in more than their details.")
    for name in theirs.keys() - grown:
        mine[name].copy_(theirs[name])
    logits, images = fine.logits, fine.images
    for part in ("weight", "bias"):
        mine[last + part][:logits].copy_(theirs[last + part])
    mine[seen].zero_()
    mine[seen][:, :logits].copy_(theirs[seen][:, :logits])
    mine[seen][:, -images:].copy_(theirs[seen][:, logits:])
    mine[first].copy_(_packed_kernel(theirs[first], images))


def _packed_kernel(kernel: torch.Tensor, images: int) -> torch.Tensor:
    """The kernel over packed images and flags that does what ``kernel`` does with stride 2."""
    out, channels = kernel.shape[:2]
    packed = kernel.new_zeros(out, EIGHT * images + channels - images, 3, 3, 3)
    # Voxel of the block and block, for each of the three places that a stride of 2 sees.
    places = ((1, 0), (0, 1), (1, 1))
    for taps in product(range(3), repeat=3):
        tap = kernel[:, :, taps[0], taps[1], taps[2]]
        (a, d), (b, h), (c, w) = (places[t] for t in taps)
        packed[:, 4 * a + 2 * b + c : EIGHT * images : EIGHT, d, h, w] = tap[:, :images]
        # Flags are the same in all voxels of a block.
        packed[:, EIGHT * images :, d, h, w] += tap[:, images:]
    return packed


def pack(x: torch.Tensor) -> torch.Tensor:
    """``(B, C, D, H, W)`` with even sides → ``(B, 8 C, D/2, H/2, W/2)``, nothing lost."""
    b, c, d, h, w = x.shape
    blocks = x.reshape(b, c, d // 2, 2, h // 2, 2, w // 2, 2)
    return blocks.permute(0, 1, 3, 5, 7, 2, 4, 6).reshape(b, EIGHT * c, d // 2, h // 2, w // 2)


def unpack(x: torch.Tensor) -> torch.Tensor:
    """``(B, 8 C, D, H, W)`` → ``(B, C, 2 D, 2 H, 2 W)``; undoes ``pack``."""
    b, c, d, h, w = x.shape
    blocks = x.reshape(b, c // EIGHT, 2, 2, 2, d, h, w)
    return blocks.permute(0, 1, 5, 2, 6, 3, 7, 4).reshape(b, c // EIGHT, 2 * d, 2 * h, 2 * w)
