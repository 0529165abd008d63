from __future__ import annotations

import sys
from pathlib import Path

import pytest
import SampleData
import slicer
from ParetoSegPanel import sample_data
from ParetoSegPanel.sample_data import CATEGORY, SAMPLE_NAME, register_sample_data, sample_files
from ParetoSegPanel.sequence_guess import guess_sequences

from ParetoSegLib.core.errors import ParetoSegError
from ParetoSegLib.core.labels import MODALITIES


def test_all_four_sequences_ship() -> None:
    files = sample_files()
    assert tuple(files) == MODALITIES
    assert all(path.is_file() for path in files.values())


def test_a_copy_without_samples_says_so(tmp_path: Path) -> None:
    with pytest.raises(ParetoSegError, match="sample patient"):
        sample_files(tmp_path)


def test_a_folder_without_its_images_says_so(tmp_path: Path) -> None:
    (tmp_path / "Sample" / "Patient").mkdir(parents=True)
    with pytest.raises(ParetoSegError, match="not complete"):
        sample_files(tmp_path)
    for modality in MODALITIES[1:]:
        (tmp_path / "Sample" / "Patient" / f"Patient-{modality}.nii.gz").touch()
    with pytest.raises(ParetoSegError, match="not complete"):
        sample_files(tmp_path)


def test_slicer_starts_without_the_module_sample_data(scene, monkeypatch, caplog) -> None:
    from ParetoSeg import offer_sample_data

    monkeypatch.setitem(sys.modules, "SampleData", None)
    offer_sample_data()
    assert "not offered" in caplog.text


def test_slicer_starts_without_the_sample(scene, monkeypatch, caplog) -> None:
    from ParetoSeg import offer_sample_data

    def missing(_resources: Path) -> Path:
        raise ParetoSegError("It is not there.")

    monkeypatch.setattr(sample_data, "sample_folder", missing)
    offer_sample_data()
    assert "It is not there." in caplog.text


def test_it_is_offered_once_and_points_at_local_files(scene) -> None:
    for _time in range(2):
        register_sample_data()
    sources = SampleData.SampleDataLogic.sampleDataSourcesByCategory(CATEGORY)
    assert [source.sampleName for source in sources] == [SAMPLE_NAME]
    assert all(uri.startswith("file:") for uri in sources[0].uris)
    assert Path(sources[0].thumbnailFileName).is_file()


def test_it_loads_as_one_study_that_the_panel_understands(scene) -> None:
    register_sample_data()
    volumes = SampleData.SampleDataLogic().downloadSamples(SAMPLE_NAME)
    assert [v.GetName() for v in volumes] == [
        "Sample T1",
        "Sample T1c",
        "Sample T2",
        "Sample FLAIR",
    ]
    assert list(guess_sequences(volumes)) == list(MODALITIES)
    hierarchy = slicer.mrmlScene.GetSubjectHierarchyNode()
    studies = {hierarchy.GetItemParent(hierarchy.GetItemByDataNode(v)) for v in volumes}
    assert len(studies) == 1
    study = studies.pop()
    assert hierarchy.GetItemLevel(study) == "Study"
    assert hierarchy.GetItemLevel(hierarchy.GetItemParent(study)) == "Patient"
    red = slicer.mrmlScene.GetNodeByID("vtkMRMLSliceCompositeNodeRed")
    assert red.GetBackgroundVolumeID() == volumes[1].GetID()
