"""CLI modules: XML, parser and options say the same; the scripts run as Slicer runs them."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from xml.etree import ElementTree

import nrrd
import numpy as np
import pytest
from cli_standin import FOLDER, ROOT, check_progress, run_script, shown, slicer_command_line

from ACSegLib.commands import load
from ACSegLib.commands.cli import _ProgressLines
from ACSegLib.commands.cli_modules import CLI_MODULES, build_parser, option_values
from ACSegLib.commands.cli_xml import xml_text
from ACSegLib.commands.options import describe_options, from_mapping
from ACSegLib.errors import InputError
from ACSegLib.files import save_segmentation, save_volume
from ACSegLib.volume import Geometry, Segmentation, Volume

NAMES = sorted(CLI_MODULES)

# What Slicer's parser (ModuleDescriptionParser) knows of each element that we use.
ELEMENTS = {
    "integer",
    "double",
    "boolean",
    "string",
    "string-enumeration",
    "integer-vector",
    "double-vector",
    "string-vector",
    "region",
    "image",
    "file",
    "directory",
}


def expected_name(info):
    words = (["no"] if info.default is True else []) + info.name.split("_")
    return words[0] + "".join(w.capitalize() for w in words[1:])


def test_every_module_has_its_files():
    assert sorted(p.name for p in FOLDER.iterdir() if p.is_dir()) == NAMES
    for name in NAMES:
        files = {p.name for p in (FOLDER / name).iterdir() if p.name != "__pycache__"}
        assert files == {"CMakeLists.txt", f"{name}.py", f"{name}.xml"}
        script = (FOLDER / name / f"{name}.py").read_bytes()
        assert script.startswith(b"#!/usr/bin/env python-real\n")


def test_the_launchers_differ_in_their_text_only():
    """They run before the library can be imported, so that none of it can be shared."""
    codes = {(FOLDER / name / f"{name}.py").read_text(encoding="utf-8").split('"""', 2)[2] for name in NAMES}
    assert len(codes) == 1
    assert "main(here.stem)" in codes.pop()


@pytest.mark.parametrize("name", NAMES)
def test_xml_is_the_one_that_the_options_give(name):
    text = (FOLDER / name / f"{name}.xml").read_bytes().decode("utf-8")
    assert text == xml_text(name), "run: python -m ACSegLib.commands.cli_xml ACSeg/CLI"


@pytest.mark.parametrize("name", NAMES)
def test_every_option_is_in_the_xml_with_its_default_range_and_help(name):
    """Read the XML as Slicer does and hold each parameter against the dataclass, without the code that wrote it."""
    module, elements = CLI_MODULES[name], shown(name)
    infos = [i for i in describe_options(load(module.command).Options) if i.name not in module.fixed]
    assert set(elements) == {expected_name(i) for i in infos} | {"lengthUnit"}
    position = 0
    for info in infos:
        element = elements[expected_name(info)]
        assert element.tag in ELEMENTS
        assert info.metadata["help"] in element.findtext("description")
        if info.metadata["positional"]:
            assert element.findtext("index") == str(position)
            position += 1
        else:
            flag = "no-" + info.flag[2:] if info.default is True else info.flag[2:]
            assert element.findtext("longflag") == "--" + flag.replace("-", "_")
        if info.name in module.files:
            assert element.findtext("channel") == module.files[info.name].channel
            continue
        default = element.findtext("default") or ""
        if info.type is bool:
            assert (element.tag, default) == ("boolean", "false")
        elif info.repeated:
            assert [info.type(v) for v in default.split(",") if v] == info.default
        elif info.default is None:
            assert default == ("default" if info.metadata["choices"] else "")
        else:
            assert default == str(info.default)
            assert info.type(default) == info.default
        if element.tag == "string-enumeration":
            nothing = ["default"] if info.default is None else []
            assert [e.text for e in element.findall("element")] == nothing + [str(c) for c in info.metadata["choices"]]
        if element.tag in ("integer", "double"):
            limits = [info.metadata["minimum"], info.metadata["maximum"]]
            texts = [element.findtext(f"constraints/{limit}") for limit in ("minimum", "maximum")]
            assert texts == [None, None] if None in limits else [float(text) for text in texts] == limits
    assert position == sum(bool(i.metadata["positional"]) for i in infos)


@pytest.mark.parametrize("name", NAMES)
def test_slicers_parser_takes_every_name_and_flag(name):
    """ModuleDescriptionParser refuses the whole module for a hyphen in a flag (its function validVariable)."""
    for identifier, element in shown(name).items():
        for text in (identifier, element.findtext("longflag", "--indexed").lstrip("-")):
            assert re.fullmatch(r"[A-Za-z_]\w*", text, re.ASCII)


