"""What can go wrong between loading and looking: each leaves the scene, and the next run, whole."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import slicer
from bright_model import write_bright_model
from painted_head import head
from ParetoSegPanel.scenario_steps import (
    a_crash_costs_one_sentence,
    add_many_lesions,
    cancelling_changes_nothing,
    closing_the_scene_ends_the_run,
    images_apart_are_refused,
    many_lesions_are_reached_one_by_one,
    nothing_starts_without_images,
    rows_mean_what_they_say,
)
from slicer_harness import harness
from slicer_harness.user import User

LARGE = (160, 170, 160)
"""Takes the small model some seconds: time to do something in the middle."""


@pytest.fixture(scope="module")
def model(tmp_path_factory) -> Path:
    return write_bright_model(tmp_path_factory.mktemp("models") / "bright")


@pytest.fixture(scope="module")
def shared(model) -> Iterator[User]:
    """One panel for all tests of this file, so that its worker starts once."""
    harness.fresh_scene()
    user = User(model)
    yield user
    harness.fresh_scene()


@pytest.fixture
def user(shared) -> Iterator[User]:
    """Before an empty scene; nothing that the panel raises may go unseen."""
    harness.close_scene()
    yield shared
    harness.process_events(0.1)
    failures = list(harness.slot_failures())
    harness.slot_failures().clear()
    assert not failures, failures


def large_head() -> np.ndarray:
    return head([(80, 90, 70), (60, 60, 90)], radius=7, shape=LARGE)


def test_without_images_nothing_can_be_started(user):
    nothing_starts_without_images(user.widget)
    assert "image" in user.ui.expectationLabel.text


def test_images_that_do_not_fit_are_refused_before_the_run(user):
    user.choose(t1c=user.load_image(head(), "T1c"))
    images_apart_are_refused(user.widget)


def test_the_same_image_twice_is_refused(user):
    t1c = user.load_image(head(), "T1c")
    user.choose(t1c=t1c, t2f=t1c)
    assert not user.ui.segmentButton.enabled
    assert "same image" in user.ui.geometryLabel.text


@pytest.mark.slow
def test_cancelling_leaves_the_scene_as_it_was(user):
    user.choose(t1c=user.load_image(head(), "First T1c"))
    user.segment()
    client = user.widget.logic.client
    pid = client.pid
    user.choose(t1c=user.load_image(large_head(), "T1c"))
    cancelling_changes_nothing(user.widget, "segmenting")
    # The worker has heard it and stopped by itself: one that is killed has another number.
    assert harness.process_events(10, until=lambda: not client.is_busy)
    assert client.pid == pid
    # The next run works.
    user.choose(t1c=user.load_image(head(), "Small T1c"))
    assert len(user.segment().found) == 1


@pytest.mark.slow
def test_a_worker_that_dies_costs_one_sentence_and_not_the_next_run(user):
    user.choose(t1c=user.load_image(large_head(), "T1c"))
    a_crash_costs_one_sentence(user.widget)
    user.choose(t1c=user.load_image(head(), "Small T1c"))
    assert len(user.segment().found) == 1


@pytest.mark.slow
def test_closing_the_scene_during_a_run_ends_the_run_and_keeps_the_worker(user):
    user.choose(t1c=user.load_image(head(), "First T1c"))
    user.segment()
    pid = user.widget.logic.client.pid
    user.choose(t1c=user.load_image(large_head(), "T1c"))
    closing_the_scene_ends_the_run(user.widget)
    user.choose(t1c=user.load_image(head(), "T1c of the next patient"))
    assert len(user.segment().found) == 1
    assert user.widget.logic.client.pid == pid


@pytest.mark.slow
def test_two_patients_do_not_mix(user):
    first = user.load_image(head(), "Anna T1c")
    user.choose(t1c=first)
    one = user.segment()
    second = user.load_image(head([(12, 16, 24), (24, 28, 14)], radius=4), "Berta T1c")
    user.choose(t1c=second)
    two = user.segment()
    assert (len(one.found), len(two.found)) == (1, 2)
    assert user.ui.lesionTable.model().rowCount() == 2
    user.ui.resultSelector.setCurrentNode(one.segmentation)
    harness.process_events(0.3)
    assert user.ui.lesionTable.model().rowCount() == 1
    assert user.case.reference.GetName() == "Anna T1c"
    user.ui.alphaSlider.value = 0.8
    harness.process_events(0.3)
    mask = slicer.util.arrayFromSegmentBinaryLabelmap(two.segmentation, "TC", second)
    assert mask.sum() / 1000 == pytest.approx(sum(x.volumes_cc["tc"] for x in two.found), rel=0.05)
    harness.dialogs().clear()


@pytest.mark.slow
def test_forty_lesions_are_forty_rows(user):
    places = [(z, y, x) for z in range(20, 80, 16) for y in (25, 40, 55, 70) for x in (30, 48, 66)]
    places = places[:40]
    array = np.random.default_rng(1).normal(100, 8, (100, 100, 100)).astype(np.float32)
    for centre in places:
        z, y, x = (slice(c - 3, c + 4) for c in centre)
        ball = np.add.outer(
            np.add.outer(np.arange(-3, 4) ** 2, np.arange(-3, 4) ** 2), np.arange(-3, 4) ** 2
        )
        array[z, y, x][ball <= 9] = 320
    user.choose(t1c=user.load_image(array, "T1c"))
    user.segment()
    many_lesions_are_reached_one_by_one(user.widget)
    rows_mean_what_they_say(user.widget)


def test_the_made_up_result_of_the_self_test_has_forty_lesions(user):
    case = add_many_lesions(user.widget)
    assert user.case.segmentation is case.segmentation
    many_lesions_are_reached_one_by_one(user.widget)
