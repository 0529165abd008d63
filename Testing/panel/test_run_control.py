from __future__ import annotations

import ast
from pathlib import Path
from types import SimpleNamespace

import pytest
import qt
from hypothesis import given
from hypothesis import strategies as st
from ParetoSegPanel.run_control import RunControl, stage_name
from ParetoSegPanel.wording import counted, listed, seconds_text

from ParetoSegLib.review.table import counted as counted_in_the_library

PIPELINE = Path(__file__).resolve().parents[2] / "ParetoSegLib" / "pipeline.py"


class Stage:
    """The button and the bar, and what the user asked for."""

    def __init__(self) -> None:
        self.ui = SimpleNamespace(
            segmentButton=qt.QPushButton("Segment"),
            progressBar=qt.QProgressBar(),
            statusLabel=qt.QLabel(),
            logText=qt.QPlainTextEdit(),
        )
        self.ui.progressBar.setMaximum(1000)
        self.asked: list[str] = []
        self.control = RunControl(
            self.ui, lambda: self.asked.append("start"), lambda: self.asked.append("cancel")
        )


@pytest.fixture
def stage(app) -> Stage:
    return Stage()


def test_the_button_says_why_it_is_off(stage: Stage) -> None:
    stage.control.ready(False, "Choose an image.")
    assert not stage.ui.segmentButton.enabled
    assert stage.ui.segmentButton.toolTip == "Choose an image."
    stage.ui.segmentButton.click()
    assert stage.asked == []


def test_one_button_does_both(stage: Stage) -> None:
    stage.control.ready(True)
    stage.ui.segmentButton.click()
    stage.control.started()
    stage.ui.segmentButton.click()
    assert stage.asked == ["start", "cancel"]


def test_a_change_of_inputs_does_not_take_cancel_away(stage: Stage) -> None:
    stage.control.ready(True)
    stage.control.started()
    stage.control.ready(False, "No image.")
    assert stage.ui.segmentButton.enabled
    stage.control.ended("Done.")
    assert not stage.ui.segmentButton.enabled


def test_progress_after_the_end_is_not_shown(stage: Stage) -> None:
    stage.control.started()
    stage.control.ended("Done.")
    stage.control.progress("segmenting", 0.9, None)
    assert stage.ui.progressBar.value == 0


@given(st.floats(-1.0, 2.0), st.text(max_size=8), st.none() | st.floats(0.0, 1e5))
def test_any_progress_can_be_shown(fraction, stage_word, left) -> None:
    stage = Stage()
    stage.control.started()
    stage.control.progress(stage_word, fraction, left)
    assert 0 <= stage.ui.progressBar.value <= 1000
    assert "%" not in stage.ui.progressBar.format


def test_every_stage_of_the_pipeline_has_words() -> None:
    # Read, not imported: the pipeline would load PyTorch.
    tree = ast.parse(PIPELINE.read_text(encoding="utf-8"))
    stages = next(
        ast.literal_eval(node.value)
        for node in tree.body
        if isinstance(node, ast.AnnAssign) and ast.unparse(node.target) == "STAGES" and node.value
    )
    assert "segmenting" in stages
    for stage_word in [*stages, "sending", "loading", "receiving"]:
        assert stage_name(stage_word) != stage_word
    assert stage_name("new") == "new"


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (0.2, "1 s"),
        (59.4, "59 s"),
        (60, "1 min"),
        (62, "1 min"),
        (75, "1 min 15 s"),
        (641, "11 min"),
        (629, "10 min"),
    ],
)
def test_times_are_rounded_as_people_do(seconds: float, words: str) -> None:
    assert seconds_text(seconds) == words


def test_lists_read_as_sentences() -> None:
    assert listed(["a"]) == "a"
    assert listed(["a", "b"]) == "a and b"
    assert listed(["a", "b", "c"]) == "a, b and c"


@given(st.integers(0, 50), st.integers(0, 5))
def test_counts_read_as_in_the_library(found: int, maybe: int) -> None:
    lesions = SimpleNamespace(found=[None] * found, candidates=[None] * maybe)
    assert counted(found, maybe) == counted_in_the_library(lesions)
