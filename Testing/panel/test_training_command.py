from __future__ import annotations

import shlex

import pytest
from hypothesis import given
from hypothesis import strategies as st
from ParetoSegPanel.training_command import library_folder, training_command

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


def test_the_command_exists() -> None:
    from ParetoSegLib.train import parser

    command = training_command("python", "lib", "patients", "run", "linux")
    given = shlex.split(command.split("\n")[1])[3:]
    assert parser().parse_args(given).output.name == "run"
    assert (library_folder() / "ParetoSegLib" / "train.py").is_file()
