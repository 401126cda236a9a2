"""Writes the XML files of Slicer's CLI modules from the options of the commands.

``python -m ACSegLib.commands.cli_xml ACSeg/CLI`` rewrites each ``<folder>/<module>/<module>.xml`` that differs.
"""

from __future__ import annotations

import math
import sys
from pathlib import Path
from xml.etree import ElementTree
from xml.etree.ElementTree import Element, SubElement

from ACSegLib.commands.cli_modules import CLI_MODULES, NOT_GIVEN, Parameter, parameters
from ACSegLib.errors import InputError
from ACSegLib.version import __version__

_GROUPS = (
    ("IO", "Input and output", False),
    ("Options", "How it is done", False),
    ("Advanced", "Seldom needed", True),
)


def xml_text(name: str) -> str:
    """Give the XML description of a CLI module."""
    module = CLI_MODULES[name]
    root = Element("executable")
    for tag, text in (
        ("category", "Segmentation.ACSeg"),
        ("title", module.title),
        ("description", module.description),
        ("version", __version__),
        ("documentation-url", "https://github.com/acseg/SlicerACSeg"),
        ("license", "Apache-2.0"),
        ("contributor", "The ACSeg developers"),
        ("acknowledgements", "Follows Erozan et al., iScience 27 (2024) 109856, doi:10.1016/j.isci.2024.109856."),
    ):
        SubElement(root, tag).text = text
    known = parameters(module)
    for label, description, advanced in _GROUPS:
        members = [p for p in known if _group(p) == label]
        if members:
            group = SubElement(root, "parameters", {"advanced": "true"} if advanced else {})
            SubElement(group, "label").text = label
            SubElement(group, "description").text = description
            for parameter in members:
                _add_parameter(group, parameter)
    ElementTree.indent(root)
    return '<?xml version="1.0" encoding="utf-8"?>\n' + ElementTree.tostring(root, encoding="unicode") + "\n"


def _group(parameter: Parameter) -> str:
    if parameter.file is not None:
        return "IO"
    return "Advanced" if parameter.advanced else "Options"


def _add_parameter(group: Element, parameter: Parameter) -> None:
    info, file = parameter.info, parameter.file
    attributes = {}
    if file is not None:
        if file.kind == "label":
            attributes["type"] = "label"
        if file.extensions:
            attributes["fileExtensions"] = ",".join(file.extensions)
        if info.repeated and file.kind in ("file", "directory"):
            attributes["multiple"] = "true"
    if parameter.element == "region":
        attributes = {"multiple": "false", "coordinateSystem": "lps"}
    tag = "image" if parameter.element == "label" else parameter.element
    element = SubElement(group, tag, attributes)
    SubElement(element, "name").text = parameter.name
    SubElement(element, "label").text = label_text(parameter)
    SubElement(element, "description").text = parameter.description
    if parameter.index is not None:
        SubElement(element, "index").text = str(parameter.index)
    else:
        SubElement(element, "longflag").text = parameter.longflag
    if file is not None:
        SubElement(element, "channel").text = file.channel
    if file is not None or tag == "region":
        return
    SubElement(element, "default").text = _default_text(parameter)
    if tag == "string-enumeration":
        for choice in ([NOT_GIVEN] if parameter.default == NOT_GIVEN else []) + list(info.metadata["choices"]):
            SubElement(element, "element").text = str(choice)
    limits = {"minimum": info.metadata["minimum"], "maximum": info.metadata["maximum"]}
    if tag in ("integer", "double") and None not in limits.values():  # with one, a slider would reach to millions
        constraints = SubElement(element, "constraints")
        for kind, limit in limits.items():
            SubElement(constraints, kind).text = f"{limit:g}"
        SubElement(constraints, "step").text = _step(tag, **limits)


def _step(tag: str, minimum: float, maximum: float) -> str:
    """By how much an arrow of the number's field changes it: about a hundredth of its range."""
    return "1" if tag == "integer" else f"{10.0 ** round(math.log10((maximum - minimum) / 100)):g}"


#: Labels of options (or, of a switch that is on by default, of its flag) whose name says too little in a panel.
LABELS = {
    "tta": "Test-time mirroring",
    "roi": "Region of interest",
    "region": "Box around the object",
    "refine": "Refine the boundary",
    "largest": "Keep the largest component of",
    "islands": "Remove islands below",
    "holes": "Fill holes up to",
    "smooth": "Smoothing",
    "native": "Biomedisa model at native resolution",
    "thin": "Threshold for thin structures",
    "stride": "Stride of a Biomedisa model",
    "tile": "Size of a tile",
    "overlap": "Overlap of tiles",
    "memory": "Memory limit",
    "gamma": "Strength of the prior",
    "edge": "Edge scale",
    "mode": "What labels mean",
    "background": "Background segment",
    "ignore": "Segment to ignore",
    "only": "Segments to keep",
    "leave_out": "Segments to leave out",
    "level": "Resolution level",
    "suggest": "Slices to suggest",
    "slices": "Labelled slices",
    "axis": "Axis of the labelled slices",
    "val_images": "Validation images",
    "val_labels": "Validation labels",
    "validation_part": "Share held back for validation",
    "init": "Start from model",
    "scratch": "Folder for large data",
    "sparse": "Sparse labels",
    "batch": "Batch size",
    "patch": "Patch size",
    "minutes": "Time",
    "checkpoint_minutes": "Time between checkpoints",
    "min_volume": "Smallest cell",
    "exclude_border": "Leave out cells at the border",
    "bead_reference": "Absorption of the beads",
    "bead_name": "Name of the beads' segment",
    "length_unit": "Unit of the scene",
    "--no-resample": "Do not resample images",
    "--no-thin-parts": "Do not measure filopodia",
    "--no-contacts": "Do not measure contacts",
    "--no-cells": "Do not separate cells",
    "--no-deterministic": "Faster, but not repeatable",
    "--no-grow": "Whole patches from the start",
}


def label_text(parameter: Parameter) -> str:
    """Give the label shown beside a parameter, with its unit."""
    unit = parameter.info.metadata["unit"]
    return label_words(parameter) + (f" ({unit})" if unit else "")


def label_words(parameter: Parameter) -> str:
    """Give the label of a parameter without its unit."""
    name = parameter.info.name
    words = parameter.flag[2:].replace("-", " ") if parameter.inverted else name.replace("_", " ")
    return LABELS.get(parameter.flag if parameter.inverted else name, words[:1].upper() + words[1:])


def _default_text(parameter: Parameter) -> str:
    default = parameter.default
    if isinstance(default, bool):
        return "true" if default else "false"
    if isinstance(default, list):
        return ",".join(map(str, default))
    return "" if default is None else str(default)


def main() -> int:
    """Rewrite the XML files below the folder that is given."""
    (folder,) = sys.argv[1:]
    failures = 0
    for name in CLI_MODULES:
        path = Path(folder) / name / f"{name}.xml"
        try:
            text = xml_text(name)
        except (ImportError, InputError) as error:
            print(f"{name}: {error}", file=sys.stderr)
            failures += 1
            continue
        if not path.exists() or path.read_text(encoding="utf-8") != text:
            path.write_text(text, encoding="utf-8", newline="\n")
            print(f"wrote {path}")
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
