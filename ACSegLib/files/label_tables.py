"""Tables of label names and colours that other programs keep beside an image, or in its header.

- ITK-SNAP's label descriptions (`.label`, `.txt`): value, red, green, blue (0 to 255), opacity, visible, mesh, "name";
- Slicer's colour tables (`.ctbl`, `.txt`, and `.csv` since 5.8): value, name, red, green, blue, opacity (0 to 255);
- the `dataset.json` of nnU-Net (both versions) in the folder of the labels, or in the one around `labelsTr`;
- the label table of Connectome Workbench's (Caret's) XML in a NIfTI extension, which TotalSegmentator writes as well.
"""

from __future__ import annotations

import csv
import io
import json
import re
from collections.abc import Sequence
from pathlib import Path
from xml.sax.saxutils import quoteattr

from ACSegLib.files.atomic import atomic_output
from ACSegLib.files.tables import decoded
from ACSegLib.volume import Segment, default_colour

#: Endings of tables, and what may stand between the stem of the labels and them.
_ENDINGS = (".label", ".ctbl", ".txt", ".csv")
_LINKS = ("", "_ColorTable", "-ColorTable", "_labels", "_label", "-label", "_colors", "_lut")
_NNUNET = "dataset.json"
_MAX_BYTES = 1 << 22
_SNAP_LINE = re.compile(r'^\s*(\d+)\s+(\d+)\s+(\d+)\s+(\d+)\s+([\d.eE+-]+)\s+(\d+)\s+(\d+)\s+"(.*)"\s*$')
_COLOUR_LINE = re.compile(r"^\s*(\d+)\s+(\S+)\s+(\d+)\s+(\d+)\s+(\d+)(?:\s+(\d+))?\s*$")
_MADE_BY = "written by ACSeg"
_SNAP_HEAD = f"""################################################
# ITK-SnAP Label Description File
# {_MADE_BY}
# File format:
# IDX   -R-  -G-  -B-  -A--  VIS MSH  LABEL
################################################
    0     0    0    0        0  0  0    "Clear Label"
"""


def tables_beside(path: Path, stem: str) -> list[Path]:
    """The files beside labels that may hold their table, those of the labels' own name first."""
    found = (path.with_name(stem + link + ending) for link in _LINKS for ending in _ENDINGS)
    return [file for file in found if file != path and file.is_file()]


def read_beside(path: Path, stem: str) -> tuple[list[Segment], Path] | None:
    """Read the first table beside labels that is one; None where there is none."""
    for file in tables_beside(path, stem):
        segments = read(file)
        if segments:
            return segments, file
    for folder in (path.parent, path.parent.parent)[: 2 if path.parent.name.startswith("labels") else 1]:
        file = folder / _NNUNET
        if file.is_file() and (segments := _nnunet(file)):
            return segments, file
    return None


def read(file: Path) -> list[Segment]:
    """Read a table of any of the kinds; empty where the file is none."""
    if file.stat().st_size > _MAX_BYTES:
        return []
    text = decoded(file.read_bytes())
    return _itk_snap(text) or (_slicer_csv(text) if file.suffix.lower() == ".csv" else _slicer(text))


def _nnunet(file: Path) -> list[Segment]:
    """The labels of a data set of nnU-Net: values by names, or names by values before version 2; regions are no labels.

    A label "ignore" is one of the names that ACSeg takes for ignored voxels.
    """
    if file.stat().st_size > _MAX_BYTES:
        return []
    try:
        labels = json.loads(decoded(file.read_bytes()))["labels"]
        pairs = [(v, k) if isinstance(v, str) else (k, v) for k, v in labels.items() if not isinstance(v, list)]
        named = {int(value): str(name) for name, value in pairs}
    except (ValueError, KeyError, TypeError, AttributeError):
        return []
    rows = sorted((value, name) for value, name in named.items() if value > 0)
    return [
        Segment(name.strip() or f"Segment_{value}", value, default_colour(n)) for n, (value, name) in enumerate(rows)
    ]


def _itk_snap(text: str) -> list[Segment]:
    lines = [line for line in text.splitlines() if line.strip() and not line.lstrip().startswith("#")]
    rows = [_SNAP_LINE.match(line) for line in lines]
    if not rows or not all(rows):
        return []
    return [_segment(int(row[1]), row[8], row.group(2, 3, 4)) for row in rows if row and int(row[1]) > 0]


