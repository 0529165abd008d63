"""Version, home page and contributors are said in several files; all must say the same."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import yaml

import ParetoSegLib
from ParetoSegLib.core.project import CONTRIBUTORS, DISCLAIMER, HOMEPAGE, NAME

ROOT = Path(__file__).resolve().parents[1]


def _text(name: str) -> str:
    return (ROOT / name).read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def citation() -> dict:
    return yaml.safe_load(_text("CITATION.cff"))


@pytest.mark.parametrize("name", ["pyproject.toml", "CITATION.cff", "CHANGELOG.md", "README.md"])
def test_home_page_and_contributors_are_said_alike(name: str) -> None:
    text = _text(name)
    assert HOMEPAGE in text
    assert CONTRIBUTORS in text
    homes = re.findall(r"https://github\.com/[\w.-]+/SlicerParetoSeg", text)
    assert set(homes) == {HOMEPAGE}


def test_the_version_is_said_alike(citation: dict) -> None:
    version = ParetoSegLib.__version__
    assert re.fullmatch(r"\d+\.\d+\.\d+", version)
    assert citation["version"] == version
    released = re.findall(r"^## \[(\d+\.\d+\.\d+)\]", _text("CHANGELOG.md"), re.MULTILINE)
    assert released[0] == version
    assert 'attr = "ParetoSegLib.__version__"' in _text("pyproject.toml")


def test_the_citation_names_software_and_paper(citation: dict) -> None:
    assert citation["title"] == NAME
    assert citation["authors"] == [{"name": CONTRIBUTORS}]
    assert citation["license"] == "Apache-2.0"
    assert "arXiv:2601.19365" in str(citation["references"])


def test_the_disclaimer_is_where_users_look(citation: dict) -> None:
    assert DISCLAIMER in _text("README.md")
    assert DISCLAIMER in _text("pyproject.toml")
    assert DISCLAIMER in " ".join(citation["abstract"].split())


def test_the_licence_is_whole() -> None:
    text = _text("LICENSE")
    assert "Apache License" in text
    assert "Version 2.0, January 2004" in text
    assert text.rstrip().endswith("limitations under the License.")


def test_make_workflow_and_readme_install_the_same_way() -> None:
    pin = _text("constraints.txt").split()
    assert len(pin) == 1
    assert re.fullmatch(r"torch==\d+\.\d+\.\d+", pin[0])
    assert pin[0] in _text("README.md")
    for name in ("Makefile", ".github/workflows/ci.yml", "README.md"):
        assert "-c constraints.txt" in _text(name)


def test_readme_flags_exist() -> None:
    """Every flag in a command line of the README is one that the command's --help knows."""
    import importlib

    text = _text("README.md").replace("\\\n", " ")
    lines = re.findall(r"^python -m ParetoSegLib\.(\w+)(.*)$", text, re.MULTILINE)
    assert {command for command, _ in lines} >= {"predict", "train", "evaluate", "synthesize"}
    for command, rest in lines:
        known = importlib.import_module(f"ParetoSegLib.{command}").parser().format_help()
        for flag in re.findall(r"--[\w-]+", rest):
            assert re.search(rf"{flag}\b", known), f"{command} does not know {flag}"


@pytest.mark.parametrize("name", ["README.md", "docs/method.md", "CHANGELOG.md"])
def test_links_to_files_lead_somewhere(name: str) -> None:
    folder = (ROOT / name).parent
    for target in re.findall(r"\]\(([^)#\s]+)", _text(name)):
        if "://" not in target:
            assert (folder / target).exists(), target
