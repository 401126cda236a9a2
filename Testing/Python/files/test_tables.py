"""Tables come back as they were written, undefined values as empty cells, names never as formulas."""

from __future__ import annotations

import json

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


def test_unknown_ending_and_unreadable_tables(tmp_path):
    with pytest.raises(InputError, match=r"must end in one of \.csv"):
        write_table(ROWS, tmp_path / "t.ods")
    with pytest.raises(FileError, match="cannot be read as a table"):
        read_table(tmp_path / "none.csv")
    (tmp_path / "bad.json").write_text("{")
    with pytest.raises(FileError, match="no JSON table"):
        read_table(tmp_path / "bad.json")
