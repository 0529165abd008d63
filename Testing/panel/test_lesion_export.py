from __future__ import annotations

import csv
import json
from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk
import slicer
from ParetoSegPanel.confidence_view import ConfidenceView
from ParetoSegPanel.lesion_export import LABELS, SUMMARY, TABLE, export_lesions, lesion_labels
from ParetoSegPanel.volumes import grid_of

from ParetoSegLib.core.errors import OutputError
from ParetoSegLib.core.geometry import Grid
from Testing.panel.painted_scene import add_image, add_result


@pytest.fixture
def case(scene):
    return add_result(add_image("Patientin Geheim T1c"))


def _mask(case, segment: str = "TC") -> np.ndarray:
    return (
        slicer.util.arrayFromSegmentBinaryLabelmap(case.segmentation, segment, case.reference) > 0
    )


def test_the_files_say_what_the_panel_says(case, tmp_path: Path) -> None:
    folder = export_lesions(case, tmp_path)
    image = sitk.ReadImage(str(folder / LABELS))
    assert Grid.of(image).matches(grid_of(case.reference))
    labels = sitk.GetArrayFromImage(image)
    assert sorted(np.unique(labels)) == [0, 1, 2, 3]
    np.testing.assert_array_equal(labels > 0, _mask(case))
    with (folder / TABLE).open(encoding="utf-8") as stream:
        rows = list(csv.DictReader(stream))
    assert [row["number"] for row in rows] == ["1", "2", "3", "4"]
    assert [row["shown"] for row in rows] == ["yes", "yes", "yes", "no"]
    for row, lesion in zip(rows, case.lesions, strict=True):
        assert float(row["tc_volume_cc"]) == pytest.approx(lesion.volume_cc, abs=1e-4)
        assert float(row["volume_at_cut_cc"]) == pytest.approx(lesion.volume_cc, abs=1e-4)
    summary = json.loads((folder / SUMMARY).read_text(encoding="utf-8"))
    assert "research use" in summary["disclaimer"]
    assert len(summary["lesions"]) == 4


def test_no_file_names_the_patient(case, tmp_path: Path) -> None:
    folder = export_lesions(case, tmp_path)
    assert "Geheim" not in folder.name
    for name in (TABLE, SUMMARY):
        assert "Geheim" not in (folder / name).read_text(encoding="utf-8")


def test_what_is_rejected_or_accepted_is_so_in_the_files(case, tmp_path: Path) -> None:
    view = ConfidenceView(case)
    view.set_shown(1, False)
    view.set_shown(4, True)
    assert sorted(np.unique(lesion_labels(case))) == [0, 2, 3, 4]
    np.testing.assert_array_equal(lesion_labels(case) > 0, _mask(case))


@pytest.mark.parametrize("alpha", [0.05, 0.195, 0.5, 0.8, 0.95])
def test_labels_are_the_segmentation_at_any_cut(case, alpha: float) -> None:
    ConfidenceView(case).set_alpha(alpha)
    np.testing.assert_array_equal(lesion_labels(case) > 0, _mask(case))


def test_a_place_that_cannot_be_written_is_one_sentence(case, tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.write_text("", encoding="utf-8")
    with pytest.raises(OutputError):
        export_lesions(case, file)
