"""The `qt` module over PySide6, behaving as PythonQt does in Slicer.

PythonQt exposes Qt properties as attributes (`button.text`), connects by signature
(`button.connect("clicked()", f)`), maps `name` to `objectName` and refuses attributes that a C++
object does not have. PySide6 is changed in place to do the same, once for the process.
"""

from __future__ import annotations

import sys
import types
from collections.abc import Callable
from typing import Any

import shiboken6
from PySide6 import QtCore, QtGui, QtNetwork, QtUiTools, QtWidgets

MODULES = (QtCore, QtGui, QtNetwork, QtWidgets, QtUiTools)
# Python-side stand-ins for C++ classes: as closed as the C++ classes themselves.
CLOSED_CLASSES: set[type] = set()


def make_qt_module() -> types.ModuleType:
    """Returns `qt` with every Qt class under one roof; changes PySide6's classes on the way."""
    qt = types.ModuleType("qt", "PySide6 with PythonQt's behaviour.")
    for module in MODULES:
        for name in dir(module):  # PySide6 makes its classes when they are first asked for
            value = getattr(module, name)
            if name.startswith("Q") and isinstance(value, type):
                _expose_properties(value)
                if issubclass(value, QtCore.QObject):
                    _close(value)
                setattr(qt, name, value)
    qt.Qt = QtCore.Qt
    qt.QUiLoader = QtUiTools.QUiLoader
    _give_objects_pythonqt_methods()
    return qt


def accepts(function: Callable[..., Any], count: int) -> int:
    """How many of `count` signal arguments PythonQt would hand to `function`."""
    code = getattr(getattr(function, "__func__", function), "__code__", None)
    if code is None or code.co_flags & 0x04:  # *args takes them all
        return count
    bound = 1 if hasattr(function, "__self__") else 0
    return min(count, code.co_argcount - bound)


def argument_types(signature: str) -> tuple[str, list[str]]:
    """Splits "valueChanged(double)" into its name and its argument types."""
    name, opening, rest = signature.partition("(")
    if not opening or not rest.endswith(")"):
        raise AttributeError(f"'{signature}' is not a signal signature such as 'clicked()'.")
    inner = rest[:-1].strip()
    return name.strip(), [part.strip() for part in inner.split(",")] if inner else []


class _Attribute(property):
    """A Qt property as an attribute; asked of the class, it is the static function of that name.

    PythonQt keeps both where Qt has both: `timer.singleShot` and `QTimer.singleShot(0, f)`.
    """

    static: Any = None

    def __get__(self, instance: Any, owner: type | None = None) -> Any:
        if instance is None and self.static is not None:
            return self.static
        return super().__get__(instance, owner)


def _expose_properties(cls: type) -> None:
    meta = getattr(cls, "staticMetaObject", None)
    if meta is None:
        return
    own = meta.className() == cls.__name__
    for index in range(meta.propertyCount()):
        described = meta.property(index)
        name = described.name()
        again = own and index >= meta.propertyOffset()
        # A subclass that overrides the getter (sizeHint) would hide the attribute of its base.
        if again or (name in vars(cls) and not isinstance(vars(cls)[name], property)):
            setattr(cls, name, _attribute(cls, name, described.isWritable()))


def _attribute(cls: type, name: str, writable: bool) -> property:
    named = getattr(cls, name, None)
    static = named if isinstance(named, types.BuiltinFunctionType) else None
    capital = name[0].upper() + name[1:]
    getter = named if static is None and callable(named) else None
    if getter is None or isinstance(getter, QtCore.Signal | property):
        getter = _first(cls, f"is{capital}", f"get{capital}")
    setter = _first(cls, f"set{capital}")

    def read(self: Any) -> Any:
        return getter(self) if getter is not None else QtCore.QObject.property(self, name)

    def write(self: Any, value: Any) -> None:
        if setter is not None:
            setter(self, value)
        else:
            QtCore.QObject.setProperty(self, name, value)

    attribute = _Attribute(read, write if writable else None)
    attribute.static = static
    return attribute


def _first(cls: type, *names: str) -> Any:
    return next((getattr(cls, name) for name in names if hasattr(cls, name)), None)


