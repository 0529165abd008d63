"""The exchange folder: volumes pass through it unchanged, and nobody else's is ever removed."""

from __future__ import annotations

import gc
import os
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays

from ParetoSegLib.core.errors import OutputError
from ParetoSegLib.service import exchange as room
from ParetoSegLib.service.exchange import (
    LOCK,
    PREFIX,
    WORKING,
    Exchange,
    finish,
    folder_in,
    is_exchange,
    is_orphan,
    read_volume,
    remove_orphan,
    sweep,
    write_volume,
)
from ParetoSegLib.service.protocol import ProtocolError

volumes = arrays(
    st.sampled_from([np.float32, np.int32, np.uint8]), array_shapes(min_dims=3, max_dims=3)
)


@given(volumes, st.permutations(range(3)), st.lists(st.booleans(), min_size=3, max_size=3))
def test_a_volume_arrives_unchanged_whatever_its_layout(
    tmp_path_factory: pytest.TempPathFactory, array: np.ndarray, order, flips
) -> None:
    steps = tuple(slice(None, None, -1 if f else 1) for f in flips)
    view = array.transpose(order)[steps]
    path = tmp_path_factory.mktemp("v") / "v.npy"
    finish(write_volume(path, view, array.dtype))
    back = finish(read_volume(path, view.shape, array.dtype))
    np.testing.assert_array_equal(back, view)
    np.testing.assert_array_equal(np.load(path, allow_pickle=False), view)
    path.unlink()  # nothing holds it any more
    assert back.flags.c_contiguous


def test_large_volumes_go_piece_by_piece(tmp_path: Path) -> None:
    array = np.random.default_rng(0).random((50, 256, 256), np.float32)
    fractions = list(write_volume(tmp_path / "v.npy", array))
    assert fractions == sorted(fractions)
    assert len(fractions) >= array.nbytes // room.SLAB_BYTES
    assert fractions[-1] == 1.0
    read = read_volume(tmp_path / "v.npy", array.shape)
    assert 0 < next(read) < 1
    np.testing.assert_array_equal(finish(read), array)


def test_work_that_is_given_up_holds_no_file(tmp_path: Path) -> None:
    array = np.zeros((50, 256, 256), np.float32)
    work = write_volume(tmp_path / "v.npy", array)
    next(work)
    work.close()
    assert (tmp_path / "v.npy").stat().st_size < array.nbytes
    with pytest.raises(ProtocolError):
        finish(read_volume(tmp_path / "v.npy", array.shape))


def _damaged(path: Path, kind: str) -> None:
    good = np.arange(24, dtype=np.float32).reshape(2, 3, 4)
    if kind == "missing":
        return
    if kind == "objects":
        np.save(path, np.array([[[{}] * 4] * 3] * 2, object), allow_pickle=True)
        return
    if kind == "another type":
        good = good.astype(np.float64)
    if kind == "another shape":
        good = good.reshape(4, 3, 2)
    if kind == "another order":
        good = np.asfortranarray(good)
    np.save(path, good)
    whole = path.read_bytes()
    if kind == "cut short":
        path.write_bytes(whole[:-1])
    if kind == "no header":
        path.write_bytes(whole[:9])
    if kind == "empty":
        path.write_bytes(b"")
    if kind == "code in the header":
        path.write_bytes(whole.replace(b"'<f4'", b"exit("))


@pytest.mark.parametrize(
    "kind",
    [
        "missing",
        "empty",
        "no header",
        "cut short",
        "another type",
        "another shape",
        "another order",
        "objects",
        "code in the header",
    ],
)
def test_a_damaged_volume_is_refused(tmp_path: Path, kind: str) -> None:
    _damaged(tmp_path / "v.npy", kind)
    with pytest.raises(ProtocolError, match=r"v\.npy"):
        finish(read_volume(tmp_path / "v.npy", (2, 3, 4)))


def test_a_volume_that_is_sent_again_replaces_the_first(tmp_path: Path) -> None:
    finish(write_volume(tmp_path / "v.npy", np.zeros((9, 2, 2))))
    finish(write_volume(tmp_path / "v.npy", np.ones((2, 2, 2))))
    assert finish(read_volume(tmp_path / "v.npy", (2, 2, 2))).all()


