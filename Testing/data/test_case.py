"""A case in memory: turned to LPS and back exactly, labels on the reference, clear refusals."""

from __future__ import annotations

from itertools import combinations, permutations, product
from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk
from hypothesis import given
from hypothesis import strategies as st

from ParetoSegLib.core.errors import GeometryError, ImageReadError, LabelError
from ParetoSegLib.core.geometry import Grid
from ParetoSegLib.core.images import file_hash
from ParetoSegLib.core.labels import (
    AURORA,
    BINARY_CORE,
    BRATS_2018,
    BRATS_METS,
    CORE_EDEMA,
    MODALITIES,
)
from ParetoSegLib.data.case import Case, CaseFiles, Orientation, overlapping, read_case

SHAPE = (8, 9, 10)
TURNS = [
    np.diag(signs)[list(order)]
    for order in permutations(range(3))
    for signs in product((1.0, -1.0), repeat=3)
]
"""All 48 ways to permute and flip axes."""


def rotation(angles: tuple[float, float, float]) -> np.ndarray:
    turn = sitk.Euler3DTransform()
    turn.SetRotation(*angles)
    return np.array(turn.GetMatrix()).reshape(3, 3)


@st.composite
def grids(draw: st.DrawFn, most: float = 0.6) -> Grid:
    """Grids of any orientation, oblique by up to ``most`` rad about each axis."""
    turn = TURNS[draw(st.integers(0, 47))]
    angles = draw(st.tuples(*[st.floats(-most, most)] * 3))
    direction = rotation(angles) @ turn
    shape = draw(st.tuples(*[st.integers(2, 6)] * 3))
    spacing = draw(st.tuples(*[st.floats(0.4, 6.0)] * 3))
    origin = draw(st.tuples(*[st.floats(-200, 200)] * 3))
    return Grid(shape, spacing, origin, tuple(float(v) for v in direction.ravel()))


@given(grid=grids(), lead=st.integers(0, 2))
def test_turning_and_back_is_exact(grid: Grid, lead: int) -> None:
    values = np.random.default_rng(0).random((2,) * lead + grid.shape)
    turn = Orientation.of(grid)
    np.testing.assert_array_equal(turn.undo(turn.apply(values)), values)
    there = turn.turned(grid)
    assert turn.apply(values).shape[lead:] == there.shape
    back = np.random.default_rng(1).random(there.shape)
    np.testing.assert_array_equal(turn.apply(turn.undo(back)), back)


@given(grid=grids())
def test_every_voxel_stays_where_it_is(grid: Grid) -> None:
    turn = Orientation.of(grid)
    there = turn.turned(grid)
    indices = np.argwhere(np.ones(there.shape, bool))
    # Each native voxel carries its own position, axis by axis.
    native = grid.positions(np.argwhere(np.ones(grid.shape, bool))).T.reshape(3, *grid.shape)
    carried = turn.apply(native).reshape(3, -1).T
    np.testing.assert_allclose(there.positions(indices), carried, atol=1e-9)


@given(grid=grids())
def test_the_turn_is_the_closest_to_lps_and_needs_no_second(grid: Grid) -> None:
    there = Orientation.of(grid).turned(grid)
    cosines = np.array(there.direction).reshape(3, 3)
    assert (np.diag(cosines) >= 0).all()
    assert np.linalg.det(cosines) * np.prod(np.diag(cosines)) >= 0 or np.diag(cosines).min() == 0
    again = Orientation.of(there)
    assert again == Orientation((0, 1, 2), (False, False, False))


@pytest.mark.parametrize("turn", TURNS, ids=range(48))
def test_agrees_with_itk(turn: np.ndarray) -> None:
    values = np.random.default_rng(0).random(SHAPE).astype(np.float32)
    grid = Grid(SHAPE, (3.0, 1.1, 0.9), (-4.0, 5.0, 6.0), tuple(float(v) for v in turn.ravel()))
    expected = sitk.DICOMOrient(grid.image(values), "LPS")
    mine = Orientation.of(grid)
    np.testing.assert_array_equal(mine.apply(values), sitk.GetArrayFromImage(expected))
    assert mine.turned(grid).matches(Grid.of(expected), 1e-9)