@pytest.mark.parametrize("name", NAMES)
def test_advanced_options_are_in_an_advanced_group(name):
    module = CLI_MODULES[name]
    root = ElementTree.parse(FOLDER / name / f"{name}.xml").getroot()
    groups = {p.findtext("name"): g.get("advanced") == "true" for g in root.iter("parameters") for p in g}
    for info in describe_options(load(module.command).Options):
        if info.name not in module.fixed and info.name not in module.files:
            assert groups[expected_name(info)] == bool(info.metadata["advanced"])


def required_values(name):
    """Some path for each required parameter."""
    infos = describe_options(load(CLI_MODULES[name].command).Options)
    return {expected_name(i): f"{i.name}.nrrd" for i in infos if i.required}


@pytest.mark.parametrize("name", NAMES)
def test_slicers_defaults_are_the_commands_defaults(name):
    """What Slicer sends when nobody touches a parameter makes the same options as leaving everything out."""
    module = CLI_MODULES[name]
    values, unit = option_values(name, slicer_command_line(name, required_values(name)))
    assert unit == "mm"
    options = from_mapping(load(module.command).Options, values)
    for info in describe_options(type(options)):
        if not info.required and info.name not in module.fixed:
            assert getattr(options, info.name) == info.default, info.name


@pytest.mark.parametrize("name", NAMES)
def test_every_parameter_arrives(name):
    """Set each parameter in turn to another value than its default; that option changes, and no other."""
    module = CLI_MODULES[name]
    options_class = load(module.command).Options
    base = from_mapping(options_class, option_values(name, slicer_command_line(name, required_values(name)))[0])
    for info in describe_options(options_class):
        if info.name in module.fixed:
            continue
        text, wanted = other_value(info)
        line = slicer_command_line(name, required_values(name) | {expected_name(info): text})
        values, _ = option_values(name, line)
        changed = {key for key in vars(base) if key in values and values[key] != getattr(base, key)}
        assert changed == {info.name}, info.name
        assert values[info.name] == wanted


def other_value(info):
    """A text that Slicer may send for an option, and what it should become."""
    if info.type is bool:
        return "true", info.default is not True
    if info.metadata["choices"]:
        choice = next(c for c in info.metadata["choices"] if c != info.default)
        return str(choice), [choice] if info.repeated else choice
    if info.repeated:
        return {int: ("7,9", [7, 9]), float: ("0.5,1.5", [0.5, 1.5])}.get(info.type, ("some", ["some"]))
    low, high = info.metadata["minimum"], info.metadata["maximum"]
    if info.type in (int, float):
        candidates = [c for c in (3, 1, 2, 0.5, 7, low, high) if c is not None and c == info.type(c)]
        number = next(
            c for c in candidates if c != info.default and (low is None or c >= low) and (high is None or c <= high)
        )
        return str(number), info.type(number)
    return "elsewhere.nrrd", "elsewhere.nrrd"


def test_notes_that_cannot_wait_are_shown_once_between_the_lines_of_progress(capsys):
    lines = _ProgressLines("ACSeg Train", "trains")
    for note in ("cell1: sparse labels", "cell1: sparse labels"):
        lines.note(note)
    lines.end()
    assert capsys.readouterr().out.count("\nnote: cell1: sparse labels\n") == 1


def test_a_wrong_number_is_one_sentence():
    with pytest.raises(InputError, match="--min-volume 'much' is not a number"):
        option_values("ACSegMeasure", ["--output", "t.csv", "--min-volume", "much", "s.seg.nrrd"])
    with pytest.raises(InputError, match="--length-unit 'ell'"):
        option_values("ACSegMeasure", ["--output", "t.csv", "--length-unit", "ell", "s.seg.nrrd"])


def test_a_list_may_begin_with_a_negative_number():
    line = ["--region", "-3.5,4,1e-3,2,2,2", "--output", "o.seg.nrrd", "image.nrrd", "labels.nrrd"]
    values, _ = option_values("ACSegFill", line)
    assert values["region"] == [-3.5, 4, 1e-3, 2, 2, 2]
    assert (values["image"], values["labels"], values["output"]) == ("image.nrrd", "labels.nrrd", "o.seg.nrrd")


def test_no_abbreviations():
    """A short form that works today would mean something else once an option is added."""
    with pytest.raises(InputError, match="required: --output; --help lists"):
        build_parser("ACSegMeasure").parse_args(["--out", "t.csv", "s.seg.nrrd"])


# ---------------------------------------------------------------- the scripts, in processes of their own


def ball(size=24, radius=8.0):
    k, j, i = np.mgrid[:size, :size, :size] - (size - 1) / 2
    return ((k**2 + j**2 + i**2) <= radius**2).astype(np.uint8)


