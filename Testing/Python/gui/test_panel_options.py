"""What panels and effect offer is what the commands take: defaults, ranges, choices, help."""

from __future__ import annotations

import math
import types
from xml.etree import ElementTree

import numpy as np
import pytest

from ACSegLib.commands import load
from ACSegLib.commands.options import describe_options, from_mapping
from ACSegLib.errors import InputError
from ACSegLib.volume import Segmentation, Volume

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


EFFECT_DIFFERS = (
    "the default of --{} in the effect is not that of acseg {}: change it in "
    "ACSeg/SegmentEditorACSegFill/SegmentEditorACSegFillLib"
)


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


def default_differs(panel, widget, command, info):
    """What to do if a panel begins with another value than the option."""
    return (
        f"the default of --{info.name} of acseg {command} is {info.default!r}, but {widget} of the panel {panel} shows "
        f"another value: change {widget.removesuffix('Box').removesuffix('Edit')} in ACSeg/ACSegPanels/parameters.py"
    )


def test_widgets_of_the_panels(module):
    for panel, widget, command, name in WIDGETS:
        check_widget(module.panels[panel], widget, command, option(command, name))


def check_widget(panel, widget, command, info):
    """Help, choices or range, and what is shown at first."""
    from PySide6 import QtWidgets

    box = getattr(panel.ui, widget)
    check_help(box.toolTip, info)
    differs = default_differs(panel.name, widget, command, info)
    if isinstance(box, QtWidgets.QComboBox):
        values = {word: value for value, word in panel.words()[widget].items()}
        choices = [values[box.itemText(n)] for n in range(box.count)]
        assert set(choices) <= set(info.metadata["choices"]), widget
        assert panel.name == "Measure" or set(choices) == set(info.metadata["choices"]), widget
        assert values[box.currentText] == info.default, differs
    elif isinstance(box, QtWidgets.QCheckBox):
        assert box.checked == bool(info.default), differs
    elif isinstance(box, QtWidgets.QLineEdit):
        assert box.text == info.default, differs
    else:
        assert box.value == (info.default or 0), differs
        off = 0 if info.default is None else None
        assert off is None or box.specialValueText, widget
        check_range(box.minimum, box.maximum, info, off)


def test_messages_name_options_by_the_panels_own_widgets(module):
    for panel in module.panels.values():
        form = ElementTree.parse(module.resourcePath(f"UI/ACSeg{panel.name}.ui"))
        shown = {(text.text or "").rstrip(": ") for text in form.iterfind(".//property[@name='text']/string")}
        for name, label in panel.controls().items():
            assert option(panel.name.lower(), name), (panel.name, name)
            assert label in shown, (panel.name, label)
    fill, train = module.panels["Fill"], module.panels["Train"]
    fill.say("--region holds no voxel; use --holes, --device cpu or --gamma.")
    prior = "'Strength of the prior' in the module ACSeg Fill"
    words = f"'Box' holds no voxel; use 'Fill holes', 'Compute on' = cpu or {prior}."
    assert fill.ui.fillMessage.text == words
    module.panels["Measure"].say("state it with --voxel-size and --file-unit; --no-contacts is faster, --cores 2 too.")
    words = "'Image Spacing' in the module Volumes; 'Do not measure contacts' in the module ACSeg Measure is faster"
    assert module.panels["Measure"].ui.measureMessage.text == f"state it with {words}, the shell's --cores 2 too."
    module.panels["Measure"].say("--min-volume 6.2 excludes the specks.")
    words = "'Smallest cell' = 6.2 in the module ACSeg Measure excludes the specks."
    assert module.panels["Measure"].ui.measureMessage.text == words
    train.say("start without --resume.")
    assert train.ui.trainMessage.text == "start without 'Resume'."


def test_the_box_of_the_fill_panel_is_no_box_at_first(module):
    box = module.panels["Fill"].ui.fillBoxSelector
    check_help(box.toolTip, option("fill", "box"))
    assert module.parameters.fillBox is None
    assert "box" not in module.panels["Fill"].options()


def shown_by_the_effect():
    """The effect's options, each with the command's."""
    from SegmentEditorACSegFillLib.correcting import correctOptions
    from SegmentEditorACSegFillLib.options import effectOptions
    from SegmentEditorACSegFillLib.splitting import splitOptions

    for command, options in (("fill", effectOptions()), ("correct", correctOptions()), ("split", splitOptions())):
        for shown in options:
            yield command, shown, option(command, shown.option)


def test_options_of_the_effect(scene):
    for command, shown, info in shown_by_the_effect():
        check_help(shown.help, info)
        assert shown.advanced <= (info.metadata["advanced"] or shown.option == "device")
        differs = EFFECT_DIFFERS.format(shown.option, command)
        if shown.choices:
            assert {value for value, _text in shown.choices} == set(info.metadata["choices"])
            assert shown.default == info.default, differs
        elif isinstance(shown.default, (str, bool)):
            assert not shown.default
            assert not info.default
            assert isinstance(shown.default, bool) or shown.off
        else:
            assert shown.default == (info.default or 0), differs
            check_range(0, shown.maximum, info, off=0)
            assert shown.off


def test_units_of_the_effect_are_those_of_the_command(scene):
    for _command, shown, info in shown_by_the_effect():
        if info.metadata["unit"]:
            assert info.metadata["unit"] in shown.suffix
            assert info.metadata["unit"] in shown.help


