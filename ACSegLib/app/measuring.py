"""Measurements: the table, where its rows are in the volume, and the table as a file."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

import numpy as np

from ACSegLib.app.contract import Table
from ACSegLib.app.jobs import Outcome, Plan
from ACSegLib.app.memory import require_room
from ACSegLib.app.problems import NotOpenError
from ACSegLib.app.requests import MeasureOptions
from ACSegLib.app.session import Session
from ACSegLib.errors import InputError
from ACSegLib.json_values import Row
from ACSegLib.volume import Geometry
from ACSegLib.worker import Reply
from ACSegLib.workflows.packing import Arrays, pack_segmentation, pack_volume

#: Columns of the centre of a row, LPS, in its unit.
_CENTRE = ("centre_l", "centre_p", "centre_s")


def plan_measurement(session: Session, options: MeasureOptions) -> Plan:
    """A measurement of the labels as they are now."""
    arrays: Arrays = {}
    with session.lock:
        volume, _info = session.require_volume()
        measured = session.measurable
        segmentation = session.segmentation()
        require_room(volume)
        if not segmentation.layers[0].any():
            raise InputError("no voxel is labelled; there is nothing to measure.")
        labels = pack_segmentation(segmentation, "labels", arrays)
        arrays = {name: array.copy() for name, array in arrays.items()}
    message = {
        "segmentation": labels,
        "volume": pack_volume(volume, "image", arrays),
        "options": {**asdict(options), "inputs": [volume.name], "output": "table.csv"},
    }

    def finish(reply: Reply) -> Outcome:
        rows, contacts = (
            [{"volume_name": volume.name, **row} for row in reply.message[name]] for name in ("rows", "contacts")
        )
        session.set_table(rows, contacts, table_of(rows, volume.geometry), measured)
        return Outcome(f"{len(rows)} rows were measured.", list(reply.message["notes"]))

    return Plan("measure", message, arrays, finish)


def table_of(rows: Sequence[Row], geometry: Geometry) -> Table:
    """The table that the page shows, with the units in the names of its columns, without empty columns."""
    from ACSegLib.files.tables import columns_of
    from ACSegLib.study.columns import label_of, unit_power, unit_text

    names = [name for name in columns_of(rows) if any(row.get(name) not in (None, "") for row in rows)]
    unit = str(rows[0].get("unit", "")) if rows else ""
    units = [unit_text(unit, unit_power(name)) for name in names]
    columns = [label_of(name) + (f" ({text})" if text else "") for name, text in zip(names, units, strict=True)]
    cells = [[row.get(name) for name in names] for row in rows]
    return Table(0, columns, cells, [_centre(row, geometry) for row in rows])


def write_table_file(session: Session, folder: Path, ending: str) -> Path:
    """Write the table into a folder."""
    if not session.rows:
        raise NotOpenError("nothing was measured yet; measure first.")
    return _write(session, session.rows, folder, ending)


def write_contacts_file(session: Session, folder: Path, ending: str) -> Path:
    """Write the pairs that touch into a folder, as a table beside that of `write_table_file`."""
    if not session.contacts:
        raise NotOpenError("no pairs that touch were measured; the columns of the table hold all contacts.")
    return _write(session, session.contacts, folder, f"-contacts{ending}")


def _write(session: Session, rows: Sequence[Row], folder: Path, ending: str) -> Path:
    from ACSegLib.files.tables import write_table

    path = folder / f"{session.info.name if session.info else 'table'}{ending}"
    write_table(rows, path)
    return path


def plan_report(session: Session, folder: Path) -> tuple[Plan, Path]:
    """The report of the table as a page, and its path in a folder."""
    table = write_table_file(session, folder, ".csv")
    output = table.with_name(f"{table.stem}-report.html")
    message = {"command": "report", "options": {"output": str(output), "cells": [str(table)]}}
    return Plan("command", message, {}, lambda reply: Outcome("")), output


def _centre(row: Row, geometry: Geometry) -> list[int] | None:
    """The voxel (z, y, x) in the middle of what a row is about."""
    place = [row.get(name) for name in _CENTRE]
    if any(not isinstance(value, (int, float)) or not np.isfinite(value) for value in place):
        return None
    unit = str(row.get("unit", geometry.unit))
    known = "px" not in (geometry.unit, unit)
    matrix = (geometry.in_unit(unit) if known else geometry).ijk_to_lps
    voxel = np.linalg.solve(matrix, [*(float(value) for value in place if value is not None), 1.0])[:3]
    return [round(float(v)) for v in voxel[::-1]]
