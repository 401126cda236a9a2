"""The module `qt`: PySide6 with the manners of PythonQt.

Qt properties are attributes (``button.text = "Fill"``, ``button.width``), signals connect by their C++ signature
(``button.connect("clicked()", f)``), and an attribute or signal that does not exist is an error. So is what PythonQt
takes without a word and shows wrong: a text that is None, which becomes "None", and a whole number with a fraction.
"""

from __future__ import annotations

import ctypes
import functools
import sys
import types
import xml.etree.ElementTree as ElementTree

from PySide6 import QtCore, QtGui, QtUiTools, QtWidgets

#: Properties that stay methods here: PySide6 looks them up by this name when C++ calls the virtual method.
_METHODS = {"sizeHint", "minimumSizeHint"}
#: Properties that PythonQt does not offer: a static method of that name hides them (`QTimer::singleShot`).
_HIDDEN = {"singleShot"}
_properties: dict[type, tuple[frozenset[str], frozenset[str]]] = {}


def _all_properties(cls: type) -> tuple[frozenset[str], frozenset[str]]:
    """Names of the Qt properties of a class: all, and those that are attributes in PythonQt.

    They are read once: PySide6 may free the meta object of a class written in Python.
    """
    if cls not in _properties:
        meta = cls.staticMetaObject
        names = frozenset(meta.property(n).name() for n in range(meta.propertyCount()))
        _properties[cls] = (names, names - _METHODS - _HIDDEN)
    return _properties[cls]


def property_names(cls: type) -> frozenset[str]:
    """Qt properties of a class that are attributes in PythonQt."""
    return _all_properties(cls)[1]


def _is_plain(cls: type) -> bool:
    return cls.__module__.startswith(("PySide6", "standin"))


def _find_signal(widget: QtCore.QObject, signature: str):
    special = getattr(type(widget), "SLICER_SIGNALS", {})
    if signature in special:
        return object.__getattribute__(widget, special[signature])
    normalized = bytes(QtCore.QMetaObject.normalizedSignature(signature)).decode()
    if widget.metaObject().indexOfSignal(normalized) < 0:
        raise ValueError(f"{type(widget).__name__} has no signal {signature}")
    return normalized


def _connect(self, signature: str, slot) -> bool:
    if not callable(slot):
        raise TypeError(f"cannot connect {signature} to {slot!r}")
    signal = _find_signal(self, signature)
    if isinstance(signal, str):
        return bool(_native_connect(self, QtCore.SIGNAL(signal), slot))
    signal.connect(slot)
    return True


def _disconnect(self, signature: str, slot) -> bool:
    signal = _find_signal(self, signature)
    if isinstance(signal, str):
        return bool(_native_disconnect(self, QtCore.SIGNAL(signal), slot))
    signal.disconnect(slot)
    return True


_native_connect = QtCore.QObject.connect
_native_disconnect = QtCore.QObject.disconnect
_native_get = QtCore.QObject.__getattribute__


def _get(self, name: str):
    if name == "connect":
        return lambda signature, slot: _connect(self, signature, slot)
    if name == "disconnect":
        return lambda signature, slot: _disconnect(self, signature, slot)
    if name == "name":
        return _native_get(self, "objectName")()
    if not name.startswith("_") and name in property_names(type(self)):
        return _native_get(self, "property")(name)
    return _native_get(self, name)


def _is_misread(now, value) -> bool:
    """Whether PythonQt would show something else than a person means, and say nothing."""
    if isinstance(now, str):
        return value is None
    return type(now) is int and isinstance(value, float) and not value.is_integer()


def _set(self, name: str, value) -> None:
    kind = type(self)
    name = "objectName" if name == "name" else name
    if not name.startswith("_") and name in property_names(kind):
        if _is_misread(_native_get(self, "property")(name), value) or not self.setProperty(
            name, list(value) if isinstance(value, tuple) else value
        ):
            raise TypeError(f"{kind.__name__}.{name} cannot be set to {value!r}")
    elif hasattr(getattr(kind, name, None), "__set__"):
        getattr(kind, name).__set__(self, value)
    elif isinstance(value, QtCore.SignalInstance):
        self.__dict__[name] = value  # PySide6 keeps a signal that is asked for as an attribute
    elif isinstance(value, QtCore.QObject) and value.objectName == name:
        self.__dict__[name] = value  # PySide6's loader names the children so
    elif _is_plain(kind) and not name.startswith("_"):
        raise AttributeError(f"{kind.__name__} has no property {name!r}")
    else:
        self.__dict__[name] = value


