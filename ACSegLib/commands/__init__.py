"""One file per step: a typed options dataclass, ``run(options, progress)``, and a summary for people.

A command module has

``Options``
    a dataclass whose fields are made by `ACSegLib.commands.options.option`;
``SUMMARY``
    one line for the list of commands; the module's docstring is the long help;
``run(options, progress) -> Results``
    does the work. `ACSegLib.commands.run_report.Results` is the base of what commands give; its fields are the
    ``results`` of the run report;
``describe(results) -> str``
    what a person should read when it is done.

`COMMANDS` names them; modules are imported only when used.
"""

from __future__ import annotations

import importlib
from types import ModuleType

#: Command name -> module. A name with a space is a sub-command ("model info").
COMMANDS: dict[str, str] = {
    "info": "ACSegLib.commands.info",
    "convert": "ACSegLib.commands.convert",
    "fill": "ACSegLib.commands.fill",
    "correct": "ACSegLib.commands.correct",
    "phantom": "ACSegLib.commands.phantom",
    "train": "ACSegLib.commands.train",
    "adapt": "ACSegLib.commands.adapt",
    "predict": "ACSegLib.commands.predict",
    "model info": "ACSegLib.commands.model_info",
    "model import": "ACSegLib.commands.model_import",
    "split": "ACSegLib.commands.split",
    "measure": "ACSegLib.commands.measure",
    "mesh": "ACSegLib.commands.mesh",
    "compare": "ACSegLib.commands.compare",
    "threshold": "ACSegLib.commands.threshold",
    "learning-curve": "ACSegLib.commands.learning_curve",
    "report": "ACSegLib.commands.report",
    "app": "ACSegLib.commands.app",
    "demo": "ACSegLib.commands.demo",
    "completion": "ACSegLib.commands.completion",
}


def load(name: str) -> ModuleType:
    """Import the module of a command; KeyError if there is none of that name."""
    return importlib.import_module(COMMANDS[name])
