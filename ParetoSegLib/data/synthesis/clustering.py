"""Tissues of a real, skull-stripped head, estimated from T1 and T2."""

from __future__ import annotations

import numpy as np

from ParetoSegLib.core.geometry import components, distance_to
from ParetoSegLib.data.synthesis.fields import stretched
from ParetoSegLib.data.synthesis.tissues import BRAIN, Tissue, belongs

_DRIFT_MM = 18.0
_VENTRICLE_DEPTH_MM = 20.0
_DEEP_MM = 30.0


def clustered(
    t1: np.ndarray,
    inside: np.ndarray,
    spacing_mm: tuple[float, float, float],
    t2: np.ndarray | None = None,
) -> np.ndarray:
    """CSF, grey and white matter, ventricles and deep grey matter: good enough to place lesions.

    T1, freed of its slow drift, is split by k-means into three; what is as bright as fluid on T2
    is fluid. Single voxels follow their neighbours.

    Args:
        t1: ``(D, H, W)``.
        inside: bool, the brain's mask.
        spacing_mm: array order.
        t2: on the same grid, if there is one.
    """
    even = t1 / _drift(t1, inside, spacing_mm)
    values = even[inside][::7]  # a seventh of the voxels settles three means
    centres = np.quantile(values, [0.08, 0.4, 0.8])
    for _ in range(20):
        edges = 0.5 * (centres[1:] + centres[:-1])
        group = np.digitize(values, edges)
        centres = np.array([values[group == k].mean() for k in range(3)])
    edges = 0.5 * (centres[1:] + centres[:-1])
    order = np.array([Tissue.CSF, Tissue.CORTEX, Tissue.WHITE], np.uint8)
    tissues = order[np.digitize(even, edges)]
    if t2 is not None:
        flat = t2 / _drift(t2, inside, spacing_mm)
        tissues[flat > 1.75 * float(np.median(flat[inside][::7]))] = Tissue.CSF
    tissues = np.where(inside, _voted(tissues, spacing_mm), np.uint8(Tissue.AIR))
    if inside.all():
        return tissues
    depth = distance_to(~inside, spacing_mm)
    tissues[_ventricles((tissues == Tissue.CSF) & (depth > _VENTRICLE_DEPTH_MM))] = Tissue.VENTRICLE
    deep = (tissues == Tissue.CORTEX) & (depth > _DEEP_MM) & belongs(tissues, BRAIN)
    tissues[deep] = Tissue.DEEP
    return tissues


def _drift(
    image: np.ndarray, inside: np.ndarray, spacing_mm: tuple[float, float, float]
) -> np.ndarray:
    """The slow change of brightness across the head: a local mean, found on a coarse grid."""
    from scipy import ndimage

    step = 4 if min(image.shape) > 80 else 1
    part = (slice(None, None, step),) * 3
    mask = inside[part].astype(np.float32)
    top = float(np.percentile(image[inside], 95))
    values = np.minimum(image[part], top) * mask
    sigma = [_DRIFT_MM / (s * step) for s in spacing_mm]
    weight = ndimage.gaussian_filter(mask, sigma) + 1e-3
    mean = ndimage.gaussian_filter(values, sigma) / weight
    mean = np.maximum(mean, 0.2 * float(mean[mask > 0].mean())).astype(np.float32)
    return stretched(mean, step, image.shape)


def _voted(tissues: np.ndarray, spacing_mm: tuple[float, float, float]) -> np.ndarray:
    """Every voxel's commonest tissue in its neighbourhood, itself counting most."""
    from scipy import ndimage

    sigma = [0.6 / s for s in spacing_mm]
    best = np.zeros(tissues.shape, np.float32)
    winner = tissues.copy()
    for tissue in (Tissue.CSF, Tissue.CORTEX, Tissue.WHITE):
        votes = ndimage.gaussian_filter((tissues == tissue).astype(np.float32), sigma, truncate=3)
        better = votes > best
        winner[better], best[better] = tissue, votes[better]
    return winner


def _ventricles(fluid: np.ndarray) -> np.ndarray:
    """The larger connected parts of deep fluid: depths of fissures are narrow and scattered."""
    labels, boxes = components(fluid)
    sizes = np.bincount(labels.ravel(), minlength=len(boxes) + 1)
    sizes[0] = 0
    return np.asarray((sizes >= max(30, 0.03 * sizes.max()))[labels])
