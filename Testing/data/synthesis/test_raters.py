"""Raters differ by the spread that was asked for, stay nested, and lose no lesion."""

from __future__ import annotations

from statistics import NormalDist

import numpy as np
import pytest

from ParetoSegLib.core.geometry import components
from ParetoSegLib.core.labels import REGIONS
from ParetoSegLib.data.synthesis.raters import depth_of, outlines, rate

SHAPE = (40, 40, 40)
SPACING = (1.0, 1.0, 1.0)


def ball(radius: float, centre: tuple[float, float, float] = (19.5, 19.5, 19.5)) -> np.ndarray:
    index = np.stack(np.meshgrid(*[np.arange(n) for n in SHAPE], indexing="ij"), -1)
    distance = np.linalg.norm(index - np.array(centre), axis=-1)
    return np.clip(radius - distance + 0.5, 0, 1).astype(np.float32)


def exact_depth(radius: float) -> np.ndarray:
    index = np.stack(np.meshgrid(*[np.arange(n) for n in SHAPE], indexing="ij"), -1)
    return np.asarray(radius - np.linalg.norm(index - 19.5, axis=-1))


@pytest.mark.parametrize("sd", [0.5, 1.0])
def test_the_spread_of_the_outline_is_the_requested_one(sd: float) -> None:
    truth = dict.fromkeys(REGIONS, ball(11.0))
    drawn = outlines(truth, SPACING)
    doubt = dict.fromkeys(REGIONS, np.full(SHAPE, sd, np.float32))
    raters = 60
    share = np.zeros(SHAPE)
    for number in range(raters):
        share += rate(drawn, doubt, SPACING, np.random.default_rng(1000 + number))["tc"] / raters
    # P(inside) = Φ(depth / SD); a line through its inverse has slope 1 / SD and no offset.
    depth = exact_depth(11.0)
    normal = NormalDist()
    levels = np.arange(-1.25, 1.3, 0.5) * sd
    found = [share[np.abs(depth - level) < 0.25 * sd].mean() for level in levels]
    slope, offset = np.polyfit(levels, [normal.inv_cdf(float(p)) for p in found], 1)
    assert 1 / slope == pytest.approx(sd, rel=0.25)
    assert abs(offset / slope) < 0.2


def test_masks_are_nested_and_every_lesion_is_drawn() -> None:
    tc = np.maximum.reduce([ball(1.0, (8, 8, 8)), ball(1.2, (30, 9, 12)), ball(6.0)])
    truth = {"et": tc * 0.9, "tc": tc, "wt": np.maximum(tc, ball(9.0))}
    doubt = dict.fromkeys(REGIONS, np.full(SHAPE, 1.0, np.float32))
    numbers, boxes = components(tc >= 0.5)
    assert len(boxes) == 3
    for seed in range(10):
        masks = rate(outlines(truth, SPACING), doubt, SPACING, np.random.default_rng(seed))
        assert (masks["tc"] | ~masks["et"]).all()
        assert (masks["wt"] | ~masks["tc"]).all()
        assert set(np.unique(numbers[masks["tc"]])) >= {1, 2, 3}


def test_without_doubt_a_rater_draws_the_truth() -> None:
    truth = dict.fromkeys(REGIONS, ball(7.3))
    doubt = dict.fromkeys(REGIONS, np.zeros(SHAPE, np.float32))
    masks = rate(outlines(truth, SPACING), doubt, SPACING, np.random.default_rng(0))
    different = masks["tc"] != (truth["tc"] >= 0.5)
    assert (np.abs(truth["tc"][different] - 0.5) < 1e-6).all()


def test_depth_is_finer_than_a_voxel() -> None:
    depth, exact = depth_of(ball(9.3), SPACING), exact_depth(9.3)
    assert np.abs(depth - exact)[np.abs(exact) < 0.4].max() < 0.05
    near = np.abs(exact) < 3
    assert np.sqrt(np.mean((depth - exact)[near] ** 2)) < 0.2
    assert abs((depth - exact)[near].mean()) < 0.05
