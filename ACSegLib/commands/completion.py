"""Print a script that lets the shell complete commands, options and files of acseg with the tab key.

Save what it prints where the shell looks for such scripts: for bash as
~/.local/share/bash-completion/completions/acseg, for zsh as _acseg in a folder of your fpath.

Examples:
  acseg completion bash
  acseg completion zsh
"""

from __future__ import annotations

import argparse
from dataclasses import dataclass
from typing import Any

from ACSegLib.commands.options import describe_options, option
from ACSegLib.commands.run_report import Results as BaseResults
from ACSegLib.jobs import Progress

SUMMARY = "print a script for completion with the tab key"


@dataclass
class Options:
    """Options of ``acseg completion``."""

    shell: str = option(
        default="bash", help="shell that the script is for", positional=True, choices=("bash", "zsh", "tcsh")
    )


@dataclass
class Results(BaseResults):
    """The script."""

    script: str


def run(options: Options, progress: Progress) -> Results:
    """Make the script from the parser of all commands."""
    import shtab

    from ACSegLib.commands import COMMANDS, load
    from ACSegLib.commands.main import build_parser

    parser = build_parser(every=True)
    for command in COMMANDS:
        sub = _parser_of(parser, command.split(" "))
        paths = {info.name for info in describe_options(load(command).Options) if info.metadata["path"]}
        for action in sub._actions:
            if action.dest in {*paths, "json"}:
                action.complete = shtab.FILE  # type: ignore[attr-defined]
    return Results(script=shtab.complete(parser, options.shell))


def _parser_of(parser: argparse.ArgumentParser, words: list[str]) -> argparse.ArgumentParser:
    for word in words:
        choices: Any = next(a.choices for a in parser._actions if isinstance(a, argparse._SubParsersAction))
        parser = choices[word]
    return parser


def describe(results: Results) -> str:
    """The script, as the shell reads it."""
    return results.script