def picture(seed: int = 0, shape: tuple[int, int, int] = SHAPE) -> np.ndarray:
    return np.random.default_rng(seed).integers(1, 900, shape).astype(np.int16)


def grid_of(
    shape: tuple[int, int, int] = SHAPE,
    spacing_mm: tuple[float, float, float] = (1.0, 1.0, 1.0),
    origin: tuple[float, float, float] = (10.0, -20.0, 30.0),
    direction: np.ndarray | None = None,
) -> Grid:
    turn = np.eye(3) if direction is None else direction
    return Grid(shape, spacing_mm, origin, tuple(float(v) for v in turn.ravel()))


def put(path: Path, array: np.ndarray, grid: Grid | None = None) -> Path:
    sitk.WriteImage((grid or grid_of(array.shape)).image(array), str(path), True)  # type: ignore[arg-type]
    return path


def full_case(folder: Path, **more: object) -> CaseFiles:
    images = {m: put(folder / f"Ä 1-{m}.nii.gz", picture(i)) for i, m in enumerate(MODALITIES)}
    return CaseFiles("Ä 1", "Ä", images, **more)  # type: ignore[arg-type]


def test_all_four_share_one_grid(tmp_path: Path) -> None:
    files = full_case(tmp_path)
    case = read_case(files)
    assert list(case.images) == list(MODALITIES)
    assert case.reference == "t1c"
    assert case.presence == (True,) * 4
    assert case.regions is None
    for number, modality in enumerate(MODALITIES):
        image = case.images[modality]
        assert image.array.dtype == np.float32
        assert image.array.flags.c_contiguous
        assert image.grid is case.grid
        np.testing.assert_array_equal(image.array, picture(number))
        assert case.hashes[modality] == file_hash(files.images[modality])


@pytest.mark.parametrize(
    "present", [s for n in range(1, 5) for s in combinations(MODALITIES, n)], ids="+".join
)
def test_any_subset_has_a_reference(present: tuple[str, ...], tmp_path: Path) -> None:
    images = {m: put(tmp_path / f"{m}.nii", picture()) for m in reversed(present)}
    case = read_case(CaseFiles("a", "a", images))
    expected = next(m for m in ("t1c", "t2f", "t1n", "t2w") if m in present)
    assert case.reference == expected
    assert case.presence == tuple(m in present for m in MODALITIES)


def test_no_image_or_an_unknown_sequence_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ImageReadError, match="no image"):
        read_case(CaseFiles("a", "a", {}))
    with pytest.raises(ImageReadError, match="flair"):
        read_case(CaseFiles("a", "a", {"flair": put(tmp_path / "a.nii", picture())}))


@pytest.mark.parametrize("number", [0, 7, 21, 46])
def test_native_arrays_come_back_bit_for_bit(number: int, tmp_path: Path) -> None:
    native = grid_of(direction=rotation((0.2, -0.1, 0.3)) @ TURNS[number])
    path = put(tmp_path / "a.nrrd", picture(), native)
    case = read_case(CaseFiles("a", "a", {"t2f": path}))
    assert case.native_grid.matches(native, 1e-6)
    np.testing.assert_array_equal(case.to_native(case.images["t2f"].array), picture())
    stacked = np.stack([case.images["t2f"].array] * 3)
    np.testing.assert_array_equal(case.to_native(stacked), np.stack([picture()] * 3))
    with pytest.raises(ValueError, match="shape"):
        case.to_native(np.zeros((2, 2, 2)))


def test_flipped_files_are_the_same_case(tmp_path: Path) -> None:
    """One anatomy stored along all 48 axis orders is one and the same array."""
    straight = grid_of().image(picture())
    expected: Case | None = None
    for number in range(0, 48, 5):
        code = sitk.DICOMOrientImageFilter.GetOrientationFromDirectionCosines(
            [float(v) for v in TURNS[number].ravel()]
        )
        path = tmp_path / f"{number}.nii.gz"
        sitk.WriteImage(sitk.DICOMOrient(straight, code), str(path))
        case = read_case(CaseFiles("a", "a", {"t1c": path}))
        expected = expected or case
        np.testing.assert_array_equal(case.images["t1c"].array, expected.images["t1c"].array)
        assert case.grid.matches(expected.grid, 1e-4)


