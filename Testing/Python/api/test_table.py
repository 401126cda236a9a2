"""Tables: rows are dicts, columns are arrays."""

import numpy as np
import pytest

from ACSegLib.api import Table
from ACSegLib.errors import InputError

ROWS = [
    {"segment": "cell", "volume": 2.0, "cells": 3},
    {"segment": "<bead>", "volume": None, "cells": 1, "note": "small"},
]


def test_columns_are_arrays():
    table = Table(ROWS)
    assert table.columns == ["segment", "volume", "cells", "note"]
    np.testing.assert_array_equal(table["volume"], [2.0, np.nan])
    assert table["cells"].dtype.kind == "i"
    assert table["segment"].tolist() == ["cell", "<bead>"]
    assert table["note"].tolist() == [None, "small"]
    with pytest.raises(InputError, match="no column 'area'; it has: segment, volume"):
        table["area"]


def test_rows_are_dicts():
    table = Table(ROWS)
    assert table[1] is ROWS[1]
    assert isinstance(table[:1], Table)
    assert table.where(segment="cell") == [ROWS[0]]
    assert [row["cells"] for row in table] == [3, 1]


def test_pandas_reads_a_table():
    pandas = pytest.importorskip("pandas")
    assert list(pandas.DataFrame(Table(ROWS)).columns) == ["segment", "volume", "cells", "note"]
    assert Table(ROWS).to_pandas()["volume"].isna().tolist() == [False, True]


def test_a_table_shows_itself_shortly():
    assert repr(Table(ROWS)) == "<Table: 2 rows, 4 columns (segment, volume, cells, note)>"
    text = Table(ROWS * 50)._repr_html_()
    assert "&lt;bead&gt;" in text
    assert "80 more rows" in text


def test_a_saved_table_is_read_again(tmp_path):
    from ACSegLib.files.tables import read_table

    Table(ROWS).save(tmp_path / "cells.csv")
    assert [row["segment"] for row in read_table(tmp_path / "cells.csv")] == ["cell", "<bead>"]
