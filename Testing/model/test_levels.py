"""The volume interval's levels: they match volumes, cover what they promise, and stay in range."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from scipy.special import expit

from ParetoSegLib.core.labels import REGIONS
from ParetoSegLib.model.levels import UNFITTED, VolumeSample, fit_levels, matching_levels

memberships = hnp.arrays(np.float32, st.integers(1, 60), elements=st.floats(0, 1, width=32))


def lesion(rng, bias=0.0, raters=3, spread=0.15):
    """A ball whose raters draw its border at levels around ½."""
    side = 15
    axes = np.indices((side,) * 3) - side // 2
    distance = np.sqrt((axes**2).sum(0))
    membership = expit((rng.uniform(2.5, 5) - distance) * 2).ravel()
    own = rng.normal(0.5 + bias, spread)
    levels = np.clip(own + rng.normal(0, 0.03, raters), 0.06, 0.94)
    volumes = tuple(float((membership >= level).sum()) / 1000 for level in levels)
    return VolumeSample(membership, 1.0, volumes)


def lesions(count, seed, **kwargs):
    rng = np.random.default_rng(seed)
    return [lesion(rng, **kwargs) for _ in range(count)]


def inside(sample, certain, possible):
    """Share of a lesion's volumes that lie in the interval."""
    low, high = ((sample.membership >= level).sum() / 1000 for level in (certain, possible))
    return np.mean([low - 1e-9 <= v <= high + 1e-9 for v in sample.volumes_cc])


class TestMatching:
    @given(memberships, st.integers(0, 60), st.floats(0.2, 8))
    def test_the_volume_at_the_level_is_the_raters(self, membership, count, voxel_mm3):
        sample = VolumeSample(membership, voxel_mm3, (count * voxel_mm3 / 1000,))
        (level,) = matching_levels(sample)
        if count == 0:
            assert level == 1
        elif count > membership.size:
            assert level == 0
        else:
            # Equal values enter together: no level can part them.
            falling = np.sort(membership.astype(float))[::-1]
            tied = count < membership.size and falling[count - 1] == falling[count]
            reached = (membership >= level).sum()
            assert reached >= count if tied else reached in (count, (membership >= 0).sum())

    @given(memberships)
    def test_a_larger_volume_has_a_lower_level(self, membership):
        volumes = tuple(n / 1000 for n in range(membership.size + 2))
        levels = matching_levels(VolumeSample(membership, 1.0, volumes))
        assert (np.diff(levels) <= 1e-12).all()
        assert levels.min() >= 0
        assert levels.max() <= 1


class TestFitting:
    @pytest.mark.parametrize("count", [0, 1, 9])
    def test_too_few_lesions_keep_the_usual_levels(self, count):
        levels = fit_levels({"tc": lesions(count, 0)})
        assert levels == dict.fromkeys(REGIONS, UNFITTED) == dict.fromkeys(REGIONS, (0.9, 0.1))

    @settings(max_examples=30, deadline=None)
    @given(st.integers(0, 10**6), st.integers(10, 40), st.floats(-0.4, 0.4), st.floats(0.5, 0.95))
    def test_levels_stay_in_range_around_one_half(self, seed, count, bias, coverage):
        certain, possible = fit_levels({"tc": lesions(count, seed, bias=bias)}, coverage)["tc"]
        assert 0.05 <= possible <= 0.5 <= certain <= 0.95

    @pytest.mark.parametrize(("count", "bias"), [(12, 0.0), (40, 0.0), (40, 0.1)])
    def test_new_lesions_are_covered_as_promised(self, count, bias):
        covered = []
        for seed in range(60):
            certain, possible = fit_levels({"tc": lesions(count, seed, bias=bias)})["tc"]
            new = lesions(20, 10_000 + seed, bias=bias)
            covered.append(np.mean([inside(s, certain, possible) for s in new]))
        # 1200 lesions: the mean is known to about 0.012; ties in a voxel count add a little.
        assert 0.78 <= np.mean(covered) <= 0.93

    def test_more_coverage_widens(self):
        samples = {"tc": lesions(60, 3)}
        widths = [np.subtract(*fit_levels(samples, c)["tc"]) for c in (0.5, 0.7, 0.8, 0.9)]
        assert (np.diff(widths) > 0).all()

    def test_a_lesion_counts_once_however_many_raters_it_has(self):
        few = lesions(30, 4, raters=1)
        many = [VolumeSample(s.membership, s.voxel_mm3, s.volumes_cc * 7) for s in few[:15]]
        assert fit_levels({"wt": few}) == fit_levels({"wt": many + few[15:]})

    def test_order_does_not_matter(self):
        samples = lesions(25, 6)
        assert fit_levels({"et": samples}) == fit_levels({"et": samples[::-1]})

    def test_lesions_that_are_missed_do_not_widen_the_interval(self):
        missed = [VolumeSample(np.full(100, 0.01), 1.0, (0.05,)) for _ in range(10)]
        found = lesions(20, 7)
        assert fit_levels({"tc": found + missed}) == fit_levels({"tc": found})

    @pytest.mark.parametrize("coverage", [0.0, 1.0, -1.0])
    def test_coverage_is_a_share(self, coverage):
        with pytest.raises(ValueError, match="coverage"):
            fit_levels({}, coverage)
