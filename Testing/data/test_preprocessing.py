"""Preparing loses nothing, can be repeated, and can be undone."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk
from hypothesis import example, given, settings
from hypothesis import strategies as st

from ParetoSegLib.core.errors import GeometryError
from ParetoSegLib.core.geometry import Grid
from ParetoSegLib.core.labels import MODALITIES, REFERENCE_ORDER
from ParetoSegLib.data.case import Case, CaseFiles, Image, read_case
from ParetoSegLib.data.preprocessing import Prepared, PreprocessingSettings, WayBack, prepare
from ParetoSegLib.data.registration import HEADER, rigid_transform
from ParetoSegLib.data.resampling import resample

IDENTITY = (1.0, 0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 1.0)
TURNED = (-1.0, 0.0, 0.0, 0.0, -1.0, 0.0, 0.0, 0.0, -1.0)
SMALL = Grid((24, 28, 26), (1.0, 1.0, 1.0), (-13.0, -14.0, -12.0), IDENTITY)
SHARED = Path(__file__).parents[2].parent / "shared" / "data"


def case_of(
    images: Mapping[str, Image], regions: Mapping[str, np.ndarray] | None = None, name: str = "P-1"
) -> Case:
    reference = next(m for m in REFERENCE_ORDER if m in images)
    return Case(name, name, images, reference, images[reference].grid, regions, {})


def brain(grid: Grid, seed: int = 0, share: float = 0.35) -> np.ndarray:
    """A stripped ball of texture around the middle voxel of a grid, by millimetres."""
    index = np.argwhere(np.ones(grid.shape, bool))
    extent = np.array(grid.shape) * grid.spacing_mm
    middle = np.array(grid.shape) // 2
    r = np.linalg.norm((index - middle) * grid.spacing_mm, axis=1) / extent.min()
    values = np.random.default_rng(seed).uniform(100, 300, len(index))
    return np.where(r < share, values, 0).reshape(grid.shape).astype(np.float32)


def stripped_case(grid: Grid = SMALL, modalities: tuple[str, ...] = MODALITIES) -> Case:
    return case_of({m: Image(brain(grid, i), grid) for i, m in enumerate(modalities)})


@st.composite
def grids(draw: st.DrawFn, spacing_mm: st.SearchStrategy[float]) -> Grid:
    shape = tuple(draw(st.integers(10, 22)) for _ in range(3))
    spacing = tuple(draw(spacing_mm) for _ in range(3))
    turn = sitk.Euler3DTransform()
    # Whole milliradians: ITK's matrix inverse fails on numbers like 1e-311.
    turn.SetRotation(*(draw(st.integers(-700, 700)) / 1000 for _ in range(3)))
    flips = [draw(st.sampled_from((-1, 1))) for _ in range(3)]
    direction = np.array(turn.GetMatrix()).reshape(3, 3) * flips
    origin = tuple(draw(st.integers(-3000, 3000)) / 10 for _ in range(3))
    return Grid(shape, spacing, origin, tuple(direction.ravel().tolist()))  # type: ignore[arg-type]


def assert_consistent(prepared: Prepared, case: Case) -> None:
    """What holds for every prepared case."""
    shape = prepared.grid.shape
    assert prepared.images.shape == (4, *shape)
    assert prepared.images.dtype == np.float32
    assert np.isfinite(prepared.images).all()
    assert prepared.mask.shape == shape
    assert prepared.mask.dtype == bool
    assert prepared.mask.any()
    assert not prepared.images[:, ~prepared.mask].any()
    assert prepared.full_grid.cropped(prepared.box) == prepared.grid
    assert prepared.presence == tuple(m in case.images for m in MODALITIES)
    for channel, present in enumerate(prepared.presence):
        assert prepared.images[channel].any() == present
    restored = prepared.way_back.restore(np.zeros((3, *shape), np.float32))
    assert restored.shape == (3, *case.grid.shape)
    assert restored.dtype == np.float32


@given(grids(st.floats(0.995, 1.005)), st.integers(0, 2**32 - 1))
@settings(max_examples=40, deadline=None)
def test_without_resampling_the_way_back_is_bitwise(grid: Grid, seed: int) -> None:
    case = stripped_case(grid)
    prepared = prepare(case, PreprocessingSettings(margin_mm=1.0))
    assert_consistent(prepared, case)
    assert prepared.full_grid is case.grid
    values = np.random.default_rng(seed).random((3, *prepared.grid.shape), np.float32)
    restored = prepared.way_back.restore(values)
    np.testing.assert_array_equal(restored[(slice(None), *prepared.box)], values)
    restored[(slice(None), *prepared.box)] = 0
    assert not restored.any()


@example(Grid((14, 10, 19), (4.3046875, 1.28125, 1.5), (0.0, 0.0, 0.0), TURNED))
@given(grids(st.floats(0.5, 6.0)))
@settings(max_examples=40, deadline=None)
def test_a_resampled_smooth_field_comes_back_with_a_small_error(grid: Grid) -> None:
    case = stripped_case(grid, ("t1c",))
    prepared = prepare(case, PreprocessingSettings(margin_mm=3.0))
    assert_consistent(prepared, case)
    middle = grid.positions((np.array([grid.shape]) - 1) / 2)

    def smooth(of: Grid) -> np.ndarray:
        points = of.positions(np.argwhere(np.ones(of.shape, bool))) - middle
        return np.exp(-np.square(points).sum(1) / 2 / 12**2).reshape(of.shape).astype(np.float32)

    back = prepared.way_back.restore(smooth(prepared.grid)[None])[0]
    truth = smooth(grid)
    inside = brain(grid) > 0
    # Half a working voxel at the field's border is all that lies between; its slope is < 0.051/mm.
    assert np.abs(back - truth)[inside].max() < 0.05
    assert back.min() >= 0
    assert back.max() <= 1


@given(grids(st.floats(0.5, 5.0)), st.data())
@settings(max_examples=40, deadline=None)
def test_the_crop_loses_no_tissue_and_no_label(grid: Grid, data: st.DataObject) -> None:
    image = brain(grid)
    inside = np.argwhere(image > 0)
    voxel = tuple(data.draw(st.integers(0, n - 1)) for n in grid.shape)
    tc = np.zeros(grid.shape, bool)
    tc[voxel] = True
    case = case_of({"t1c": Image(image, grid)}, {"tc": tc, "wt": tc | (image > 250)})
    prepared = prepare(case, PreprocessingSettings(margin_mm=2.0))
    assert prepared.regions is not None
    assert set(prepared.regions) == {"tc", "wt"}
    for region in ("tc", "wt"):
        mask = prepared.regions[region]
        assert mask.shape == prepared.full_grid.shape
        assert mask.any()
        assert mask[prepared.box].sum() == mask.sum()
    assert not (prepared.regions["tc"] & ~prepared.regions["wt"]).any()
    # Every voxel of tissue lies inside the crop's field of view.
    back = np.linalg.inv(prepared.grid.affine)
    indices = grid.positions(inside) @ back[:3, :3].T + back[:3, 3]
    assert (indices >= -0.5 - 1e-6).all()
    assert (indices <= np.array(prepared.grid.shape) - 0.5 + 1e-6).all()


def test_a_margin_is_kept_around_the_brain() -> None:
    case = stripped_case()
    tight = prepare(case, PreprocessingSettings(margin_mm=0.0))
    wide = prepare(case, PreprocessingSettings(margin_mm=3.0))
    assert [n + 6 for n in tight.grid.shape] == list(wide.grid.shape)
    np.testing.assert_array_equal(tight.images, wide.images[:, 3:-3, 3:-3, 3:-3])


def test_an_absent_sequence_is_zero_and_the_others_do_not_depend_on_it() -> None:
    both = prepare(stripped_case(modalities=("t1c", "t2f")))
    one = prepare(case_of({"t1c": Image(brain(SMALL, 0), SMALL)}))
    assert both.presence == (False, True, False, True)
    assert not both.images[[0, 2]].any()
    np.testing.assert_array_equal(both.images[1], one.images[1])


@given(st.floats(0.01, 50), st.floats(-1000, 1000))
@settings(max_examples=20, deadline=None)
def test_intensities_may_be_scaled_and_shifted(gain: float, offset: float) -> None:
    array = brain(SMALL)
    changed = (array * gain + offset).astype(np.float32)
    first = prepare(case_of({"t2f": Image(array, SMALL)}))
    second = prepare(case_of({"t2f": Image(changed, SMALL)}))
    np.testing.assert_array_equal(first.mask, second.mask)
    np.testing.assert_allclose(first.images, second.images, atol=5e-3)


def test_inputs_stay_as_they_were() -> None:
    case = stripped_case(Grid((12, 20, 20), (2.0, 1.0, 1.0), (0, 0, 0), IDENTITY))
    before = {m: image.array.copy() for m, image in case.images.items()}
    prepare(case)
    for modality, array in before.items():
        np.testing.assert_array_equal(case.images[modality].array, array)


def test_unlabelled_is_not_empty() -> None:
    assert prepare(stripped_case()).regions is None
    images = {"t1c": Image(brain(SMALL), SMALL)}
    labelled = prepare(case_of(images, {"tc": np.zeros(SMALL.shape, bool)}))
    assert labelled.regions is not None
    assert set(labelled.regions) == {"tc"}
    assert not labelled.regions["tc"].any()


def test_a_region_at_the_corner_of_the_field_survives() -> None:
    grid = Grid((12, 40, 40), (5.0, 0.5, 0.5), (0, 0, 0), IDENTITY)
    tc = np.zeros(grid.shape, bool)
    tc[-1, -1, -1] = tc[0, 0, 0] = True
    prepared = prepare(case_of({"t1c": Image(brain(grid), grid)}, {"tc": tc}))
    assert prepared.regions is not None
    found = prepared.regions["tc"]
    assert found[0, 0, 0] or found[:3, 0, 0].any()
    assert found[-3:, -1, -1].any()


def test_matching_grids_need_no_transform_and_rounded_headers_match() -> None:
    rounded = Grid(SMALL.shape, SMALL.spacing_mm, (-13.04, -14.0, -12.0), IDENTITY)
    case = case_of({"t1c": Image(brain(SMALL), SMALL), "t2f": Image(brain(SMALL), rounded)})
    prepared = prepare(case)
    assert prepared.transforms == {}
    assert prepared.notes == ()
    np.testing.assert_array_equal(prepared.images[1], prepared.images[3])


def test_headers_alone_bring_an_image_on_another_grid_into_place() -> None:
    fine = Grid((48, 56, 52), (0.5, 0.5, 0.5), (-13.25, -14.25, -12.25), IDENTITY)
    points = [g.positions(np.argwhere(np.ones(g.shape, bool))) for g in (SMALL, fine)]
    arrays = [
        np.where(np.linalg.norm(p, axis=1) < 9, 200 + 5 * p[:, 0] + 3 * p[:, 2], 0) for p in points
    ]
    case = case_of(
        {
            "t1c": Image(arrays[0].reshape(SMALL.shape).astype(np.float32), SMALL),
            "t2f": Image(arrays[1].reshape(fine.shape).astype(np.float32), fine),
        }
    )
    prepared = prepare(case, PreprocessingSettings(align=False))
    assert prepared.transforms == {"t2f": HEADER}
    centre = tuple(slice(n // 2 - 4, n // 2 + 4) for n in prepared.grid.shape)
    np.testing.assert_allclose(prepared.images[1][centre], prepared.images[3][centre], atol=0.25)


@pytest.fixture
def _few_samples(monkeypatch: pytest.MonkeyPatch) -> None:
    """Phantoms without fine detail need few."""
    monkeypatch.setattr("ParetoSegLib.data.registration.SAMPLES", (4_000, 4_000, 5_000))


def two_contrasts(motion: sitk.Transform, grid: Grid, other: Grid) -> Case:
    """One lopsided brain in two contrasts, the second moved and on its own grid."""

    def painted(of: Grid, contrast: tuple[float, float, float], back: sitk.Transform) -> np.ndarray:
        points = of.positions(np.argwhere(np.ones(of.shape, bool)))
        x, y, z = np.array([back.TransformPoint(p) for p in points.tolist()]).T
        value = np.where((x / 55) ** 2 + (y / 68) ** 2 + (z / 50) ** 2 < 1, contrast[0], 0.0)
        inner = ((x - 12) / 12) ** 2 + (y / 30) ** 2 + ((z - 8) / 14) ** 2 < 1
        lobe = ((x + 25) / 18) ** 2 + ((y - 25) / 20) ** 2 + ((z + 10) / 22) ** 2 < 1
        return (
            np.where(inner, contrast[1], np.where(lobe, contrast[2], value))
            .reshape(of.shape)
            .astype(np.float32)
        )

    still = sitk.Transform(3, sitk.sitkIdentity)
    return case_of(
        {
            "t1c": Image(painted(grid, (200, 60, 300), still), grid),
            "t2f": Image(painted(other, (150, 30, 380), motion.GetInverse()), other),
        }
    )


@pytest.mark.usefixtures("_few_samples")
def test_a_moved_image_is_brought_back_in_one_interpolation() -> None:
    grid = Grid((32, 40, 34), (4.0, 4.0, 4.0), (-66.0, -78.0, -62.0), IDENTITY)
    other = Grid((22, 40, 34), (6.0, 4.0, 4.0), (-66.0, -78.0, -62.0), IDENTITY)
    motion = sitk.Euler3DTransform()
    motion.SetRotation(0.06, -0.05, 0.1)
    motion.SetTranslation((5.0, -4.0, 3.0))
    case = two_contrasts(motion, grid, other)
    chosen = PreprocessingSettings(spacing_mm=(4.0, 4.0, 4.0), margin_mm=100.0)
    prepared = prepare(case, chosen)
    assert_consistent(prepared, case)
    assert list(prepared.transforms) == ["t2f"]
    assert prepared.notes == ()
    found = rigid_transform(prepared.transforms["t2f"])  # type: ignore[arg-type]
    for point in [(-35.0, -40.0, -30.0), (35.0, 40.0, 30.0), (35.0, -40.0, 30.0)]:
        error = np.subtract(found.TransformPoint(point), motion.TransformPoint(point))
        assert np.linalg.norm(error) < 1.5
    # The image itself is back in place, not only its transform known.
    still = two_contrasts(sitk.Euler3DTransform(), grid, grid)
    wanted = prepare(still, chosen)
    inside = wanted.mask & prepared.mask
    both = np.corrcoef(wanted.images[3][inside], prepared.images[3][inside])
    assert both[0, 1] > 0.8  # 0.89; by the header alone 0.55
    again = prepare(case, chosen)
    assert again.transforms == prepared.transforms
    np.testing.assert_array_equal(again.images, prepared.images)


def test_an_image_of_another_place_is_refused() -> None:
    far = Grid(SMALL.shape, SMALL.spacing_mm, (400.0, 0.0, 0.0), IDENTITY)
    case = case_of({"t1c": Image(brain(SMALL), SMALL), "t2w": Image(brain(far), far)})
    with pytest.raises(GeometryError, match=r"t2w image of P-1 lies elsewhere"):
        prepare(case)


def test_beyond_an_images_field_there_is_no_data() -> None:
    half = Grid((10, 28, 26), SMALL.spacing_mm, SMALL.origin, IDENTITY)
    case = case_of({"t1c": Image(brain(SMALL), SMALL), "t2f": Image(brain(SMALL)[:10], half)})
    prepared = prepare(case, PreprocessingSettings(align=False, margin_mm=0.0))
    first = prepared.box[0].start
    assert not prepared.images[3][10 - first :].any()
    assert prepared.images[3][: 10 - first].any()


def noisy_head(grid: Grid, seed: int) -> np.ndarray:
    shell = brain(grid, seed, 0.46) * 2
    return shell + np.abs(np.random.default_rng(seed + 9).normal(0, 6, grid.shape)).astype(
        np.float32
    )


def test_the_masks_source_is_named_and_a_whole_head_keeps_its_rim() -> None:
    grid = Grid((40, 44, 42), (5.0, 5.0, 5.0), (0, 0, 0), IDENTITY)
    head = case_of({"t1c": Image(noisy_head(grid, 0), grid)})
    prepared = prepare(head, PreprocessingSettings(spacing_mm=(5.0, 5.0, 5.0)))
    assert prepared.mask_source == "head outline"
    assert prepared.mask[brain(grid, 0, 0.46)[prepared.box] > 0].all()
    assert prepare(stripped_case()).mask_source == "stripped image"


def test_one_stripped_image_strips_the_others_and_says_so() -> None:
    images = {
        "t1c": Image(brain(SMALL, 0, 0.3), SMALL),
        "t2f": Image(noisy_head(SMALL, 1), SMALL),
    }
    prepared = prepare(case_of(images))
    assert prepared.mask_source == "stripped image"
    np.testing.assert_array_equal(prepared.mask, brain(SMALL, 0, 0.3)[prepared.box] > 0)
    assert len(prepared.notes) == 1
    assert prepared.notes[0].startswith("t2f is not skull-stripped")


@pytest.mark.parametrize("spacing_mm", [(0.5, 0.5, 0.5), (6.0, 0.9, 0.9), (1.0, 6.0, 1.0)])
def test_fine_and_thick_voxels_are_prepared(spacing_mm: tuple[float, float, float]) -> None:
    shape = tuple(round(36 / s) for s in spacing_mm)
    grid = Grid(shape, spacing_mm, (0, 0, 0), IDENTITY)  # type: ignore[arg-type]
    case = stripped_case(grid, ("t1c", "t2f"))
    prepared = prepare(case)
    assert_consistent(prepared, case)
    assert all(abs(s - 1) < 0.01 for s in prepared.grid.spacing_mm)
    volume = prepared.mask.sum() * prepared.grid.voxel_mm3
    assert volume == pytest.approx((brain(grid) > 0).sum() * grid.voxel_mm3, rel=0.35)


def test_restore_refuses_another_shape() -> None:
    way_back = WayBack(SMALL, SMALL, (slice(2, 10), slice(2, 10), slice(2, 10)))
    with pytest.raises(ValueError, match="crop"):
        way_back.restore(np.zeros((3, 8, 8, 9), np.float32))


def test_restore_is_the_resampler_and_keeps_nesting() -> None:
    grid = Grid((10, 30, 30), (4.1, 0.83, 0.83), (5.0, -3.0, 9.0), IDENTITY)
    prepared = prepare(stripped_case(grid, ("t1c",)), PreprocessingSettings(margin_mm=2.0))
    rng = np.random.default_rng(0)
    nested = np.sort(rng.random((3, *prepared.grid.shape), np.float32), axis=0)
    restored = prepared.way_back.restore(nested)
    for channel in range(3):
        whole = resample(nested[channel], prepared.grid, grid, antialias=False)
        np.testing.assert_allclose(restored[channel], whole, atol=1e-5)
    assert (np.diff(restored, axis=0) >= -1e-6).all()


@pytest.mark.parametrize(
    "wrong",
    [
        {"spacing_mm": (1.0, 1.0)},
        {"spacing_mm": (0.01, 1.0, 1.0)},
        {"margin_mm": -1.0},
        {"registration_seed": -1},
    ],
)
def test_settings_out_of_range_are_refused(wrong: dict[str, object]) -> None:
    with pytest.raises(ValueError, match=next(iter(wrong))):
        PreprocessingSettings(**wrong)  # type: ignore[arg-type]


@pytest.mark.skipif(not SHARED.is_dir(), reason="needs the shared images")
def test_a_real_patient_goes_there_and_back() -> None:
    folder = SHARED / "brats-met-00110"
    files = CaseFiles(
        "BraTS-MET-00110-000",
        "BraTS-MET-00110",
        {m: folder / f"BraTS-MET-00110-000-{m}.nii.gz" for m in MODALITIES},
    )
    case = read_case(files)
    prepared = prepare(case)
    assert_consistent(prepared, case)
    assert prepared.mask_source == "stripped image"
    assert prepared.transforms == {}
    union = np.logical_or.reduce([image.array != 0 for image in case.images.values()])
    assert prepared.mask.sum() >= union.sum()
    assert prepared.mask[union[prepared.box]].all()
    values = np.random.default_rng(0).random((3, *prepared.grid.shape), np.float32)
    restored = prepared.way_back.restore(values)
    np.testing.assert_array_equal(restored[(slice(None), *prepared.box)], values)
