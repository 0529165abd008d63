"""The rooms' walls: who may import whom, what stays out, and what loads no torch."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
LIBRARY = ROOT / "ParetoSegLib"
PANEL = ROOT / "ParetoSeg"

ROOMS = {"core", "data", "method", "measure", "model", "review", "service"}
COMMANDS = {"train", "calibrate", "predict", "evaluate", "synthesize", "demo", "worker"}

ARROWS = {
    "core": set(),
    "data": {"core"},
    "method": {"core"},
    "measure": {"core", "method.fuzzy"},
    "model": {"core", "data", "method", "measure"},
    "review": {"core", "data", "measure"},
    "pipeline": {"core", "data", "model", "measure", "review"},
    "cohort": {"core", "data", "model", "measure", "review", "pipeline"},
    "service": {"core", "data", "measure", "review", "pipeline", "model.devices"},
}
"""What a room may import of ours, besides itself."""
ARROWS |= dict.fromkeys(COMMANDS, ROOMS - {"method", "service"} | {"pipeline", "cohort"})
ARROWS["worker"] = {"core", "service"}

TORCH_FREE = ("core", "data", "measure", "review", "service")
HEAVY = ("torch", "monai", "scipy", "matplotlib", "nilearn", "torchio", "lightning_fabric")
GUI = {"qt", "ctk", "slicer", "vtk", "PySide6"}
EARLY = {"numpy", "SimpleITK", "ParetoSegLib", *sys.stdlib_module_names}
"""What a torch-free room may import at file scope."""

LIBRARY_FILES = sorted(LIBRARY.rglob("*.py"))


def _name(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


def _imports(path: Path, everywhere: bool = True) -> list[str]:
    """Dotted names that a file imports; only those at file scope if not ``everywhere``.

    Imports for the type checker alone do not run and build no arrow at run time, but they do say
    who knows whom: they count ``everywhere``.
    """
    tree = ast.parse(path.read_text(encoding="utf-8"))
    nodes = list(ast.walk(tree)) if everywhere else _at_file_scope(tree)
    found = []
    for node in nodes:
        if isinstance(node, ast.Import):
            found += [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            package = list(path.relative_to(ROOT).with_suffix("").parts)
            base = package[: len(package) - node.level] if node.level else []
            module = ".".join([*base, *([node.module] if node.module else [])])
            found += [f"{module}.{alias.name}" for alias in node.names]
    return found


def _ours(path: Path) -> list[str]:
    """What a file imports of the library, such as ``core.errors.UsageError``."""
    prefix = "ParetoSegLib."
    return [n.removeprefix(prefix) for n in _imports(path) if n.startswith(prefix)]


def _at_file_scope(node: ast.AST) -> list[ast.AST]:
    """Nodes that run when the file is imported: no function bodies, no type-checking branches."""
    found: list[ast.AST] = []
    for child in ast.iter_child_nodes(node):
        if isinstance(child, (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda)):
            continue
        if isinstance(child, ast.If) and "TYPE_CHECKING" in ast.unparse(child.test):
            continue
        found += [child, *_at_file_scope(child)]
    return found


def _room(path: Path) -> str:
    first = path.relative_to(LIBRARY).parts[0]
    return first.removesuffix(".py")


def _allowed(name: str, arrows: set[str]) -> bool:
    return any(name == arrow or name.startswith(arrow + ".") for arrow in arrows)


def test_every_file_belongs_to_a_room() -> None:
    assert {_room(p) for p in LIBRARY_FILES} - {"__init__"} <= set(ARROWS)


@pytest.mark.parametrize("path", LIBRARY_FILES, ids=_name)
def test_a_file_imports_only_along_the_arrows(path: Path) -> None:
    room = _room(path)
    if room == "__init__":
        return
    ours = [
        n.removeprefix("ParetoSegLib.") for n in _imports(path) if n.startswith("ParetoSegLib.")
    ]
    # The package itself (its version) is open to all.
    ours = [n for n in ours if n != "__version__"]
    wrong = [n for n in ours if not _allowed(n, ARROWS[room] | {room})]
    assert not wrong


@pytest.mark.parametrize("path", LIBRARY_FILES, ids=_name)
def test_the_library_knows_no_window(path: Path) -> None:
    assert not {n.partition(".")[0] for n in _imports(path)} & GUI


@pytest.mark.parametrize("path", LIBRARY_FILES, ids=_name)
def test_a_file_of_the_library_stays_short(path: Path) -> None:
    assert len(path.read_text(encoding="utf-8").splitlines()) < 500


@pytest.mark.parametrize(
    "path",
    [p for p in LIBRARY_FILES if _room(p) in TORCH_FREE or p.match("method/fuzzy.py")],
    ids=_name,
)
def test_a_torch_free_file_imports_little_at_file_scope(path: Path) -> None:
    assert {n.partition(".")[0] for n in _imports(path, everywhere=False)} <= EARLY
    assert not {n.partition(".")[0] for n in _imports(path)} & {"torch", "monai"}


@pytest.mark.parametrize("path", [p for p in LIBRARY_FILES if p.name == "__init__.py"], ids=_name)
def test_an_init_file_imports_nothing(path: Path) -> None:
    assert _imports(path) == []


@pytest.mark.parametrize("path", LIBRARY_FILES, ids=_name)
def test_the_library_prints_nothing(path: Path) -> None:
    tree = ast.parse(path.read_text(encoding="utf-8"))
    calls = [n.func for n in ast.walk(tree) if isinstance(n, ast.Call)]
    assert not [c for c in calls if isinstance(c, ast.Name) and c.id == "print"]


@pytest.mark.parametrize("path", LIBRARY_FILES, ids=_name)
def test_no_pickle_is_ever_read(path: Path) -> None:
    tree = ast.parse(path.read_text(encoding="utf-8"))
    assert "pickle" not in {n.partition(".")[0] for n in _imports(path)}
    for call in (n for n in ast.walk(tree) if isinstance(n, ast.Call)):
        given = {k.arg: ast.unparse(k.value) for k in call.keywords}
        assert given.get("weights_only", "True") == "True"
        assert given.get("allow_pickle", "False") == "False"
        if ast.unparse(call.func) == "torch.load":
            assert given.get("weights_only") == "True"


def test_the_panel_stays_light() -> None:
    """The panel imports no torch, and of the library only what loads none."""
    for path in sorted(PANEL.rglob("*.py")):
        loaded = {n.partition(".")[0] for n in _imports(path)}
        assert not loaded & {"torch", "monai", "lightning_fabric"}, path.name
        allowed = {*TORCH_FREE, "method.fuzzy"}
        assert not [n for n in _ours(path) if not _allowed(n, allowed)], path.name
        # The worker's own half, which imports the pipeline when it begins to work.
        assert not [n for n in _ours(path) if _allowed(n, {"service.session", "service.channel"})]


def _modules_after(code: str, *arguments: str) -> set[str]:
    """Top-level modules in memory after a fresh interpreter ran ``code``."""
    tail = (
        "\nimport sys; print('\\n' + ' '.join(sorted({m.partition('.')[0] for m in sys.modules})))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code + tail, *arguments],
        cwd=ROOT,
        capture_output=True,
        text=True,
        encoding="utf-8",
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return set(done.stdout.splitlines()[-1].split())


def test_the_torch_free_rooms_load_no_torch() -> None:
    files = [p for p in LIBRARY_FILES if _room(p) in TORCH_FREE or p.match("method/fuzzy.py")]
    names = [".".join(p.relative_to(ROOT).with_suffix("").parts) for p in files]
    code = "import importlib\n" + "\n".join(f"importlib.import_module({n!r})" for n in names)
    assert not _modules_after(code) & {*HEAVY, *GUI}


def test_importing_the_package_loads_nothing() -> None:
    assert not _modules_after("import ParetoSegLib") & {*HEAVY, *GUI, "numpy", "SimpleITK", "rich"}


@pytest.mark.parametrize("command", sorted(c for c in COMMANDS if (LIBRARY / f"{c}.py").is_file()))
def test_help_is_answered_before_torch_loads(command: str) -> None:
    code = f"""
