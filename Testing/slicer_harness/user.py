"""What a person does with the panel, and what the person sees."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import numpy as np
import qt
import slicer

from . import harness

WAIT_S = 240.0
SEQUENCE_NAMES = {"t1c": "T1c", "t1n": "T1", "t2w": "T2", "t2f": "FLAIR"}


class User:
    """Sits before the panel. Everything goes through its widgets.

    Args:
        model: the model folder that is chosen in the panel.
    """

    def __init__(self, model: Path) -> None:
        qt.QSettings().setValue("ParetoSeg/Python", sys.executable)
        self.widget = harness.load_widget()
        self.ui = self.widget.ui
        self.choose_model(model)

    @property
    def panel(self) -> Any:
        """The panel behind the widgets."""
        return self.widget.panel

    @property
    def case(self) -> Any:
        """The result that is shown."""
        return self.panel.case

    @property
    def said(self) -> str:
        """The line under the button."""
        return self.ui.statusLabel.text

    def choose_model(self, folder: Path) -> None:
        """Press "Folder…" and choose one."""
        harness.dialogs().answer(str(folder))
        self.ui.modelFolderButton.click()
        harness.process_events(0.05)

    def load_image(self, array: np.ndarray, name: str, to_ras: Any = None) -> Any:
        """Load an image, LPS if no other IJK-to-RAS matrix is given; the views show it."""
        if to_ras is None:
            to_ras = np.diag([-1.0, -1.0, 1.0, 1.0])
        volume = slicer.util.addVolumeFromArray(array, ijkToRAS=to_ras, name=name)
        volume.CreateDefaultDisplayNodes()
        display = volume.GetDisplayNode()
        display.AutoWindowLevelOff()
        display.SetWindowLevelMinMax(0, 400)
        slicer.util.setSliceViewerLayers(background=volume, fit=True)
        harness.process_events(0.05)
        return volume

    def load_patient(self, folder: Path) -> dict[str, Any]:
        """Load every sequence that lies in a case folder; the panel fills them in by name."""
        from ParetoSegLib.data.layouts import find_cases

        _, cases = find_cases(folder)
        volumes = {
            modality: slicer.util.loadVolume(str(path), {"name": SEQUENCE_NAMES[modality]})
            for modality, path in cases[0].images.items()
        }
        shown = volumes.get("t1c") or next(iter(volumes.values()))
        for volume in volumes.values():
            volume.CreateDefaultDisplayNodes()
        slicer.util.setSliceViewerLayers(background=shown, fit=True)
        harness.process_events(0.2)
        self.choose(**volumes)
        return volumes

    def choose(self, **volumes: Any) -> None:
        """Choose images in the selectors."""
        for modality, volume in volumes.items():
            getattr(self.ui, f"{modality}Selector").setCurrentNode(volume)
        harness.process_events(0.05)

    def press(self) -> None:
        """Press the big button, which must be enabled."""
        assert self.ui.segmentButton.enabled, self.ui.segmentButton.toolTip
        self.ui.segmentButton.click()

    def wait(self, seconds: float = WAIT_S) -> None:
        """Wait until nothing runs any more."""
        done = harness.process_events(seconds, until=lambda: not self.panel.running)
        assert done, f"still running: {self.ui.progressBar.text}; {self.log[-2000:]}"
        harness.process_events(0.05)

    def wait_for_stage(self, words: str, seconds: float = WAIT_S) -> None:
        """Wait until the progress bar says these words."""
        seen = harness.process_events(
            seconds, until=lambda: words in self.ui.progressBar.text or not self.panel.running
        )
        assert seen, self.log[-2000:]
        assert self.panel.running, f"ended before '{words}': {self.said}"

    def segment(self, seconds: float = WAIT_S) -> Any:
        """Press the button and wait for the result."""
        self.press()
        self.wait(seconds)
        assert self.case is not None, f"{self.said}\n{self.log[-2000:]}"
        return self.case

    def select(self, box: Any, words: str) -> None:
        """Choose the entry of a drop-down list that begins with these words."""
        box.setCurrentIndex(next(i for i in range(box.count) if box.itemText(i).startswith(words)))
        harness.process_events(0.05)

    def look_at(self, row: int = 0) -> Any:
        """Click a row of the lesion table; returns its lesion."""
        table = self.ui.lesionTable
        table.clicked.emit(table.model().index(row, 0))
        harness.process_events(0.05)
        return self.panel._results.table.shown[row]

    @property
    def log(self) -> str:
        """The unfolded log."""
        return self.ui.logText.toPlainText()

    def look(self, view: str = "Red", size: tuple[int, int] = (500, 500)) -> np.ndarray:
        """What a slice view shows, as numbers without sign: int (height, width, 3)."""
        harness.process_events(0.02)
        return harness.render_slice(view, size).astype(int)


def colour_of(code: str) -> np.ndarray:
    """``"#ff8000"`` as 0 … 255."""
    return np.array([int(code[i : i + 2], 16) for i in (1, 3, 5)])
