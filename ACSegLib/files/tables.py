"""Tables of figures: one row a mapping, written as CSV, XLSX or JSON by the ending, and read back."""

from __future__ import annotations

import codecs
import csv
import io
import json
import math
import os
import re
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from ACSegLib.errors import FileError, InputError
from ACSegLib.files.atomic import atomic_output
from ACSegLib.json_values import Row

ENDINGS = (".csv", ".xlsx", ".json")
#: Widest column of a workbook, in characters.
MAX_WIDTH = 60
_ROWS_FOR_WIDTH = 200
#: What separates the cells of a .csv, the first counting more where none stands in the header.
_DELIMITERS = (",", ";", "\t")
#: Characters with which a cell begins that spreadsheets take as a formula (OWASP, CSV injection).
_FORMULAS = ("=", "+", "-", "@", "\t", "\r")
_CONTROLS = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f]")
#: What reads back as a number; "007" and "2024_01", which Python would take as well, are names of cells.
_NUMBER = re.compile(r"[+-]?(?:(?:0|[1-9]\d*)(?P<part>\.\d*)?|(?P<small>\.\d+))(?P<power>[eE][+-]?\d+)?")


def columns_of(rows: Iterable[Row]) -> list[str]:
    """All columns of the rows, in the order of first appearance."""
    seen: dict[str, None] = {}
    for row in rows:
        seen.update(dict.fromkeys(row))
    return list(seen)


def check_table_path(path: str | os.PathLike[str]) -> Path:
    """The path, if its ending is one that `write_table` knows; InputError otherwise."""
    path = Path(path)
    if path.suffix.lower() not in ENDINGS:
        raise InputError(f"the table {path} must end in one of {', '.join(ENDINGS)}.")
    return path


def write_table(rows: Sequence[Row], path: str | os.PathLike[str]) -> None:
    """Write rows as .csv, .xlsx or .json, whole or not at all.

    Parameters
    ----------
    rows : sequence of mapping
        A missing or undefined (NaN) value becomes an empty cell, and null in JSON.
    path : path
        Its ending chooses the format.
    """
    path = check_table_path(path)
    columns = columns_of(rows)
    with atomic_output(path) as temporary:
        if path.suffix.lower() == ".csv":
            _write_csv(rows, columns, temporary)
        elif path.suffix.lower() == ".xlsx":
            _write_xlsx({"values": (columns, rows)}, temporary)
        else:
            plain = [{c: _plain(row.get(c)) for c in columns} for row in rows]
            temporary.write_text(json.dumps(plain, indent=1) + "\n", encoding="utf-8")


def write_workbook(sheets: Mapping[str, Sequence[Row]], path: str | os.PathLike[str]) -> None:
    """Write several tables as the sheets of one .xlsx file."""
    with atomic_output(path) as temporary:
        _write_xlsx({name: (columns_of(rows), rows) for name, rows in sheets.items()}, temporary)


def read_table(path: str | os.PathLike[str]) -> list[Row]:
    """Read a .csv, .xlsx (its first sheet) or .json table, such as `write_table` writes.

    Numbers come back as numbers, empty cells as None. A .csv that a spreadsheet has saved with semicolons or tabs, with
    decimal commas, and in the encodings of Windows is understood as well.

    Raises
    ------
    FileError
        If the file is missing or is no such table.
    """
    path = Path(path)
    if not path.exists():
        raise FileError(f"{path}: there is no such table; check the name.")
    if path.suffix.lower() == ".xlsx":
        return _read_xlsx(path)
    try:
        text = decoded(path.read_bytes(), "strict")
    except (OSError, UnicodeDecodeError) as error:
        raise FileError(f"{path}: cannot be read as a table ({error}); give a .csv, .xlsx or .json table.") from error
    if path.suffix.lower() == ".json":
        try:
            rows = json.loads(text)
        except json.JSONDecodeError as error:
            raise FileError(f"{path}: is not valid JSON ({error}); save the table again.") from error
        if not isinstance(rows, list) or not all(isinstance(row, dict) for row in rows):
            raise FileError(f"{path}: is not a table, which is a list of rows; save it again.")
        return rows
    header = text.partition("\n")[0]
    delimiter = max(_DELIMITERS, key=header.count)
    reader = csv.DictReader(io.StringIO(text), delimiter=delimiter)
    if not reader.fieldnames:
        raise FileError(f"{path}: the table is empty; give a table with rows.")
    return [
        {_armed(name): _value(cell, delimiter != ",") for name, cell in row.items() if name is not None}
        for row in reader
    ]


