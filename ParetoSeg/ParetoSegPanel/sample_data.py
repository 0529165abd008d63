"""Registers the synthetic sample patient in Slicer's Sample Data module, and loads it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import slicer
from slicer.i18n import tr as _

from ParetoSegLib.core.errors import ParetoSegError
from ParetoSegLib.core.labels import MODALITIES
from ParetoSegLib.core.resources import RESOURCES, sample_folder
from ParetoSegPanel.wording import sequence_name

CATEGORY = "ParetoSeg"
SAMPLE_NAME = "ParetoSegSamplePatient"
DISPLAYED_FIRST = "t1c"


def sample_files(resources: Path = RESOURCES) -> dict[str, Path]:
    """The sample patient's image files by modality.

    Raises:
        ParetoSegError: this installation came without it.
    """
    for patient in sorted(p for p in sample_folder(resources).iterdir() if p.is_dir()):
        files = {m: patient / f"{patient.name}-{m}.nii.gz" for m in MODALITIES}
        if all(path.is_file() for path in files.values()):
            return files
    raise ParetoSegError(
        _("The sample patient is not complete in this installation; install ParetoSeg again.")
    )


def register_sample_data(resources: Path = RESOURCES) -> None:
    """Offer the sample patient under "ParetoSeg" in Sample Data; nothing is downloaded."""
    import SampleData

    files = list(sample_files(resources).values())
    SampleData.SampleDataLogic.registerCustomSampleDataSource(
        category=CATEGORY,
        sampleName=SAMPLE_NAME,
        thumbnailFileName=str(resources / "Icons" / "ParetoSeg.png"),
        uris=[path.as_uri() for path in files],
        fileNames=[path.name for path in files],
        nodeNames=[node_name(m) for m in sample_files(resources)],
        customDownloader=lambda source: load_sample(resources),
    )


def load_sample(resources: Path = RESOURCES) -> list[Any]:
    """Load the sample patient's images into the scene, under a patient and a study.

    Returns:
        The volume nodes, in the order of ``MODALITIES``.
    """
    volumes = {
        modality: slicer.util.loadVolume(str(path), {"name": node_name(modality), "show": False})
        for modality, path in sample_files(resources).items()
    }
    hierarchy = slicer.mrmlScene.GetSubjectHierarchyNode()
    patient = hierarchy.CreateSubjectItem(hierarchy.GetSceneItemID(), _("Synthetic patient"))
    study = hierarchy.CreateStudyItem(patient, _("Sample study"))
    for volume in volumes.values():
        item = hierarchy.GetItemByDataNode(volume)
        if item:
            hierarchy.SetItemParent(item, study)
        else:
            hierarchy.CreateItem(study, volume)
    slicer.util.setSliceViewerLayers(background=volumes[DISPLAYED_FIRST], fit=True)
    return list(volumes.values())


def node_name(modality: str) -> str:
    """What a sample image is called in the scene, e.g. ``"Sample T1c"``."""
    return _("Sample {sequence}").format(sequence=sequence_name(modality))
