"""Packed files: ITK's own bytes, packed faster, the same each time, from any number of threads."""

from __future__ import annotations

import gzip
import sys
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk

from ParetoSegLib.core import images
from ParetoSegLib.core.errors import OutputError
from ParetoSegLib.core.geometry import Grid
from ParetoSegLib.core.images import read_image, write_array, write_image


def image(dtype: type = np.float32, seed: int = 0) -> sitk.Image:
    values = np.random.default_rng(seed).integers(0, 900, (9, 10, 11)).astype(dtype)
    made = sitk.GetImageFromArray(values)
    made.SetSpacing((0.9, 1.1, 3.0))
    made.SetOrigin((-20.0, 13.5, 7.25))
    made.SetDirection((0.8, -0.6, 0.0, 0.6, 0.8, 0.0, 0.0, 0.0, 1.0))
    return made


@pytest.fixture(params=["isal", "gzip"], autouse=True)
def packer(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """All of this holds with ISA-L and without it."""
    if request.param == "isal":
        pytest.importorskip("isal")
    else:
        monkeypatch.setitem(sys.modules, "isal.igzip", None)


@pytest.mark.parametrize("dtype", [np.uint8, np.int16, np.float32, np.float64])
def test_the_bytes_are_itks_own(dtype: type, tmp_path: Path) -> None:
    write_image(image(dtype), tmp_path / "ours.nii.gz")
    sitk.WriteImage(image(dtype), str(tmp_path / "itks.nii.gz"), useCompression=True)
    ours, itks = (
        gzip.decompress((tmp_path / f"{name}.nii.gz").read_bytes()) for name in ("ours", "itks")
    )
    assert ours == itks


@pytest.mark.parametrize(
    "shape", [(1, 5, 6), (5, 1, 6), (5, 6, 1), (1, 1, 7), (2, 2, 2), (40, 3, 300)]
)
def test_thin_images_have_itks_header_too(shape: tuple[int, int, int], tmp_path: Path) -> None:
    made = sitk.GetImageFromArray(np.arange(np.prod(shape), dtype=np.float32).reshape(shape))
    write_image(made, tmp_path / "ours.nii.gz")
    sitk.WriteImage(made, str(tmp_path / "itks.nii.gz"), useCompression=True)
    ours, itks = (
        gzip.decompress((tmp_path / f"{name}.nii.gz").read_bytes()) for name in ("ours", "itks")
    )
    assert ours == itks


@pytest.mark.parametrize("suffix", [".nii.gz", ".nrrd"])
@pytest.mark.parametrize("flips", [(), (0,), (1, 2)])
def test_an_array_of_any_strides_gives_the_file_of_its_image(
    flips: tuple[int, ...], suffix: str, tmp_path: Path
) -> None:
    whole = image()
    view = np.flip(sitk.GetArrayFromImage(whole), flips).transpose(0, 2, 1)
    grid = replace(Grid.of(whole), shape=view.shape)
    write_array(view, grid, tmp_path / f"array{suffix}")
    write_image(grid.image(np.ascontiguousarray(view)), tmp_path / f"image{suffix}")
    files = [(tmp_path / f"{name}{suffix}").read_bytes() for name in ("array", "image")]
    assert files[0] == files[1]


def test_other_readers_agree(tmp_path: Path) -> None:
    nibabel = pytest.importorskip("nibabel")
    write_image(image(), tmp_path / "a.nii.gz")
    theirs = nibabel.load(tmp_path / "a.nii.gz")
    read = sitk.ReadImage(str(tmp_path / "a.nii.gz"))
    expected = sitk.GetArrayFromImage(image())
    assert np.array_equal(np.asarray(theirs.dataobj).transpose(2, 1, 0), expected)
    assert np.array_equal(sitk.GetArrayFromImage(read), expected)
    assert np.allclose(theirs.header.get_zooms(), image().GetSpacing(), rtol=1e-6)


def test_equal_images_give_equal_files(tmp_path: Path) -> None:
    for name in ("a", "b"):
        write_image(image(), tmp_path / f"{name}.nii.gz")
    assert (tmp_path / "a.nii.gz").read_bytes() == (tmp_path / "b.nii.gz").read_bytes()


def test_a_disk_that_fills_while_packing_leaves_the_old_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "a.nii.gz"
    write_image(image(), path)
    before = path.read_bytes()

    class Full(gzip.GzipFile):
        def write(self, data: object) -> int:
            raise OSError(28, "No space left on device")

    monkeypatch.setattr(images, "_packer", lambda: Full)
    with pytest.raises(OutputError, match="No space left"):
        write_image(image(seed=1), path)
    assert path.read_bytes() == before
    assert [p.name for p in tmp_path.iterdir()] == [path.name]


def test_threads_may_read_and_write_at_once(tmp_path: Path) -> None:
    def there_and_back(number: int) -> bool:
        path = tmp_path / f"{number}.nii.gz"
        write_image(image(seed=number), path)
        found = sitk.GetArrayFromImage(read_image(path))
        return np.array_equal(found, sitk.GetArrayFromImage(image(seed=number)))

    assert sitk.ProcessObject.GetGlobalWarningDisplay()
    with ThreadPoolExecutor(8) as pool:
        assert all(pool.map(there_and_back, range(40)))
    assert sitk.ProcessObject.GetGlobalWarningDisplay()
