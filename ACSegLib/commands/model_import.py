"""Turn a model that Biomedisa trained (.h5) into a model file of ACSeg.

With this file, acseg predict gives the result of Biomedisa, voxel by voxel. acseg predict --native runs it at native
resolution, and acseg train --init continues its training. Only numbers are read from the file; nothing in it is
executed.

Examples:
  acseg model import ACSeg.h5 -o cytoplasm.acseg
  acseg model import ACSeg.h5 -o cytoplasm.acseg --names cytoplasm bead
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from ACSegLib.commands.model_info import Results
from ACSegLib.commands.options import option
from ACSegLib.errors import InputError
from ACSegLib.jobs import Progress

SUMMARY = "import a model of Biomedisa (.h5)"


@dataclass
class Options:
    """Options of ``acseg model import``."""

    file: str = option(path="in", help="model written by Biomedisa (.h5)", positional=True)
    output: str = option(path="out", endings=(".acseg",), help="model file to write", short="o")
    names: list[str] = option(default=[], help="names of the segments, in the order of their values")
    licence: str = option(default="", help="licence of the model, kept in its card")


def run(options: Options, progress: Progress) -> Results:
    """Import the model and say what it is."""
    from ACSegLib.commands.run_report import checksum
    from ACSegLib.network.biomedisa.model_import import import_biomedisa
    from ACSegLib.network.model.model_file import require_output, save_model

    require_output(options.output)
    stages = progress.stages(read=7, write=3)
    stages.read(0.0, "reading the model")
    model = import_biomedisa(options.file)
    if options.names:
        if len(options.names) != len(model.segments):
            raise InputError(
                f"--names must give a name for each of the {len(model.segments)} segments of {options.file}, "
                f"not {len(options.names)}."
            )
        model.segments = [replace(s, name=n) for s, n in zip(model.segments, options.names, strict=True)]
    model.card |= {"imported_from_sha256": checksum(options.file, progress.check), "licence": options.licence}
    stages.write(0.0, "writing the model")
    save_model(model, options.output)
    return Results.of(model, outputs={"model": options.output})


def describe(results: Results) -> str:
    """The model's card, and where it went."""
    from ACSegLib.commands.model_info import describe as describe_card

    return describe_card(results) + f"\nImported into {results.outputs['model']}."
