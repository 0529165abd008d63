"""`SampleData`: the registry of sample data sources, and loading one of them by name."""

from __future__ import annotations

import types
from dataclasses import dataclass, field
from typing import Any

import slicer


@dataclass
class SampleDataSource:
    """One entry of the Sample Data module; lists of equal length, as Slicer demands."""

    sampleName: str | None = None
    sampleDescription: str | None = None
    uris: Any = None
    fileNames: Any = None
    nodeNames: Any = None
    checksums: Any = None
    loadFiles: Any = None
    customDownloader: Any = None
    thumbnailFileName: str | None = None
    loadFileType: Any = None
    loadFileProperties: dict = field(default_factory=dict)

    def __post_init__(self) -> None:
        if isinstance(self.uris, str):
            for name in ("uris", "fileNames", "nodeNames"):
                setattr(self, name, [getattr(self, name)])
        lengths = {len(self.uris), len(self.fileNames), len(self.nodeNames)}
        if len(lengths) != 1:
            raise ValueError("All fields of sample data source must have the same length")


class SampleDataLogic:
    """Registers sources by category and loads them."""

    @staticmethod
    def registerCustomSampleDataSource(
        category: str = "Custom",
        sampleName: str | None = None,
        uris: Any = None,
        fileNames: Any = None,
        nodeNames: Any = None,
        customDownloader: Any = None,
        thumbnailFileName: str | None = None,
        loadFileType: Any = "VolumeFile",
        loadFiles: Any = None,
        loadFileProperties: dict | None = None,
        checksums: Any = None,
    ) -> None:
        source = SampleDataSource(
            sampleName=sampleName,
            uris=uris,
            fileNames=fileNames,
            nodeNames=nodeNames,
            thumbnailFileName=thumbnailFileName,
            loadFileType=loadFileType,
            loadFiles=loadFiles,
            loadFileProperties=loadFileProperties or {},
            checksums=checksums,
            customDownloader=customDownloader,
        )
        found = SampleDataLogic.sampleDataSourcesByCategory().setdefault(category, [])
        if not any(known.sampleName == sampleName for known in found):
            found.append(source)

    @staticmethod
    def sampleDataSourcesByCategory(category: str | None = None) -> Any:
        if not hasattr(slicer.modules, "sampleDataSources"):
            slicer.modules.sampleDataSources = {}
        sources = slicer.modules.sampleDataSources
        return sources if category is None else sources.get(category, [])

    def downloadSamples(self, sampleName: str) -> Any:
        for sources in self.sampleDataSourcesByCategory().values():
            for source in sources:
                if source.sampleName == sampleName and source.customDownloader is not None:
                    return source.customDownloader(source)
        return None


def make_module() -> types.ModuleType:
    """Returns `SampleData`; nothing in it reaches for a network."""
    module = types.ModuleType("SampleData", __doc__)
    module.SampleDataSource = SampleDataSource
    module.SampleDataLogic = SampleDataLogic
    module.downloadSamples = lambda sampleName: SampleDataLogic().downloadSamples(sampleName)
    module.downloadSample = lambda sampleName: SampleDataLogic().downloadSamples(sampleName)[0]
    return module
