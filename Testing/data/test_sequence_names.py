"""What names say about sequences, masks and patients."""

from __future__ import annotations

import pytest

from ParetoSegLib.core.labels import MODALITIES
from ParetoSegLib.data.sequence_names import (
    patient_of,
    sequence_of,
    speaks_of_mask,
    without_sequence,
)

SPOKEN = {
    "t1n": "t1n T1 t1w T1pre BraTS-MET-00086-000-t1n T1_native T1-pre-contrast pre-op_T1",
    "t1c": "t1c T1ce T1post T1POST t1gd T1-Gd T1w_Gd sub-01_ce-gadolinium_T1w T1_post_contrast"
    " Brats18_X_t1ce T1+C+contrast t1km post-op_T1_Gd",
    "t2w": "t2w T2 T2W T2Synth Brats18_X_t2",
    "t2f": "t2f FLAIR flair T2_FLAIR t2-flair 100101A_FLAIR t2flair",
    None: "seg t1c-seg T1_mask brainmask_t1c truth_et rater1 subtraction T1_subtraction t1c_t2w"
    " image ADC dwi labels BraTS-seg aurora_t1c_segmentation lesion_gold x post-op_T2_T1",
}


@pytest.mark.parametrize(
    ("expected", "name"), [(k, n) for k, v in SPOKEN.items() for n in v.split()]
)
def test_sequences(expected: str | None, name: str) -> None:
    assert sequence_of(name) == expected
    assert sequence_of(name.upper()) == expected


def test_our_own_names_mean_themselves() -> None:
    assert tuple(sequence_of(m) for m in MODALITIES) == MODALITIES


@pytest.mark.parametrize("name", ["x_seg", "T1CE_Segmentation", "a-mask", "masks", "label"])
def test_masks(name: str) -> None:
    assert speaks_of_mask(name)
    assert sequence_of(name) is None


@pytest.mark.parametrize("name", ["T1", "flair", "image", "P-00001"])
def test_no_masks(name: str) -> None:
    assert not speaks_of_mask(name)


@pytest.mark.parametrize(
    ("stem", "rest"),
    [
        ("BraTS-MET-00086-000-t1c", "BraTS-MET-00086-000"),
        ("a_T1_post", "a"),
        ("met_001_0000", "met_001"),
        ("t1c", ""),
        ("patient 7 FLAIR", "patient 7"),
        ("scan", "scan"),
    ],
)
def test_names_without_sequence(stem: str, rest: str) -> None:
    assert without_sequence(stem) == rest


@pytest.mark.parametrize(
    ("name", "patient"),
    [
        ("BraTS-MET-00086-000", "BraTS-MET-00086"),
        ("ParetoSynth-00001-000", "ParetoSynth-00001"),
        ("BCBM-RadioGenomics-12-0", "BCBM-RadioGenomics-12"),
        ("met_001", "met_001"),
        ("sub-01", "sub-01"),
        ("Brats18_TCIA01_101_1", "Brats18_TCIA01_101_1"),
    ],
)
def test_patients(name: str, patient: str) -> None:
    assert patient_of(name) == patient
