"""A table of measured cells as a whole: its summary, and warnings where rows cannot be compared."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from ACSegLib.cells.sizes import MIN_CELL_VOXELS, MIN_SIZE_GAP, smallest_cell
from ACSegLib.json_values import Row
from ACSegLib.measure.intensity import unlike_beads
from ACSegLib.measure.volume_intervals import CHANGED, interval_of
from ACSegLib.placement import notes_on_lengths
from ACSegLib.segment_estimates import coverage_text
from ACSegLib.volume import UNITS_IN_MM
from ACSegLib.wording import listed

#: Unit of LAC, and its range in cells at photon energies of the water window (Parkinson et al. 2008, J. Struct. Biol.
#: 162:380).
LAC_UNIT, CELL_LAC = "1/um", (0.1, 0.6)

#: Share of a segment's voxels with the value around the specimen from which on its intensities are doubtful.
MIN_PADDED = 0.01
#: Segments that get a note of their own. More are counted in one note, so that the summary stays short.
MAX_SEGMENT_NOTES = 5


def summarise_cells(rows: Sequence[Row]) -> list[Row]:
    """Means over volumes of volume, surface area and their ratio, per segment; of one volume with its interval."""
    groups: dict[tuple[str, str], list[Row]] = {}
    for row in rows:
        if row["kind"] == "segment" and row["voxels"]:
            groups.setdefault((row["segment"], row["unit"]), []).append(row)
    table = []
    for (segment, unit), group in groups.items():
        means = {
            key: sum(r[key] for r in group) / len(group) for key in ("volume", "surface_area", "surface_to_volume")
        }
        ends = interval_of(group[0]) if len(group) == 1 else None
        more = {"ends": list(ends), "volume_interval": group[0].get("volume_interval")} if ends else {}
        table.append({"segment": segment, "unit": unit, "count": len(group), **means, **more})
    return table


def warnings_on(
    rows: Sequence[Row], unit: str = "um", *, min_volume: float = 0.0, exclude_border: bool = False
) -> list[str]:
    """Sentences on volumes whose values are not to be trusted, not comparable with those of the others, or left out.

    Parameters are those of the request: the unit that lengths were asked in (see `ACSegLib.placement.in_unit`), the
    smallest cell that has a row, 0 if none was to have one, and whether cells at the border have none.
    """
    return [
        *_on_empty(rows),
        *_on_doubtful(rows),
        *_on_specks(rows),
        *_on_cells_left_out(rows, min_volume, exclude_border),
        *_on_beads(rows),
        *_on_units(rows, unit),
        *_on_intensities(rows),
        *_on_thin_radii(rows),
        *_on_intervals(rows),
    ]


def are_specks(rows: Sequence[Row]) -> list[bool]:
    """For each row of a connected component of one segment: whether it is a speck rather than a cell.

    A speck is smaller than `smallest_cell`, and `MIN_SIZE_GAP` times smaller than the largest component of its own
    volume: where the only bead of a volume is small, it is a small bead. Components of fewer than `MIN_CELL_VOXELS`
    voxels are specks, too.
    """
    limit = smallest_cell([row["volume"] for row in rows])
    names = [str(row.get("source_volume", row["volume_name"])) for row in rows]
    largest: dict[str, float] = {}
    for name, row in zip(names, rows, strict=True):
        largest[name] = max(largest.get(name, 0.0), float(row["volume"]))
    return [
        row["voxels"] < MIN_CELL_VOXELS or (row["volume"] < limit and row["volume"] * MIN_SIZE_GAP <= largest[name])
        for name, row in zip(names, rows, strict=True)
    ]


def _on_empty(rows: Sequence[Row]) -> Iterator[str]:
    """Segments without a voxel, which no summary shows."""
    found: dict[str, list[Row]] = {}
    for row in rows:
        if row["kind"] == "segment" and not row["voxels"]:
            found.setdefault(row["segment"], []).append(row)
    if len(found) > MAX_SEGMENT_NOTES:
        yield f"{len(found)} segments have no voxel somewhere; the table says 0 there, and the means leave them out."
        return
    for segment, group in found.items():
        yield f"{segment} of {_volumes(group)} has no voxel; the table says 0 there, and the means leave it out."


def _on_doubtful(rows: Sequence[Row]) -> Iterator[str]:
    """Segments that could not be trusted when they were filled or predicted, and have not been edited since."""
    found: dict[str, list[Row]] = {}
    for row in rows:
        if row["kind"] == "segment" and row.get("expected_dice") is not None:
            found.setdefault(row["segment"], []).append(row)
    if len(found) > MAX_SEGMENT_NOTES:
        found = {f"{len(found)} segments": [row for group in found.values() for row in group]}
    for segment, group in found.items():
        dice = min(row["expected_dice"] for row in group)
        yield (
            f"{segment} of {_volumes(group)} is doubtful: a Dice of {dice:.2f} was expected when it was made; look at "
            "it, and correct or delete it, before you use its values."
        )


def _on_specks(rows: Sequence[Row]) -> list[str]:
    """Segments some of whose connected cells are specks, and the volume that separates these from cells."""
    segments: dict[tuple[str, str], list[Row]] = {}
    for row in rows:
        if row["kind"] == "cell":
            segments.setdefault((row["segment"], row["unit"]), []).append(row)
    texts, number = [], 0
    for (segment, unit), components in segments.items():
        marks = are_specks(components)
        specks = [float(row["volume"]) for row, speck in zip(components, marks, strict=True) if speck]
        cells = [float(row["volume"]) for row, speck in zip(components, marks, strict=True) if not speck]
        if not specks:
            continue
        number += len(specks)
        count = f"{len(specks)} of {len(components)} connected cells of {segment}"
        kind = "is a speck of" if len(specks) == 1 else "are specks of up to"
        text = f"{count} {kind} {_three_figures(max(specks))} {unit}3"
        if cells and max(specks) < min(cells):
            middle = float(f"{(max(specks) * min(cells)) ** 0.5:.1e}")
            smallest = f"{_three_figures(min(cells))} {unit}3"
            text += f", the smallest cell has {smallest}; --min-volume {middle:g} excludes the specks"
        texts.append(f"{text}.")
    if len(texts) > MAX_SEGMENT_NOTES:
        return [f"{number} connected cells of {len(texts)} segments are specks; --min-volume excludes them."]
    return texts


def _three_figures(value: float) -> str:
    """A volume with three figures, "1530" and not "1.53e+03"."""
    return f"{float(f'{value:.3g}'):g}"


def _on_cells_left_out(rows: Sequence[Row], min_volume: float, exclude_border: bool) -> Iterator[str]:
    """Segments all of whose cells the border cuts, or are too small, so that the table has none."""
    measured = {(row["volume_name"], row["segment"]) for row in rows if row["kind"] == "cell"}
    cut: dict[str, list[Row]] = {}
    small: dict[str, list[Row]] = {}
    for row in rows:
        if row["kind"] != "segment" or (row["volume_name"], row["segment"]) in measured:
            continue
        if exclude_border and row.get("pieces") == 0:
            cut.setdefault(row["segment"], []).append(row)
        elif min_volume and row.get("pieces"):
            small.setdefault(row["segment"], []).append(row)
    for segment, group in cut.items():
        yield (
            f"the border cuts all cells of {segment} in {_volumes(group)}, so that --exclude-border leaves none of "
            "them there."
        )
    for segment, group in small.items():
        largest = max(row["volume"] * row["largest_piece"] for row in group)
        yield (
            f"no cell of {segment} in {_volumes(group)} has the {min_volume:g} {group[0]['unit']}3 of "
            f"--min-volume, so that none has a row; the largest has {_three_figures(largest)}."
        )


def _volumes(rows: Sequence[Row]) -> str:
    return listed(list(dict.fromkeys(str(row["volume_name"]) for row in rows)))


def _on_beads(rows: Sequence[Row]) -> list[str]:
    """Volumes whose beads absorb unlike those of the others, so that their LAC is not to be trusted."""
    parts = unlike_beads({r["volume_name"]: r["bead_lac"] for r in rows if r.get("bead_lac") is not None})
    return [
        f"{name}: its beads read {100 * part:.0f} % of the median of all volumes; check what is labelled bead there."
        for name, part in parts.items()
    ]


def _on_units(rows: Sequence[Row], asked: str) -> list[str]:
    """Files that state no unit of length, or one that no microscope can mean."""
    sizes = {r["volume_name"]: (r["unit"], (r["volume"] / r["voxels"]) ** (1 / 3)) for r in rows if r["voxels"]}
    return notes_on_lengths(sizes, asked)


def _on_intensities(rows: Sequence[Row]) -> list[str]:
    """Images that do not say whether their values are LAC, those whose values are none, missing and padded values."""
    return [*notes_on_lac(rows), *_silent_on_unit(rows), *notes_on_missing_values(rows), *_on_padding(rows)]


def _on_padding(rows: Sequence[Row]) -> Iterator[str]:
    """Volumes in which a segment goes on where the image ends: its mean is partly that of the padding."""
    worst: dict[str, tuple[float, str]] = {}
    for row in rows:
        if row["kind"] == "segment" and row["voxels"]:
            share = (row.get("lac_padding_voxels") or 0) / row["voxels"]
            name = str(row["volume_name"])
            worst[name] = max(worst.get(name, (0.0, "")), (share, str(row["segment"])))
    for name, (share, segment) in worst.items():
        if share >= MIN_PADDED:
            yield (
                f"{100 * share:.0f} % of the voxels of {segment} in {name} have the value around the specimen, where "
                "the image ends; they count for intensities, unless that value is made NaN."
            )


def notes_on_missing_values(rows: Sequence[Row]) -> Iterator[str]:
    """Segments in which some voxels of the image are not finite."""
    found: dict[str, list[Row]] = {}
    for row in rows:
        if row["kind"] == "segment" and row.get("lac_invalid_voxels"):
            found.setdefault(row["segment"], []).append(row)
    if len(found) > MAX_SEGMENT_NOTES:
        found = {f"{len(found)} segments": [row for group in found.values() for row in group]}
    for segment, group in found.items():
        invalid, voxels = (sum(row[key] for row in group) for key in ("lac_invalid_voxels", "voxels"))
        yield (
            f"{invalid} of {voxels} voxels of {segment} in {_volumes(group)} have no finite value in the image, so "
            "that they do not count for intensities."
        )


def notes_on_lac(rows: Sequence[Row]) -> list[str]:
    """Images said to hold LAC, whose values are far too small, and right if they were per voxel."""
    largest: dict[str, tuple[float, float]] = {}
    for row in rows:
        value = row.get("lac_mean")
        stated = row.get("intensity_unit") == LAC_UNIT and row["unit"] in UNITS_IN_MM
        if value is None or not stated or row["kind"] != "segment" or not row["voxels"]:
            continue
        edge = (row["volume"] / row["voxels"]) ** (1 / 3) * UNITS_IN_MM[row["unit"]] / UNITS_IN_MM["um"]
        name = str(row["volume_name"])
        largest[name] = max(largest.get(name, (0.0, edge)), (float(value), edge))
    low, high = CELL_LAC
    return [
        f"{name}: a LAC of {value:.2g} {LAC_UNIT} is far below that of cells ({low:g} to {high:g} {LAC_UNIT}); if the "
        f"values are per voxel of {edge:.2g} um, it is {value / edge:.2g} {LAC_UNIT}: divide the image by {edge:.2g}."
        for name, (value, edge) in largest.items()
        if value < low / 3 and low / 3 <= value / edge <= 3 * high
    ]


def _silent_on_unit(rows: Sequence[Row]) -> list[str]:
    silent = {
        str(row["volume_name"]) for row in rows if row.get("lac_mean") is not None and not row.get("intensity_unit")
    }
    if not silent:
        return []
    return [
        f"the values of {listed(sorted(silent))} have no unit, so reports call them intensity; --intensity-unit 1/um "
        "says that they are LAC."
    ]


def _on_thin_radii(rows: Sequence[Row]) -> list[str]:
    """Volumes whose thin structures were measured with several radii, since their voxels differ in size."""
    radii = {(str(r["unit"]), float(r["thin_radius"])) for r in rows if r.get("thin_radius")}
    units, values = {unit for unit, _ in radii}, sorted(radius for _, radius in radii)
    if len(units) != 1 or values[-1] - values[0] <= 1e-6 * values[-1]:
        return []
    return [
        f"thin structures were measured with radii of {values[0]:g} to {values[-1]:g} {units.pop()}, since the voxels "
        f"differ in size; --thin-radius {values[-1]:g} measures all volumes alike, so that they can be compared."
    ]


def _on_intervals(rows: Sequence[Row]) -> list[str]:
    """How far the intervals of volumes can be believed, and which segments have none, since their labels changed."""
    whole = [row for row in rows if row["kind"] == "segment"]
    sources = sorted({str(row["volume_interval"]) for row in whole if interval_of(row) is not None})
    texts = [coverage_text(source) for source in sources]
    names = [f"{row['segment']} of {row['volume_name']}" for row in whole if row.get("volume_interval") == CHANGED]
    if names:
        more = f" and {len(names) - 3} more" if len(names) > 3 else ""
        texts.append(
            f"the labels of {', '.join(names[:3])}{more} changed since the interval of their volume was made; they "
            "have none now."
        )
    return texts