def test_images_on_other_grids_keep_them(tmp_path: Path) -> None:
    thick = grid_of((3, 9, 10), (3.0, 1.0, 1.0))
    files = CaseFiles(
        "a",
        "a",
        {
            "t1c": put(tmp_path / "t1c.nii.gz", picture()),
            "t2f": put(tmp_path / "t2f.nii.gz", picture(1, (3, 9, 10)), thick),
        },
    )
    case = read_case(files)
    assert case.images["t2f"].array.shape == (3, 9, 10)
    assert not case.images["t2f"].grid.matches(case.grid)


def test_images_of_two_places_are_refused(tmp_path: Path) -> None:
    elsewhere = grid_of(origin=(500.0, 0.0, 0.0))
    images = {
        "t1c": put(tmp_path / "one.nii.gz", picture()),
        "t1n": put(tmp_path / "two.nii.gz", picture(), elsewhere),
    }
    with pytest.raises(GeometryError, match=r"two\.nii\.gz \(t1n\).*one\.nii\.gz \(t1c\)"):
        read_case(CaseFiles("a", "a", images))


@given(a=grids(), b=grids())
def test_overlap_is_symmetric_and_sees_shared_voxels(a: Grid, b: Grid) -> None:
    assert overlapping(a, b) == overlapping(b, a)
    assert overlapping(a, a)
    inside = np.linalg.inv(b.affine)
    points = a.positions(np.argwhere(np.ones(a.shape, bool)))
    seen = points @ inside[:3, :3].T + inside[:3, 3]
    if ((seen >= 0) & (seen <= np.array(b.shape) - 1)).all(axis=1).any():
        assert overlapping(a, b)


@given(a=grids(), gap=st.floats(0.01, 100.0), axis=st.integers(0, 2))
def test_grids_side_by_side_do_not_overlap(a: Grid, gap: float, axis: int) -> None:
    step = np.zeros((1, 3))
    step[0, axis] = a.shape[axis] + gap
    moved = Grid(a.shape, a.spacing_mm, tuple(a.positions(step)[0]), a.direction)  # type: ignore[arg-type]
    assert not overlapping(a, moved)


# ---- labels


def labels_of(*values: int) -> np.ndarray:
    array = np.zeros(SHAPE, np.uint8)
    for number, value in enumerate(values):
        array[1 + number, 2:4, 3:6] = value
    return array


@pytest.mark.parametrize(
    ("scheme", "values", "sizes"),
    [
        (BRATS_METS, (1, 2, 3, 4), {"et": 1, "tc": 2, "wt": 3}),
        (BRATS_2018, (1, 2, 4), {"et": 1, "tc": 2, "wt": 3}),
        (CORE_EDEMA, (1, 2), {"tc": 1, "wt": 2}),
        (BINARY_CORE, (1,), {"tc": 1}),
        (AURORA, (1, 2), {"tc": 1, "wt": 2}),
    ],
)
def test_regions_are_those_the_scheme_defines(
    scheme: object, values: tuple[int, ...], sizes: dict[str, int], tmp_path: Path
) -> None:
    seg = put(tmp_path / "seg.nii.gz", labels_of(*values))
    case = read_case(full_case(tmp_path, labels=(seg,), scheme=scheme))
    assert case.regions is not None
    assert {r: int(m.sum()) for r, m in case.regions.items()} == {
        r: 6 * n for r, n in sizes.items()
    }
    assert all(m.dtype == bool and m.shape == case.grid.shape for m in case.regions.values())
    assert case.hashes["labels"] == file_hash(seg)


