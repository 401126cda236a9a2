"""One definition per option: the parser, the checks and the help all come from the dataclass."""

import argparse
from dataclasses import dataclass

import pytest

from ACSegLib.commands import COMMANDS, load
from ACSegLib.commands.main import main
from ACSegLib.commands.options import (
    add_arguments,
    check,
    describe_options,
    from_mapping,
    from_namespace,
    join_words,
    option,
)
from ACSegLib.errors import InputError


@dataclass
class Sample:
    """Options of every kind."""

    image: str = option(help="the image", positional=True)
    output: str = option(help="the output", short="o")
    radius: float = option(default=2.5, help="how far", minimum=0, maximum=10, unit="voxels")
    count: int | None = option(default=None, help="how many", minimum=1)
    axis: str = option(default="k", help="across", choices=("k", "j", "i"))
    slices: list[int] = option(default=[], help="which slices", minimum=0)
    smooth: bool = option(default=False, help="smooth the outline")
    keep_labels: bool = option(default=True, help="keep what was drawn")


def parse(*arguments):
    parser = argparse.ArgumentParser(exit_on_error=False)
    add_arguments(parser, Sample)
    return from_namespace(Sample, parser.parse_args(list(arguments)))


def test_defaults_and_values():
    assert parse("a.nrrd", "-o", "b") == Sample("a.nrrd", "b")
    given = parse(
        "a", "--output", "b", "--radius", "1e1", "--count", "3", "--axis", "i", "--smooth", "--no-keep-labels"
    )
    assert given == Sample("a", "b", 10.0, 3, "i", [], True, False)


def test_a_repeated_option_takes_many_values():
    assert parse("a", "-o", "b", "--slices", "3", "1", "2").slices == [3, 1, 2]


def test_default_lists_are_not_shared():
    first, second = Sample("a", "b"), Sample("a", "b")
    first.slices.append(1)
    assert second.slices == []


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("--radius", "11"), "--radius 11.0 is out of range; it must be 0 to 10"),
        (("--radius", "-1"), "out of range"),
        (("--radius", "nan"), "out of range"),
        (("--count", "0"), "at least 1"),
        (("--slices", "1", "-3"), "--slices -3 is out of range"),
    ],
)
def test_values_out_of_range_are_named(arguments, words):
    with pytest.raises(InputError, match=words):
        parse("a", "-o", "b", *arguments)


@pytest.mark.parametrize("words", [["mesh", "a.seg.nrrd", "-o", ""], ["info", " "], ["convert", "", "a.nrrd"]])
def test_an_empty_path_is_named(words, capsys):
    """As an unset variable of a script gives it."""
    assert main([*words, "--quiet"]) == 2
    assert "is empty; name a file or a folder." in capsys.readouterr().err


@pytest.mark.parametrize("arguments", [("--axis", "q"), ("--count", "many"), ("--colour", "red")])
def test_argparse_refuses_what_it_can(arguments):
    with pytest.raises((argparse.ArgumentError, SystemExit)):
        parse("a", "-o", "b", *arguments)


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ({"image": "a"}, "'output' is missing"),
        ({"image": "a", "output": "b", "colour": 1}, "unknown option 'colour'"),
        ({"image": "a", "output": "b", "axis": "q"}, "not one of: k, j, i"),
        ({"image": "a", "output": "b", "radius": "wide"}, "--radius must be a number"),
        ({"image": "a", "output": "b", "count": 2.5}, "--count must be a whole number"),
        ({"image": "a", "output": "b", "count": True}, "--count must be a whole number"),
        ({"image": "a", "output": "b", "smooth": "no"}, "--smooth must be true or false"),
        ({"image": "a", "output": "b", "slices": 3}, "--slices must be a list"),
        ({"image": "a", "output": "b", "slices": ["x"]}, "--slices must be a whole number"),
        ({"image": None, "output": "b"}, "--image must be text"),
    ],
)
def test_a_worker_s_request_is_checked_as_the_shell_s(values, words):
    with pytest.raises(InputError, match=words):
        from_mapping(Sample, values)


def test_a_mapping_gives_the_same_options_as_the_shell():
    assert from_mapping(Sample, {"image": "a", "output": "b", "radius": 3, "slices": [1, 2]}) == parse(
        "a", "-o", "b", "--radius", "3", "--slices", "1", "2"
    )


def test_help_gives_unit_range_and_default():
    infos = {info.name: info for info in describe_options(Sample)}
    assert infos["radius"].help == "how far (in voxels, 0 to 10, default 2.5)"
    assert infos["count"].help == "how many (at least 1)"
    assert infos["smooth"].help == "smooth the outline"
    assert infos["output"].required
    assert not infos["radius"].required
    assert infos["keep_labels"].flag == "--keep-labels"


