"""Pictures of the panel and of what it shows, for a patient and a model, without a screen.

    python Testing/slicer_harness/screenshots.py PATIENT MODEL OUTPUT [--row N]

PATIENT is a case folder, MODEL a model folder. Writes panel.png, contours.png, heat_map.png,
surface.png and overview.png into OUTPUT, which is made if it is not there.
"""

from __future__ import annotations

import argparse
import os
import sys
from pathlib import Path
from typing import Any

os.environ.setdefault("QT_SCALE_FACTOR", "2")  # readable when the picture is looked at closely
sys.path[:0] = [str(Path(__file__).parents[1])]

from slicer_harness import harness  # noqa: E402

PANEL_WIDTH = 550
VIEW = (900, 900)
FIELD_OF_VIEW_MM = 70.0
WAIT_S = 1800.0
BARS = {
    "Red": (243, 74, 51),
    "Green": (110, 176, 75),
    "Yellow": (237, 213, 76),
    "3D": (116, 128, 200),
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("patient", type=Path)
    parser.add_argument("model", type=Path)
    parser.add_argument("output", type=Path)
    parser.add_argument("--row", type=int, default=0, help="of the lesion to look at")
    arguments = parser.parse_args()
    arguments.output.mkdir(parents=True, exist_ok=True)
    harness.install()
    take(arguments.patient, arguments.model, arguments.output, arguments.row)


def take(patient: Path, model: Path, output: Path, row: int) -> None:
    """Segment the patient as a user would and write the pictures."""
    from slicer_harness.user import User

    user = User(model)
    user.load_patient(patient)
    user.segment(WAIT_S)
    user.look_at(row)
    _tidy_3d()

    user.select(user.ui.viewSelector, "Contours")
    user.ui.opacitySlider.value = 1.0
    contours = {name: slice_picture(name) for name in ("Red", "Green", "Yellow")}
    save(contours["Red"], output / "contours.png")
    save(panel_picture(user), output / "panel.png")

    user.select(user.ui.viewSelector, "Heat")
    user.ui.opacitySlider.value = 0.7
    save(slice_picture("Red"), output / "heat_map.png")

    user.select(user.ui.viewSelector, "3-D")
    user.ui.opacitySlider.value = 1.0
    surface = surface_picture(user)
    save(surface, output / "surface.png")
    save(overview(contours, surface), output / "overview.png")


def slice_picture(name: str, field_of_view_mm: float = FIELD_OF_VIEW_MM) -> Any:
    """A slice view at the lesion, so many mm wide."""
    view = harness.core().slice_views[name]
    view.render(VIEW)
    view.node.SetFieldOfView(field_of_view_mm, field_of_view_mm, view.node.GetFieldOfView()[2])
    harness.process_events(0.1)
    return harness.render_slice(name, VIEW)


def surface_picture(user: Any) -> Any:
    """The 3-D view, with the coloured surface filling most of it."""
    bounds = [0.0] * 6
    user.case.record.helper("surface").GetRASBounds(bounds)
    harness.render_3d(VIEW)
    view = harness.core().three_d_view
    view.renderer.ResetCamera(bounds)
    view.renderer.GetActiveCamera().Azimuth(25)
    view.renderer.GetActiveCamera().Elevation(20)
    view.renderer.GetActiveCamera().Zoom(1.2)
    view.renderer.ResetCameraClippingRange()
    return harness.render_3d(VIEW)


def panel_picture(user: Any) -> Any:
    """The whole panel as it would look in a column that is high enough."""
    import numpy as np
    import qt

    parent = user.widget.parent
    parent.setFixedWidth(PANEL_WIDTH)
    harness.process_events(0.2)
    parent.resize(PANEL_WIDTH, parent.sizeHint.height())
    harness.process_events(0.2)
    image = parent.grab().toImage().convertToFormat(qt.QImage.Format_RGB888)
    rows = np.frombuffer(image.constBits(), np.uint8).reshape(image.height(), image.bytesPerLine())
    return rows[:, : 3 * image.width()].reshape(image.height(), image.width(), 3).copy()


def overview(slices: dict[str, Any], surface: Any) -> Any:
    """Slicer's four-up layout: axial, 3-D, coronal, sagittal, each under a bar of its colour."""
    import numpy as np

    def framed(name: str, picture: Any) -> Any:
        bar = np.full((14, picture.shape[1], 3), BARS[name], np.uint8)
        return np.pad(np.vstack([bar, picture]), ((0, 6), (0, 6), (0, 0)))

    top = np.hstack([framed("Red", slices["Red"]), framed("3D", surface)])
    bottom = np.hstack([framed("Green", slices["Green"]), framed("Yellow", slices["Yellow"])])
    return np.vstack([top, bottom])


def save(picture: Any, path: Path) -> None:
    """Write an RGB array as PNG."""
    import SimpleITK as sitk

    sitk.WriteImage(sitk.GetImageFromArray(picture, isVector=True), str(path))


def _tidy_3d() -> None:
    node = harness.core().three_d_view.node
    node.SetBoxVisible(False)
    node.SetAxisLabelsVisible(False)
    node.SetBackgroundColor(0.0, 0.0, 0.0)
    node.SetBackgroundColor2(0.0, 0.0, 0.0)


if __name__ == "__main__":
    main()
