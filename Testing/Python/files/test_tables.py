"""Tables come back as they were written, undefined values as empty cells, names never as formulas."""

from __future__ import annotations

import errno
import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from ACSegLib.errors import FileError, InputError
from ACSegLib.files.tables import read_table, write_table, write_workbook

ROWS = [
    {"name": "=1+1", "dice": 0.1 + 0.2, "cells": 3, "cut": True},
    {"name": 'quote " and , comma', "dice": float("nan"), "cells": np.int64(4), "extra": np.float32(0.5)},
]


def test_csv_keeps_numbers_exactly(tmp_path):
    write_table(ROWS, tmp_path / "t.csv")
    first, second = read_table(tmp_path / "t.csv")
    assert first == {"name": "=1+1", "dice": 0.1 + 0.2, "cells": 3, "cut": True, "extra": None}
    assert second == {"name": 'quote " and , comma', "dice": None, "cells": 4, "cut": None, "extra": 0.5}


def test_json_has_null_for_undefined(tmp_path):
    write_table(ROWS, tmp_path / "t.json")
    assert json.loads((tmp_path / "t.json").read_text())[1]["dice"] is None
    assert read_table(tmp_path / "t.json")[0]["dice"] == 0.1 + 0.2


def test_xlsx_has_text_and_numbers_and_no_formulas(tmp_path):
    openpyxl = pytest.importorskip("openpyxl", reason="openpyxl is not installed")
    write_workbook({"cells": ROWS, "summary": [{"n": 2}]}, tmp_path / "t.xlsx")
    book = openpyxl.load_workbook(tmp_path / "t.xlsx")
    assert book.sheetnames == ["cells", "summary"]
    cells = list(book["cells"].iter_rows(values_only=False))
    assert [c.value for c in cells[0]] == ["name", "dice", "cells", "cut", "extra"]
    assert cells[1][0].value == "=1+1"
    assert cells[1][0].data_type == "s"
    assert cells[2][1].value is None


@pytest.mark.parametrize("ending", [".csv", ".xlsx", ".json"])
def test_every_format_reads_back_as_the_same_table(tmp_path, ending):
    rows = [
        {"volume_name": "007", "dice": 0.25, "cells": 3, "cut": True, "note": None},
        {"volume_name": "2024_01", "dice": -1.5e-7, "cells": 0, "cut": True, "note": "nan"},
        {"volume_name": "=1+1", "dice": None, "cells": 4, "cut": False, "note": "two\nlines; one, comma"},
    ]
    write_table(rows, tmp_path / f"t{ending}")
    assert read_table(tmp_path / f"t{ending}") == rows


def test_a_csv_saved_by_a_spreadsheet_with_decimal_commas(tmp_path):
    (tmp_path / "t.csv").write_text("\ufeffvolume_name;dice;cells\r\ncell 1;0,25;3\r\ncell, 2;;4\r\n", encoding="utf-8")
    first, second = read_table(tmp_path / "t.csv")
    assert first == {"volume_name": "cell 1", "dice": 0.25, "cells": 3}
    assert second == {"volume_name": "cell, 2", "dice": None, "cells": 4}


def test_a_sheet_with_empty_rows_and_unnamed_columns(tmp_path):
    openpyxl = pytest.importorskip("openpyxl", reason="openpyxl is not installed")
    book = openpyxl.Workbook()
    for line in (["name", None, "dice"], ["a", "a remark", 0.5], [None, None, None], ["b"]):
        book.active.append(line)
    book.save(tmp_path / "t.xlsx")
    assert read_table(tmp_path / "t.xlsx") == [{"name": "a", "dice": 0.5}, {"name": "b", "dice": None}]
    openpyxl.Workbook().save(tmp_path / "empty.xlsx")
    with pytest.raises(FileError, match="first sheet holds no table"):
        read_table(tmp_path / "empty.xlsx")
    (tmp_path / "text.xlsx").write_text("name,dice")
    with pytest.raises(FileError, match=r"text\.xlsx: cannot be read as a workbook"):
        read_table(tmp_path / "text.xlsx")


def test_unknown_ending_and_unreadable_tables(tmp_path):
    with pytest.raises(InputError, match=r"must end in one of \.csv"):
        write_table(ROWS, tmp_path / "t.ods")
    with pytest.raises(FileError, match=r"none\.csv: there is no such table"):
        read_table(tmp_path / "none.csv")
    (tmp_path / "picture.csv").write_bytes(b"\xff\xd8\xff")
    with pytest.raises(FileError, match="cannot be read as a table"):
        read_table(tmp_path / "picture.csv")
    (tmp_path / "bad.json").write_text("{")
    with pytest.raises(FileError, match="not valid JSON"):
        read_table(tmp_path / "bad.json")


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="this system has no device that is always full")
def test_a_workbook_that_finds_no_room_prints_no_traceback():
    code = (
        "from pathlib import Path\n"
        "from ACSegLib.files import tables\n"
        "rows = [{str(n): n for n in range(50)}] * 50\n"
        "try:\n    tables._write_xlsx({'cells': (tables.columns_of(rows), rows)}, Path('/dev/full'))\n"
        "except OSError as error:\n    print(error.strerror)\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert (done.stdout.strip(), done.stderr) == (os.strerror(errno.ENOSPC), "")


@pytest.mark.parametrize(
    ("encoding", "separator"), [("utf-16", "\t"), ("cp1252", ";"), ("utf-8", "\t"), ("utf-8-sig", ";")]
)
@pytest.mark.parametrize("decimal", [".", ","])
def test_encodings_and_separators_of_spreadsheets(encoding, separator, decimal, tmp_path):
    lines = [["volume_name", "unit", "volume"], ["Zellkörper", "µm", f"1{decimal}5"]]
    text = "".join(separator.join(line) + "\r\n" for line in lines)
    (tmp_path / "a.csv").write_bytes(text.encode(encoding))
    assert read_table(tmp_path / "a.csv") == [{"volume_name": "Zellkörper", "unit": "µm", "volume": 1.5}]


def test_a_file_that_is_no_text_is_refused(tmp_path):
    (tmp_path / "a.csv").write_bytes(b"a,b\n\xff\0\0\n")
    with pytest.raises(FileError, match=r"a\.csv: cannot be read as a table"):
        read_table(tmp_path / "a.csv")