@pytest.mark.parametrize("place", ["nowhere/v.npy", "full"])
def test_what_cannot_be_written_is_said(tmp_path: Path, place: str) -> None:
    path = tmp_path / place
    if place == "full":
        path = Path("/dev/full")
        if not path.exists():
            pytest.skip("no device that is always full")
    with pytest.raises(OutputError, match=path.name):
        finish(write_volume(path, np.zeros((2, 2, 2000))))


def test_an_owner_that_is_forgotten_holds_nothing(tmp_path: Path) -> None:
    folder = Exchange(tmp_path).path
    gc.collect()
    assert is_orphan(folder)
    assert remove_orphan(folder)


def test_the_folder_is_private_and_goes_with_all_that_is_in_it(tmp_path: Path) -> None:
    exchange = Exchange(tmp_path)
    if os.name == "posix":
        assert exchange.path.stat().st_mode & 0o777 == 0o700
    assert is_exchange(exchange.path)
    assert list((exchange.path / WORKING).iterdir()) == []
    (exchange.make_folder("request-1") / "t1c.npy").write_bytes(b"x")
    with pytest.raises(OutputError):
        exchange.make_folder("request-1")
    assert exchange.remove()
    assert list(tmp_path.iterdir()) == []
    assert exchange.remove()  # again does no harm


@pytest.mark.parametrize("name", ["..", "../../etc", "/etc", "a/b", LOCK, WORKING, ""])
def test_a_request_cannot_name_a_folder_elsewhere(tmp_path: Path, name: str) -> None:
    with pytest.raises(ProtocolError):
        folder_in(tmp_path, name)


def test_folders_of_the_living_stay(tmp_path: Path) -> None:
    exchange = Exchange(tmp_path)
    assert not is_orphan(exchange.path)
    assert not remove_orphan(exchange.path, seconds=0.1)
    assert sweep(tmp_path, older_than_s=0.0) == 0
    assert exchange.path.is_dir()
    exchange.remove()


def _abandoned(parent: Path) -> Path:
    """An exchange folder whose maker was killed."""
    code = (
        "import os, sys; from pathlib import Path\n"
        "from ParetoSegLib.service.exchange import Exchange\n"
        "e = Exchange(Path(sys.argv[1])); e.make_folder('request-1'); print(e.path.name)\n"
        "sys.stdout.flush(); os._exit(9)"
    )
    said = subprocess.run(
        [sys.executable, "-c", code, str(parent)],
        capture_output=True,
        text=True,
        check=False,
        cwd=Path(room.__file__).parents[2],
    )
    assert said.returncode == 9, said.stderr
    return parent / said.stdout.strip()


def test_only_old_folders_of_the_dead_are_swept(tmp_path: Path) -> None:
    dead, young = _abandoned(tmp_path), _abandoned(tmp_path)
    hour_ago = time.time() - 3600
    os.utime(dead / LOCK, (hour_ago, hour_ago))
    living = Exchange(tmp_path)
    os.utime(living.path / LOCK, (hour_ago, hour_ago))
    foreign = tmp_path / (PREFIX + "not-one-of-ours")
    foreign.mkdir()
    other = tmp_path / "other"
    other.mkdir()
    assert sweep(tmp_path) == 1
    assert not dead.exists()
    assert young.is_dir()
    assert living.path.is_dir()
    assert foreign.is_dir()
    assert other.is_dir()
    assert sweep(tmp_path, keep=young, older_than_s=0.0) == 0
    assert remove_orphan(young)
    living.remove()


@pytest.mark.skipif(not hasattr(os, "symlink"), reason="links")
def test_a_link_is_never_followed(tmp_path: Path) -> None:
    precious = _abandoned(tmp_path)
    link = tmp_path / (PREFIX + "link")
    link.symlink_to(precious, target_is_directory=True)
    precious.rename(tmp_path / "precious")
    link.unlink()
    link.symlink_to(tmp_path / "precious", target_is_directory=True)
    assert not is_exchange(link)
    assert sweep(tmp_path, older_than_s=0.0) == 0
    assert (tmp_path / "precious" / "request-1").is_dir()
