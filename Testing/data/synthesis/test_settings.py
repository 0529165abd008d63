"""Settings that make no sense are refused with a sentence."""

from __future__ import annotations

import json

import pytest

from ParetoSegLib.core.config import from_mapping, to_mapping
from ParetoSegLib.core.errors import ConfigError
from ParetoSegLib.data.synthesis.settings import SynthesisSettings


@pytest.mark.parametrize(
    ("wrong", "sentence"),
    [
        ({"lesions": (5, 2)}, "lesions is 5–2"),
        ({"radius_mm": (0.0, 3.0)}, "radius_mm is 0–3"),
        ({"weak_share": 1.5}, "weak_share is 1.5"),
        ({"free_share": 0.6, "many_share": 0.6}, "add up"),
        ({"kinds": {"cubic": 1.0}}, "kinds names cubic"),
        ({"kinds": {"solid": "much"}}, "weight of solid"),
        ({"kinds": {"solid": float("nan")}}, "weight of solid"),
        ({"kinds": {"solid": 0.0}}, "weight 0"),
        ({"kinds": {}}, "weight 0"),
        ({"edema_mm": (5.0, 2.0)}, "edema_mm"),
        ({"raters": -1}, "raters is -1"),
        ({"rater_sd_mm": (1.0, 0.5)}, "rater_sd_mm"),
        ({"noise": (0.0, 0.1)}, "noise"),
    ],
)
def test_absurd_settings_are_refused(wrong: dict[str, object], sentence: str) -> None:
    with pytest.raises(ConfigError, match=sentence):
        SynthesisSettings(**wrong)  # type: ignore[arg-type]


def test_settings_survive_their_record() -> None:
    settings = SynthesisSettings(lesions=(2, 9), kinds={"cystic": 2})
    written = json.loads(json.dumps(settings.record()))
    assert from_mapping(SynthesisSettings, written) == settings
    assert from_mapping(SynthesisSettings, to_mapping(settings)) == settings
