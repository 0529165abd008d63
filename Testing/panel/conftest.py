"""The panel's tests run on the real MRML scene, with PySide6 in place of Slicer's Qt."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from slicer_harness import harness as slicer_harness_

MISSING = slicer_harness_.missing()
if MISSING is None:
    slicer_harness_.install()
    # Test files of this folder share what stands beside them (a model, a user).
    sys.path.append(str(Path(__file__).parent))


class LeftOut(pytest.Module):
    """A test file that cannot be imported here, shown as skipped with the reason."""

    def collect(self):
        pytest.skip(MISSING, allow_module_level=True)


def pytest_pycollect_makemodule(module_path, parent):
    return LeftOut.from_parent(parent, path=module_path) if MISSING else None


@pytest.fixture
def harness():
    """The harness itself: `process_events`, `render_slice`, `load_widget`, …"""
    return slicer_harness_


@pytest.fixture
def app(harness):
    """The Qt application, which is `slicer.app`."""
    return harness.application()


@pytest.fixture
def scene(harness) -> Iterator:
    """An empty scene with every logic; afterwards nothing that a slot raised may be left over."""
    yield harness.fresh_scene()
    harness.process_events()
    failures = list(harness.slot_failures())
    harness.fresh_scene()
    if failures:
        raise failures[0]


@pytest.fixture
def dialogs(harness, scene):
    """The dialogs shown so far, and the answers that the user will give."""
    return harness.dialogs()
