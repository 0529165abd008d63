"""How a typed parameter is written into a `vtkMRMLScriptedModuleNode`, as Slicer writes it.

The format matters: a scene that a test saves is the scene that Slicer would save.
"""

from __future__ import annotations

import enum
import pathlib
import typing
from dataclasses import dataclass
from typing import Any

import slicer


@dataclass(frozen=True)
class WithinRange:
    """The value lies between both ends, ends included."""

    minimum: float
    maximum: float

    def validate(self, value: Any) -> None:
        if not self.minimum <= value <= self.maximum:
            raise ValueError(
                f"Value must be within range [{self.minimum}, {self.maximum}], is {value}"
            )


@dataclass(frozen=True)
class Minimum:
    """The value is not less."""

    minimum: float

    def validate(self, value: Any) -> None:
        if value < self.minimum:
            raise ValueError(f"Value must be at least {self.minimum}, is {value}")


@dataclass(frozen=True)
class Maximum:
    """The value is not more."""

    maximum: float

    def validate(self, value: Any) -> None:
        if value > self.maximum:
            raise ValueError(f"Value must be at most {self.maximum}, is {value}")


@dataclass(frozen=True)
class Choice:
    """The value is one of these."""

    choices: tuple[Any, ...] | list[Any]

    def validate(self, value: Any) -> None:
        if value not in self.choices:
            raise ValueError(f"Value is {value}, but must be one of {self.choices}")


@dataclass(frozen=True)
class Default:
    """The value before anything is set."""

    value: Any


@dataclass(frozen=True)
class Decimals:
    """Digits that a connected number box shows."""

    value: int


@dataclass(frozen=True)
class SingleStep:
    """The step of a connected number box."""

    value: float


class Parameter:
    """One typed entry of a parameter node.

    Raises:
        TypeError: for a type that Slicer's wrapper cannot store.
    """

    def __init__(self, name: str, declared: Any, default: Any = None) -> None:
        self.name = name
        self.declared = declared
        self.kind, self.annotations = split(declared)
        if not storable(self.kind):
            raise TypeError(f"No way to store {self.kind} in a parameter node.")
        found = [a.value for a in self.annotations if isinstance(a, Default)]
        if default is None and found:
            default = found[0]
        self.default = _empty(self.kind) if default is None else default

    def is_in(self, node: Any) -> bool:
        return bool(node.HasParameter(self.name))

    def read(self, node: Any) -> Any:
        if not self.is_in(node):  # closing the scene empties the node
            self.write(node, self.default)
        kind = self.kind
        if _is_node(kind):
            return node.GetNodeReference(self.name)
        text = node.GetParameter(self.name)
        if kind is bool:
            return text == "True"
        if issubclass(kind, enum.Enum):
            return kind[text]
        return kind(text)

    def write(self, node: Any, value: Any) -> None:
        self._check(value)
        if _is_node(self.kind):
            node.SetParameter(self.name, "")  # says that it was set, to None perhaps
            node.SetNodeReferenceID(self.name, value.GetID() if value is not None else None)
        elif self.kind is bool:
            node.SetParameter(self.name, "True" if value else "False")
        elif issubclass(self.kind, enum.Enum):
            node.SetParameter(self.name, value.name)
        else:
            node.SetParameter(self.name, str(value))

    def _check(self, value: Any) -> None:
        allowed = (int, float) if self.kind is float else self.kind
        if value is None and not _is_node(self.kind):
            raise ValueError("Value must not be None")
        if value is not None and not isinstance(value, allowed):
            raise TypeError(f"Value must be of type '{allowed}', is '{type(value)}' ({value})")
        for annotation in self.annotations:
            if hasattr(annotation, "validate"):
                annotation.validate(value)


def split(declared: Any) -> tuple[Any, tuple[Any, ...]]:
    """The bare type and the annotations of `Annotated[type, …]`."""
    if typing.get_origin(declared) is typing.Annotated:
        return declared.__origin__, declared.__metadata__
    return declared, ()


def storable(kind: Any) -> bool:
    """Whether a parameter node can hold this type (lists, packs and unions are not done here)."""
    plain = (bool, int, float, str, pathlib.Path, pathlib.PurePath)
    return kind in plain or _is_node(kind) or (isinstance(kind, type) and _is_enum(kind))


def _is_node(kind: Any) -> bool:
    return isinstance(kind, type) and issubclass(kind, slicer.vtkMRMLNode)


def _is_enum(kind: type) -> bool:
    return issubclass(kind, enum.Enum)


def _empty(kind: Any) -> Any:
    if _is_node(kind):
        return None
    return next(iter(kind)) if _is_enum(kind) else kind()