def test_labels_are_left_unread_when_not_asked_for(tmp_path: Path) -> None:
    files = full_case(tmp_path, labels=(tmp_path / "missing.nii.gz",), scheme=BRATS_METS)
    case = read_case(files, with_labels=False)
    assert case.regions is None
    assert "labels" not in case.hashes
    with pytest.raises(ImageReadError, match=r"missing\.nii\.gz"):
        read_case(files)


def test_no_lesion_is_an_empty_mask_not_an_error(tmp_path: Path) -> None:
    seg = put(tmp_path / "seg.nii.gz", labels_of())
    case = read_case(full_case(tmp_path, labels=(seg,), scheme=BRATS_METS))
    assert case.regions is not None
    assert [int(m.sum()) for m in case.regions.values()] == [0, 0, 0]


def test_a_resection_cavity_is_listed_with_its_volume(tmp_path: Path) -> None:
    values = labels_of(0, 4, 3)
    seg = put(tmp_path / "seg.nii.gz", values)
    case = read_case(full_case(tmp_path, labels=(seg,), scheme=BRATS_METS))
    cc = np.count_nonzero(values == 4) * case.grid.voxel_mm3 / 1000
    assert case.notes == (
        f"seg.nii.gz: {cc:.2f} cc labelled 4 (resection cavity) count as background.",
    )


def test_stray_labels_stop_unless_ignored(tmp_path: Path) -> None:
    seg = put(tmp_path / "case-seg.nii.gz", labels_of(3, 5, 7))
    files = full_case(tmp_path, labels=(seg,), scheme=BRATS_METS)
    with pytest.raises(LabelError, match=r"case-seg\.nii\.gz .* 5, 7.*--ignore-labels"):
        read_case(files)
    with pytest.raises(LabelError, match="label 7"):
        read_case(files, ignore_labels=(5,))
    case = read_case(files, ignore_labels=(5, 7))
    assert case.regions is not None
    assert int(case.regions["wt"].sum()) == 6


def test_a_stray_label_that_resampling_would_lose_is_seen(tmp_path: Path) -> None:
    fine = grid_of((80, 90, 100), (0.1, 0.1, 0.1))
    array = np.zeros(fine.shape, np.uint8)
    array[3, 3, 3] = 9
    seg = put(tmp_path / "seg.nii.gz", array, fine)
    with pytest.raises(LabelError, match="label 9"):
        read_case(full_case(tmp_path, labels=(seg,), scheme=BRATS_METS))


def test_labels_without_a_scheme_are_refused(tmp_path: Path) -> None:
    seg = put(tmp_path / "seg.nii.gz", labels_of(1))
    with pytest.raises(ImageReadError, match="scheme"):
        read_case(full_case(tmp_path, labels=(seg,)))


@pytest.mark.parametrize("turn", [0, 9, 30])
def test_labels_stored_along_other_axes_land_in_place(turn: int, tmp_path: Path) -> None:
    native = grid_of().image(labels_of(1, 2, 3))
    code = sitk.DICOMOrientImageFilter.GetOrientationFromDirectionCosines(
        [float(v) for v in TURNS[turn].ravel()]
    )
    seg = tmp_path / "seg.nrrd"
    sitk.WriteImage(sitk.DICOMOrient(native, code), str(seg))
    case = read_case(full_case(tmp_path, labels=(seg,), scheme=BRATS_METS))
    assert case.regions is not None
    np.testing.assert_array_equal(case.regions["wt"], labels_of(1, 2, 3) > 0)
    np.testing.assert_array_equal(case.regions["et"], labels_of(1, 2, 3) == 3)


def test_labels_on_another_grid_are_resampled_by_affine(tmp_path: Path) -> None:
    # Twice as fine and cropped: every reference voxel is 2×2×2 label voxels.
    fine = grid_of((10, 12, 14), (0.5, 0.5, 0.5), (10.75, -18.25, 30.75))
    array = np.zeros(fine.shape, np.uint8)
    array[2:4, 2:6, 4:10] = 3
    seg = put(tmp_path / "seg.nii.gz", array, fine)
    case = read_case(full_case(tmp_path, labels=(seg,), scheme=BRATS_METS))
    assert case.regions is not None
    # z: 30.75 + 0.5 · (2…3) → 31.75…32.25, so slice 2; y: 2…3 + 0.75 …; x likewise.
    expected = np.zeros(SHAPE, bool)
    expected[2:3, 3:5, 3:6] = True
    np.testing.assert_array_equal(case.regions["tc"], expected)


