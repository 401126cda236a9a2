"""Tables of measures: a list of rows whose columns are NumPy arrays."""

from __future__ import annotations

import html
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any, overload

import numpy as np

from ACSegLib.errors import InputError
from ACSegLib.json_values import Row

if TYPE_CHECKING:
    import os

    import pandas

#: Rows that a notebook shows.
_MAX_SHOWN = 20


class Table(list[Row]):
    """Rows of a measurement or a comparison.

    It is a list of dicts, so ``pandas.DataFrame(table)`` works. A column is an array: ``table["volume"]``.

    Examples
    --------
    >>> table = Table([{"segment": "cell", "volume": 2.0}, {"segment": "bead", "volume": 0.5}])
    >>> table["volume"]
    array([2. , 0.5])
    >>> table[0]["segment"]
    'cell'
    """

    def __init__(self, rows: Iterable[Row] = (), contacts: Sequence[Row] = ()) -> None:
        super().__init__(rows)
        self._contacts = contacts

    @property
    def contacts(self) -> Table:
        """Of a measurement: a row for each pair of segments that touch, with the area; see `measure`."""
        return Table(self._contacts)

    @property
    def columns(self) -> list[str]:
        """Names of the columns, in the order in which they first occur."""
        return list(dict.fromkeys(name for row in self for name in row))

    @overload  # type: ignore[override]
    def __getitem__(self, key: int) -> Row: ...
    @overload
    def __getitem__(self, key: slice) -> Table: ...
    @overload
    def __getitem__(self, key: str) -> np.ndarray: ...
    def __getitem__(self, key: int | slice | str) -> Row | Table | np.ndarray:
        """A row, some rows, or a column by name (missing numbers are NaN)."""
        if isinstance(key, str):
            return self._column(key)
        if isinstance(key, slice):
            return Table(super().__getitem__(key))
        return super().__getitem__(key)

    def _column(self, name: str) -> np.ndarray:
        if name not in self.columns:
            raise InputError(f"the table has no column {name!r}; it has: {', '.join(self.columns) or 'none'}.")
        values = [row.get(name) for row in self]
        if all(value is None or isinstance(value, (int, float, np.number)) for value in values):
            if any(value is None for value in values):
                return np.array([np.nan if value is None else value for value in values], float)
            return np.array(values)
        return np.array(values, dtype=object if any(not isinstance(value, str) for value in values) else None)

    def where(self, **values: Any) -> Table:
        """The rows whose columns have these values: ``table.where(segment="cell", kind="cell")``."""
        return Table(row for row in self if all(row.get(name) == value for name, value in values.items()))

    def to_pandas(self) -> pandas.DataFrame:
        """The table as a pandas DataFrame (extra ``measure``)."""
        import pandas

        return pandas.DataFrame(list(self), columns=self.columns)

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write the table; the ending of `path` chooses the format (.csv, .xlsx or .json)."""
        from ACSegLib.files.tables import check_table_path, write_table

        check_table_path(path)
        write_table(self, path)

    def __repr__(self) -> str:
        names = self.columns
        shown = ", ".join(names[:6]) + (f" and {len(names) - 6} more" if len(names) > 6 else "")
        return f"<Table: {len(self)} row{'' if len(self) == 1 else 's'}, {len(names)} columns ({shown})>"

    def _repr_html_(self) -> str:
        names = self.columns
        rows = [
            _html_row("th", names),
            *(_html_row("td", [row.get(name) for name in names]) for row in self[:_MAX_SHOWN]),
        ]
        more = f"<p>{len(self) - _MAX_SHOWN} more rows</p>" if len(self) > _MAX_SHOWN else ""
        return f"<table>{''.join(rows)}</table>{more}"


def _html_row(tag: str, values: Iterable[Any]) -> str:
    return "<tr>" + "".join(f"<{tag}>{html.escape(_text(value))}</{tag}>" for value in values) + "</tr>"


def _text(value: Any) -> str:
    if value is None:
        return ""
    return f"{value:.5g}" if isinstance(value, (float, np.floating)) else str(value)
