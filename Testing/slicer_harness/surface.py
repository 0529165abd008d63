"""What CTK, qMRML and qSlicer classes offer to Python, generated from `qt_api.json`.

`surface("ctkSliderWidget")` is a Qt class with the properties, signals and methods that PythonQt
exposes on the real one. A stand-in derives from it and gives life to what the panel uses; the rest
keeps plain values or says that the stand-in cannot do it. A stand-in that offers more than the
real class does not import.
"""

from __future__ import annotations

import functools
import json
from pathlib import Path
from typing import Any

from PySide6 import QtCore, QtGui, QtWidgets

from .pythonqt import CLOSED_CLASSES, argument_types

API: dict[str, dict[str, Any]] = json.loads(
    (Path(__file__).parent / "qt_api.json").read_text(encoding="utf-8")
)
# Bases that the list of classes leaves out; what they add is not used here.
OUTSIDE = {
    "ctkLayoutFactory": "ctkLayoutManager",
    "qMRMLAbstractViewWidget": "QWidget",
    "ctkErrorLogModel": "QObject",
}
# Added by Slicer's Python decorators, or by the scripted subclasses, which the list does not read.
DECORATED = {
    "qSlicerCoreApplication": {"testingEnabled"},
    "qSlicerAbstractCoreModule": {"widgetRepresentation", "createNewWidgetRepresentation", "icon"},
    "qSlicerAbstractModuleWidget": {"self", "reload"},
}
PLAIN = {"bool": bool, "int": int, "double": float, "float": float, "QString": str}
EMPTY = {
    "bool": False,
    "int": 0,
    "double": 0.0,
    "float": 0.0,
    "QString": "",
    "QStringList": (),
    "QColor": QtGui.QColor,
    "QIcon": QtGui.QIcon,
}


class NotInStandIn(NotImplementedError):
    """The real class can do this; the stand-in has not needed it yet."""


def offered(name: str) -> set[str]:
    """Every attribute that PythonQt gives the class `name`, without those of Qt's own classes."""
    entry = API.get(name)
    if entry is None:
        return set()
    found = set(entry["properties"]) | DECORATED.get(name, set())
    for group in ("slots", "signals", "invokable"):
        found |= {signature.partition("(")[0] for signature in entry[group]}
    for base in entry["bases"]:
        found |= offered(OUTSIDE.get(base, base))
    return found


@functools.cache
def surface(name: str, parent: type | None = None) -> type:
    """The bare class `name`: real properties and signals, methods that say they are not there.

    `parent` is the stand-in of a CTK or MRML base class; without it the Qt base is taken.
    """
    entry = API[name]
    namespace: dict[str, Any] = {"__module__": __name__, "_offered": offered(name)}
    for key, declared in entry["properties"].items():
        namespace[key] = _value(key, declared)
        setter = f"set{key[0].upper()}{key[1:]}"
        if any(s.startswith(f"{setter}(") for s in entry["slots"]):
            namespace[setter] = functools.partialmethod(_write, key)
    for signature in entry["slots"] + entry["invokable"]:
        method = signature.partition("(")[0]
        namespace.setdefault(method, _absent(name, method))
    signals: dict[str, list[str]] = {}
    for signature in entry["signals"]:
        signals.setdefault(signature.partition("(")[0], []).append(signature)
    for signal, overloads in signals.items():
        namespace[signal] = _signal(overloads)
    namespace["_signals"] = {
        normal(signature): signature for signature in entry["signals"]
    } | getattr(parent, "_signals", {})
    base = parent or _qt_base(name)
    namespace["_check_signal"] = classmethod(_check_signal)
    namespace["__init_subclass__"] = classmethod(_hold_to_surface)
    made = type(base)(name, (base,), namespace)
    CLOSED_CLASSES.add(made)
    return made


def normal(signature: str) -> str:
    """`changed(const QString& name)` → `changed(QString)`, as Qt compares signatures."""
    name, arguments = argument_types(signature)
    kinds = []
    for argument in arguments:
        words = argument.split("=")[0].replace("const ", "").replace("&", " ").split()
        kind = words[0] if words else ""
        if kind == "unsigned":
            kind = " ".join(words[:2])
        if "*" in argument and not kind.endswith("*"):
            kind += "*"
        kinds.append(kind)
    return f"{name}({','.join(kinds)})"


def _qt_base(name: str) -> type:
    for base in API[name]["bases"]:
        base = OUTSIDE.get(base, base)
        for module in (QtWidgets, QtCore, QtGui):
            if hasattr(module, base):
                return getattr(module, base)
        if base in API:
            return surface(base)
    return QtCore.QObject


def _value(key: str, declared: str) -> QtCore.Property:
    """The property `key`; `_get_<key>` and `_set_<key>` of a stand-in give it life."""
    kind = declared.removesuffix(" (read-only)")
    empty = EMPTY.get(kind)
    expected = PLAIN.get(kind)

    def read(self: Any) -> Any:
        get = getattr(self, f"_get_{key}", None)
        if get is not None:
            return get()
        return self.__dict__.setdefault("_values", {}).get(
            key, empty() if callable(empty) else empty
        )

    def write(self: Any, value: Any) -> None:
        if expected is not None and not isinstance(value, expected | int):
            raise TypeError(f"'{key}' takes {kind}, not {type(value).__name__}")
        set_ = getattr(self, f"_set_{key}", None)
        if set_ is not None:
            set_(value)
        else:
            self.__dict__.setdefault("_values", {})[key] = value

    # A Qt property and not only a Python one, so that a .ui file can set it.
    kind = expected or {"QColor": QtGui.QColor, "QIcon": QtGui.QIcon}.get(kind, "QVariant")
    if declared.endswith("(read-only)"):
        return QtCore.Property(kind, read)
    return QtCore.Property(kind, read, write)


def _write(self: Any, key: str, value: Any) -> None:
    setattr(self, key, value)


def _absent(name: str, method: str) -> Any:
    def call(self: Any, *_: Any) -> Any:
        raise NotInStandIn(f"The stand-in for {name} cannot do {method}().")

    return call


def _signal(overloads: list[str]) -> Any:
    kinds = [
        tuple(PLAIN.get(kind, object) for kind in argument_types(normal(text))[1])
        for text in overloads
    ]
    kinds = list(dict.fromkeys(kinds))
    return QtCore.Signal(*kinds) if len(kinds) > 1 else QtCore.Signal(*kinds[0])


def _check_signal(cls: type, signature: str) -> bool:
    return normal(signature) in cls._signals  # type: ignore[attr-defined]


def _hold_to_surface(cls: type, **_: Any) -> None:
    if not cls.__module__.startswith(__name__.partition(".")[0]):
        return  # a class of the panel's own may add what it likes
    CLOSED_CLASSES.add(cls)
    known = set(cls._offered)  # type: ignore[attr-defined]
    for name in vars(cls):
        if name.startswith("_") or name in known or name == "staticMetaObject":
            continue
        if not any(hasattr(base, name) for base in cls.__mro__ if "PySide6" in base.__module__):
            raise TypeError(f"{cls.__name__} of Slicer does not offer '{name}' to Python.")
