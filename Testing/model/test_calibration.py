"""Calibration: nested, monotone, finite, deterministic, and it finds what was put in."""

from __future__ import annotations

import json

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from scipy.ndimage import binary_dilation
from scipy.optimize import minimize
from scipy.special import expit

from ParetoSegLib.core.errors import ModelFolderError
from ParetoSegLib.core.labels import REGIONS
from ParetoSegLib.model.calibration import (
    FARTHEST_OUTSIDE,
    OUTSIDE_LOGIT,
    PRESENCE_KEYS,
    PRIOR_WEIGHT,
    SCALES,
    SHIFTS,
    Calibration,
    CalibrationSample,
    draw_samples,
    fit_calibration,
    fit_scale_and_shift,
)

logits_arrays = hnp.arrays(np.float32, (3, 2, 3, 2), elements=st.floats(-40, 40, width=32))


@st.composite
def pairs(draw):
    scale = draw(st.floats(*SCALES))
    return scale, draw(st.floats(SHIFTS[0], min(SHIFTS[1], FARTHEST_OUTSIDE + 15 * scale)))


calibrations = st.builds(
    lambda any_, own: Calibration({"any": any_, "t1c": own}),
    st.fixed_dictionaries({r: pairs() for r in REGIONS}),
    st.dictionaries(st.sampled_from(REGIONS), pairs()),
)


def voxels(scale, shift, count=20_000, seed=0):
    """Logits whose true membership is σ(scale · logit + shift), and masks drawn from it."""
    rng = np.random.default_rng(seed)
    logits = rng.normal(-1, 3, count)
    inside = rng.random(count) < expit(scale * logits + shift)
    return logits.astype(np.float32), inside


def sample(key, region, scale, shift, seed, count=4000):
    logits, inside = voxels(scale, shift, count, seed)
    return CalibrationSample(key, region, logits, inside, np.ones(count))


class TestApplying:
    @given(logits_arrays, calibrations, st.sampled_from(["t1c", "t2f", "any"]))
    def test_membership_is_nested_and_between_0_and_1(self, logits, calibration, key):
        before = logits.copy()
        et, tc, wt = membership = calibration.apply(logits, key)
        assert membership.dtype == np.float32
        assert (et >= 0).all()
        assert (et <= tc).all()
        assert (tc <= wt).all()
        assert (wt <= 1).all()
        assert np.array_equal(logits, before)

    @given(logits_arrays, calibrations)
    def test_arrays_and_tensors_give_the_same(self, logits, calibration):
        array = calibration.apply(logits, "t1c")
        tensor = calibration.apply(torch.from_numpy(logits), "t1c")
        assert isinstance(array, np.ndarray)
        assert isinstance(tensor, torch.Tensor)
        assert np.array_equal(array, tensor.numpy())

    @given(logits_arrays, logits_arrays, calibrations)
    def test_a_higher_logit_never_lowers_membership(self, a, b, calibration):
        low, high = (calibration.apply(f(a, b), "t1c") for f in (np.minimum, np.maximum))
        assert (low <= high).all()

    def test_the_identity_is_the_sigmoid(self):
        logits = np.sort(np.random.default_rng(0).normal(0, 4, (3, 5, 5, 5)), axis=0)
        logits = logits.astype(np.float32)
        assert np.allclose(Calibration.identity().apply(logits, "t1c"), expit(logits), atol=1e-6)

    def test_a_set_of_sequences_without_its_own_entry_takes_any(self):
        pair = {"any": dict.fromkeys(REGIONS, (2.0, 1.0)), "t1c": {"tc": (0.5, -1.0)}}
        calibration = Calibration(pair)
        assert calibration.pair("t2f", "tc") == (2.0, 1.0)
        assert calibration.pair("t1c", "tc") == (0.5, -1.0)
        assert calibration.pair("t1c", "wt") == (2.0, 1.0)

    @given(calibrations)
    def test_what_no_window_saw_stays_outside(self, calibration):
        logits = np.full((3, 1, 1, 1), OUTSIDE_LOGIT, np.float32)
        assert calibration.apply(logits, "t1c").max() < 0.003


class TestStoring:
    @given(calibrations)
    def test_json_and_back(self, calibration):
        assert Calibration.from_json(json.loads(json.dumps(calibration.to_json()))) == calibration

    def test_there_are_fifteen_sets_of_sequences(self):
        assert len(PRESENCE_KEYS) == 15
        assert {"t1n", "t1c+t2f", "t1n+t1c+t2w+t2f"} < PRESENCE_KEYS

    @pytest.mark.parametrize("pair", [[0, 0], [-1, 0], [1, 99], [99, 0], [0.1, 5], [1], "ab", None])
    def test_pairs_out_of_range_are_refused(self, pair):
        tree = {"any": {region: [1.0, 0.0] for region in REGIONS}, "t1c": {"tc": pair}}
        with pytest.raises(ModelFolderError, match="tc"):
            Calibration.from_json(tree)

    @pytest.mark.parametrize("key", ["ct", "t2f+t1c", "", "t1c+t1c"])
    def test_unknown_sets_of_sequences_are_refused(self, key):
        tree = {k: {region: [1.0, 0.0] for region in REGIONS} for k in ("any", key)}
        with pytest.raises(ModelFolderError, match="sequences"):
            Calibration.from_json(tree)


