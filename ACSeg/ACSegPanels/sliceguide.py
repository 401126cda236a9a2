"""The slice guide: which slices are labelled, jump to one, and where to label next. Used by the effect and Label."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import qt
from slicer.i18n import tr as _

from ACSegPanels.shortcuts import NEXT_SLICE, withKey
from ACSegPanels.slices import AXES, DEFAULT_INTERVAL, SliceCounts
from ACSegPanels.views import jumpToSlice

#: Rows that the list shows without scrolling, and the height in pixels of one, more where the font is large.
MIN_ROWS, MAX_ROWS, MIN_ROW_HEIGHT = 4, 10, 20


class SliceGuide:
    """A compact list of the labelled slices and two buttons.

    Parameters
    ----------
    suggest : callable, optional
        ``suggest(told)`` finds slices worth labelling from the last fill, and calls ``told`` with a list of (axis,
        slice), at once or later; without it the button is not shown.
    interval : int
        Distance between labelled slices, in slices.
    intervalChanged : callable, optional
        Called with the new interval when the person has changed it.
    """

    def __init__(
        self,
        suggest: Callable[[Callable[[list[tuple[str, int]]], None]], None] | None = None,
        interval: int = DEFAULT_INTERVAL,
        intervalChanged: Callable[[int], None] | None = None,
    ) -> None:
        self._suggest = suggest
        self._intervalChanged = intervalChanged
        self._drawn = SliceCounts()
        self._volumeNode: Any = None
        self._rows: list[tuple[str, int]] = []
        self.widget = qt.QWidget()
        layout = qt.QVBoxLayout(self.widget)
        layout.setContentsMargins(0, 0, 0, 0)
        self.label = qt.QLabel()
        self.label.wordWrap = True
        layout.addWidget(self.label)
        self.table = self._makeTable()
        layout.addWidget(self.table)
        layout.addLayout(self._makeButtons(interval))
        self.update(SliceCounts(), None)

    def _makeTable(self) -> Any:
        table = qt.QTableWidget()
        table.objectName = "labelledSlicesTable"
        table.setEditTriggers(qt.QAbstractItemView.NoEditTriggers)
        table.setSelectionBehavior(qt.QAbstractItemView.SelectRows)
        table.setSelectionMode(qt.QAbstractItemView.SingleSelection)
        table.setAlternatingRowColors(True)
        table.verticalHeader().setVisible(False)
        table.horizontalHeader().setStretchLastSection(True)
        table.setToolTip(_("Labelled slices, counted from 0, and the voxels of each segment. Click one to show it."))
        table.connect("cellClicked(int,int)", self._onCellClicked)
        return table

    def _makeButtons(self, interval: int) -> Any:
        row = qt.QHBoxLayout()
        self.intervalBox = qt.QSpinBox()
        self.intervalBox.setRange(2, 500)
        self.intervalBox.value = interval
        self.intervalBox.prefix = _("every ")
        self.intervalBox.suffix = _(" slices")
        self.intervalBox.setToolTip(_("Distance between labelled slices, in slices. 20 is a good start for cells."))
        self.intervalBox.connect("valueChanged(int)", self._onInterval)
        self.nextButton = qt.QPushButton(_("Next slice to label"))
        self.nextButton.connect("clicked()", self.goToNext)
        self.suggestButton = qt.QPushButton(_("Suggest slices"))
        self.suggestButton.connect("clicked()", self.showSuggestions)
        self.suggestButton.setVisible(self._suggest is not None)
        for widget in (self.intervalBox, self.nextButton, self.suggestButton):
            row.addWidget(widget)
        return row

    def update(self, drawn: SliceCounts, volumeNode: Any, canSuggest: bool = False, problem: str = "") -> None:
        """Show the labelled slices of a volume; `problem` replaces the sentence above the list."""
        self._drawn, self._volumeNode = drawn, volumeNode
        self.label.text = problem or self._describe(drawn)
        self._rows = [(axis, number) for axis in drawn.axes for number in drawn.on(axis)]
        self.table.clear()
        self.table.setColumnCount(1 + len(drawn.names))
        self.table.setRowCount(len(self._rows))
        self.table.setHorizontalHeaderLabels([_("Slice"), *drawn.names])
        for row, key in enumerate(self._rows):
            texts = [f"{key[0]} = {key[1]}", *[f"{count:,}" if count else "-" for count in drawn.counts[key]]]
            for column, text in enumerate(texts):
                item = qt.QTableWidgetItem(text)
                item.setTextAlignment(qt.Qt.AlignVCenter | (qt.Qt.AlignRight if column else qt.Qt.AlignLeft))
                self.table.setItem(row, column, item)
        header = self.table.verticalHeader()
        rowHeight = max(MIN_ROW_HEIGHT, header.minimumSectionSize)  # what the font needs
        header.setDefaultSectionSize(rowHeight)
        visible = min(max(len(self._rows), MIN_ROWS), MAX_ROWS)
        self.table.setFixedHeight((visible + 1) * rowHeight + 10)  # and the heading
        self.nextButton.enabled = volumeNode is not None and not problem
        self.nextButton.toolTip = (
            problem or withKey(_("Show the slice to label next."), NEXT_SLICE)
            if volumeNode
            else _("Choose a source volume first.")
        )
        self.allowSuggestions(canSuggest)

    def allowSuggestions(self, canSuggest: bool) -> None:
        """Enable the button that suggests slices, or say what has to be done first."""
        self.suggestButton.enabled = canSuggest
        self.suggestButton.toolTip = (
            _("Show the slices where the last fill is least sure.")
            if canSuggest
            else _("Press Fill first: suggestions come from its uncertainty.")
        )

    @staticmethod
    def _describe(drawn: SliceCounts) -> str:
        if not drawn.counts:
            return _("No slice is labelled yet. Draw the visible segments on two or more slices of one axis.")
        parts = []
        for axis in drawn.axes:
            numbers = drawn.on(axis)
            parts.append(
                _("{count} of {size} slices on axis {axis}").format(
                    count=len(numbers), size=drawn.shape[AXES.index(axis)], axis=axis
                )
            )
        text = _("Labelled: {slices}.").format(slices=", ".join(parts))
        if len(drawn.counts) == 1:
            text += " " + _("Label at least one more: there is nothing to fill between.")
        text = " ".join([text, *drawn.notes])
        return text

    def showInterval(self, value: int) -> None:
        """Show an interval that was set elsewhere."""
        blocked = self.intervalBox.blockSignals(True)
        self.intervalBox.value = value
        self.intervalBox.blockSignals(blocked)

    def _onInterval(self, value: int) -> None:
        if self._intervalChanged is not None:
            self._intervalChanged(value)

    def _onCellClicked(self, row: int, column: int) -> None:
        self.jump(*self._rows[row])

    def jump(self, axis: str, number: int) -> None:
        """Show a slice in the views; says so where no view lies along the axis."""
        if self._volumeNode is None:
            return
        if not jumpToSlice(self._volumeNode, axis, number):
            self.label.text = _(
                "No slice view lies along axis {axis} of this volume: press 'Rotate to volume plane' in a slice view, "
                "or your labels will be cut obliquely."
            ).format(axis=axis)

    def goToNext(self) -> None:
        """Show the slice to label next, by the interval; without a volume do nothing."""
        if not self.nextButton.enabled:
            return
        axis = (self._drawn.axes or ["k"])[0]
        number = self._drawn.next_slice(axis, self.intervalBox.value)
        if number is None:
            self.label.text = _(
                "Slices are labelled every {interval} or closer on axis {axis}: fill, then let ACSeg suggest more."
            ).format(interval=self.intervalBox.value, axis=axis)
            return
        self.jump(axis, number)
        self.label.text = _("Next slice to label: {axis} = {number}.").format(axis=axis, number=number)

    def showSuggestions(self) -> None:
        """Find the slices that would help most, show them, and go to the first."""
        if self._suggest is not None:
            self.label.text = _("Looking for slices that would help most...")
            self._suggest(self._showFound)

    def _showFound(self, found: list[tuple[str, int]]) -> None:
        if not found:
            self.label.text = _("The fill is sure everywhere; no further slice is needed.")
            return
        self.jump(*found[0])
        text = "; ".join(f"{axis} = {number}" for axis, number in found)
        self.label.text = _("Worth labelling: {slices}.").format(slices=text)

    def cleanup(self) -> None:
        """Disconnect the widgets, so that nothing keeps this object alive."""
        self.table.disconnect("cellClicked(int,int)", self._onCellClicked)
        self.nextButton.disconnect("clicked()", self.goToNext)
        self.suggestButton.disconnect("clicked()", self.showSuggestions)
        self.intervalBox.disconnect("valueChanged(int)", self._onInterval)
