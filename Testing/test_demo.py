"""The demo: a newcomer's first command."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk

from ParetoSegLib.core import resources
from ParetoSegLib.core.command import run
from ParetoSegLib.core.errors import ParetoSegError, UsageError
from ParetoSegLib.core.images import read_labels
from ParetoSegLib.demo import main, parser

SAMPLE = resources.RESOURCES / "Sample"


def core_of(labels: Path) -> np.ndarray:
    """The tumour core of a label image: enhancing or not, without edema."""
    return np.isin(sitk.GetArrayFromImage(read_labels(labels)), (1, 3))


def test_the_sample_is_small_and_complete() -> None:
    assert sum(p.stat().st_size for p in SAMPLE.rglob("*") if p.is_file()) <= 3e6
    from ParetoSegLib.data.layouts import find_cases

    (case,) = find_cases(resources.sample_folder())[1]
    assert set(case.images) == {"t1n", "t1c", "t2w", "t2f"}


def test_results_go_to_demo_output_unless_told_otherwise() -> None:
    assert parser().parse_args([]).output == Path("demo-output")


def test_a_copy_without_the_sample_says_so(tmp_path: Path) -> None:
    with pytest.raises(ParetoSegError, match="sample patient"):
        resources.sample_folder(tmp_path)


def test_the_default_model_is_the_only_one(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"ParetoSegLib\.train"):
        resources.default_model(tmp_path)
    for name in ("a", "b"):
        (tmp_path / "Models" / name).mkdir(parents=True)
    (tmp_path / "Models" / "a" / "model.json").write_text("{}")
    assert resources.default_model(tmp_path) == tmp_path / "Models" / "a"
    (tmp_path / "Models" / "b" / "model.json").write_text("{}")
    with pytest.raises(UsageError, match="a, b"):
        resources.default_model(tmp_path)


def test_from_images_to_a_picture(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The shipped model finds the sample's lesions, and everything is where the demo says."""
    assert run(main, ["--output", str(tmp_path / "out")]) == 0
    (picture,) = (tmp_path / "out").glob("*/overview.png")
    assert picture.stat().st_size > 10_000
    drawn = core_of(picture.parent / "segmentation.nii.gz")
    true = core_of(next(SAMPLE.glob("*/*-seg.nii.gz")))
    assert 2 * (drawn & true).sum() / (drawn.sum() + true.sum()) > 0.5
    assert str(picture) in capsys.readouterr().out