def decoded(data: bytes, errors: str = "replace") -> str:
    """A text in UTF-8, in UTF-16 if it begins with its mark, else in the encoding of Windows in Western Europe.

    With `errors` "strict", a UnicodeDecodeError says that it is no table of a spreadsheet.
    """
    if data.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        return data.decode("utf-16", errors)
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError:
        split = any(mark.encode() in data.partition(b"\n")[0] for mark in _DELIMITERS)
        if errors == "strict" and (b"\0" in data or not split):
            raise
        return data.decode("cp1252", errors)


def _read_xlsx(path: Path) -> list[Row]:
    from zipfile import BadZipFile

    from openpyxl import load_workbook
    from openpyxl.utils.exceptions import InvalidFileException

    try:
        book = load_workbook(path, read_only=True, data_only=True)
    except (OSError, BadZipFile, InvalidFileException, KeyError, ValueError) as error:
        raise FileError(f"{path}: cannot be read as a workbook ({error}); save it as .xlsx or .csv.") from error
    try:
        lines = list(book.worksheets[0].iter_rows(values_only=True)) if book.worksheets else []
    finally:
        book.close()
    if not lines or all(name is None for name in lines[0]):
        raise FileError(f"{path}: its first sheet holds no table; the first row must name the columns.")
    columns = [(n, str(name)) for n, name in enumerate(lines[0]) if name is not None]
    rows = [{name: line[n] if n < len(line) else None for n, name in columns} for line in lines[1:]]
    return [row for row in rows if any(value is not None for value in row.values())]


def _write_csv(rows: Sequence[Row], columns: Sequence[str], path: Path) -> None:
    with open(path, "w", newline="", encoding="utf-8") as stream:
        writer = csv.writer(stream)
        writer.writerow([_unarmed(column) for column in columns])
        for row in rows:
            writer.writerow(["" if (v := _plain(row.get(c))) is None else _unarmed(v) for c in columns])


def _unarmed(value: Any) -> Any:
    """Put an apostrophe before text that a spreadsheet would run as a formula; `read_table` takes it off."""
    return f"'{value}" if isinstance(value, str) and value.startswith(_FORMULAS) else value


def _armed(text: str) -> str:
    return text[1:] if text.startswith("'") and text[1:].startswith(_FORMULAS) else text


def _write_xlsx(sheets: Mapping[str, tuple[Sequence[str], Sequence[Row]]], path: Path) -> None:
    from openpyxl import Workbook
    from openpyxl.cell import WriteOnlyCell
    from openpyxl.styles import Font
    from openpyxl.utils import get_column_letter

    book = Workbook(write_only=True)
    for name, (columns, rows) in sheets.items():
        sheet = book.create_sheet(name[:31])
        sheet.freeze_panes = "A2"
        for n, column in enumerate(columns, 1):
            sheet.column_dimensions[get_column_letter(n)].width = _width(column, rows)

        def cell(value: Any, bold: bool = False, sheet: Any = sheet) -> Any:
            plain = _plain(value)
            made = WriteOnlyCell(sheet, _CONTROLS.sub(" ", plain) if isinstance(plain, str) else plain)
            if isinstance(value, str):
                made.data_type = "s"  # a name that begins with "=" is a name, not a formula
            if bold:
                made.font = Font(bold=True)
            return made

        sheet.append([cell(c, bold=True) for c in columns])
        for row in rows:
            sheet.append([cell(row.get(c)) for c in columns])
    packed = io.BytesIO()  # a zip archive that cannot be written prints a traceback when it is freed
    book.save(packed)
    path.write_bytes(packed.getbuffer())


def _width(column: str, rows: Sequence[Row]) -> float:
    """Width of a column in characters: that of its longest text among the first rows, within bounds."""
    texts = [column, *(_shown(row.get(column)) for row in rows[:_ROWS_FOR_WIDTH])]
    return float(min(max(map(len, texts)) + 2, MAX_WIDTH))


def _shown(value: Any) -> str:
    return f"{value:.6g}" if isinstance(value, float) else "" if value is None else str(value)


def _plain(value: Any) -> Any:
    if hasattr(value, "item"):
        value = value.item()
    if isinstance(value, float) and not math.isfinite(value):
        return None
    if isinstance(value, (list, tuple, dict)):
        return json.dumps(value)
    if isinstance(value, str):  # a file name that is no UTF-8 has characters that no table can hold
        return value.encode("utf-8", "replace").decode("utf-8")
    return value


def _value(cell: str | None, decimal_commas: bool = False) -> Any:
    if cell is None or cell == "":
        return None
    if cell in ("True", "False"):
        return cell == "True"
    text = cell.replace(",", ".") if decimal_commas else cell
    found = _NUMBER.fullmatch(text)
    if found is None:
        return _armed(cell)
    return float(text) if any(found.groupdict().values()) else int(text)
