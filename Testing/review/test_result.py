from __future__ import annotations

import numpy as np
import pytest

from ParetoSegLib.core.labels import BRATS_METS
from Testing.review.cases import THREE, painted


def test_the_segmentation_is_the_half_cut_of_every_region() -> None:
    result = painted(THREE)
    masks = BRATS_METS.region_masks(result.segmentation, "segmentation")
    assert result.segmentation.dtype == np.uint8
    for region, mask in masks.items():
        assert mask.any()
        assert np.array_equal(mask, result.membership[region] >= 0.5)


def test_a_region_that_cannot_be_assessed_has_no_label() -> None:
    result = painted(assessable=("wt", "tc"), modalities=("t2f",))
    assert result.regions == ("tc", "wt")
    assert set(np.unique(result.segmentation)) == {0, 1, 2}
    assert set(np.unique(painted(assessable=("wt",)).segmentation)) == {0, 2}


def test_levels_fall_back_and_volumes_are_in_cc() -> None:
    result = painted(levels={"tc": (0.8, 0.2)})
    assert result.levels_of("tc") == (0.8, 0.2)
    assert result.levels_of("wt") == (0.9, 0.1)
    voxels = np.count_nonzero(result.membership["tc"] >= 0.5)
    assert result.volume_cc("tc", 0.5) == pytest.approx(voxels * 1.0 * 1.5 * 1.2 / 1000)