class TestFittingOnePair:
    @pytest.mark.parametrize(("scale", "shift"), [(1, 0), (0.5, -1), (2, 1.5), (3, -2)])
    def test_finds_what_was_put_in(self, scale, shift):
        found = fit_scale_and_shift(*voxels(scale, shift), np.ones(20_000))
        assert found == pytest.approx((scale, shift), abs=0.15)

    @settings(max_examples=30, deadline=None)
    @given(st.integers(0, 10_000), st.floats(0.2, 4), st.floats(-3, 3))
    def test_is_the_minimum_that_scipy_finds(self, seed, scale, shift):
        logits, inside = voxels(scale, shift, 300, seed)
        weights = np.random.default_rng(seed).uniform(0.1, 5, 300)

        def objective(at):
            z = at[0] * logits.astype(float) + at[1]
            entropy = weights @ (np.logaddexp(0, z) - inside * z) / (weights @ inside)
            return entropy + PRIOR_WEIGHT / 2 * ((at[0] - 1) ** 2 + at[1] ** 2)

        best = minimize(objective, (1.0, 0.0), bounds=(SCALES, SHIFTS), method="L-BFGS-B")
        found = fit_scale_and_shift(logits, inside, weights)
        assert objective(found) <= best.fun + 1e-7

    def test_is_deterministic(self):
        arguments = (*voxels(0.7, -0.4), np.ones(20_000))
        assert fit_scale_and_shift(*arguments) == fit_scale_and_shift(*arguments)

    def test_scale_stays_positive_when_the_network_is_wrong_way_round(self):
        logits, inside = voxels(2, 0)
        scale, shift = fit_scale_and_shift(-logits, inside, np.ones(logits.size))
        assert scale == pytest.approx(SCALES[0])
        assert np.isfinite(shift)

    def test_perfect_separation_stays_finite(self):
        logits = np.linspace(-5, 5, 1000)
        scale, shift = fit_scale_and_shift(logits, logits > 0, np.ones(1000))
        assert 1 < scale <= SCALES[1]
        assert abs(shift) < 1

    @pytest.mark.parametrize("inside", [True, False])
    def test_one_class_alone_teaches_nothing(self, inside):
        assert fit_scale_and_shift(np.arange(9.0), np.full(9, inside), np.ones(9)) == (1.0, 0.0)

    def test_lowers_the_calibration_error(self):
        logits, inside = voxels(0.4, 0.8)
        scale, shift = fit_scale_and_shift(logits, inside, np.ones(logits.size))

        def error(p):
            bins = np.digitize(p, np.linspace(0, 1, 11)[1:-1])
            parts = [abs((p - inside)[bins == b].sum()) for b in range(10)]
            return sum(parts) / p.size

        assert error(expit(scale * logits + shift)) < 0.2 * error(expit(logits))


class TestFittingAll:
    def test_nothing_to_fit_is_the_identity(self):
        assert fit_calibration([]) == Calibration.identity()

    def test_regions_are_fitted_apart(self):
        samples = [
            sample("t1c", region, scale, 0.0, seed)
            for seed in range(8)
            for region, scale in (("et", 0.5), ("wt", 2.0))
        ]
        fitted = fit_calibration(samples)
        assert fitted.pair("t2f", "et")[0] == pytest.approx(0.5, abs=0.1)
        assert fitted.pair("t2f", "wt")[0] == pytest.approx(2.0, abs=0.2)
        assert fitted.pair("t2f", "tc") == (1.0, 0.0)

    def test_more_cases_move_a_set_of_sequences_from_the_region_to_its_own(self):
        many = [sample("t1c", "tc", 2.0, 0.0, seed) for seed in range(60)]
        scales = []
        for cases in (1, 5, 30):
            few = [sample("t2f", "tc", 0.5, 0.0, 100 + seed) for seed in range(cases)]
            fitted = fit_calibration(many + few)
            scales.append((fitted.pair("t2f", "tc")[0], fitted.pair("t1n", "tc")[0]))
        own = [scale for scale, _ in scales]
        assert own[0] > own[1] > own[2] > 0.5
        # A single case moves it by a sixth of the way in log scale.
        first, region = scales[0]
        way = np.log(first / region) / np.log(0.5 / region)
        assert way == pytest.approx(1 / 6, abs=0.05)

    def test_cases_without_tumour_do_not_count_as_evidence(self):
        many = [sample("t1c", "tc", 2.0, 0.0, seed) for seed in range(10)]
        logits, _ = voxels(1, 0, 500)
        empty = CalibrationSample("t2f", "tc", logits, np.zeros(500, bool), np.ones(500))
        fitted = fit_calibration([*many, empty])
        assert fitted.pair("t2f", "tc") == pytest.approx(fitted.pair("t1n", "tc"))

    def test_order_does_not_matter(self):
        samples = [sample(k, "tc", 1.5, 0.5, s) for s in range(4) for k in ("t1c", "t2f")]
        a, b = fit_calibration(samples), fit_calibration(samples[::-1])
        for key in ("any", "t1c", "t2f"):
            assert a.pair(key, "tc") == pytest.approx(b.pair(key, "tc"), abs=1e-6)

    @pytest.mark.parametrize("most", [0.0, 0.5, 2.0])
    def test_the_half_surface_moves_no_further_than_it_may(self, most):
        for shift in (-1.2, -0.1, 1.2):
            logits, inside = voxels(0.5, shift, 4000)
            sample = CalibrationSample("t1c", "tc", logits, inside, np.ones(logits.size))
            free = fit_calibration([sample]).pair("any", "tc")
            scale, moved = fit_calibration([sample], most).pair("any", "tc")
            assert abs(moved) <= most * scale + 1e-9
            if abs(free[1]) <= most * free[0]:
                assert (scale, moved) == free

    def test_a_fit_never_lifts_what_no_window_saw(self):
        rng = np.random.default_rng(0)
        logits = rng.normal(0, 0.1, 2000).astype(np.float32)
        wild = CalibrationSample("t1c", "tc", -logits, rng.random(2000) < 0.9, np.ones(2000))
        scale, shift = fit_calibration([wild]).pair("t1c", "tc")
        assert scale * OUTSIDE_LOGIT + shift <= FARTHEST_OUTSIDE + 1e-6


