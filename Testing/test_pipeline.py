"""From a case to a result: what holds whatever the network says."""

from __future__ import annotations

import hashlib
import json
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk
from described import described
from phantom import CENTRE, RADIUS, BrightNetwork, distance_from, write_case, write_image

from ParetoSegLib.core.errors import DeviceError, ImageReadError, ModelFolderError
from ParetoSegLib.core.labels import MODALITIES, REGIONS
from ParetoSegLib.core.prefetch import prefetched
from ParetoSegLib.data.case import CaseFiles, read_case
from ParetoSegLib.data.head_start import HeadStart
from ParetoSegLib.data.preprocessing import PreprocessingSettings
from ParetoSegLib.model.folder import ModelDescription, save_model
from ParetoSegLib.model.networks import build_network, tiny_arguments
from ParetoSegLib.pipeline import (
    STAGES,
    Model,
    SegmentOptions,
    assessable_regions,
    load,
    make_ready,
    peak_memory_mb,
    segment,
    segment_files,
    segment_ready,
)

CPU = SegmentOptions(device="cpu")


def _description(**changes: object) -> ModelDescription:
    assessable = {
        "t1n+t1c+t2w+t2f": REGIONS,
        "t1c": REGIONS,
        "t1c+t2f": REGIONS,
        # A claim too much: without contrast nobody sees enhancement.
        "t2f": ("et", "wt"),
        "t1n": (),
    }
    values: dict = {"name": "bright", "normalisation": "z-score", "assessable": assessable}
    arguments = {"channels": (8, 16), "num_res_units": 1}
    return described(arguments, **{**values, **changes})


@pytest.fixture(scope="module")
def model() -> Model:
    return Model(_description(), BrightNetwork().eval(), "f" * 64)


def _files(folder: Path, modalities: tuple[str, ...] = MODALITIES) -> CaseFiles:
    write_case(folder, modalities)
    images = {m: folder / f"{folder.name}-{m}.nii.gz" for m in modalities}
    return CaseFiles(name=folder.name, patient=folder.name, images=images)


@pytest.fixture(scope="module")
def result(model: Model, tmp_path_factory: pytest.TempPathFactory):
    return segment_files(_files(tmp_path_factory.mktemp("p") / "case"), model, CPU)


def test_the_lesion_is_found_where_it_is(result) -> None:
    (lesion,) = [x for x in result.lesions.lesions if x.kind == "lesion"]
    here = np.array([CENTRE], float)
    assert np.allclose(lesion.centroid_lps, result.case.grid.positions(here)[0], atol=0.6)
    sphere_cc = 4 / 3 * np.pi * RADIUS**3 / 1000
    assert lesion.volumes_cc["tc"] == pytest.approx(sphere_cc, rel=0.25)


def test_membership_is_nested_on_the_grid_of_the_case(result) -> None:
    assert result.assessable == REGIONS
    stacked = np.stack([result.membership[r] for r in REGIONS])
    assert stacked.shape[1:] == result.case.grid.shape
    assert stacked.dtype == np.float32
    assert stacked.min() >= 0
    assert stacked.max() <= 1
    assert (np.diff(stacked, axis=0) >= 0).all()
    outside = distance_from(CENTRE) > RADIUS + 3
    assert stacked[:, outside].max() < 0.5


def test_facts_can_be_written_as_json_and_name_no_folder(result, tmp_path: Path) -> None:
    text = json.dumps(result.facts, allow_nan=False)
    assert "/" not in text.replace("n/a", "")
    assert set(result.facts["seconds"]) == set(STAGES)
    assert result.facts["device"] == "cpu"
    assert result.facts["presence"] == dict.fromkeys(MODALITIES, True)
    assert result.facts["versions"]["ParetoSegLib"]
    assert result.facts["model"] == {"name": "bright", "fingerprint": "f" * 64}


def test_progress_rises_from_0_to_1(model: Model, tmp_path: Path) -> None:
    seen: list[tuple[str, float]] = []
    files = _files(tmp_path / "case", ("t1c",))
    segment_files(files, model, CPU, lambda *at: seen.append(at))
    fractions = [f for _, f in seen]
    assert fractions == sorted(fractions)
    assert (fractions[0], fractions[-1]) == (0.0, 1.0)
    assert list(dict.fromkeys(stage for stage, _ in seen)) == list(STAGES)


def test_inputs_are_not_touched(model: Model, tmp_path: Path) -> None:
    files = _files(tmp_path / "case")
    before = {p: hashlib.sha256(p.read_bytes()).digest() for p in files.images.values()}
    case = read_case(files, with_labels=False)
    arrays = {m: image.array.copy() for m, image in case.images.items()}
    segment(case, model, CPU)
    assert before == {p: hashlib.sha256(p.read_bytes()).digest() for p in files.images.values()}
    assert sorted(p.name for p in (tmp_path / "case").iterdir()) == sorted(p.name for p in before)
    for modality, array in arrays.items():
        assert np.array_equal(case.images[modality].array, array)