def values(**changed):
    """Options that the effect gives, from values of its parameters."""
    from SegmentEditorACSegFillLib.options import OptionsFrame, effectOptions

    stored = {o.name: int(o.default) if isinstance(o.default, bool) else o.default for o in effectOptions()} | changed
    read = stored.__getitem__
    effect = types.SimpleNamespace(parameter=read, integerParameter=read, doubleParameter=read)
    effect.parameterDefined = lambda name: stored[name] != ""
    return OptionsFrame(effect).values()


def settings(keywords):
    """What the request made from a front end's keywords asks for."""
    from ACSegPanels.keywords import fillRequest

    labels = Segmentation.from_labels(np.ones((3, 3, 3), np.uint8), names={1: "cytoplasm"})
    return fillRequest(Volume(np.zeros((3, 3, 3))), labels, keywords).pack()[0]["settings"]


#: Other values of the effect's parameters, and what has to be chosen with them.
EFFECT = [
    ({"Axis": "k"}, {}),
    ({"Mode": "scribbles"}, {}),
    ({"BackgroundSegment": "cytoplasm"}, {"Mode": "scribbles"}),
    ({"Islands": 5}, {}),
    ({"Holes": 1}, {}),
    ({"Smooth": 1.0}, {}),
    ({"Device": "cpu"}, {}),
    ({"Memory": 2.0}, {}),
]


def test_every_option_of_the_effect_changes_the_request(scene):
    from SegmentEditorACSegFillLib.options import effectOptions

    of_nodes = {o.name for o in effectOptions() if o.ofNodes}  # test_effect_box.py
    assert {name for changed, _ in EFFECT for name in changed} == {o.name for o in effectOptions()} - of_nodes
    for changed, beside in EFFECT:
        assert settings(values(**beside, **changed)) != settings(values(**beside)), changed
    given = settings(values(Memory=2.0, Islands=5, Holes=1, Smooth=1.0, Axis="k"))
    expected = {"memory": 2.0, "islands": 5, "holes": math.inf, "smooth": 1.0, "axis": "k", "background": None}
    assert {name: given[name] for name in expected} == expected


@pytest.mark.parametrize("mode", ["slices", "scribbles"])
def test_the_effect_leaves_out_what_its_mode_does_not_use(scene, mode):
    given = settings(values(Mode=mode, BackgroundSegment="cytoplasm", Axis="k"))
    assert given["background"] == ("cytoplasm" if mode == "scribbles" else None)
    assert given["axis"] == ("auto" if mode == "scribbles" else "k")


def test_what_is_left_alone_is_the_commands_default(scene, module):
    """A fill with the effect or the panel as they open does what ``acseg fill`` does."""
    assert settings(values()) == settings({}) == settings(module.panels["Fill"].options())


@pytest.mark.parametrize("info", describe_options(load("fill").Options), ids=lambda info: info.name)
def test_every_keyword_of_the_logic_changes_the_request_or_is_refused(scene, info):
    """``ACSegLogic.fill`` takes no option in silence."""
    from ACSegPanels.keywords import BY_NODES

    other = {"slices": "1", "background": "cytoplasm", "ignore": "cytoplasm", "edge": 4.0}
    if info.name in other:
        value = other[info.name]
    elif info.metadata["choices"]:
        value = next(c for c in info.metadata["choices"] if c != info.default)
    elif info.type is bool:
        value = not info.default
    else:
        value = info.type(2) if info.type in (int, float) else "cytoplasm"
        value = [value] if info.repeated else value
    if info.name in BY_NODES["fill"]:
        with pytest.raises(InputError, match=f"fill has no option {info.name!r}"):
            settings({info.name: value})
    else:
        assert settings({info.name: value}) != settings({})


def test_every_parameter_of_the_fill_panel_changes_the_request(module):
    other = {"fillAxis": "k", "fillIslands": 5, "fillHoles": True, "fillSmooth": 1.0, "fillDevice": "cpu"}
    for parameter, value in other.items():
        before = settings(module.panels["Fill"].options())
        setattr(module.parameters, parameter, value)
        assert settings(module.panels["Fill"].options()) != before, parameter


def test_the_panels_call_the_commands_by_their_own_names(module):
    parameters = module.parameters
    parameters.trainMinutes, parameters.trainLicence = 3.0, "CC BY 4.0"
    train = {**module.panels["Train"].options(), "output": "x.acseg", "table": "t.csv"}
    assert from_mapping(load("train").Options, train).minutes == 3.0
    predict = {"images": ["a.nrrd"], "model": None, "output": "b.seg.nrrd", "device": parameters.predictDevice}
    from_mapping(load("predict").Options, predict)


def test_panels_and_effect_show_the_same_words_and_keep_the_commands_values(module):
    """In the scene stands the value, in the box the word."""
    from SegmentEditorACSegFillLib.options import effectOptions

    box = module.panels["Fill"].ui.fillAxisBox
    shown = [box.itemText(n) for n in range(box.count)]
    offered = next(option.choices for option in effectOptions() if option.name == "Axis")
    assert shown == [text for _value, text in offered]
    for number, (value, _text) in enumerate(offered):
        box.setCurrentIndex(number)
        assert module.parameters.fillAxis == value
    module.exit()
    module.enter()
    assert [box.itemText(n) for n in range(box.count)] == shown
    assert module.panels["Measure"].ui.measureUnitBox.findText("voxels") >= 0
