"""Grain: what is measured is what was drawn."""

from __future__ import annotations

import numpy as np
import pytest

from ParetoSegLib.data.synthesis.grain import Grain, measured_grain
from ParetoSegLib.data.synthesis.tissues import Tissue

SHAPE = (40, 48, 44)


@pytest.mark.parametrize("width", [0.0, 0.5, 0.7])
def test_a_grain_is_found_again(width: float) -> None:
    image = 100 + Grain(3.0, width).draw(np.random.default_rng(0), SHAPE)
    # A bias field over the whole image is no grain.
    image += np.linspace(0, 8, SHAPE[2], dtype=np.float32)
    tissues = np.full(SHAPE, Tissue.WHITE, np.uint8)
    tissues[:, :10] = Tissue.CSF
    image[:, :10] = 900.0
    found = measured_grain(image, tissues)
    assert found.sd == pytest.approx(3.0, rel=0.12)
    assert found.width == pytest.approx(width, abs=0.2)


def test_without_white_matter_there_is_no_grain() -> None:
    image = np.random.default_rng(0).standard_normal(SHAPE).astype(np.float32)
    assert measured_grain(image, np.zeros(SHAPE, np.uint8)) == Grain(0.0, 0.0)