@pytest.mark.parametrize("command", COMMANDS)
def test_every_option_of_every_command_is_explained_and_its_default_passes(command):
    infos = describe_options(load(command).Options)
    assert infos
    for info in infos:
        assert len(info.help) > 8, info.name
        assert info.type in (str, int, float, bool), info.name
        assert not (info.metadata["choices"] and info.default not in (None, *info.metadata["choices"]))
    defaults = {info.name: "x" for info in infos if info.required and not info.repeated}
    defaults.update({info.name: ["x"] for info in infos if info.required and info.repeated})
    check(from_mapping(load(command).Options, defaults))
    flags = [info.flag for info in infos] + [f"-{i.metadata['short']}" for i in infos if i.metadata["short"]]
    assert len(set(flags)) == len(flags)


@pytest.mark.parametrize("command", COMMANDS)
def test_every_axis_has_two_names_in_every_command(command):
    """x, y and z stand for i, j and k, in the shell and in mappings."""
    options_class = load(command).Options
    required = {i.name: ["a.nrrd"] if i.repeated else "a.nrrd" for i in describe_options(options_class) if i.required}
    for info in describe_options(options_class):
        if not info.names_axis:
            continue
        for other, name in (("x", "i"), ("y", "j"), ("Z", "k")):
            assert getattr(from_mapping(options_class, {**required, info.name: other}), info.name) == name
            parser = argparse.ArgumentParser(exit_on_error=False)
            add_arguments(parser, options_class)
            words = [w for i in describe_options(options_class) if i.required for w in words_of(i)]
            assert (
                getattr(from_namespace(options_class, parser.parse_args([*words, info.flag, other])), info.name) == name
            )
        assert "x = i, y = j, z = k" in info.help


def words_of(info):
    return ["a.nrrd"] if info.metadata["positional"] else [info.flag, "a.nrrd"]


def test_an_option_may_have_another_name():
    train = load("train").Options
    assert from_mapping(train, {"output": "m.acseg", "insist": True}).force
    parser = argparse.ArgumentParser(exit_on_error=False)
    add_arguments(parser, train)
    for flag in ("--force", "--insist"):
        assert from_namespace(train, parser.parse_args(["-o", "m.acseg", flag])).force
    assert not from_namespace(train, parser.parse_args(["-o", "m.acseg"])).force


@pytest.mark.parametrize(
    ("words", "slices"),
    [
        (["--slices", "z:10,30", "x:0,57", "a.nrrd", "b.nrrd"], "z:10,30 x:0,57"),
        (["--slices", "10,30", "a.nrrd", "b.nrrd"], "10,30"),
        (["a.nrrd", "b.nrrd", "--slices", "10:90:20"], "10:90:20"),
        (["a.nrrd", "b.nrrd", "--slices=10", "k:3", "--axis", "j"], "10 k:3"),
    ],
)
def test_slices_are_one_word_or_several(words, slices):
    fill = load("fill").Options
    parser = argparse.ArgumentParser(exit_on_error=False)
    add_arguments(parser, fill)
    options = from_namespace(fill, parser.parse_args(join_words([*words, "-o", "out.nrrd"], fill)))
    assert (options.image, options.labels, options.slices) == ("a.nrrd", "b.nrrd", slices)


@pytest.mark.parametrize("command", COMMANDS)
def test_a_path_is_shown_as_a_file_or_a_folder(command):
    parser = argparse.ArgumentParser()
    add_arguments(parser, load(command).Options)
    assert "TEXT" not in [
        action.metavar
        for action in parser._actions
        for i in describe_options(load(command).Options)
        if i.name == action.dest and i.metadata["path"]
    ]


@pytest.mark.parametrize(
    ("spelling", "unit"),
    [("µm", "um"), ("μm", "um"), ("micrometers", "um"), ("Å", "angstrom"), ("nanometre", "nm"), ("mm", "mm")],
)
def test_units_of_length_may_be_spelled_as_people_do(spelling, unit):
    """Both signs for micro, among others."""

    @dataclass
    class Lengths:
        unit: str = option(default="px", help="unit", choices=("nm", "um", "mm", "angstrom"))

    parser = argparse.ArgumentParser(exit_on_error=False)
    add_arguments(parser, Lengths)
    assert parser.parse_args(["--unit", spelling]).unit == unit
    with pytest.raises(argparse.ArgumentError, match="'furlong'"):
        parser.parse_args(["--unit", "furlong"])