def test_without_contrast_enhancement_is_not_assessable(model: Model, tmp_path: Path) -> None:
    result = segment_files(_files(tmp_path / "case", ("t2f",)), model, CPU)
    assert result.assessable == ("wt",)
    assert set(result.membership) == {"wt"}
    assert result.lesions.region == "wt"
    # ET's logits are as high as WT's here; they must not reach WT through the nesting.
    wider = BrightNetwork()
    wider.cuts.data[0] = -9.0
    swamped = segment_files(
        _files(tmp_path / "again", ("t2f",)), Model(model.description, wider.eval(), ""), CPU
    )
    assert np.array_equal(swamped.membership["wt"], result.membership["wt"])


def test_sequences_the_model_cannot_use_are_refused(model: Model, tmp_path: Path) -> None:
    with pytest.raises(ModelFolderError, match="t1n alone"):
        segment_files(_files(tmp_path / "case", ("t1n",)), model, CPU)
    with pytest.raises(ModelFolderError, match="t2w alone"):
        assessable_regions(model.description, ("t2w",))


def test_flipped_axes_give_the_same_lesion(model: Model, result, tmp_path: Path) -> None:
    """The same head stored right to left and front to back: same place in space, same size."""
    path = tmp_path / "flipped.nii.gz"
    write_image(path)
    image = sitk.ReadImage(str(path))
    sitk.WriteImage(sitk.Flip(image, [True, True, False]), str(path))
    flipped = segment_files(CaseFiles("case", "case", {"t1c": path}), model, CPU)
    plain = segment_files(CaseFiles("case", "case", {"t1c": write_image(path)}), model, CPU)
    one, other = flipped.lesions.lesions[0], plain.lesions.lesions[0]
    assert np.allclose(one.centroid_lps, other.centroid_lps, atol=0.1)
    assert one.volumes_cc["tc"] == pytest.approx(other.volumes_cc["tc"], rel=0.02)


def test_a_missing_file_and_device_are_said(model: Model, tmp_path: Path) -> None:
    with pytest.raises(ImageReadError, match=r"nothing\.nii\.gz"):
        segment_files(CaseFiles("a", "a", {"t1c": tmp_path / "nothing.nii.gz"}), model, CPU)
    with pytest.raises(DeviceError):
        segment_files(_files(tmp_path / "case", ("t1c",)), model, SegmentOptions(device="cuda:97"))


def test_peak_memory_is_a_number_or_said_to_be_unknown(monkeypatch: pytest.MonkeyPatch) -> None:
    measured = peak_memory_mb()
    assert isinstance(measured, str) or measured > 10
    monkeypatch.setattr("sys.platform", "win32")
    assert peak_memory_mb() == "not measured"


def test_a_sequence_the_model_has_never_seen_is_left_out_and_said(tmp_path: Path) -> None:
    taught = Model(
        _description(modalities=("t1c",), assessable={"t1c": REGIONS}), BrightNetwork().eval(), "f"
    )
    both = segment_files(_files(tmp_path / "both", ("t1c", "t2f")), taught, CPU)
    alone = segment_files(_files(tmp_path / "alone", ("t1c",)), taught, CPU)
    assert any("not trained on t2f" in str(note) for note in both.facts["notes"])
    assert both.facts["presence"]["t2f"] is False
    np.testing.assert_array_equal(both.membership["tc"], alone.membership["tc"])
    with pytest.raises(ModelFolderError, match="not trained on t2f"):
        segment_files(_files(tmp_path / "other", ("t2f",)), taught, CPU)


def test_a_model_that_wants_another_normalisation_is_refused(tmp_path: Path) -> None:
    folder = tmp_path / "model"
    network = build_network("UNet", tiny_arguments("UNet"))
    description = _description(
        network_arguments=tiny_arguments("UNet"), normalisation="histogram matching"
    )
    save_model(folder, description, network.state_dict(), "card")
    with pytest.raises(ModelFolderError, match="histogram matching"):
        load(folder)


def test_prepared_ahead_is_the_same_and_used_once(model: Model, result, tmp_path: Path) -> None:
    files = _files(tmp_path / "case")
    cases = list(prefetched([files, files], lambda case: make_ready(case, model)))
    for _, take in cases:
        ready = take()
        again = segment_ready(ready, model, CPU)
        for region in REGIONS:
            np.testing.assert_array_equal(again.membership[region], result.membership[region])
        assert set(again.facts["seconds"]) == set(STAGES)
        with pytest.raises(ValueError, match="already"):
            segment_ready(ready, model, CPU)