def _without_keywords(native):
    """A constructor that takes no keywords, as PythonQt's do not."""

    @functools.wraps(native)
    def __init__(self, *arguments, **keywords) -> None:
        if keywords:
            raise ValueError(f"{type(self).__name__} was called with keyword arguments, which PythonQt does not take")
        native(self, *arguments)

    return __init__


class UiLoader(QtUiTools.QUiLoader):
    """Loads Qt Designer files with the stand-ins of Slicer's widgets, and refuses what those do not have."""

    def __init__(self, parent=None) -> None:
        super().__init__(parent)
        from standin.widgets import WIDGETS

        self._widgets = dict(WIDGETS)

    def createWidget(self, className, parent=None, name=""):
        if className in self._widgets:
            widget = self._widgets[className](parent)
            widget.setObjectName(name)
            return widget
        if not hasattr(QtWidgets, className):
            raise ValueError(f"the .ui file names the unknown widget class {className}")
        return super().createWidget(className, parent, name)

    def load(self, file, parent=None):
        tree = ElementTree.fromstring(bytes(file.readAll()))
        self._check(tree)
        links = tree.find("connections")
        connections = [] if links is None else [tuple(c.findtext(t) for t in _LINK) for c in links]
        if links is not None:
            tree.remove(links)
        buffer = QtCore.QBuffer()
        buffer.setData(ElementTree.tostring(tree))
        buffer.open(QtCore.QIODevice.OpenModeFlag.ReadOnly)
        top = super().load(buffer, parent)
        for sender, signal, receiver, slot in connections:
            self._link(top, sender, signal, receiver, slot)
        return top

    def _check(self, tree) -> None:
        for element in tree.iter("widget"):
            name = element.get("class")
            cls = self._widgets.get(name) or getattr(QtWidgets, name, None)
            if cls is None:
                raise ValueError(f"the .ui file names the unknown widget class {name}")
            known = _all_properties(cls)[0]
            for prop in element.findall("property"):
                if prop.get("stdset") != "0" and prop.get("name") not in known:
                    raise ValueError(f"{name} {element.get('name')!r} has no property {prop.get('name')!r}")

    @staticmethod
    def _link(top, sender, signal, receiver, slot) -> None:
        def find(name):
            found = top if top.objectName == name else top.findChild(QtWidgets.QWidget, name)
            if found is None:
                raise ValueError(f"a connection of the .ui file names the unknown widget {name!r}")
            return found

        target = find(receiver)
        if not hasattr(target, slot.partition("(")[0]):
            raise ValueError(f"{receiver} has no slot {slot}")
        find(sender).connect(signal, getattr(target, slot.partition("(")[0]))


_LINK = ("sender", "signal", "receiver", "slot")


def _keep_none_alive() -> None:
    """Before Python 3.12 None is reference-counted, and some PySide6 builds give one back too often per void call."""
    if sys.version_info < (3, 12) and sys.implementation.name == "cpython":
        ctypes.c_ssize_t.from_address(id(None)).value += 1 << 40


def build() -> types.ModuleType:
    """Give the module `qt`; patches PySide6's classes in place, so that objects made in C++ behave alike."""
    _keep_none_alive()
    if QtWidgets.QApplication.instance() is None:
        QtWidgets.QApplication(["ACSeg"])
        QtWidgets.QApplication.setStyle("Fusion")
    module = types.ModuleType("qt")
    for package in (QtCore, QtGui, QtWidgets, QtUiTools):
        for name in dir(package):
            if not name.startswith("_") and name not in ("Signal", "Slot", "Property", "ClassInfo"):
                setattr(module, name, getattr(package, name))
    QtCore.QObject.__getattribute__ = _get
    for name in dir(module):
        cls = getattr(module, name)
        if isinstance(cls, type) and issubclass(cls, QtCore.QObject):
            cls.__setattr__ = _set
            cls.__init__ = _without_keywords(cls.__init__)
    from standin.widgets import WIDGETS

    for cls in WIDGETS.values():
        _all_properties(cls)
    module.QUiLoader = UiLoader
    return module
