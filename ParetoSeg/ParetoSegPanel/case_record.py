"""What is kept of a result besides its segmentation: one hidden node of the scene.

A ``vtkMRMLScriptedModuleNode`` is written into the scene file itself. It needs no data file that
the Save dialog could leave out, as it does with every hidden volume, and no selector lists it.
Memberships are cropped, in 200 steps and compressed: about a hundred kilobytes a region.
"""

from __future__ import annotations

import base64
import json
import zlib
from collections.abc import Iterator
from typing import Any

import numpy as np
import slicer
from slicer.i18n import tr as _

from ParetoSegLib.core.errors import ParetoSegError

MODULE_NAME = "ParetoSegCase"
"""By this name the record is told from other modules' nodes."""

VERSION = 1

RECORD_ROLE = "ParetoSeg.record"
"""Reference from the segmentation to its record."""

SEGMENTATION_ROLE = "ParetoSeg.segmentation"
REFERENCE_ROLE = "ParetoSeg.reference"
"""References from the record to the segmentation and to the image it was made from."""

HELPER_ROLE = "ParetoSeg.helper."
"""Roles of what a confidence view put into the scene begin with this."""

_COMPRESSION = 1
_DTYPES = ("uint8", "int32")


class SceneError(ParetoSegError):
    """A node of the scene is not what it should be, or was changed so that it no longer fits."""


class CaseRecord:
    """Typed access to one record node.

    Args:
        node: the ``vtkMRMLScriptedModuleNode``.
    """

    def __init__(self, node: Any) -> None:
        self.node = node

    @classmethod
    def new(cls, name: str) -> CaseRecord:
        """A record in the scene, hidden from selectors and saved with the scene."""
        node = slicer.mrmlScene.AddNewNodeByClass(
            "vtkMRMLScriptedModuleNode", _("{name} record").format(name=name)
        )
        node.SetModuleName(MODULE_NAME)
        node.SetHideFromEditors(True)
        record = cls(node)
        record.put("version", VERSION)
        return record

    @classmethod
    def of(cls, segmentation: Any) -> CaseRecord:
        """The record of a segmentation.

        Raises:
            SceneError: it has none, or one of another version.
        """
        node = segmentation.GetNodeReference(RECORD_ROLE)
        if node is None or node.GetModuleName() != MODULE_NAME:
            raise SceneError(
                _(
                    "{name} is not a result of ParetoSeg, or was loaded without its scene; open "
                    "the scene it was saved in, or segment again."
                ).format(name=segmentation.GetName())
            )
        record = cls(node)
        version = record.get("version", None)
        if version != VERSION:
            raise SceneError(
                _(
                    "{name} was saved by another version of ParetoSeg (record {version}, this one "
                    "reads {ours}); update the extension or segment again."
                ).format(name=segmentation.GetName(), version=version, ours=VERSION)
            )
        return record

    @classmethod
    def all_in_scene(cls) -> Iterator[CaseRecord]:
        """Every record of the scene."""
        for node in slicer.util.getNodesByClass("vtkMRMLScriptedModuleNode"):
            if node.GetModuleName() == MODULE_NAME:
                yield cls(node)

    def put(self, key: str, value: object) -> None:
        """Keep something that JSON can write."""
        self.node.SetParameter(key, json.dumps(value, ensure_ascii=True, allow_nan=False))

    def get(self, key: str, default: Any) -> Any:
        """What was kept under ``key``, or ``default``."""
        text = self.node.GetParameter(key)
        return json.loads(text) if text else default

    def drop(self, key: str) -> None:
        """Forget what was kept under ``key``."""
        self.node.UnsetParameter(key)

    def put_array(self, key: str, array: np.ndarray) -> None:
        """Keep an array of uint8 or int32, compressed without loss."""
        if str(array.dtype) not in _DTYPES:
            raise ValueError(f"arrays of {array.dtype} are not kept")
        # Written the same on every machine.
        plain = np.ascontiguousarray(array, array.dtype.newbyteorder("<"))
        packed = base64.b64encode(zlib.compress(plain.tobytes(), _COMPRESSION)).decode("ascii")
        self.put(f"{key}.shape", [str(array.dtype), *array.shape])
        self.node.SetParameter(key, packed)

    def get_array(self, key: str) -> np.ndarray:
        """An array that was kept.

        Raises:
            SceneError: it is missing or damaged.
        """
        kind, *shape = self.get(f"{key}.shape", [""])
        try:
            if kind not in _DTYPES:
                raise ValueError(f"no array {key}")
            dtype = np.dtype(kind).newbyteorder("<")
            wanted = int(np.prod(shape)) * dtype.itemsize
            unpack = zlib.decompressobj()
            plain = unpack.decompress(base64.b64decode(self.node.GetParameter(key)), wanted + 1)
            if len(plain) != wanted:
                raise ValueError(f"{key} holds {len(plain)} bytes instead of {wanted}")
        except (ValueError, zlib.error) as error:
            raise SceneError(
                _("The scene's {name} is damaged; segment again.").format(name=self.node.GetName())
            ) from error
        return np.frombuffer(plain, dtype).reshape(shape).astype(kind)

    @property
    def segmentation(self) -> Any:
        """The segmentation node, or ``None`` if it is gone."""
        return self.node.GetNodeReference(SEGMENTATION_ROLE)

    @property
    def reference(self) -> Any:
        """The image it was made from, or ``None`` if it is gone."""
        return self.node.GetNodeReference(REFERENCE_ROLE)

    def helper(self, role: str) -> Any:
        """A node that a confidence view put into the scene, or ``None``."""
        return self.node.GetNodeReference(HELPER_ROLE + role)

    def add_helper(self, role: str, node: Any) -> None:
        """Remember a node of a confidence view."""
        self.node.SetNodeReferenceID(HELPER_ROLE + role, node.GetID())

    def remove_helper(self, role: str) -> None:
        """Take a confidence view's node out of the scene, with its display and its storage."""
        node = self.helper(role)
        # First the reference: a node that is removed must not come back with the scene's undo.
        self.node.SetNodeReferenceID(HELPER_ROLE + role, None)
        if node is not None:
            remove_node(node)


def remove_node(node: Any) -> None:
    """Remove a node with its display nodes, colour legends among them, and its storage node."""
    scene = node.GetScene()
    if scene is None:
        return
    belongings = []
    if node.IsA("vtkMRMLDisplayableNode"):
        belongings += [node.GetNthDisplayNode(n) for n in range(node.GetNumberOfDisplayNodes())]
    if node.IsA("vtkMRMLStorableNode"):
        belongings.append(node.GetStorageNode())
    scene.RemoveNode(node)
    for belonging in belongings:
        if belonging is not None and belonging.GetScene() is not None:
            scene.RemoveNode(belonging)