def _slicer(text: str) -> list[Segment]:
    """A colour table; spaces in names are written as underscores (vtkMRMLColorTableStorageNode)."""
    lines = [line for line in text.splitlines() if line.strip() and not line.lstrip().startswith("#")]
    rows = [_COLOUR_LINE.match(line) for line in lines]
    if not rows or not all(rows):
        return []
    found = [row for row in rows if row and int(row[1]) > 0]
    return [_segment(int(row[1]), row[2].replace("_", " "), row.group(3, 4, 5)) for row in found]


def _slicer_csv(text: str) -> list[Segment]:
    """A colour table as CSV: the columns LabelValue, Name, Color_R, Color_G, Color_B."""
    try:
        separator = ";" if ";" in text.partition("\n")[0] else ","  # where the decimal sign is a comma
        rows = list(csv.DictReader(io.StringIO(text), delimiter=separator))
        return [
            _segment(int(row["LabelValue"]), row["Name"], (row["Color_R"], row["Color_G"], row["Color_B"]))
            for row in rows
            if int(row["LabelValue"]) > 0
        ]
    except (KeyError, ValueError, TypeError, csv.Error):
        return []


def _segment(value: int, name: str, colour: Sequence[str], top: float = 255.0) -> Segment:
    rgb = tuple(min(max(float(v) / top, 0.0), 1.0) for v in colour)
    return Segment(name.strip() or f"Segment_{value}", value, rgb)


def read_xml(text: str) -> list[Segment]:
    """Read the label table of Caret's XML; empty where the text holds none."""
    from xml.etree import ElementTree

    start = text.find("<")
    if start < 0 or "LabelTable" not in text:
        return []
    try:
        root = ElementTree.fromstring(text[start:].rstrip("\0 \n"))
    except ElementTree.ParseError:
        return []
    table = next((node for node in root.iter() if node.tag == "LabelTable"), None)
    rows = []
    for label in table if table is not None else ():
        try:
            value = int(label.get("Key", label.get("Index", "0")))
            default = default_colour(value - 1)
            colour = [label.get(name, str(v)) for name, v in zip(("Red", "Green", "Blue"), default, strict=True)]
            if value > 0:
                rows.append(_segment(value, label.text or "", colour, 1.0))
        except ValueError:
            return []
    return rows


def to_xml(segments: Sequence[Segment]) -> str:
    """Write the label table as Caret's XML, which Connectome Workbench and TotalSegmentator read."""
    rows = "".join(
        f'<Label Key="{s.value}" Red="{s.colour[0]:.6g}" Green="{s.colour[1]:.6g}" Blue="{s.colour[2]:.6g}" Alpha="1">'
        f"{_escaped(s.name)}</Label>"
        for s in segments
    )
    return (
        '<?xml version="1.0" encoding="UTF-8"?><CaretExtension><VolumeInformation Index="0">'
        f"<LabelTable>{rows}</LabelTable><VolumeType>Label</VolumeType></VolumeInformation></CaretExtension>"
    )


def _escaped(text: str) -> str:
    return quoteattr(text, {'"': "&quot;"})[1:-1]


def write_beside(segments: Sequence[Segment], path: Path, stem: str) -> list[str]:
    """Write ITK-SNAP's and Slicer's tables beside labels; a file of another maker is left as it is, and named.

    Returns
    -------
    list of str
        A sentence for each table that was not written.
    """
    kept = []
    for ending, text in ((".label", _snap_text(segments)), (".ctbl", _slicer_text(segments))):
        file = path.with_name(stem + ending)
        if file.exists() and _MADE_BY not in file.read_bytes()[:1024].decode("utf-8", "replace"):
            kept.append(f"{file.name} is not ACSeg's and was left as it is; its names may not be those of the labels.")
            continue
        with atomic_output(file) as temporary:
            temporary.write_text(text, encoding="utf-8")
    return kept


def _bytes(segment: Segment) -> tuple[int, ...]:
    return tuple(round(255 * min(max(v, 0.0), 1.0)) for v in segment.colour)


def _snap_text(segments: Sequence[Segment]) -> str:
    lines = []
    for segment in segments:
        r, g, b = _bytes(segment)
        name = segment.name.replace('"', "'").replace("\n", " ")
        lines.append(f'{segment.value:5d} {r:5d} {g:4d} {b:4d}        1  1  1    "{name}"\n')
    return _SNAP_HEAD + "".join(lines)


def _slicer_text(segments: Sequence[Segment]) -> str:
    lines = [f"# Color table file, {_MADE_BY}\n", "# label name R G B A\n", "0 Background 0 0 0 0\n"]
    for segment in segments:
        r, g, b = _bytes(segment)
        lines.append(f"{segment.value} {'_'.join(segment.name.split()) or 'none'} {r} {g} {b} 255\n")
    return "".join(lines)
