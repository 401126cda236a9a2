"""Packages that can be called: ``ACSegLib.fill(...)`` is the step, ``ACSegLib.fill.fill`` a function in its package.

A package and a function of the library share a name: `fill` and `measure`. Whoever imports the package first binds the
name to it. So the package itself can be called, whatever the order of the imports. Python supports this: the class of
a module may be assigned (Python data model, "Customizing module attribute access").
"""

from __future__ import annotations

import importlib
import inspect
import sys
from collections.abc import Callable
from types import ModuleType
from typing import Generic, ParamSpec, TypeVar

_P = ParamSpec("_P")
_R = TypeVar("_R")


class CallableModule(ModuleType, Generic[_P, _R]):
    """A package that does what one function of `ACSegLib.api` does when it is called."""

    def __call__(self, *args: _P.args, **kwargs: _P.kwargs) -> _R:
        """Call the function of this name in `ACSegLib.api`; ``help(ACSegLib.api.fill)`` describes it."""
        return _function(self)(*args, **kwargs)

    @property
    def __signature__(self) -> inspect.Signature:
        """What editors and notebooks show while a call is typed."""
        return inspect.signature(_function(self))


def _function(module: ModuleType) -> Callable:
    return getattr(importlib.import_module("ACSegLib.api"), module.__name__.rpartition(".")[2])


def make_callable(name: str) -> None:
    """Make a package callable; called by the package with its own ``__name__``."""
    sys.modules[name].__class__ = CallableModule


def typed(function: Callable[_P, _R]) -> CallableModule[_P, _R]:
    """The type of the package that is called like `function`; for type checkers."""
    raise NotImplementedError