class TestDrawing:
    SHAPE = (24, 24, 24)

    def case(self):
        rng = np.random.default_rng(5)
        mask = np.zeros(self.SHAPE, bool)
        mask[2:22, 2:22, 2:22] = True
        lesion = np.zeros(self.SHAPE, bool)
        lesion[8:13, 8:13, 8:13] = True
        logits = rng.normal(-9, 1, (3, *self.SHAPE)).astype(np.float32)
        logits[:, lesion] += 9
        return logits, {"tc": lesion}, mask

    def near(self, lesion):
        """Within three voxels, along any diagonal, of the other side of the surface."""
        outer, inner = (binary_dilation(m, np.ones((3, 3, 3)), 3) for m in (lesion, ~lesion))
        return outer & inner

    def test_only_labelled_regions_and_each_voxel_counts_as_many(self):
        logits, regions, mask = self.case()
        (drawn,) = draw_samples(logits, regions, mask, "t1c", seed=1, voxels=300)
        assert (drawn.key, drawn.region) == ("t1c", "tc")
        assert drawn.logits.size == drawn.inside.size == drawn.weights.size == 300
        assert drawn.weights.sum() == pytest.approx(self.near(regions["tc"]).sum())
        share = drawn.weights[drawn.inside].sum() / regions["tc"].sum()
        assert share == pytest.approx(1, abs=0.4)

    def test_small_cases_are_taken_whole(self):
        logits, regions, mask = self.case()
        (drawn,) = draw_samples(logits, regions, mask, "t1c", seed=1)
        assert drawn.inside.sum() == regions["tc"].sum()
        assert drawn.weights.min() == drawn.weights.max() == 1

    def test_what_lies_far_from_any_lesion_does_not_count(self):
        """A false lesion must not lower what the true ones are given."""
        logits, regions, mask = self.case()
        (before,) = draw_samples(logits, regions, mask, "t1c", seed=1)
        logits[:, 18:22, 18:22, 18:22] = 8
        (after,) = draw_samples(logits, regions, mask, "t1c", seed=1)
        assert np.array_equal(before.logits, after.logits)

    def test_a_head_without_tumour_gives_no_voxel(self):
        logits, _, mask = self.case()
        (drawn,) = draw_samples(logits, {"tc": np.zeros_like(mask)}, mask, "t1c", seed=1)
        assert drawn.logits.size == 0

    def test_a_seed_draws_the_same_again(self):
        logits, regions, mask = self.case()
        a, b, c = (
            draw_samples(logits, regions, mask, "t1c", seed=seed, voxels=50)[0]
            for seed in (1, 1, 2)
        )
        assert np.array_equal(a.logits, b.logits)
        assert not np.array_equal(a.logits, c.logits)

    def test_a_part_of_the_voxels_fits_like_all_of_them(self):
        logits, inside = voxels(0.6, -3.0, 60**3)
        volume = np.stack([logits.reshape(60, 60, 60)] * 3)
        regions = {"wt": inside.reshape(60, 60, 60)}
        mask = np.ones((60, 60, 60), bool)
        (part,) = draw_samples(volume, regions, mask, "t1c", seed=0, voxels=8000)
        whole = fit_scale_and_shift(logits, inside, np.ones(logits.size))
        found = fit_scale_and_shift(part.logits, part.inside, part.weights)
        assert found == pytest.approx(whole, abs=0.2)
