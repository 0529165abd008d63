from __future__ import annotations

import numpy as np
import pytest
from matplotlib import colormaps

from ParetoSegLib.review.colours import CONFIDENCE_STOPS, confidence_rgb, rgb


def test_the_stops_are_those_of_the_published_scale() -> None:
    published = colormaps["RdYlBu"](np.linspace(0, 1, len(CONFIDENCE_STOPS)))[:, :3]
    assert np.allclose([rgb(stop) for stop in CONFIDENCE_STOPS], published, atol=0.01)


@pytest.mark.parametrize("confidence", [0.0, 0.05, 0.5, 0.81, 1.0])
def test_a_colour_between_stops_is_that_of_the_published_scale(confidence: float) -> None:
    assert confidence_rgb(confidence) == pytest.approx(
        colormaps["RdYlBu"](confidence)[:3], abs=0.02
    )


def test_beyond_the_scale_its_ends_hold() -> None:
    assert confidence_rgb(-1.0) == rgb(CONFIDENCE_STOPS[0])
    assert confidence_rgb(2.0) == rgb(CONFIDENCE_STOPS[-1])
