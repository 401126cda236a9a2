"""What panels and effect offer is what the commands take: defaults, ranges, choices, help."""

from __future__ import annotations

import inspect
import math
import types

import pytest

from ACSegLib.commands import load
from ACSegLib.commands.options import describe_options, from_mapping

#: Widget of a panel -> the option that it sets.
WIDGETS = [
    ("Fill", "fillAxisBox", "fill", "axis"),
    ("Fill", "fillIslandsBox", "fill", "islands"),
    ("Fill", "fillHolesBox", "fill", "holes"),
    ("Fill", "fillSmoothBox", "fill", "smooth"),
    ("Fill", "fillDeviceBox", "fill", "device"),
    ("Train", "trainPresetBox", "train", "preset"),
    ("Train", "trainMinutesBox", "train", "minutes"),
    ("Train", "trainDeviceBox", "train", "device"),
    ("Train", "trainValidationBox", "train", "validation_part"),
    ("Train", "trainLicenceEdit", "train", "licence"),
    ("Train", "trainNoteEdit", "train", "note"),
    ("Predict", "predictDeviceBox", "predict", "device"),
    ("Measure", "measureUnitBox", "measure", "unit"),
    ("Measure", "measureFilopodiaBox", "measure", "thin_parts"),
]


def option(command, name):
    return next(info for info in describe_options(load(command).Options) if info.name == name)


def check_help(text, info):
    """A tool tip begins as the command's help does; it may say more of what the panel makes of it."""
    words = ["".join(c for c in word if c.isalpha()) for word in info.metadata["help"].lower().split()]
    shown = ["".join(c for c in word if c.isalpha()) for word in text.lower().split()]
    assert shown[:3] == words[:3], text


def check_range(low, high, info, off=None):
    """Every number that can be chosen is accepted, the one that means "off" left out."""
    minimum, maximum = info.metadata["minimum"], info.metadata["maximum"]
    assert off is not None or minimum is None or low >= minimum
    assert maximum is None or high <= maximum


@pytest.mark.parametrize(("panel", "widget", "command", "name"), WIDGETS)
def test_widgets_of_the_panels(module, panel, widget, command, name):
    from PySide6 import QtWidgets

    info, box = option(command, name), getattr(module.panels[panel].ui, widget)
    check_help(box.toolTip, info)
    if isinstance(box, QtWidgets.QComboBox):
        choices = [box.itemText(n) for n in range(box.count)]
        assert set(choices) <= set(info.metadata["choices"])
        assert panel == "Measure" or set(choices) == set(info.metadata["choices"])
        assert box.currentText == info.default
    elif isinstance(box, QtWidgets.QCheckBox):
        assert box.checked == bool(info.default)
    elif isinstance(box, QtWidgets.QLineEdit):
        assert box.text == info.default
    else:
        assert box.value == (info.default or 0)
        off = 0 if info.default is None else None
        assert off is None or box.specialValueText
        check_range(box.minimum, box.maximum, info, off)


def test_options_of_the_effect(scene):
    from SegmentEditorACSegFillLib.options import effectOptions

    for shown in effectOptions():
        info = option("fill", shown.option)
        check_help(shown.help, info)
        assert shown.advanced <= (info.metadata["advanced"] or shown.option == "device")
        if shown.choices:
            assert {value for value, _text in shown.choices} == set(info.metadata["choices"])
            assert shown.default == info.default
        elif isinstance(shown.default, (str, bool)):
            assert not shown.default
            assert not info.default
        else:
            assert shown.default == (info.default or 0)
            check_range(0, shown.maximum, info, off=0)
            assert shown.off


def test_units_of_the_effect_are_those_of_the_command(scene):
    from SegmentEditorACSegFillLib.options import effectOptions

    for shown in effectOptions():
        unit = option("fill", shown.option).metadata["unit"]
        if unit:
            assert unit in shown.suffix
            assert unit in shown.help


def settings(**changed):
    """Settings and cleaning of the effect, from values of its parameters."""
    from SegmentEditorACSegFillLib.options import OptionsFrame, effectOptions

    values = {o.name: int(o.default) if isinstance(o.default, bool) else o.default for o in effectOptions()} | changed
    read = values.__getitem__
    frame = OptionsFrame(types.SimpleNamespace(parameter=read, integerParameter=read, doubleParameter=read))
    return frame.settings(), frame.cleaning()


@pytest.mark.parametrize("mode", ["slices", "scribbles"])
def test_the_effect_calls_the_library_by_its_own_names(scene, mode):
    from ACSegLib import fill
    from ACSegLib.postprocess.cleanup import clean

    given, cleaning = settings(
        Memory=2.0, Islands=5, Holes=1, Smooth=1.0, Mode=mode, BackgroundSegment="cytoplasm", Axis="k"
    )
    assert set(given) <= set(inspect.signature(fill.fill).parameters)
    assert given["memory_limit"] == 2.0 * 2**30
    assert given.get("background") == ("cytoplasm" if mode == "scribbles" else None)
    assert cleaning == {"islands": 5, "holes": math.inf, "smooth": 1.0}
    assert set(cleaning) <= set(inspect.signature(clean).parameters)


def test_what_is_left_alone_is_the_commands_default(scene):
    """A fill with the effect as it opens does what ``acseg fill`` does."""
    given, cleaning = settings()
    assert cleaning == {}
    for name, value in given.items():
        assert value == option("fill", name).default


def test_the_panels_call_the_commands_by_their_own_names(module):
    from ACSegLib import fill
    from ACSegLib.postprocess.cleanup import clean

    parameters = module.parameters
    parameters.fillIslands, parameters.fillHoles, parameters.fillSmooth = 5, True, 1.0
    parameters.trainMinutes, parameters.trainLicence = 3.0, "CC BY 4.0"
    known = set(inspect.signature(fill.fill).parameters) | set(inspect.signature(clean).parameters)
    assert set(module.panels["Fill"].options()) <= known
    train = {**module.panels["Train"].options(), "output": "x.acseg", "table": "t.csv"}
    assert from_mapping(load("train").Options, train).minutes == 3.0
    predict = {"images": ["a.nrrd"], "model": None, "output": "b.seg.nrrd", "device": parameters.predictDevice}
    from_mapping(load("predict").Options, predict)
