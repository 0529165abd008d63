"""ParetoSeg.py: the names that Slicer looks for, and the panel's UI file."""

from __future__ import annotations

import ast
import subprocess
import sys
import xml.etree.ElementTree as ElementTree
from pathlib import Path

import pytest
import slicer

from ParetoSegLib.core.project import CONTRIBUTORS, DISCLAIMER, HOMEPAGE
from Testing.panel.models import write_model
from Testing.panel.painted_scene import FakeClient, add_images

ROOT = Path(__file__).resolve().parents[2]
MODULE = ROOT / "ParetoSeg" / "ParetoSeg.py"
UI = ElementTree.parse(ROOT / "Resources" / "UI" / "ParetoSeg.ui").getroot()


@pytest.fixture
def module(scene, harness):
    harness.load_widget()
    yield slicer.modules.paretoseg
    harness.drop_widget()


def test_slicer_is_told_who_what_and_where(module) -> None:
    assert module.title == "ParetoSeg"
    assert list(module.categories) == ["Segmentation"]
    assert list(module.contributors) == [CONTRIBUTORS]
    assert DISCLAIMER in module.helpText
    assert f"{HOMEPAGE}/blob/main/docs/slicer.md" in module.helpText
    assert (ROOT / "docs" / "slicer.md").is_file()
    assert not module.icon.isNull()


def test_the_logic_works_without_the_panel(scene, harness, tmp_path: Path) -> None:
    from ParetoSeg import ParetoSegLogic

    logic = ParetoSegLogic()
    logic._client = FakeClient()
    run = logic.segment(
        add_images(), model=write_model(tmp_path / "m"), device="cpu", waitForFinished=False
    )
    assert harness.process_events(5, until=lambda: bool(logic.client.pendings))
    assert logic.client.last.request.device == "cpu"
    logic.client.answer()
    assert [lesion.number for lesion in run.case.found] == [1, 2, 3]
    client = logic.client
    logic.shutdown()
    assert client.is_shut_down


def test_making_a_logic_starts_nothing(scene) -> None:
    from ParetoSeg import ParetoSegLogic

    logic = ParetoSegLogic()
    assert logic._client is None
    logic.shutdown()


def test_nothing_runs_at_file_scope() -> None:
    """Imports, definitions and constants; no statement that does something."""
    for path in [MODULE, *sorted((MODULE.parent / "ParetoSegPanel").glob("*.py"))]:
        for node in ast.parse(path.read_text(encoding="utf-8")).body:
            assert not isinstance(node, (ast.For, ast.While, ast.With, ast.Try)), path.name
            if isinstance(node, ast.Expr):
                assert isinstance(node.value, ast.Constant), path.name


def test_the_panel_imports_little_at_file_scope() -> None:
    allowed = {"slicer", "vtk", "qt", "ctk", "SimpleITK", "numpy", "ParetoSegLib", "ParetoSegPanel"}
    for path in [MODULE, *sorted((MODULE.parent / "ParetoSegPanel").glob("*.py"))]:
        for node in ast.parse(path.read_text(encoding="utf-8")).body:
            names = []
            if isinstance(node, ast.Import):
                names = [alias.name for alias in node.names]
            elif isinstance(node, ast.ImportFrom):
                names = [node.module or ""]
            for name in names:
                top = name.partition(".")[0]
                assert top in allowed | sys.stdlib_module_names, f"{path.name} imports {name}"


def test_the_panel_loads_no_torch() -> None:
    code = (
        "import sys\n"
        f"sys.path[:0] = [{str(ROOT)!r}, {str(ROOT / 'Testing')!r}]\n"
        "from slicer_harness import harness\n"
        "harness.install()\n"
        "widget = harness.load_widget()\n"
        "found = {'torch', 'monai'} & {name.partition('.')[0] for name in sys.modules}\n"
        "harness.close()\n"
        "assert not found, found\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=120, check=False
    )
    assert done.returncode == 0, done.stderr[-2000:]


@pytest.mark.parametrize("layout", ["source", "installed"])
def test_packages_are_found_beside_the_module_or_above_it(tmp_path: Path, layout: str) -> None:
    text = MODULE.read_text(encoding="utf-8")
    source = ast.get_source_segment(
        text,
        next(
            n
            for n in ast.parse(text).body
            if isinstance(n, ast.FunctionDef) and n.name == "make_importable"
        ),
    )
    folder = tmp_path / "ParetoSeg"
    library = tmp_path if layout == "source" else folder
    for package in (folder / "ParetoSegPanel", library / "ParetoSegLib"):
        package.mkdir(parents=True)
        (package / "__init__.py").write_text("", encoding="utf-8")
    script = folder / "script.py"
    script.write_text(
        "import sys\nfrom pathlib import Path\n"
        'OURS = ("ParetoSegPanel", "ParetoSegLib")\n'
        f"{source}\n"
        "sys.path.pop(0)\nmake_importable()\nmake_importable()\n"
        "import ParetoSegLib, ParetoSegPanel\n"
        "ours = [p for p in sys.path if 'ParetoSeg' in p or p == str(Path(__file__).parents[1])]\n"
        "assert len(ours) == len(set(ours)), ours\n"
        "print(ParetoSegLib.__file__)\n",
        encoding="utf-8",
    )
    done = subprocess.run(
        [sys.executable, "-I", str(script)], capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 0, done.stderr
    assert Path(done.stdout.strip()) == (library / "ParetoSegLib" / "__init__.py").resolve()


def _widgets() -> list[ElementTree.Element]:
    return [w for w in UI.iter("widget") if w.get("name") != "ParetoSeg"]


def _property(widget: ElementTree.Element, name: str) -> str:
    found = widget.find(f"property[@name='{name}']")
    return "" if found is None else "".join(found.itertext()).strip()


def test_the_disclaimer_is_the_projects() -> None:
    label = next(w for w in _widgets() if w.get("name") == "researchLabel")
    assert _property(label, "text") == DISCLAIMER


def test_what_a_user_can_touch_explains_itself() -> None:
    for widget in _widgets():
        kind = widget.get("class", "")
        if kind in ("QLabel", "QWidget", "QFrame"):
            continue
        assert _property(widget, "toolTip"), widget.get("name")


def test_every_selector_hears_of_the_scene() -> None:
    told = {c.findtext("receiver") for c in UI.iter("connection")}
    selectors = {w.get("name") for w in _widgets() if w.get("class") == "qMRMLNodeComboBox"}
    assert told == selectors


def test_every_parameter_in_the_ui_exists(scene) -> None:
    from ParetoSegPanel.parameters import ParetoSegParameters

    named = {_property(w, "SlicerParameterName") for w in _widgets()} - {""}
    assert named <= set(ParetoSegParameters.allParameters)
    assert {"t1c", "t1n", "t2w", "t2f", "alpha", "opacity", "result", "candidates"} == named