@pytest.fixture
def measured(tmp_path):
    geometry = Geometry((30.0, 30.0, 30.0), unit="px")
    image = tmp_path / "image.nrrd"
    labels = tmp_path / "labels.seg.nrrd"
    save_volume(Volume(np.where(ball() > 0, 0.6, 0.1).astype(np.float32), geometry), image)
    save_segmentation(Segmentation.from_labels(ball(), geometry, {1: "cell"}), labels)
    for path in (image, labels):  # Slicer's exchange files name no unit
        data = path.read_bytes()
        path.write_bytes(re.sub(rb"space units:[^\n]*\n", b"", data, count=1))
    return image, labels


def test_measure_runs_with_plain_python(tmp_path, measured):
    image, labels = measured
    table = tmp_path / "table.csv"
    done = run_script(
        FOLDER / "ACSegMeasure" / "ACSegMeasure.py",
        *("--image", image, "--output", table, "--length-unit", "nm", "--no-cells", labels),
    )
    assert done.returncode == 0, done.stderr
    check_progress(done.stdout, "ACSeg Measure")
    header, row = (line.split(",") for line in table.read_text().splitlines())
    values = dict(zip(header, row, strict=True))
    assert float(values["volume"]) == pytest.approx(ball().sum() * 0.03**3, rel=1e-6)
    assert float(values["lac_mean"]) == pytest.approx(0.6, rel=1e-6)


@pytest.mark.parametrize(("spacing", "units", "told"), [(1, (), True), (30, (), False), (1, ("mm",) * 3, False)])
def test_a_spacing_that_slicer_assumes_is_told(spacing, units, told, tmp_path, capsys):
    from ACSegLib.commands.cli import main

    nrrd.write(
        str(tmp_path / "labels.nrrd"),
        ball(),
        {"space": "LPS", "space directions": np.eye(3) * spacing} | ({"space units": list(units)} if units else {}),
    )
    line = ["--output", str(tmp_path / "table.csv"), "--no-cells", "--no-thin-parts", str(tmp_path / "labels.nrrd")]
    assert main("ACSegMeasure", line) == 0
    assert ("note: the volume has a spacing of 1 mm" in capsys.readouterr().out) == told


def test_a_module_describes_itself(capsys):
    """By the flag of every module of Slicer's execution model, which other programs that run such modules ask."""
    from ACSegLib.commands.cli import main

    assert main("ACSegMeasure", ["--xml"]) == 0
    assert capsys.readouterr().out == (FOLDER / "ACSegMeasure" / "ACSegMeasure.xml").read_text(encoding="utf-8")


def test_failure_is_one_sentence_on_stderr(tmp_path, measured):
    done = run_script(
        FOLDER / "ACSegMeasure" / "ACSegMeasure.py", "--output", tmp_path / "t.csv", tmp_path / "missing.seg.nrrd"
    )
    assert done.returncode == 2
    assert "missing.seg.nrrd" in done.stderr
    assert len(done.stderr.strip().splitlines()) == 1
    assert not (tmp_path / "t.csv").exists()


def test_script_finds_the_library_beside_it(tmp_path):
    """As in Slicer's build and install trees: cli-modules and qt-scripted-modules side by side, nothing on the path."""
    scripts, modules = tmp_path / "cli-modules", tmp_path / "qt-scripted-modules"
    scripts.mkdir()
    script = shutil.copy(FOLDER / "ACSegMeasure" / "ACSegMeasure.py", scripts)
    lonely = run_isolated(script, "--help", cwd=tmp_path)
    assert lonely.returncode != 0
    assert "install the extension ACSeg again" in lonely.stderr
    shutil.copytree(ROOT / "ACSegLib", modules / "ACSegLib", ignore=shutil.ignore_patterns("__pycache__"))
    done = run_isolated(script, "--help", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert "--min-volume" in done.stdout


def run_isolated(script, *arguments, cwd):
    """Run without the development install of ACSegLib: site-packages stay, its .pth files do not."""
    import numpy

    code = (
        "import sys, runpy; sys.path = [p for p in sys.path if 'site-packages' not in p];"
        f"sys.meta_path = [f for f in sys.meta_path if 'editable' not in str(f).lower()];"
        f"sys.path.append({str(Path(numpy.__file__).parents[1])!r});"
        f"sys.argv = {[str(script), *arguments]!r}; runpy.run_path({str(script)!r}, run_name='__main__')"
    )
    environment = {k: v for k, v in os.environ.items() if k != "PYTHONPATH"}
    return subprocess.run(
        [sys.executable, "-I", "-c", code],
        capture_output=True,
        text=True,
        encoding="utf-8",
        timeout=240,
        cwd=cwd,
        env=environment,
        check=False,
    )