def _give_objects_pythonqt_methods() -> None:
    cls = QtCore.QObject
    cls.className = lambda self: self.metaObject().className()
    cls.delete = lambda self: shiboken6.delete(self)
    cls.name = property(lambda self: self.objectName, lambda self, v: self.setObjectName(v))
    for dialog in (QtWidgets.QDialog, QtWidgets.QMenu):
        dialog.exec_ = lambda self, *args: self.exec(*args)
    QtWidgets.QApplication.exec_ = lambda self: self.exec()


def _close(cls: type) -> None:
    """Makes `cls` connect as PythonQt does and refuse attributes that it does not have.

    PySide6 answers `connect` before it looks into the class, and every class has its own
    `__setattr__`, so both are replaced class by class.
    """
    native_get = cls.__getattribute__

    def get(self: Any, name: str) -> Any:
        if name in _OWN_METHODS:
            return types.MethodType(_OWN_METHODS[name], self)
        return native_get(self, name)

    def set_(self: Any, name: str, value: Any) -> None:
        known = next((vars(c)[name] for c in type(self).__mro__ if name in vars(c)), None)
        if isinstance(known, QtCore.Property):
            if known.fset is None:
                raise AttributeError(f"'{name}' of '{type(self).__name__}' is read-only")
            known.fset(self, value)
        elif hasattr(type(known), "__set__"):
            known.__set__(self, value)
        elif name.startswith("_") or not _is_closed(type(self)) or _is_signal(value):
            self.__dict__[name] = value
        elif known is not None:
            raise AttributeError(f"'{name}' of '{type(self).__name__}' cannot be overwritten")
        else:
            raise AttributeError(f"'{type(self).__name__}' object has no attribute '{name}'")

    cls.__getattribute__ = get
    cls.__setattr__ = set_


def _is_signal(value: Any) -> bool:
    """PySide6 keeps a signal in the object when it is first asked for."""
    return isinstance(value, QtCore.SignalInstance)


def _is_closed(cls: type) -> bool:
    """Classes written in Python may carry attributes; wrapped C++ classes may not."""
    return cls in CLOSED_CLASSES or cls.__module__.startswith("PySide6.")


def _connect(self: Any, *arguments: Any) -> bool:
    if len(arguments) != 2:  # PySide6's own way, which its `QTimer.singleShot` goes
        return bool(QtCore.QObject.connect(*arguments))
    signature, function = arguments
    expected = argument_types(signature)[1]
    signal = _signal_of(self, signature)
    count = accepts(function, len(expected))

    def deliver(*values: Any) -> None:
        function(*values[:count])

    signal.connect(deliver)
    self.__dict__.setdefault("_connections", []).append((signature, function, deliver))
    return True


def _disconnect(self: Any, signature: str, function: Callable[..., Any]) -> bool:
    made = self.__dict__.get("_connections", [])
    for entry in made:
        if entry[0] == signature and entry[1] == function:
            _signal_of(self, signature).disconnect(entry[2])
            made.remove(entry)
            return True
    return False


_OWN_METHODS = {"connect": _connect, "disconnect": _disconnect}


def _signal_of(self: Any, signature: str) -> Any:
    """The signal with exactly this signature; PythonQt would only log that there is none."""
    name, kinds = argument_types(signature)
    stand_in = getattr(type(self), "_check_signal", None)
    if not (stand_in and stand_in(signature)):
        normal = QtCore.QMetaObject.normalizedSignature(signature).data().decode()
        if self.metaObject().indexOfSignal(normal) < 0:
            raise AttributeError(f"'{type(self).__name__}' has no signal '{signature}'")
    signal = getattr(self, name)
    try:
        return signal[",".join("PyObject" if k.endswith("*") else k for k in kinds)]
    except (KeyError, IndexError, TypeError):
        return signal  # there is only one


def report_slot_failures(failures: list[BaseException]) -> Callable[[], None]:
    """Collects what slots raise, which Qt would only print; returns the way back."""
    before = sys.excepthook

    def collect(kind: type[BaseException], error: BaseException, trace: Any) -> None:
        failures.append(error)
        before(kind, error, trace)

    sys.excepthook = collect

    def restore() -> None:
        sys.excepthook = before

    return restore
