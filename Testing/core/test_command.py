"""How every command starts, fails and ends."""

from __future__ import annotations

import io
import sys
from collections.abc import Sequence

import pytest

from ParetoSegLib.core.command import CommandParser, run
from ParetoSegLib.core.errors import ConfigError, ImageReadError, UsageError


def _raising(error: BaseException):
    def main(arguments: Sequence[str]) -> int:
        raise error

    return main


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (ImageReadError("The image a.nii.gz is empty; copy it again."), 1),
        (UsageError("Name a case."), 2),
        (ConfigError("The key is unknown."), 2),
        (KeyboardInterrupt(), 130),
        (ValueError("/data/Jane Doe/t1.nii.gz is odd"), 1),
        (MemoryError(), 1),
        (OSError(28, "No space left", "/data/Jane Doe/t1.nii.gz"), 1),
    ],
    ids=lambda value: type(value).__name__,
)
def test_an_error_is_one_sentence_and_a_code(
    error: BaseException, code: int, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(_raising(error), []) == code
    said = capsys.readouterr()
    assert said.out == ""
    assert len(said.err.strip().splitlines()) == 1
    assert said.err.strip().endswith(".") or "/issues" in said.err
    assert "Jane" not in said.err
    if isinstance(error, (ImageReadError, UsageError)):
        assert str(error) in said.err


def test_debug_shows_the_traceback(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(_raising(ValueError("odd")), ["--debug"]) == 1
    assert "Traceback" in capsys.readouterr().err


@pytest.mark.parametrize("code", [0, 1, 3])
def test_what_main_returns_is_the_exit_code(code: int) -> None:
    assert run(lambda arguments: code, []) == code


def test_arguments_default_to_the_process_own(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "argv", ["predict", "--x", "1"])
    seen: list[str] = []
    assert run(lambda arguments: seen.extend(arguments) or 0) == 0
    assert seen == ["--x", "1"]


def _parsing(arguments: Sequence[str]) -> int:
    parser = CommandParser("predict", "Does it.", ["python -m ParetoSegLib.predict --case x"])
    parser.add_argument("--case", required=True)
    parser.parse_args(arguments)
    return 0


@pytest.mark.parametrize("wrong", [[], ["--case"], ["--case", "x", "--unknown"], ["--ca", "x"]])
def test_a_wrong_command_line_is_one_sentence_and_two(
    wrong: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(_parsing, wrong) == 2
    said = capsys.readouterr().err
    assert len(said.strip().splitlines()) == 1
    assert "--help" in said


def test_help_ends_well_and_has_examples(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(_parsing, ["--help"]) == 0
    said = capsys.readouterr().out
    assert "python -m ParetoSegLib.predict --case x" in said
    assert "not a medical device" in said


def test_a_console_with_another_code_page_gets_utf8(monkeypatch: pytest.MonkeyPatch) -> None:
    raw = io.BytesIO()
    console = io.TextIOWrapper(raw, encoding="cp1252")
    monkeypatch.setattr(sys, "stderr", console)
    assert run(_raising(ImageReadError("α ⊆ Łódź.nii.gz")), []) == 1
    console.flush()
    assert "α ⊆ Łódź.nii.gz" in raw.getvalue().decode("utf-8")
