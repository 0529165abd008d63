from __future__ import annotations

import io
from dataclasses import replace

import pytest
from rich.console import Console

from ParetoSegLib.review.table import counted, lesion_table, margin_text, volume_text
from Testing.measure.memberships import Ball
from Testing.review.cases import CANDIDATE, ONE, THREE, painted


def shown(lesions, **options) -> str:
    console = Console(file=io.StringIO(), width=160)
    console.print(lesion_table(lesions, **options))
    return console.file.getvalue()


def test_one_row_a_lesion_and_candidates_only_when_asked() -> None:
    lesions = painted((*THREE, CANDIDATE)).lesions
    assert lesion_table(lesions).row_count == 3
    assert lesion_table(lesions, candidates=True).row_count == 4
    assert "candidates peak below ½" in shown(lesions)
    assert "candidate 4" in shown(lesions, candidates=True)
    assert "candidate 4" not in shown(lesions)


@pytest.mark.parametrize(
    ("balls", "words"),
    [
        ((), "No lesion found"),
        (ONE, "1 lesion"),
        (THREE, "3 lesions"),
        ((CANDIDATE,), "No lesion found, 1 candidate"),
    ],
)
def test_the_title_counts(balls: tuple[Ball, ...], words: str) -> None:
    lesions = painted(balls).lesions
    assert counted(lesions) == words
    assert words in shown(lesions)


def test_phrases() -> None:
    lesion = painted().lesions.found[0]
    lesion = replace(
        lesion, volumes_cc={"tc": 1.234}, volume_low_cc=0.0123, volume_high_cc=2.0, margin_mm=1.26
    )
    assert volume_text(lesion) == "1.23 (0.012–2.00)"
    assert margin_text(lesion) == "1.3"
    bare = replace(lesion, margin_mm=None, certain_core=False, one_sided_margin_mm=2.04)
    assert margin_text(bare) == "no certain core (2.0)"
    assert margin_text(replace(bare, one_sided_margin_mm=None)) == "no certain core"
    assert margin_text(replace(lesion, margin_mm=None)) == "–"
    assert margin_text(replace(bare, kind="candidate")) == "–"


def test_every_phrase_is_in_the_table() -> None:
    result = painted(THREE)
    text = shown(result.lesions)
    for lesion in result.lesions.found:
        assert volume_text(lesion) in text
        assert margin_text(lesion) in text
        assert f"{lesion.confidence:.2f}" in text
    assert "TC cc" in text
    assert "WT cc" in shown(painted(assessable=("wt",)).lesions)
