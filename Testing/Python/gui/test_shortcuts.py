"""Keyboard shortcuts: keys pressed in Slicer's main window."""

from __future__ import annotations

import pytest
from desk import Desk
from workbench import pump


@pytest.fixture
def window(scene, monkeypatch):
    """The main window, shown and active, so that Qt gives it the keys."""
    import slicer
    from PySide6.QtWidgets import QApplication, QMainWindow

    window = QMainWindow()
    monkeypatch.setattr(slicer.util, "mainWindow", lambda verbose=True: window)
    window.show()
    QApplication.processEvents()
    yield window
    window.close()


def press(window, letter):
    from PySide6.QtCore import Qt
    from PySide6.QtTest import QTest

    window.activateWindow()
    assert QTest.qWaitForWindowActive(window)

    QTest.keyClick(window, getattr(Qt.Key, f"Key_{letter}"), Qt.KeyboardModifier.ShiftModifier)


def test_the_keys_of_the_effect_show_the_next_slice_and_fill(window, scene, fake):
    desk = Desk(scene)
    effect = desk.effect
    desk.draw()
    effect.activate()
    effect.updateGuide()
    pump(lambda: not effect.counting)
    desk.panel.guide.intervalBox.value = 2
    press(window, "N")
    assert "Next slice to label" in desk.panel.guide.label.text
    assert "Shift+N" in desk.panel.guide.nextButton.toolTip
    press(window, "F")
    pump(lambda: bool(fake.calls) and not effect.session.running)
    assert [call[0] for call in fake.calls] == ["fill"]
    effect.deactivate()
    press(window, "F")
    assert not effect.session.running
    effect.cleanup()


def test_of_two_that_are_installed_the_later_acts_until_it_is_uninstalled(window):
    from ACSegPanels.shortcuts import FILL, Shortcuts

    calls = []
    first, second = (Shortcuts({FILL: lambda name=name: calls.append(name)}) for name in ("first", "second"))
    first.install()
    press(window, "F")
    second.install()
    press(window, "F")
    second.uninstall()
    press(window, "F")
    first.uninstall()
    press(window, "F")
    assert calls == ["first", "second", "first"]
