"""`slicer.parameterNodeWrapper`: typed access to a parameter node, and binding to widgets."""

from __future__ import annotations

import enum
import typing

import vtk

__all__ = ["Choice", "Decimals", "Default", "Maximum", "Minimum", "SingleStep", "WithinRange", "parameterNodeWrapper"]


class Default:
    def __init__(self, value):
        self.value = value


class _Validator:
    def check(self, value):
        raise NotImplementedError


class WithinRange(_Validator):
    def __init__(self, minimum, maximum):
        self.minimum, self.maximum = minimum, maximum

    def check(self, value):
        if not self.minimum <= value <= self.maximum:
            raise ValueError(f"{value} is not within {self.minimum} to {self.maximum}")


class Minimum(_Validator):
    def __init__(self, minimum):
        self.minimum = minimum

    def check(self, value):
        if value < self.minimum:
            raise ValueError(f"{value} is below {self.minimum}")


class Maximum(_Validator):
    def __init__(self, maximum):
        self.maximum = maximum

    def check(self, value):
        if value > self.maximum:
            raise ValueError(f"{value} is above {self.maximum}")


class Choice(_Validator):
    def __init__(self, choices):
        self.choices = list(choices)

    def check(self, value):
        if value not in self.choices:
            raise ValueError(f"{value!r} is not one of {self.choices}")


class Decimals:
    def __init__(self, value):
        self.value = value


SingleStep = Decimals


class _Parameter:
    def __init__(self, owner, name, hint):
        annotated = typing.get_origin(hint) is typing.Annotated
        self.name = name
        self.kind = typing.get_args(hint)[0] if annotated else hint
        self.notes = typing.get_args(hint)[1:] if annotated else ()
        self.is_node = isinstance(self.kind, type) and self.kind.__name__.startswith("vtkMRML")
        if not self.is_node and self.kind not in (int, float, str, bool) and not self._is_enum():
            raise Exception(f"Unable to create serializer for {owner} member {name}")
        default = [n.value for n in self.notes if isinstance(n, Default)]
        fallback = None if self.is_node else next(iter(self.kind)) if self._is_enum() else self.kind()
        self.default = getattr(owner, name) if hasattr(owner, name) else [*default, fallback][0]

    def _is_enum(self):
        return isinstance(self.kind, type) and issubclass(self.kind, enum.Enum)

    def read(self, node):
        if self.is_node:
            return node.GetNodeReference(self.name)
        text = node.GetParameter(self.name)
        if self.kind is bool:
            return text == "True"
        return self.kind[text] if self._is_enum() else self.kind(text)

    def write(self, node, value):
        if self.is_node:
            if value is not None and not isinstance(value, self.kind):
                raise TypeError(f"{self.name} needs a {self.kind.__name__}, not {type(value).__name__}")
            node.SetNodeReferenceID(self.name, value.GetID() if value else None)
            return
        if self.kind is float and isinstance(value, int):
            value = float(value)
        if not isinstance(value, self.kind):
            raise TypeError(f"{self.name} needs {self.kind.__name__}, not {value!r}")
        for note in self.notes:
            if isinstance(note, _Validator):
                note.check(value)
        node.SetParameter(self.name, value.name if self._is_enum() else str(value))


class _Wrapped:
    """Behaviour shared by all decorated classes."""

    def __init__(self, node, prefix=None):
        self.parameterNode = node
        self._bindings, self._updating = {}, False
        for parameter in self.allParameters.values():
            stored = parameter.is_node or node.GetParameter(parameter.name) != ""
            if not stored:
                parameter.write(node, parameter.default)

    def getValue(self, name):
        return self._find(name).read(self.parameterNode)

    def setValue(self, name, value):
        self._find(name).write(self.parameterNode, value)

    def _find(self, name):
        if name not in self.allParameters:
            raise ValueError(f"Cannot find a param with the given name: {name}")
        return self.allParameters[name]

    def connectGui(self, gui):
        import qt

        is_widget = getattr(gui, "isWidgetType", lambda: False)()
        widgets = gui.findChildren(qt.QWidget) if is_widget else gui.__dict__.values()
        named = {w.property("SlicerParameterName"): w for w in widgets if w.property("SlicerParameterName")}
        return self.connectParametersToGui(named)

    def connectParametersToGui(self, mapping):
        from standin.connectors import connector

        links = {name: connector(widget, self._find(name)) for name, widget in mapping.items()}
        for name, link in links.items():
            link.write(self.getValue(name))
            link.on_changed(lambda name=name, link=link: None if self._updating else self.setValue(name, link.read()))
        tag = self.AddObserver(vtk.vtkCommand.ModifiedEvent, lambda *_: self._refresh(links))
        self._bindings[tag] = links
        return tag

    def _refresh(self, links):
        if self._updating:
            return
        self._updating = True
        try:
            for name, link in links.items():
                link.write(self.getValue(name))
        finally:
            self._updating = False

    def disconnectGui(self, tag):
        for link in self._bindings.pop(tag, {}).values():
            link.on_changed(None)
        if tag is not None:
            self.RemoveObserver(tag)

    def AddObserver(self, event, callback, priority=0.0):
        return self.parameterNode.AddObserver(event, callback, priority)

    def RemoveObserver(self, tag):
        self.parameterNode.RemoveObserver(tag)

    def Modified(self):
        self.parameterNode.Modified()

    def StartModify(self):
        return self.parameterNode.StartModify()

    def EndModify(self, previous):
        self.parameterNode.EndModify(previous)


def parameterNodeWrapper(cls):
    """Class decorator: annotations become typed parameters stored in the node."""
    module = __import__("sys").modules[cls.__module__]
    hints = typing.get_type_hints(cls, vars(module), include_extras=True)
    parameters = {name: _Parameter(cls, name, hint) for name, hint in hints.items()}
    members = {"allParameters": parameters, "__doc__": cls.__doc__, "__module__": cls.__module__}
    for name, parameter in parameters.items():
        members[name] = property(
            lambda self, p=parameter: p.read(self.parameterNode),
            lambda self, value, p=parameter: p.write(self.parameterNode, value),
        )
    return type(cls.__name__, (_Wrapped,), members)
