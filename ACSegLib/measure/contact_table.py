"""Contacts in tables: columns where the segments are few, and a table with a row for each pair that touches."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from ACSegLib.json_values import Row

#: Other segments that have a column each, "contact: NAME". With more, nearly all of these columns would be 0 in every
#: row, and a table of thousands of cells would have thousands of them. A choice, not a measurement.
MAX_COLUMNS = 50
#: Columns that sum up contacts.
OTHER_CELLS, OTHER_SEGMENTS = "contact: other cells", "contact: other segments"
_PREFIX = "contact: "
#: Areas of a pair that differ by less are one, summed in another order.
_ROUNDING = 1e-6


def contact_columns(row: Row, names: Sequence[str]) -> Row:
    """Lay out the contacts of a row of measures as columns.

    Parameters
    ----------
    row : Row
        "contacts" are the areas of contact with segments by their names, and "cell_contacts" those with other cells
        of the same segment, where cells were split.
    names : sequence of str
        Names of all segments.

    Returns
    -------
    Row
        With up to `MAX_COLUMNS` other segments: "contact: NAME" of each. With more: "contact: other segments", and
        "touches", the names of what the row touches. Of split cells "contact: other cells" and "touches". Where there
        are more segments or split cells, "contacts" keeps all areas, for `split_contacts`.
    """
    if "contacts" not in row:
        return row
    segments, cells = row["contacts"], row.get("cell_contacts")
    few = len(names) - 1 <= MAX_COLUMNS
    others = [name for name in names if name != row["segment"]] if few else []
    if few:  # in the order of the table
        segments = {name: segments[name] for name in others if name in segments}
    laid: Row = {}
    for key, value in row.items():
        if key not in ("contacts", "cell_contacts"):
            laid[key] = value
        elif key == "contacts":
            each = {f"{_PREFIX}{name}": segments.get(name, 0.0) for name in others}
            laid |= each if few else {OTHER_SEGMENTS: float(sum(segments.values()))}
    every = {**(cells or {}), **segments}
    if cells is not None:
        laid[OTHER_CELLS] = float(sum(cells.values()))
    if cells is not None or not few:
        laid["touches"] = ", ".join(every)
        laid["contacts"] = every
    return laid


def split_contacts(rows: Iterable[Row]) -> tuple[list[Row], list[Row]]:
    """Take the contacts out of rows of measures, as a table of pairs.

    Parameters
    ----------
    rows : iterable of Row
        As `contact_columns` lays them out, of one volume or several.

    Returns
    -------
    rows : list of Row
        Without "contacts".
    pairs : list of Row
        One for each pair that touches: "segment" and "other", their names (those of split cells as in "touches"),
        "contact_area", and "unit", whose square the area is in. "other_contact_area" is the area as it lies on the
        surface of the other one, where that differs: segments that overlap, and contacts across a gap.
    """
    kept: list[Row] = []
    pairs: dict[tuple[str, str, str], Row] = {}
    single: set[tuple[str, str]] = set()
    for row in rows:
        areas = row.get("contacts")
        kept.append({key: value for key, value in row.items() if key != "contacts"})
        volume, name = str(row.get("volume_name", "")), str(row["segment"])
        if row["kind"] == "segment":
            if row.get("pieces") == 1:
                single.add((volume, name))
        elif (volume, name) in single:
            continue  # the cell is the segment
        else:
            name = f"{name} {row['cell']}"
        if areas is None:
            areas = {key.removeprefix(_PREFIX): value for key, value in row.items() if key.startswith(_PREFIX)}
        for other, area in areas.items():
            if not area or f"{_PREFIX}{other}" in (OTHER_CELLS, OTHER_SEGMENTS):
                continue
            back = pairs.get((volume, other, name))
            if back is None:
                head = {key: row[key] for key in ("volume_name", "group") if key in row}
                pair: Row = {"segment": name, "other": other, "contact_area": area, "unit": row["unit"]}
                pairs[volume, name, other] = head | pair
            elif abs(area - back["contact_area"]) > _ROUNDING * area:
                back["other_contact_area"] = area
    return kept, list(pairs.values())


def split_many_contacts(rows: Sequence[Row]) -> tuple[list[Row], list[Row]]:
    """The same as `split_contacts`, but no pairs where the columns of the rows have all of them."""
    many = any("contacts" in row for row in rows)
    kept, pairs = split_contacts(rows)
    return kept, pairs if many else []
