"""Whatever a user may read goes through ``_``, so that it can be translated."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from ParetoSegPanel import volumes

from ParetoSegLib.core.errors import GeometryError

PANEL = Path(__file__).resolve().parents[2] / "ParetoSeg" / "ParetoSegPanel"

NOT_READ = {
    "terminology.py": "codes and their meanings as DICOM has them",
    "scenario.py": "said to developers",
    "scenario_steps.py": "said to developers",
    "training_command.py": "typed into a terminal",
}
NAMES = {
    *("heat colours", "surface colours"),  # roles of nodes
    *("Binary labelmap", "Closed surface"),  # representations
    "Margin (mm)",  # point data
    "color: #c0392b;",  # style
    "{number} ?",  # no word of any language
    "float | None",  # a type
}
"""What looks like words and is a name in the scene or in Qt."""

OUR_MISTAKES = ("ValueError", "TypeError", "KeyError", "AssertionError")
"""What they say is for who writes code."""


def _called(node: ast.Call) -> str:
    """The name of a function, with that of its module."""
    return ast.unparse(node.func)


def _docstrings(tree: ast.AST) -> set[int]:
    lone = (n.value for n in ast.walk(tree) if isinstance(n, ast.Expr))
    return {id(value) for value in lone if isinstance(value, ast.Constant)}


def untranslated(source: str) -> list[str]:
    """Texts of two words or more that do not go through ``_``."""
    tree = ast.parse(source)
    return [t for t in _texts(tree, _docstrings(tree)) if _is_read(t) and t not in NAMES]


def _texts(node: ast.AST, skipped: set[int]) -> Iterator[str]:
    if id(node) in skipped:
        return
    if isinstance(node, ast.Call):
        name = _called(node)
        if name in ("_", "translate", *OUR_MISTAKES) or name.startswith("logging."):
            return
    if isinstance(node, ast.JoinedStr):
        yield "".join(v.value if isinstance(v, ast.Constant) else "…" for v in node.values)
    elif isinstance(node, ast.Constant) and isinstance(node.value, str):
        yield node.value
    parts = [node.test] if isinstance(node, ast.Assert) else ast.iter_child_nodes(node)
    for part in parts:
        if not (isinstance(node, ast.JoinedStr) and isinstance(part, ast.Constant)):
            yield from _texts(part, skipped)


def _is_read(text: str) -> bool:
    words = re.sub(r"<[^>]*>", "", text).strip()
    return " " in words and re.search(r"[A-Za-z]{3,}", words) is not None


@pytest.mark.parametrize("path", sorted(PANEL.glob("*.py")), ids=lambda path: path.stem)
def test_texts_of_errors_nodes_and_legends_can_be_translated(path: Path) -> None:
    if path.name not in NOT_READ:
        assert untranslated(path.read_text(encoding="utf-8")) == []


def test_the_list_of_exceptions_is_not_out_of_date() -> None:
    assert all((PANEL / name).is_file() for name in NOT_READ)
    everything = "".join(path.read_text(encoding="utf-8") for path in PANEL.glob("*.py"))
    assert [name for name in NAMES if name not in everything] == []


@pytest.mark.parametrize(
    "source",
    [
        'raise SceneError("Two words.")',
        'raise SceneError(f"The volume {name} is empty.")',
        'add_legend(node, f"{region} margin", "%.0f")',
        'SENTENCE = (CODE, "It has ended.")',
        'label.text = "Two words"',
        'label.text = f"<b>{region} margin</b>"',
        'say(_("One thing.") + " And another.")',
    ],
)
def test_what_is_not_translated_is_found(source: str) -> None:
    assert len(untranslated(source)) == 1


@pytest.mark.parametrize(
    "source",
    [
        '"""A docstring of some words."""',
        'raise SceneError(_("The volume {name} is empty.").format(name=name))',
        'raise ValueError("no such array")',
        'logging.info("Something was done.")',
        'assert box is not None, "it has a voxel"',
        'scene.AddNewNodeByClass("vtkMRMLModelNode", name)',
    ],
)
def test_what_nobody_reads_is_left_alone(source: str) -> None:
    assert untranslated(source) == []


def test_text_on_widgets_can_be_translated() -> None:
    """A single word, too."""
    plain = re.compile(r"\.(?:text|toolTip) = f?\"[A-Za-z]")
    for path in sorted(PANEL.glob("*.py")):
        assert not plain.search(path.read_text(encoding="utf-8")), path.name


def test_a_translated_error_keeps_its_names(scene, monkeypatch: pytest.MonkeyPatch) -> None:
    german = {
        "The volume {name} is empty; choose one that holds an image.": "{name} enthält kein Bild."
    }
    monkeypatch.setattr(volumes, "_", german.__getitem__)
    node = scene.AddNewNodeByClass("vtkMRMLScalarVolumeNode", "Leer")
    with pytest.raises(GeometryError, match=r"^Leer enthält kein Bild\.$"):
        volumes.grid_of(node)
