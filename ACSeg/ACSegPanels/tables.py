"""Rows of figures <-> table nodes, and charts of them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import slicer

from ACSegLib.json_values import Row


def writeTable(rows: Sequence[Row], node: Any = None, name: str = "Table") -> Any:
    """Write rows into a table node (a new one where `node` is None or gone); columns in order of first appearance.

    A column of numbers becomes a column of numbers, with NaN where a row has none.
    """
    import vtk

    if node is None or node.GetScene() is None:
        node = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLTableNode", name)
    table = vtk.vtkTable()
    for column in dict.fromkeys(key for row in rows for key in row):
        values = [row.get(column) for row in rows]
        numeric = any(_isNumber(v) for v in values) and all(v is None or _isNumber(v) for v in values)
        array = vtk.vtkDoubleArray() if numeric else vtk.vtkStringArray()
        array.SetName(column)
        for value in values:
            if numeric:
                array.InsertNextValue(float("nan") if value is None else float(value))
            else:
                array.InsertNextValue("" if value is None else str(value))
        table.AddColumn(array)
    node.SetAndObserveTable(table)
    return node


def titleColumns(node: Any) -> None:
    """Give the columns of a table of measurements headings for people, with units as Segment Statistics writes them.

    Their names stay as they are: scripts and exported files use them ("thin_part_length"), table views the headings.
    """
    from ACSegLib.study.columns import intensity_texts, intensity_unit, label_of, unit_power

    rows = readTable(node)
    unit = str(rows[0].get("unit", "")) if rows else ""
    intensity, _typeset = intensity_texts(rows)
    units = {power: f"1/{unit}" if power == -1 else f"{unit}{power}".rstrip("1") for power in (-1, 1, 2, 3) if unit}
    for column in rows[0] if rows else ():
        title = label_of(column).replace("intensity", intensity)
        node.SetColumnTitle(column, title[:1].upper() + title[1:])
        isIntensity = column.startswith("lac_")
        node.SetColumnUnitLabel(column, intensity_unit(rows) if isIntensity else units.get(unit_power(column), ""))
    node.SetUseColumnTitleAsColumnHeader(True)


def columnHeading(node: Any, column: str) -> str:
    """Heading of a column, with its unit in brackets, as Slicer's table views show it."""
    title, unit = node.GetColumnTitle(column) or column, node.GetColumnUnitLabel(column)
    return f"{title} [{unit}]" if unit else title


def _isNumber(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def readTable(node: Any) -> list[Row]:
    """Give the rows of a table node."""
    table = node.GetTable()
    columns = [(table.GetColumnName(c), table.GetColumn(c)) for c in range(table.GetNumberOfColumns())]
    return [{name: column.GetValue(row) for name, column in columns} for row in range(table.GetNumberOfRows())]


def exportTable(node: Any, path: str) -> None:
    """Write a table node as .csv, .xlsx or .json, chosen by the ending."""
    from ACSegLib.files.tables import write_table

    write_table(readTable(node), path)


class Chart:
    """A chart of columns of tables, its nodes made on first use and updated afterwards.

    Parameters
    ----------
    title, xTitle, yTitle : str
        Shown on the chart.
    role : str
        Attribute by which its nodes are known.
    bars : bool
        Bars, with the labels of a text column, instead of lines.
    """

    def __init__(self, title: str, xTitle: str, yTitle: str, role: str, bars: bool = False) -> None:
        self._titles = (title, xTitle, yTitle)
        self._role, self._bars = role, bars
        self._ids: dict[str, str] = {}

    def _node(self, kind: str, name: str) -> Any:
        node = slicer.mrmlScene.GetNodeByID(self._ids.get(name, "")) if name in self._ids else None
        if node is None:
            node = slicer.mrmlScene.AddNewNodeByClass(kind, name)
            node.SetAttribute("ACSeg.Role", self._role)
            self._ids[name] = node.GetID()
        return node

    def draw(self, curves: Sequence[tuple[Any, str]], x: str, labels: str = "") -> Any:
        """Draw columns, each of a table node, against another column (bars: one a row); returns the chart node."""
        title, xTitle, yTitle = self._titles
        chart = self._node("vtkMRMLPlotChartNode", title)
        chart.SetTitle(title)
        chart.SetXAxisTitle(xTitle)
        chart.SetYAxisTitle(yTitle)
        wanted = [self._series(number, *curve, x, labels).GetID() for number, curve in enumerate(curves)]
        shown = [chart.GetNthPlotSeriesNodeID(n) for n in range(chart.GetNumberOfPlotSeriesNodes())]
        if shown != wanted:
            chart.RemoveAllPlotSeriesNodeIDs()
            for identifier in wanted:
                chart.AddAndObservePlotSeriesNodeID(identifier)
        return chart

    def _series(self, number: int, tableNode: Any, column: str, x: str, labels: str) -> Any:
        series = self._node("vtkMRMLPlotSeriesNode", f"{self._titles[0]}: {column}")
        series.SetName(column)
        series.SetAndObserveTableNodeID(tableNode.GetID())
        series.SetXColumnName(x)
        series.SetYColumnName(column)
        if labels:
            series.SetLabelColumnName(labels)
        series.SetPlotType(series.PlotTypeBar if self._bars else series.PlotTypeScatter)
        series.SetMarkerStyle(series.MarkerStyleNone if self._bars else series.MarkerStyleCircle)
        series.SetColor(*_COLOURS[number % len(_COLOURS)])
        return series

    def show(self) -> None:
        """Bring the chart into the layout; it changes the layout, so do it on a click and not again and again."""
        slicer.modules.plots.logic().ShowChartInLayout(self._node("vtkMRMLPlotChartNode", self._titles[0]))


_COLOURS = ((0.12, 0.47, 0.71), (0.89, 0.47, 0.10), (0.17, 0.63, 0.17), (0.58, 0.40, 0.74), (0.55, 0.34, 0.29))
