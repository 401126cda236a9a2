"""Sentences of ACSegLogic, for translators. Made by Testing/CMake/sentences.py; do not edit."""

from __future__ import annotations

from collections.abc import Callable


def sentences(_: Callable[[str], str]) -> list[str]:
    """Every sentence by a function that translates it; ``{0}`` stands for a value."""
    return [
        _("a pair for a training is a volume and its segmentation, not {0}."),
        _("a segmentation node needs its volume as a node too, not as a file."),
        _("segmentation {0} has no volume; choose the one it belongs to."),
        _("the file {0} does not exist; choose another one."),
        _("the volume {0} was deleted meanwhile, so that the result has no place; start again."),
        _("there is nothing to adapt to: give at least one volume."),
        _("there is nothing to train on: give at least one pair of volume and segmentation."),
        _("{0} has no option {1}; it has: {2}."),
    ]
