"""A small head with one bright lesion, and a network that finds bright voxels without training."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import SimpleITK as sitk
import torch

from ParetoSegLib.core.labels import MODALITIES, REGIONS

SHAPE = (36, 44, 40)
CENTRE = (18, 26, 18)
RADIUS = 5.0


def distance_from(centre: tuple[float, float, float]) -> np.ndarray:
    """Voxels (= mm) from ``centre``, on the phantom's grid."""
    axes = np.meshgrid(*[np.arange(n, dtype=float) for n in SHAPE], indexing="ij")
    return np.sqrt(sum((a - c) ** 2 for a, c in zip(axes, centre, strict=True)))


def write_image(
    path: Path,
    lesion: float = 320.0,
    direction: tuple[float, ...] = (1, 0, 0, 0, 1, 0, 0, 0, 1),
    array: np.ndarray | None = None,
) -> Path:
    """Write a skull-stripped head of 100 ± 8 with a lesion in it, 1 mm voxels."""
    if array is None:
        rng = np.random.default_rng(7)
        array = rng.normal(100, 8, SHAPE)
        array[distance_from(CENTRE) <= RADIUS] = lesion
        array[distance_from(tuple(n / 2 for n in SHAPE)) > 17] = 0
    image = sitk.GetImageFromArray(array.astype(np.float32))
    image.SetOrigin((-20.0, 11.0, 5.0))
    image.SetDirection([float(v) for v in direction])
    path.parent.mkdir(parents=True, exist_ok=True)
    sitk.WriteImage(image, str(path), True)
    return path


def write_case(folder: Path, modalities: tuple[str, ...] = MODALITIES) -> Path:
    """Write a BraTS-METS case folder; the lesion is bright in every sequence."""
    for modality in modalities:
        write_image(folder / f"{folder.name}-{modality}.nii.gz")
    return folder


class BrightNetwork(torch.nn.Module):
    """Logits that rise with the brightest image: WT a little wider than TC, TC than ET."""

    def __init__(self) -> None:
        super().__init__()
        self.cuts = torch.nn.Parameter(torch.tensor([3.6, 3.3, 3.0]), requires_grad=False)
        assert len(self.cuts) == len(REGIONS)

    def forward(self, images: torch.Tensor, presence: torch.Tensor) -> torch.Tensor:
        """Logits ``(B, 3, D, H, W)`` of ``(B, 4, D, H, W)``."""
        present = presence[:, :, None, None, None] > 0
        brightest = torch.where(present, images, images.new_tensor(-9.0)).amax(1, keepdim=True)
        return 8 * (brightest - self.cuts.to(images.dtype)[None, :, None, None, None])
