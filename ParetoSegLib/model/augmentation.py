"""What may happen to a training patch: MONAI's transforms, drawn from a seed of its own."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from monai.transforms import (
    Compose,
    RandAdjustContrastd,
    RandAffined,
    RandBiasFieldd,
    RandFlipd,
    RandGaussianNoised,
    RandGaussianSmoothd,
    RandScaleIntensityd,
    RandShiftIntensityd,
    RandSimulateLowResolutiond,
)

QUANTA = 255
"""Memberships are kept in steps of 1/255: exact at 0 and 1, and never exactly at ½."""


@dataclass(frozen=True)
class AugmentationSettings:
    """Probabilities (0 switches a change off) and ranges of the changes to a patch.

    Args:
        flip: of mirroring along each axis.
        affine: of a rotation and scaling.
        rotation_rad: largest angle about each axis.
        scale: largest relative change of size.
        noise, blur, contrast, bias_field, low_resolution, intensity: of each of those changes.
    """

    flip: float = 0.5
    affine: float = 0.25
    rotation_rad: float = 0.35
    scale: float = 0.15
    noise: float = 0.2
    blur: float = 0.1
    contrast: float = 0.2
    bias_field: float = 0.1
    low_resolution: float = 0.1
    intensity: float = 0.5

    def __post_init__(self) -> None:
        for name, value in vars(self).items():
            if not 0.0 <= value <= 1.0:
                raise ValueError(f"{name} is {value}; it must lie between 0 and 1.")


def _spatial(s: AugmentationSettings) -> Compose:
    both = ["image", "membership"]
    return Compose(
        [
            *(RandFlipd(both, prob=s.flip, spatial_axis=axis) for axis in range(3)),
            RandAffined(
                both,
                prob=s.affine,
                rotate_range=(s.rotation_rad,) * 3,
                scale_range=(s.scale,) * 3,
                mode="bilinear",
                padding_mode="zeros",
            ),
        ]
    )


def _intensity(s: AugmentationSettings) -> Compose:
    image = ["image"]
    return Compose(
        [
            RandSimulateLowResolutiond(image, prob=s.low_resolution, zoom_range=(0.4, 1.0)),
            RandGaussianSmoothd(
                image, prob=s.blur, sigma_x=(0.3, 1.0), sigma_y=(0.3, 1.0), sigma_z=(0.3, 1.0)
            ),
            RandBiasFieldd(image, prob=s.bias_field, degree=2, coeff_range=(0.0, 0.15)),
            RandAdjustContrastd(image, prob=s.contrast, gamma=(0.7, 1.5), retain_stats=True),
            RandScaleIntensityd(image, prob=s.intensity, factors=0.15, channel_wise=True),
            RandShiftIntensityd(image, prob=s.intensity, offsets=0.15, channel_wise=True),
            RandGaussianNoised(image, prob=s.noise, std=0.15),
        ]
    )


def augment(
    images: torch.Tensor, membership: torch.Tensor, settings: AugmentationSettings, seed: int
) -> tuple[torch.Tensor, torch.Tensor]:
    """Change a patch ``(4, D, H, W)`` and its memberships ``(3, D, H, W)`` alike.

    The same seed gives the same change. Voxels outside the head stay at zero, and memberships
    stay in steps of 1/255, so that what was certain is still exactly 0 or 1.
    """
    # Built anew each time: the transforms carry their own generators, and threads draw side by
    # side.
    move, shade = _spatial(settings), _intensity(settings)
    move.set_random_state(seed=seed % 2**32)
    shade.set_random_state(seed=(seed >> 7) % 2**32)
    moved = move({"image": images, "membership": membership})
    image = _plain(moved["image"])
    outside = image == 0
    image = _plain(shade({"image": image.clone()})["image"])
    image[outside] = 0
    mu = _plain(moved["membership"]).clamp(0, 1)
    return image, torch.round(mu * QUANTA) / QUANTA


def _plain(tensor: torch.Tensor | np.ndarray) -> torch.Tensor:
    if isinstance(tensor, np.ndarray):
        return torch.from_numpy(tensor)
    return tensor.as_tensor() if hasattr(tensor, "as_tensor") else tensor
