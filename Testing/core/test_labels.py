"""Label schemes split and encode without losing a voxel."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from ParetoSegLib.core.errors import LabelError
from ParetoSegLib.core.labels import (
    BINARY_CORE,
    BRATS_2018,
    BRATS_METS,
    MODALITIES,
    SCHEMES,
    encode_labels,
    presence_key,
)


@given(hnp.arrays(np.uint8, (3, 4, 5), elements=st.sampled_from([0, 1, 2, 3])))
def test_splitting_and_encoding_gives_the_labels_back(labels):
    np.testing.assert_array_equal(encode_labels(BRATS_METS.region_masks(labels, "a")), labels)


@given(hnp.arrays(np.uint8, (3, 4, 5), elements=st.sampled_from([0, 1, 2, 4])))
def test_regions_are_nested_in_every_scheme_that_has_them(labels):
    masks = BRATS_2018.region_masks(labels, "a")
    assert not (masks["et"] & ~masks["tc"]).any()
    assert not (masks["tc"] & ~masks["wt"]).any()


def test_a_region_that_a_scheme_cannot_define_is_absent_not_empty():
    assert set(BINARY_CORE.region_masks(np.ones((2, 2, 2)), "a")) == {"tc"}


def test_the_resection_cavity_is_background():
    masks = BRATS_METS.region_masks(np.full((2, 2, 2), 4), "a")
    assert not any(m.any() for m in masks.values())


@pytest.mark.parametrize("scheme", SCHEMES.values(), ids=SCHEMES)
def test_a_stray_label_is_named_with_its_file(scheme):
    labels = np.zeros((2, 2, 2))
    labels[0, 0, 0] = 7
    with pytest.raises(LabelError, match=r"^case-seg\.nii\.gz holds the label 7,"):
        scheme.region_masks(labels, "case-seg.nii.gz")
    assert not any(m.any() for m in scheme.region_masks(labels, "x", ignore={7}).values())


def test_half_a_label_is_stray():
    with pytest.raises(LabelError, match=r"2\.5"):
        BRATS_METS.region_masks(np.full((2, 2, 2), 2.5), "a")


@given(st.sets(st.sampled_from(MODALITIES), min_size=1))
def test_a_presence_key_names_the_set_in_one_order(modalities):
    key = presence_key(modalities)
    assert set(key.split("+")) == modalities
    assert key == presence_key(sorted(modalities, reverse=True))
