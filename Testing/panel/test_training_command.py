from __future__ import annotations

import shlex
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from ParetoSegPanel.packages import RUNTIME, TORCH, TORCH_VERSIONS, TRAINING
from ParetoSegPanel.training_command import install_command, library_folder, training_command

paths = st.text(
    st.characters(codec="utf-8", exclude_categories=("Cc", "Cs", "Zl", "Zp")), min_size=1
).filter(lambda text: text.strip() == text)


@given(paths, paths, paths, paths)
def test_a_shell_reads_the_very_paths(python: str, library: str, data: str, run: str) -> None:
    first, second = training_command(python, library, data, run, "linux").split("\n")
    assert shlex.split(first) == ["cd", library]
    assert shlex.split(second) == [
        *(python, "-m", "ParetoSegLib.train"),
        *("--data", data, "--output", run),
    ]


@given(paths, paths)
def test_powershell_takes_quoted_text_literally(python: str, data: str) -> None:
    """In single quotes nothing but a quote, doubled, means anything."""
    second = training_command(python, "lib", data, "run", "win32").split("\n")[1]
    assert second.startswith("& '")
    assert f"--data '{data.replace(chr(39), chr(39) * 2)}' --output" in second


@pytest.mark.parametrize("platform", ["linux", "win32", "darwin"])
def test_placeholders_show_what_is_to_be_filled_in(platform: str) -> None:
    command = training_command("python", "lib", "", "", platform)
    assert "PATIENTS" in command
    assert "RUN" in command


@given(paths)
def test_what_is_installed_is_what_training_and_segmenting_need(python: str) -> None:
    program, *given = shlex.split(install_command(python, platform="linux"))
    assert [program, *given[:3]] == [python, "-m", "pip", "install"]
    files = [Path(after) for flag, after in pairwise(given) if flag == "-r"]
    assert [file.name for file in files] == [RUNTIME, TRAINING]
    assert all(file.is_file() for file in files)
    packages = [word for word in given[3:] if word != "-r" and not word.endswith(".txt")]
    assert packages == [TORCH + TORCH_VERSIONS, "numpy", "SimpleITK"]


def test_powershell_takes_no_version_for_a_file(tmp_path: Path) -> None:
    """Outside quotes ``>`` would write a file."""
    command = install_command("C:\\my python.exe", tmp_path, "win32")
    assert command.startswith("& 'C:\\my python.exe' -m pip install 'torch>=")
    outside = "".join(command.split("'")[::2])
    assert not set(outside) & set("<>!*")


def test_the_command_exists() -> None:
    from ParetoSegLib.train import parser

    command = training_command("python", "lib", "patients", "run", "linux")
    given = shlex.split(command.split("\n")[1])[3:]
    assert parser().parse_args(given).output.name == "run"
    assert (library_folder() / "ParetoSegLib" / "train.py").is_file()
