"""A developer presses "Reload": all of our code is loaded again, and the study is still there."""

from __future__ import annotations

import sys
from collections.abc import Iterator

import pytest
import slicer
from bright_model import write_bright_model
from painted_head import head
from slicer_harness import harness
from slicer_harness.user import User

OURS = ("ParetoSeg", "ParetoSegPanel", "ParetoSegLib")


def our_modules() -> dict:
    return {name: m for name, m in sys.modules.items() if name.partition(".")[0] in OURS}


@pytest.fixture
def own_modules() -> Iterator[None]:
    """Other tests keep the classes that they have imported."""
    before = our_modules()
    yield
    for name in our_modules():
        del sys.modules[name]
    sys.modules.update(before)


@pytest.mark.slow
def test_reloading_keeps_the_result(scene, tmp_path, own_modules):
    user = User(write_bright_model(tmp_path / "bright"))
    user.choose(t1c=user.load_image(head(), "Study T1c"))
    user.segment()
    panel_before = sys.modules["ParetoSegPanel.panel"]
    user.widget.onReload()
    user.widget = slicer.modules.ParetoSegWidget
    user.ui = user.widget.ui
    harness.process_events(0.5)
    assert sys.modules["ParetoSegPanel.panel"] is not panel_before
    assert user.case is not None
    assert user.ui.lesionTable.model().rowCount() == 1
    assert user.ui.t1cSelector.currentNode().GetName() == "Study T1c"
    # One panel answers, not two.
    user.ui.alphaSlider.value = 0.8
    harness.process_events(0.3)
    assert user.case.alpha == pytest.approx(0.8)
    harness.drop_widget()
