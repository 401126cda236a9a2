"""Keyboard shortcuts of the effect and of the guided module. Only those that were installed last act."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import slicer

#: Slicer's Segment Editor takes plain keys (Z, Y, I, Space), and its slice views B and F.
NEXT_SLICE, FILL = "Shift+N", "Shift+F"

_installed: list[Shortcuts] = []


class Shortcuts:
    """Shortcuts of one front end.

    Effect and guided module have the same keys, and may be shown together. Qt calls neither of two enabled shortcuts
    of one key, so the one before is disabled until the later one is uninstalled.

    Parameters
    ----------
    actions : mapping
        Key -> what to do.
    """

    def __init__(self, actions: Mapping[str, Callable[[], Any]]) -> None:
        self._actions = dict(actions)
        self._shortcuts: list[tuple[Any, Callable[[], Any]]] = []

    def install(self) -> None:
        """Let the keys act from now on; nothing happens without a main window."""
        import qt

        self.uninstall()
        window = slicer.util.mainWindow()
        if window is None:
            return
        for key, action in self._actions.items():
            shortcut = qt.QShortcut(qt.QKeySequence(key), window)
            shortcut.connect("activated()", action)
            self._shortcuts.append((shortcut, action))
        _installed.append(self)
        _enable_last()

    def uninstall(self) -> None:
        """Give the keys back to who had them before."""
        if self in _installed:
            _installed.remove(self)
        for shortcut, action in self._shortcuts:
            shortcut.setEnabled(False)
            shortcut.disconnect("activated()", action)
            shortcut.setParent(None)
        self._shortcuts = []
        _enable_last()

    def _enable(self, enabled: bool) -> None:
        for shortcut, _action in self._shortcuts:
            shortcut.setEnabled(enabled)


def _enable_last() -> None:
    for owner in _installed:
        owner._enable(owner is _installed[-1])


def withKey(text: str, key: str) -> str:
    """A tool tip with the key that does the same."""
    return f"{text} ({key})"
