"""Loading and saving as `slicer.util` asks for it: real scene files, and volumes from disk."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from .core import SlicerCore
from .surface import surface


class qSlicerIOManager(surface("qSlicerIOManager", surface("qSlicerCoreIOManager"))):
    """Reads and writes scenes (.mrb, .mrml) and reads volumes; other files are refused."""

    def __init__(self, core: SlicerCore) -> None:
        super().__init__()
        self._core = core

    def fileType(self, file: str) -> str:
        return "SceneFile" if Path(file).suffix in (".mrb", ".mrml") else "VolumeFile"

    def loadNodes(
        self, fileType: str, parameters: dict, loadedNodes: Any = None, userMessages: Any = None
    ) -> bool:
        name = parameters["fileName"]
        if fileType == "SceneFile":
            return self.loadScene(name, parameters.get("clear", False))
        if fileType != "VolumeFile":
            return False
        volumes = self._core.logics["Volumes"]
        node = volumes.AddArchetypeVolume(name, parameters.get("name", _bare(name)), 0)
        if node is not None and loadedNodes is not None:
            loadedNodes.AddItem(node)
        return node is not None

    def loadScene(self, fileName: str, clear: bool = True, userMessages: Any = None) -> bool:
        scene = self._core.scene
        if Path(fileName).suffix == ".mrb":
            return bool(scene.ReadFromMRB(fileName, clear))
        scene.SetURL(fileName)
        return bool(scene.Connect() if clear else scene.Import())

    def saveNodes(
        self, fileType: str, parameters: dict, userMessages: Any = None, scene: Any = None
    ) -> bool:
        name = parameters["fileName"]
        if fileType != "SceneFile":
            return False
        return self.saveScene(name, None)

    def saveScene(self, fileName: str, screenShot: Any, userMessages: Any = None) -> bool:
        scene = self._core.scene
        if Path(fileName).suffix == ".mrb":
            return bool(scene.WriteToMRB(fileName, None))
        scene.SetURL(fileName)
        return bool(scene.Commit(fileName))


def _bare(name: str) -> str:
    return Path(name).name.removesuffix(".gz").rpartition(".")[0]
