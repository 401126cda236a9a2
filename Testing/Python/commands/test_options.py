"""One definition per option: the parser, the checks and the help all come from the dataclass."""

import argparse
from dataclasses import dataclass

import pytest

from ACSegLib.commands import COMMANDS, load
from ACSegLib.commands.options import add_arguments, check, describe_options, from_mapping, from_namespace, option
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


@pytest.mark.parametrize("arguments", [("--axis", "z"), ("--count", "many"), ("--colour", "red")])
def test_argparse_refuses_what_it_can(arguments):
    with pytest.raises((argparse.ArgumentError, SystemExit)):
        parse("a", "-o", "b", *arguments)


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ({"image": "a"}, "'output' is missing"),
        ({"image": "a", "output": "b", "colour": 1}, "unknown option 'colour'"),
        ({"image": "a", "output": "b", "axis": "z"}, "not one of: k, j, i"),
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
