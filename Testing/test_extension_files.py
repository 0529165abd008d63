"""What the extension is packaged from: the CMake lists, the metadata, and an install that works."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from ParetoSegLib.core.project import CONTRIBUTORS, DISCLAIMER, HOMEPAGE, NAME

ROOT = Path(__file__).resolve().parents[1]
PACKAGED_RESOURCES = ("Icons", "Models", "Outlines", "Requirements", "Sample", "UI")
"""Of Resources: what the installed module needs; backgrounds and recipes are for developers."""

SCRIPTS, RESOURCES, LIBRARY = (
    ("ParetoSeg/CMakeLists.txt", "MODULE_PYTHON_SCRIPTS"),
    ("ParetoSeg/CMakeLists.txt", "MODULE_PYTHON_RESOURCES"),
    ("ParetoSegLib/CMakeLists.txt", "LIBRARY_PYTHON_SCRIPTS"),
)


def _text(name: str) -> str:
    return (ROOT / name).read_text(encoding="utf-8")


def _listed(file: str, variable: str) -> list[str]:
    found = re.search(rf"^set\({variable}$(.*?)^\s*\)", _text(file), re.MULTILINE | re.DOTALL)
    assert found, f"{file} sets no {variable}"
    return found[1].split()


def _tree(folder: str, pattern: str = "*.py") -> list[str]:
    base = ROOT / folder
    files = (p for p in base.rglob(pattern) if p.is_file() and "__pycache__" not in p.parts)
    return sorted(p.relative_to(base).as_posix() for p in files)


def _resources() -> list[str]:
    return [
        f"Resources/{name}"
        for name in _tree("Resources", "*")
        if name.partition("/")[0] in PACKAGED_RESOURCES
    ]


def _compare(listed: list[str], there: list[str], file: str) -> None:
    missing, stray = sorted(set(there) - set(listed)), sorted(set(listed) - set(there))
    assert not missing, f"{file} lacks these lines:\n  " + "\n  ".join(missing)
    assert not stray, f"{file} lists what is not there:\n  " + "\n  ".join(stray)
    assert len(listed) == len(set(listed)), f"{file} lists a file twice"
    assert listed == sorted(listed), f"{file}: keep the list sorted"


def test_every_script_of_the_module_is_packaged() -> None:
    _compare(_listed(*SCRIPTS), _tree("ParetoSeg"), SCRIPTS[0])


def test_every_script_of_the_library_is_packaged() -> None:
    _compare(_listed(*LIBRARY), _tree("ParetoSegLib"), LIBRARY[0])


def test_every_resource_is_packaged() -> None:
    _compare(_listed(*RESOURCES), _resources(), RESOURCES[0])


def _set_in_cmake(name: str) -> str:
    found = re.search(rf'^set\({name} "(.*)"\)$', _text("CMakeLists.txt"), re.MULTILINE)
    assert found, f"CMakeLists.txt sets no {name}"
    return found[1]


def _s4ext() -> dict[str, str]:
    lines = _text("ParetoSeg.s4ext").splitlines()
    pairs = [line.split(" ", 1) for line in lines if line.strip() and not line.startswith("#")]
    return {pair[0]: pair[1] for pair in pairs}


def test_the_three_metadata_files_and_the_project_agree() -> None:
    classic, catalog = _s4ext(), json.loads(_text("ParetoSeg.json"))
    assert _set_in_cmake("EXTENSION_HOMEPAGE") == classic["homepage"] == HOMEPAGE
    assert classic["scmurl"] == catalog["scm_url"] == HOMEPAGE
    assert classic["scmrevision"] == catalog["scm_revision"]
    assert _set_in_cmake("EXTENSION_CONTRIBUTORS") == classic["contributors"] == CONTRIBUTORS
    category = _set_in_cmake("EXTENSION_CATEGORY")
    assert category == classic["category"] == catalog["category"] == "Segmentation"
    description = _set_in_cmake("EXTENSION_DESCRIPTION")
    assert description == classic["description"]
    assert DISCLAIMER in description
    assert "SlicerDevelopmentToolbox" in description
    depends = _set_in_cmake("EXTENSION_DEPENDS")
    assert depends.split() == classic["depends"].split() == catalog["build_dependencies"]
    assert "SlicerDevelopmentToolbox" not in depends
    assert classic["build_subdirectory"] == catalog["build_subdirectory"] == "."
    assert classic["enabled"] == "1"
    assert catalog["enabled"] is True
    assert _set_in_cmake("EXTENSION_ICONURL") == classic["iconurl"]
    assert _set_in_cmake("EXTENSION_SCREENSHOTURLS") == classic["screenshoturls"]
    assert f"project({NAME})" in _text("CMakeLists.txt")


def test_the_classic_file_has_the_keys_that_slicer_reads() -> None:
    assert set(_s4ext()) == {
        *("scm", "scmurl", "scmrevision", "depends", "build_subdirectory", "homepage"),
        *("contributors", "category", "iconurl", "status", "description", "screenshoturls"),
        "enabled",
    }


def test_the_catalog_entry_has_the_keys_of_its_schema() -> None:
    entry = json.loads(_text("ParetoSeg.json"))
    known = {"build_dependencies", "build_subdirectory", "category", "enabled"}
    assert set(entry) == {*known, "$schema", "scm_revision", "scm_url", "tier"}
    assert entry["$schema"].endswith("slicer-extension-catalog-entry-schema-v1.0.1.json#")


def test_pictures_that_the_catalog_shows_are_kept_here() -> None:
    start = f"{HOMEPAGE.replace('github.com', 'raw.githubusercontent.com')}/main/"
    for shown in (
        [_set_in_cmake("EXTENSION_ICONURL"), *_set_in_cmake("EXTENSION_SCREENSHOTURLS").split()],
        [_s4ext()["iconurl"], *_s4ext()["screenshoturls"].split()],
    ):
        assert len(shown) > 1
        for url in shown:
            assert url.startswith(start)
            assert url.endswith(".png")
            path = ROOT / url.removeprefix(start)
            # Upper and lower case count there, whatever they do on this computer.
            assert path.name in [there.name for there in path.parent.iterdir()], url
            assert path.read_bytes().startswith(b"\x89PNG\r\n\x1a\n"), url


def test_the_icon_is_a_png_of_128_pixels() -> None:
    head = (ROOT / "Resources" / "Icons" / "ParetoSeg.png").read_bytes()[:24]
    assert head.startswith(b"\x89PNG\r\n\x1a\n")
    assert int.from_bytes(head[16:20], "big") == int.from_bytes(head[20:24], "big") == 128


def _install(prefix: Path) -> Path:
    """Copy the listed files, and only those, to where Slicer's macros put them."""
    modules = prefix / "lib" / "Slicer-5.10" / "qt-scripted-modules"
    copies = [(ROOT / "ParetoSeg" / name, modules / name) for name in _listed(*SCRIPTS)]
    copies += [(ROOT / name, modules / name) for name in _listed(*RESOURCES)]
    copies += [
        (ROOT / "ParetoSegLib" / name, modules / "ParetoSegLib" / name)
        for name in _listed(*LIBRARY)
    ]
    for source, target in copies:
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(source, target)
    return modules


