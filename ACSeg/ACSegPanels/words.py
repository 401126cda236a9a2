"""Words for the values that a person chooses from: the same in panels and effect."""

from __future__ import annotations

from slicer.i18n import tr as _

#: Value -> what is shown for it, in the order in which it is shown.
Words = dict[str, str]


def axisWords() -> Words:
    """Axes of labelled slices; x, y and z are the axes i, j and k of the volume's voxels."""
    return {
        "auto": _("automatic"),
        "k": _("across z (k)"),
        "j": _("across y (j)"),
        "i": _("across x (i)"),
        "all": _("on all axes"),
    }


def deviceWords() -> Words:
    """Where to compute."""
    return {
        "auto": _("automatic"),
        "cpu": _("processor (CPU)"),
        "cuda": _("graphics processor (CUDA)"),
        "mps": _("graphics processor (Apple)"),
        "xpu": _("graphics processor (Intel)"),
    }


def presetWords() -> Words:
    """How long and how large a training is."""
    return {"quick": _("quick"), "standard": _("standard"), "thorough": _("thorough")}


def unitWords() -> Words:
    """Units of length."""
    return {"um": "µm", "nm": "nm", "mm": "mm", "px": _("voxels")}


def showWords(box: object, words: Words) -> None:
    """Show words in a combo box in the place of its values; it is read by the index, so that nothing else changes."""
    for index in range(box.count):
        value = box.itemText(index)
        box.setItemText(index, words.get(value, value))