@pytest.mark.parametrize("spacing_mm", [(1.0, 1.0, 1.0), (2.0, 2.0, 2.0)])
def test_a_head_start_changes_nothing(
    spacing_mm: tuple[float, float, float], model: Model, result, tmp_path: Path
) -> None:
    """Neither where it guessed what the model wants, nor where it did not."""
    usual = sys.getswitchinterval()
    files = _files(tmp_path / "case")
    begun = HeadStart(files, PreprocessingSettings(spacing_mm=spacing_mm))
    other = replace(files, name="other")
    assert begun.take(other) is None
    ready = make_ready(files, model, head_start=begun)
    assert sys.getswitchinterval() == usual
    assert begun.take(files) is None
    assert set(ready.seconds) == {"reading", "preparing"}
    again = segment_ready(ready, model, CPU)
    for region in REGIONS:
        np.testing.assert_array_equal(again.membership[region], result.membership[region])


def test_what_a_head_start_has_done_is_not_done_again(
    model: Model, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    files = _files(tmp_path / "case")
    begun = HeadStart(files)

    def again(*arguments: object, **named: object) -> None:
        raise AssertionError("it was done already")

    for name in ("read_case", "prepare"):
        monkeypatch.setattr(f"ParetoSegLib.pipeline.{name}", again)
    assert make_ready(files, model, head_start=begun).take().presence == (True,) * 4
    with pytest.raises(AssertionError, match="already"):
        make_ready(files, model, head_start=begun)


def test_a_head_start_with_a_sequence_too_many(tmp_path: Path) -> None:
    """What was prepared shows the network an image that it has never seen: it is not used."""
    files = _files(tmp_path / "case", ("t1c", "t2f"))
    few = Model(_description(modalities=("t1c",)), BrightNetwork().eval(), "f" * 64)
    ready = make_ready(files, few, head_start=HeadStart(files))
    assert ready.take().presence == (False, True, False, False)


def test_a_head_start_on_a_missing_image_says_so_where_the_case_is_done(
    model: Model, tmp_path: Path
) -> None:
    files = _files(tmp_path / "case")
    files.images["t1c"].unlink()
    begun = HeadStart(files)
    with pytest.raises(ImageReadError, match="does not exist"):
        make_ready(files, model, head_start=begun)


def test_the_images_can_go_once_they_are_prepared(model: Model, result, tmp_path: Path) -> None:
    ready = make_ready(_files(tmp_path / "case"), model, keep_voxels=False)
    for image in ready.case.images.values():
        assert image.array.shape == image.grid.shape
        assert not any(image.array.strides)
    again = segment_ready(ready, model, CPU)
    for region in REGIONS:
        np.testing.assert_array_equal(again.membership[region], result.membership[region])
    assert again.case.hashes == result.case.hashes


def test_a_case_the_model_cannot_use_is_refused_before_the_network(
    model: Model, tmp_path: Path
) -> None:
    with pytest.raises(ModelFolderError, match="t1n alone"):
        make_ready(_files(tmp_path / "case", ("t1n",)), model)


@pytest.mark.parametrize("backend", ["torch", "auto"])
def test_cancelling_ends_the_work_where_it_is(backend: str, model: Model, tmp_path: Path) -> None:
    class Cancelled(RuntimeError):
        pass

    seen: list[str] = []

    def cancel(stage: str, fraction: float) -> None:
        seen.append(stage)
        if stage == "segmenting" and seen.count(stage) == 2:
            raise Cancelled

    with pytest.raises(Cancelled):
        segment_files(
            _files(tmp_path / "case"), model, SegmentOptions("cpu", backend=backend), cancel
        )
    assert seen[-1] == "segmenting"


def test_resampled_membership_is_nested_too(model: Model, tmp_path: Path) -> None:
    """A case that is not at the model's spacing goes another way back."""
    path = write_image(tmp_path / "thick.nii.gz")
    image = sitk.ReadImage(str(path))
    image.SetSpacing((1.3, 1.3, 2.0))
    sitk.WriteImage(image, str(path))
    found = segment_files(CaseFiles("case", "case", {"t1c": path}), model, CPU)
    stacked = np.stack([found.membership[r] for r in REGIONS])
    assert stacked.shape[1:] == found.case.grid.shape
    assert (np.diff(stacked, axis=0) >= 0).all()
    assert 0 < stacked.max() <= 1
    lesion = found.lesions.lesions[0]
    here = found.case.grid.positions(np.array([CENTRE], float))[0]
    assert np.allclose(lesion.centroid_lps, here, atol=1.5)
