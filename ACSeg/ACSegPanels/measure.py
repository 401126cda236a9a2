"""Step 5, Measure: figures of every cell in a table, a chart of one of them, and export."""

from __future__ import annotations

from typing import Any

import slicer
from slicer.i18n import tr as _

from ACSegLib.json_values import Row
from ACSegPanels.install import ensureDependencies
from ACSegPanels.panel import Panel
from ACSegPanels.tables import Chart, columnHeading, exportTable, readTable
from ACSegPanels.task import sentence
from ACSegPanels.words import Words, unitWords, withNotes

_FIRST_SHOWN = "volume"


class MeasurePanel(Panel):
    """Measure a segmentation."""

    name = "Measure"
    title = _("5. Measure")
    dependencies = "measure"

    def setup(self) -> None:
        """Connect the widgets."""
        self.ui.measureTableView.setMRMLScene(slicer.mrmlScene)
        self.ui.measureTableView.setMinimumHeight(260)
        self.chart: Chart | None = None
        self.connect(self.ui.measureButton, "clicked()", self.measure)
        self.connect(self.ui.measureCancelButton, "clicked()", self.cancel)
        self.connect(self.ui.measureExportButton, "clicked()", self.chooseExport)
        self.connect(self.ui.measureColumnBox, "currentIndexChanged(int)", self._onColumn)

    def words(self) -> dict[str, Words]:
        """Words for the choices."""
        return {"measureUnitBox": unitWords()}

    def controls(self) -> dict[str, str]:
        """Options by their widgets."""
        return {
            "image": _("Volume"),
            "unit": _("Unit of length"),
            "thin_parts": _("Measure filopodia"),
        }

    def update(self) -> None:
        """Enable the buttons, or say why not."""
        parameters = self.parameters
        table = parameters.measureTable if parameters else None
        running = _("A measurement is running.") if self.running else ""
        missing = "" if parameters and parameters.measureSegmentation else _("Choose the segmentation to measure.")
        self.enable(self.ui.measureButton, _("Measure every segment and every cell."), running or missing)
        self.enable(
            self.ui.measureCancelButton, _("Stop the measurement."), "" if self.running else _("Nothing is running.")
        )
        filled = table is not None and table.GetNumberOfRows() > 0
        self.enable(self.ui.measureExportButton, _("Write the table to a file."), "" if filled else _("Measure first."))
        if self.ui.measureTableView.mrmlTableNode() is not table:
            self.ui.measureTableView.setMRMLTableNode(table)

    def measure(self) -> None:
        """Measure in the background."""
        p = self.parameters
        table = self.outputFor(p.measureSegmentation, p.measureTable)
        self.start(
            lambda callbacks: self.module.logic.measure(
                p.measureSegmentation,
                p.measureVolume,
                table,
                unit=p.measureUnit,
                thin_parts=p.measureFilopodia,
                **callbacks,
            ),
            self._onDone,
        )

    def _onDone(self, node: Any) -> None:
        self.keepResults(measureTable=node)
        self.ui.measureTableView.setMRMLTableNode(node)
        rows = readTable(node)
        box = self.ui.measureColumnBox
        blocked = box.blockSignals(True)
        box.clear()
        numbers = [name for name, value in (rows[0] if rows else {}).items() if isinstance(value, float)]
        for column in numbers:
            box.addItem(columnHeading(node, column), column)
        box.setCurrentIndex(numbers.index(_FIRST_SHOWN) if _FIRST_SHOWN in numbers else 0)
        box.blockSignals(blocked)
        self._showChart()
        text = _("{count} rows; lengths in {unit}.").format(count=len(rows), unit=_unit(rows))
        self.say(withNotes(text, self.module.logic.lastNotes))

    def _onColumn(self, index: int) -> None:
        self._showChart()

    def _showChart(self) -> None:
        box, table = self.ui.measureColumnBox, self.ui.measureTableView.mrmlTableNode()
        if box.currentIndex < 0 or table is None:
            return
        column = box.itemData(box.currentIndex)
        self.chart = self.chart or Chart(_("Measurements"), "", "", "measurements", bars=True)
        self.chart.draw([(table, column)], "cell", labels="segment")
        self.chart.show()

    def chooseExport(self) -> None:
        """Ask for a file, and export the table."""
        import qt

        filters = _("Tables (*.csv *.xlsx *.json)")
        path = qt.QFileDialog.getSaveFileName(slicer.util.mainWindow(), _("Export"), "measurements.csv", filters)
        path = path[0] if isinstance(path, tuple) else path
        if path:
            self.export(path)

    def export(self, path: str) -> None:
        """Write the table to a file, its format by the ending."""
        try:
            if path.lower().endswith(".xlsx"):
                ensureDependencies("xlsx")
            exportTable(self.ui.measureTableView.mrmlTableNode(), path)
        except Exception as error:
            self.say(sentence(error))
            return
        self.say(_("Written: {path}.").format(path=path))

    def sceneClosed(self) -> None:
        """Forget the table and its chart."""
        self.chart = None
        self.ui.measureTableView.setMRMLTableNode(None)
        self.ui.measureColumnBox.clear()


def _unit(rows: list[Row]) -> str:
    """Unit of the lengths of a table, for a person."""
    unit = str(rows[0].get("unit", "")) if rows else ""
    return unitWords().get(unit, unit)
