"""Raters differ by the spread that was asked for, stay nested, and lose no lesion."""

from __future__ import annotations

import numpy as np
import pytest

from ParetoSegLib.core.geometry import components
from ParetoSegLib.core.labels import REGIONS
from ParetoSegLib.data.synthesis.raters import depth_of, rate

SHAPE = (40, 40, 40)
SPACING = (1.0, 1.0, 1.0)


def ball(radius: float, centre: tuple[float, float, float] = (19.5, 19.5, 19.5)) -> np.ndarray:
    index = np.stack(np.meshgrid(*[np.arange(n) for n in SHAPE], indexing="ij"), -1)
    distance = np.linalg.norm(index - np.array(centre), axis=-1)
    return np.clip(radius - distance + 0.5, 0, 1).astype(np.float32)


@pytest.mark.parametrize("sd", [0.5, 1.0])
def test_the_spread_of_the_outline_is_the_requested_one(sd: float) -> None:
    truth = dict.fromkeys(REGIONS, ball(11.0))
    doubt = dict.fromkeys(REGIONS, np.full(SHAPE, sd, np.float32))
    radii = []
    for number in range(120):
        masks = rate(truth, doubt, SPACING, np.random.default_rng(number))
        # Volumes per octant turn into local radii without asking any single voxel.
        for z in (slice(0, 20), slice(20, 40)):
            for y in (slice(0, 20), slice(20, 40)):
                line = masks["tc"][z, y, 19:21].sum() / 2
                radii.append(np.sqrt(4 * line / np.pi))
    # A quarter's arc is about 3 correlation lengths, so its mean varies less than a point does.
    assert 0.45 * sd < np.std(radii) < 1.05 * sd
    assert np.mean(radii) == pytest.approx(11.0, abs=0.25)


@pytest.mark.parametrize("sd", [0.5, 1.0])
def test_the_spread_at_a_point_is_the_requested_one(sd: float) -> None:
    truth = dict.fromkeys(REGIONS, ball(11.0))
    doubt = dict.fromkeys(REGIONS, np.full(SHAPE, sd, np.float32))
    inside = np.zeros(SHAPE)
    raters = 150
    for number in range(raters):
        inside += rate(truth, doubt, SPACING, np.random.default_rng(1000 + number))["wt"]
    depth = 11.0 - np.linalg.norm(
        np.stack(np.meshgrid(*[np.arange(n) for n in SHAPE], indexing="ij"), -1) - 19.5, axis=-1
    )
    # P(inside) = Φ(depth / SD): its slope at the outline is 1 / (SD √2π).
    above = inside[np.abs(depth - 0.5 * sd) < 0.2].mean() / raters
    below = inside[np.abs(depth + 0.5 * sd) < 0.2].mean() / raters
    found = sd / (np.sqrt(2 * np.pi) * (above - below)) * 0.96
    assert found == pytest.approx(sd, rel=0.3)


def test_masks_are_nested_and_every_lesion_is_drawn() -> None:
    tc = np.maximum.reduce([ball(1.0, (8, 8, 8)), ball(1.2, (30, 9, 12)), ball(6.0)])
    truth = {"et": tc * 0.9, "tc": tc, "wt": np.maximum(tc, ball(9.0))}
    doubt = dict.fromkeys(REGIONS, np.full(SHAPE, 1.0, np.float32))
    numbers, boxes = components(tc >= 0.5)
    assert len(boxes) == 3
    for seed in range(10):
        masks = rate(truth, doubt, SPACING, np.random.default_rng(seed))
        assert (masks["tc"] | ~masks["et"]).all()
        assert (masks["wt"] | ~masks["tc"]).all()
        assert set(np.unique(numbers[masks["tc"]])) >= {1, 2, 3}


def test_without_doubt_a_rater_draws_the_truth() -> None:
    truth = dict.fromkeys(REGIONS, ball(7.3))
    doubt = dict.fromkeys(REGIONS, np.zeros(SHAPE, np.float32))
    masks = rate(truth, doubt, SPACING, np.random.default_rng(0))
    different = masks["tc"] != (truth["tc"] >= 0.5)
    assert (np.abs(truth["tc"][different] - 0.5) < 1e-6).all()


def test_depth_is_finer_than_a_voxel() -> None:
    depth = depth_of(ball(9.3), SPACING)
    index = np.stack(np.meshgrid(*[np.arange(n) for n in SHAPE], indexing="ij"), -1)
    exact = 9.3 - np.linalg.norm(index - 19.5, axis=-1)
    near = np.abs(exact) < 0.4
    assert np.abs(depth[near] - exact[near]).max() < 0.05