IMPORTS = """
import sys
from pathlib import Path

modules = Path(sys.argv[1])
sys.path.insert(0, str(modules))
import ParetoSegLib.worker
from ParetoSegLib.core.resources import RESOURCES, sample_folder, shipped_models

assert Path(ParetoSegLib.__file__).is_relative_to(modules), ParetoSegLib.__file__
assert RESOURCES == modules / "Resources", RESOURCES
for name in ("UI/ParetoSeg.ui", "Icons/ParetoSeg.png", "Requirements/runtime.txt"):
    assert (RESOURCES / name).is_file(), name
assert len(list(sample_folder().glob("*/*-t1c.nii.gz"))) == 1
assert [m.name for m in shipped_models()] == sys.argv[2:], shipped_models()
for model in shipped_models():
    assert (model / "weights.safetensors").is_file()
    assert (model / "MODEL_CARD.md").is_file()
"""


def test_an_installed_extension_finds_itself(tmp_path: Path) -> None:
    from ParetoSegLib.core.resources import shipped_models

    modules = _install(tmp_path)
    names = [model.name for model in shipped_models()]
    # Far from the sources, and without the environment's own ParetoSegLib on the path.
    done = subprocess.run(
        [sys.executable, "-c", IMPORTS, str(modules.resolve()), *names],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stderr


SLICER_CONFIG = """
set(Slicer_USE_FILE "${CMAKE_CURRENT_LIST_DIR}/use.cmake")
set(Slicer_EXTENSION_GENERATE_CONFIG "${CMAKE_CURRENT_LIST_DIR}/nothing.cmake")
set(Slicer_EXTENSION_CPACK "${CMAKE_CURRENT_LIST_DIR}/nothing.cmake")
set(Slicer_QTSCRIPTEDMODULES_LIB_DIR "lib/Slicer-5.10/qt-scripted-modules")
set(Slicer_INSTALL_QTSCRIPTEDMODULES_LIB_DIR "lib/Slicer-5.10/qt-scripted-modules")
"""

SLICER_USE = """
include(CMakeParseArguments)
macro(slicerMacroBuildScriptedModule)
  cmake_parse_arguments(MY "WITH_GENERIC_TESTS;WITH_SUBDIR" "NAME" "SCRIPTS;RESOURCES" ${ARGN})
  if(MY_UNPARSED_ARGUMENTS)
    message(FATAL_ERROR "Unknown keywords: ${MY_UNPARSED_ARGUMENTS}")
  endif()
  set(subdir "")
  if(MY_WITH_SUBDIR)
    get_filename_component(subdir ${CMAKE_CURRENT_SOURCE_DIR} NAME)
    set(subdir "/${subdir}")
  endif()
  foreach(file ${MY_SCRIPTS} ${MY_RESOURCES})
    if(NOT EXISTS ${CMAKE_CURRENT_SOURCE_DIR}/${file})
      message(FATAL_ERROR "given nonexistent file '${file}'")
    endif()
    configure_file(${CMAKE_CURRENT_SOURCE_DIR}/${file}
      ${CMAKE_BINARY_DIR}/${Slicer_QTSCRIPTEDMODULES_LIB_DIR}${subdir}/${file} COPYONLY)
  endforeach()
  install(DIRECTORY ${CMAKE_BINARY_DIR}/${Slicer_QTSCRIPTEDMODULES_LIB_DIR}/
    DESTINATION ${Slicer_INSTALL_QTSCRIPTEDMODULES_LIB_DIR})
endmacro()
macro(slicer_add_python_unittest)
  cmake_parse_arguments(MY "" "SCRIPT" "SLICER_ARGS" ${ARGN})
  if(NOT EXISTS ${CMAKE_CURRENT_SOURCE_DIR}/${MY_SCRIPT})
    message(FATAL_ERROR "no test ${MY_SCRIPT}")
  endif()
endmacro()
"""


@pytest.mark.skipif(
    not (shutil.which("cmake") and shutil.which("cc")), reason="needs cmake and a compiler"
)
def test_cmake_itself_installs_the_same_files(tmp_path: Path) -> None:
    """Slicer's macros are stand-ins; the CMake language, the order and the paths are real."""
    config = tmp_path / "Slicer"
    config.mkdir()
    (config / "SlicerConfig.cmake").write_text(SLICER_CONFIG, encoding="utf-8")
    (config / "use.cmake").write_text(SLICER_USE, encoding="utf-8")
    (config / "nothing.cmake").write_text("", encoding="utf-8")
    build, prefix = tmp_path / "build", tmp_path / "prefix"
    options = [f"-DSlicer_DIR={config}", f"-DCMAKE_INSTALL_PREFIX={prefix}", "-DBUILD_TESTING=ON"]
    for command in (
        ["cmake", "-S", str(ROOT), "-B", str(build), *options],
        ["cmake", "--install", str(build)],
    ):
        done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
        assert done.returncode == 0, done.stderr
    installed = prefix / "lib" / "Slicer-5.10" / "qt-scripted-modules"
    expected = _install(tmp_path / "expected")
    names = [p.relative_to(expected) for p in expected.rglob("*") if p.is_file()]
    there = [p.relative_to(installed) for p in installed.rglob("*") if p.is_file()]
    assert sorted(there) == sorted(names)
