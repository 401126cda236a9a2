"""The methods paragraph of a study report. It contains only what the tables state."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from ACSegLib.study.columns import thin_text, unit_text
from ACSegLib.study.evidence import MIN_PAIRS_FOR_TEST, independent_pairs
from ACSegLib.study.numbers import format_value
from ACSegLib.study.page import Section
from ACSegLib.study.tables import Rows, Sheets, Study

#: Packages that the report's figures and tests are made with.
_SOFTWARE = ("python", "numpy", "scipy", "pandas", "pingouin", "matplotlib")

_OVERLAP = """
    Segmentations were compared with the reference by {measures}. Empty and absent segments were scored as in Metrics
    reloaded (Maier-Hein et al., Nat. Methods 21, 195, 2024)."""
_SURFACES = """
    For the comparison with the reference, surface area was estimated by the Cauchy-Crofton formula over 13 directions,
    weighted for the voxel's aspect (Ohser and Schladitz, 2009)."""
_PAIRED = """
    {what} by two-sided paired t-tests and Wilcoxon signed-rank tests, with Holm's correction of the former{more}."""
_MORPHOLOGY = """
    Volume, surface area, sphericity and principal axes were measured per {kind}."""
_THIN = """
    Thin structures{filopodia} are what no ball of radius {radius} inside the cell covers; they were measured along
    their skeletons."""
_BEADS = """
    The LAC of each volume was scaled such that the median of the polystyrene beads' interior is {reference}."""
_GROUPS = """
    Groups were compared by Welch's test and by ranks ({ranks}), with Holm's correction and Hedges' g."""
_CURVE = """
    The learning curve 1 - b exp(-a x) was fitted by least squares{weights}; its band and the number of volumes for
    {target} are by the delta method."""


def methods(study: Study, kind: str, target: float, versions: Mapping[str, str], sheets: Sheets) -> Section:
    """A paragraph for a paper on what the sections of the report have done.

    Parameters
    ----------
    kind : {"segment", "cell", "volume"}
        Rows that the section on morphology counts.
    target : float
        Dice at which the learning curve is read.
    versions : mapping of str to str
        Version of each package; that of "acseg" is among them.
    sheets : tables
        What the sections have made.
    """
    texts = []
    if study.scores:
        texts.append(_overlap(study, sheets))
    if study.cells:
        texts.append(_morphology(study, kind, sheets))
    if study.curve:
        texts.append(_curve(target, sheets))
    software = ", ".join(f"{name} {versions[name]}" for name in _SOFTWARE if name in versions)
    texts.append(f"Statistics and figures were made with ACSeg {versions['acseg']} ({software}).")
    return Section("Methods", [text for text in texts if text])


def _overlap(study: Study, sheets: Sheets) -> str:
    rows = [row for table in study.scores.values() for row in table]
    names = {
        "dice": "the Dice coefficient",
        "jaccard": "the Jaccard coefficient",
        "average_surface_distance": "the average symmetric surface distance",
        "surface_distance_95": "the 95th percentile of the surface distance",
        "surface_dice": "the surface Dice" + _between(rows, "tolerance", " at a tolerance of {}"),
        "panoptic_quality": "the panoptic quality of matched cells",
    }
    listed = [text for name, text in names.items() if _has(rows, name)]
    measures = " and ".join(filter(None, [", ".join(listed[:-1]), *listed[-1:]]))
    texts = [_OVERLAP.format(measures=measures)] if listed else []
    if _has(rows, "truth_surface_to_volume"):
        texts.append(_SURFACES)
    if tested := dict.fromkeys(str(row["measure"]) for row in _tested(sheets, "morphology tests")):
        measured = " and ".join({"surface_to_volume": "surface-to-volume ratio"}.get(name, name) for name in tested)
        what = f"{measured} were" if len(tested) > 1 else f"{measured} was"
        what = f"{what[:1].upper()}{what[1:]} compared with the reference"
        texts.append(_PAIRED.format(what=what, more=" for the number of measures, and by Bland-Altman analysis"))
    if _tested(sheets, "method tests"):
        more = " for the number of measures and pairs of methods"
        texts.append(_PAIRED.format(what="Methods were compared on the same cells", more=more))
    return _flat(texts)


def _morphology(study: Study, kind: str, sheets: Sheets) -> str:
    rows = [row for table in study.cells.values() for row in table]
    what = {"cell": "connected cell", "segment": "segment", "volume": "cell and averaged per volume"}[kind]
    texts = [_MORPHOLOGY.format(kind=what)]
    if radius := _between(rows, "thin_radius", "{}"):  # they differ where the voxels are too coarse for the usual one
        filopodia = " (filopodia)" if thin_text("filopodia", rows) == "filopodia" else ""
        texts.append(_THIN.format(radius=radius, filopodia=filopodia))
    scaled = [row for row in rows if row.get("bead_lac") and row.get("lac_factor") not in (None, 1.0)]
    if scaled:
        texts.append(_BEADS.format(reference=format_value(float(scaled[0]["bead_lac"] * scaled[0]["lac_factor"]))))
    if tests := sheets.get("group tests"):
        several = any(row["comparison"] == "all groups" for row in tests)
        texts.append(_GROUPS.format(ranks="Mann-Whitney" + (", Kruskal-Wallis" if several else "")))
    return _flat(texts)


def _curve(target: float, sheets: Sheets) -> str:
    fits = sheets.get("learning curve fits", [])
    weighted = [str(row["labels"]) for row in fits if row["weighted"]]
    weights = ", weighted by the inverse variance of the scores" if weighted else ""
    if weighted and len(weighted) < len(fits):
        weights += f" for {', '.join(weighted)}"
    texts = [_CURVE.format(weights=weights, target=f"{100 * target:g} %")] if fits else []
    if _tested(sheets, "learning curve tests"):
        what = "Kinds of labels were compared over test cells, their scores averaged over runs on the same volumes,"
        texts.append(_PAIRED.format(what=what, more=" for their number"))
    return _flat(texts)


def _tested(sheets: Sheets, name: str) -> Rows:
    """Rows of a table of paired comparisons that had pairs enough for a test."""
    return [row for row in sheets.get(name, []) if independent_pairs(row) >= MIN_PAIRS_FOR_TEST]


def _has(rows: Rows, column: str) -> bool:
    return any(row.get(column) is not None for row in rows)


def _between(rows: Rows, column: str, text: str) -> str:
    """The length in a column, or its range, "0.25 to 0.3 µm", put into a text; "" if it has none."""
    found: list[Any] = sorted({row[column] for row in rows if row.get(column)})
    if not found:
        return ""
    ends = " to ".join(dict.fromkeys(format_value(float(value)) for value in (found[0], found[-1])))
    return text.format(f"{ends} {unit_text(str(rows[0].get('unit') or ''), 1)}")


def _flat(texts: Iterable[str]) -> str:
    return " ".join(" ".join(texts).split())