import importlib, sys
from ParetoSegLib.core.command import run
sys.argv[1:] = ["--help"]
assert run(importlib.import_module("ParetoSegLib.{command}").main) == 0
"""
    assert not _modules_after(code) & {"torch", "monai", "scipy", "matplotlib"}


def _tracked_texts() -> list[Path]:
    suffixes = {".py", ".md", ".toml", ".yaml", ".yml", ".txt", ".cff", ".json", ".ui", ".csv", ""}
    skipped = {".git", "build", "dist", "runs", "shared", "demo-output", "__pycache__"}
    return [
        p
        for p in ROOT.rglob("*")
        if p.is_file()
        and p.suffix in suffixes
        and p.stat().st_size < 2**20
        and not any(
            part in skipped
            or part.startswith((".venv", ".mypy", ".ruff", ".pytest", ".hypo"))
            or part.endswith(".egg-info")
            for part in p.relative_to(ROOT).parts
        )
    ]


def test_no_file_names_a_folder_of_this_machine() -> None:
    """A path that exists only where the code was written would break or give away that place."""
    places = [str(ROOT.parent) + "/", str(Path.home()) + "/"]
    guilty = []
    for path in _tracked_texts():
        text = path.read_text(encoding="utf-8", errors="ignore")
        guilty += [_name(path) for place in places if len(place) > 3 and place in text]
    assert not guilty