def test_resampling_makes_up_no_value_between_two(tmp_path: Path) -> None:
    # A quarter voxel off: linear interpolation between 1 and 3 would give edema.
    shifted = grid_of(origin=(10.25, -19.75, 30.25))
    array = np.full(SHAPE, 1, np.uint8)
    array[:, ::2] = 3
    seg = put(tmp_path / "seg.nii.gz", array, shifted)
    case = read_case(full_case(tmp_path, labels=(seg,), scheme=BRATS_METS))
    assert case.regions is not None
    np.testing.assert_array_equal(case.regions["tc"], case.regions["wt"])
    np.testing.assert_array_equal(
        case.regions["et"][1:-1, 1:-1, 1:-1], (array == 3)[1:-1, 1:-1, 1:-1]
    )


def test_labels_elsewhere_are_refused(tmp_path: Path) -> None:
    seg = put(tmp_path / "far-seg.nii.gz", labels_of(1), grid_of(origin=(0.0, 900.0, 0.0)))
    with pytest.raises(GeometryError, match=r"far-seg\.nii\.gz"):
        read_case(full_case(tmp_path, labels=(seg,), scheme=BRATS_METS))


def test_several_masks_are_united(tmp_path: Path) -> None:
    first, second = labels_of(1), np.zeros(SHAPE, np.uint8)
    second[1, 2, 3] = second[1, 6, 8] = 1  # its box spans the first mask
    paths = (put(tmp_path / "m1.nii.gz", first), put(tmp_path / "m2.nii.gz", second))
    case = read_case(full_case(tmp_path, labels=paths, scheme=BINARY_CORE))
    assert case.regions is not None
    np.testing.assert_array_equal(case.regions["tc"], (first | second) > 0)
    assert set(case.hashes) == {*MODALITIES, "labels", "labels-2"}


# ---- refusals name the file; folders stay unnamed


def test_a_dicom_folder_is_called_by_its_sequence(tmp_path: Path) -> None:
    folder = tmp_path / "DOE JANE"
    folder.mkdir()
    with pytest.raises(ImageReadError, match="DICOM folder of t1n") as caught:
        read_case(CaseFiles("a", "a", {"t1n": folder}))
    assert "JANE" not in str(caught.value)


def test_inputs_are_not_touched(tmp_path: Path) -> None:
    seg = put(tmp_path / "seg.nii.gz", labels_of(1))
    files = full_case(tmp_path, labels=(seg,), scheme=BRATS_METS)
    before = {p.name: (p.read_bytes(), p.stat().st_mtime_ns) for p in tmp_path.iterdir()}
    case = read_case(files)
    case.images["t1c"].array[:] = 0  # ours to change
    assert {p.name: (p.read_bytes(), p.stat().st_mtime_ns) for p in tmp_path.iterdir()} == before


def test_the_real_patient_is_read_once_and_whole() -> None:
    folder = Path(__file__).parents[2].parent / "shared" / "data" / "brats-met-00110"
    if not folder.is_dir():
        pytest.skip("the shared images are not here")
    images = {m: folder / f"BraTS-MET-00110-000-{m}.nii.gz" for m in MODALITIES}
    labels = (folder / "aurora_t1c_segmentation.nii.gz",)
    case = read_case(CaseFiles("a", "a", images, labels, AURORA))
    assert case.grid.shape == (155, 240, 240)
    assert all(image.grid is case.grid for image in case.images.values())
    assert case.regions is not None
    assert not (case.regions["tc"] & ~case.regions["wt"]).any()
    # The tumour lies in the head: a flipped axis would put some of it outside.
    assert (case.images["t1c"].array[case.regions["wt"]] > 0).mean() > 0.99
