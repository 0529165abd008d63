from __future__ import annotations

import pytest
import slicer
from ParetoSegPanel.sequence_guess import guess_sequences, is_derived, sequence_of_volume, study_of

from Testing.panel.painted_scene import add_image, add_images


class Database:
    """As much of Slicer's DICOM database as is asked."""

    def __init__(self, **values: str) -> None:
        self.values = values

    def instanceValue(self, uid: str, tag: str) -> str:
        return self.values.get({"0008,103e": "description", "0018,0010": "agent"}[tag], "")


@pytest.fixture
def database(monkeypatch: pytest.MonkeyPatch):
    def put(**values: str) -> None:
        monkeypatch.setattr(slicer, "dicomDatabase", Database(**values), raising=False)

    return put


def _dicom(name: str):
    volume = add_image(name)
    volume.SetAttribute("DICOM.instanceUIDs", "1.2.3 1.2.4")
    return volume


def test_names_are_enough(scene) -> None:
    images = add_images(("t1c", "t1n", "t2w", "t2f"))
    assert guess_sequences(list(images.values())) == images


def test_a_description_helps_where_the_name_does_not(scene, database) -> None:
    database(description="T2 TIRM dark-fluid FLAIR")
    assert sequence_of_volume(_dicom("7: unnamed series")) == "t2f"


def test_a_contrast_agent_makes_t1_t1c(scene, database) -> None:
    database(description="t1_mprage_sag", agent="Gadovist")
    assert sequence_of_volume(_dicom("4: t1_mprage_sag")) == "t1c"


def test_a_native_t1_stays_one_whatever_was_injected_later(scene, database) -> None:
    database(description="t1_mprage_pre", agent="Gadovist")
    assert sequence_of_volume(_dicom("3: t1_mprage_pre")) == "t1n"


def test_no_agent_no_contrast(scene, database) -> None:
    database(description="t1_mprage", agent=" ")
    assert sequence_of_volume(_dicom("3: t1_mprage")) == "t1n"


def _in_study(*volumes) -> None:
    hierarchy = slicer.mrmlScene.GetSubjectHierarchyNode()
    patient = hierarchy.CreateSubjectItem(hierarchy.GetSceneItemID(), "P")
    study = hierarchy.CreateStudyItem(patient, "S")
    for volume in volumes:
        hierarchy.CreateItem(study, volume)


def test_patients_are_not_mixed(scene) -> None:
    first = [add_image("T1c"), add_image("T2")]
    second = [add_image("T1c"), add_image("FLAIR")]
    _in_study(*first)
    _in_study(*second)
    both = [*first, *second]
    assert guess_sequences(both) == {"t1c": second[0], "t2f": second[1]}
    assert guess_sequences(both, first[0]) == {"t1c": first[0], "t2w": first[1]}
    assert study_of(first[0]) != study_of(second[0])


def test_files_of_one_patient_belong_together_by_name(scene) -> None:
    names = ("A-001-t1c", "A-001-t2f", "B-002-t1c")
    a1, a2, b1 = (add_image(name) for name in names)
    assert guess_sequences([a1, b1, a2], a1) == {"t1c": a1, "t2f": a2}


def test_a_volume_of_no_known_sequence_is_no_anchor(scene) -> None:
    image, scout = add_image("P T1c"), add_image("Scout")
    assert guess_sequences([image, scout], scout) == {"t1c": image}


def test_results_and_label_maps_are_no_inputs(scene) -> None:
    hidden = add_image("Patient T1c")
    hidden.SetHideFromEditors(True)
    labels = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLLabelMapVolumeNode", "T2")
    assert is_derived(hidden)
    assert is_derived(labels)
    assert guess_sequences([hidden, labels]) == {}


def test_nothing_gives_nothing(scene) -> None:
    assert guess_sequences([]) == {}
    assert guess_sequences([add_image("Unknown")]) == {}
