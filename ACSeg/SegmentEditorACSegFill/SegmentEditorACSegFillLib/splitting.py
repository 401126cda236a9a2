"""Splits the selected segment into its cells: found in the image and the shape, or one for each dab of the user."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import ctk
import numpy as np
import qt
from ACSegPanels.keywords import splitRequest
from ACSegPanels.translation import translated
from slicer.i18n import tr as _

from ACSegLib.errors import InputError
from ACSegLib.volume import Segment, Segmentation, untaken
from ACSegLib.workflows import SplitOutcome, SplitRequest
from ACSegLib.workflows.merging import same_labels
from SegmentEditorACSegFillLib.inputs import FillInputs, inputsOf, requireVisibleSegment, visibleSegments
from SegmentEditorACSegFillLib.parameterwidgets import EffectOption, ParameterWidgets


def splitOptions() -> list[EffectOption]:
    """List the options of a split, in the order in which they are shown."""
    return [
        EffectOption(
            "SplitSeeds",
            "",
            _("Cells:"),
            _("Labels with a dab in each cell: a segment of its own, of which each dab becomes one cell."),
            ofSegments=True,
            off=_("found in image and shape"),
            option="seeds",
        ),
        EffectOption(
            "SplitCount",
            0,
            _("Number of cells:"),
            _("Number of cells of the selected segment."),
            maximum=255,
            off=_("automatic"),
            option="count",
        ),
        EffectOption(
            "SplitSeams",
            "auto",
            _("Seams:"),
            _("What seams look like between the cells. None: the shape alone counts."),
            (
                ("auto", _("automatic")),
                ("dark", _("dark lines")),
                ("bright", _("bright lines")),
                ("none", _("none: the shape alone")),
            ),
            option="seams",
        ),
    ]


class Splitting(ParameterWidgets):
    """The section "Split touching cells", and what a split reads from the scene and gives back to it.

    Parameters
    ----------
    scriptedEffect : qSlicerSegmentEditorScriptedEffect
        Knows nodes and parameters.

    Attributes
    ----------
    note : str
        What the settings under Masking did to the last result; empty where they did nothing.
    """

    def __init__(self, scriptedEffect: Any) -> None:
        super().__init__(scriptedEffect, splitOptions())
        self.note = ""

    def build(self, slot: Callable[[], None]) -> None:
        """Add the section to the effect's frame; its button calls `slot`."""
        self.section = ctk.ctkCollapsibleButton()
        self.section.text = _("Split touching cells")
        self.section.objectName = "ACSegFillSplitSection"
        form = qt.QFormLayout(self.section)
        for option in self.table:
            form.addRow(*self.make(option))
        self.button = qt.QPushButton(_("Split"))
        self.button.objectName = "ACSegFillSplit"
        self.connect(self.button, "clicked()", slot)
        form.addRow(self.button)
        self.section.collapsed = True
        self._effect.addOptionsWidget(self.section)

    def explain(self) -> None:
        """Where there are dabs, they give the number of cells."""
        seeds = self.text("SplitSeeds")
        self.enable("SplitCount", _("There are as many cells as dabs.") if seeds else "")

    def update(self, why: str, preview: bool) -> None:
        """Enable the button, or disable it and say why; `preview` says whether a split is shown."""
        self.button.text = _("Update split") if preview else _("Split")
        self.button.enabled = not why
        self.button.toolTip = why or _("Show each cell of the selected segment as a segment of its own.")

    def _chosen(self, shown: str, *, again: bool) -> Segment:
        """The segment to split: the selected one, or that of the split that is shown while dabs are painted for it."""
        editorNode = self._effect.parameterSetNode()
        requireVisibleSegment(editorNode)
        chosen = editorNode.GetSelectedSegmentID()
        if shown and (again or chosen in ("", self.text("SplitSeeds"))):
            chosen = shown
        found = next((s for s in visibleSegments(editorNode) if s.id == chosen), None)
        if found is None:
            raise InputError(_("Select the segment to split in the list of segments, and show it."))
        if found.id == self.text("SplitSeeds"):
            raise InputError(
                _("'{segment}' holds the dabs: select the segment to split in the list of segments.").format(
                    segment=found.name
                )
            )
        return found

    # -- a split ----------------------------------------------------------------------------------------------------

    def collect(self, shown: str = "", *, again: bool = False) -> tuple[FillInputs, SplitRequest]:
        """Read what a split needs; an InputError says what is missing, and what to do.

        `shown` is the segment whose split is shown, and `again` whether that one is split, whatever is selected now:
        who paints a further dab has the dabs selected. Dabs belong to the segment that is split: where the user
        painted over it, Segment Editor took their voxels away.
        """
        from ACSegLib.scene import segmentation_from_node

        editorNode, selected = self._effect.parameterSetNode(), self._chosen(shown, again=again)
        table = editorNode.GetSegmentationNode().GetSegmentation()
        dabs = self.text("SplitSeeds")
        ids = [selected.id, *([dabs] if dabs and table.GetSegment(dabs) is not None else [])]
        read = segmentation_from_node(editorNode.GetSegmentationNode(), editorNode.GetSourceVolumeNode(), ids)
        rows = {row.id: row for row in read.segments}  # one may have the name that is the id of another
        mask, seeds = read.mask(rows[selected.id]), None
        if len(ids) > 1:
            marks = read.mask(rows[dabs])
            mask = mask | marks
            seeds = Segmentation.from_masks([marks], [rows[dabs]], read.geometry, rows[dabs].name)
        labels = Segmentation.from_masks([mask], [rows[selected.id]], read.geometry, selected.name)
        inputs = inputsOf(self._effect, labels)
        options = {"seams": self._effect.parameter("SplitSeams")}
        if seeds is None and (count := self._effect.integerParameter("SplitCount")):
            options["count"] = count
        request = splitRequest(inputs.volume, labels, seeds, options)
        return inputs, replace(request, segments=(selected.id,))  # beads as well, where they are selected

    def result(self, outcome: SplitOutcome) -> Segmentation:
        """The cells under ids and names that the scene does not have yet; the first cell keeps the segment's id.

        Raises
        ------
        InputError
            If there is one cell at most, masking leaves no more, or the segment was deleted meanwhile.
        """
        cells = outcome.segmentation
        if len(cells.segments) < 2:
            raise InputError(
                _("Nothing is split. {notes} Put a dab in each cell, or give their number.").format(
                    notes=" ".join(map(translated, outcome.notes))
                )
            )
        segmentationNode = self._effect.parameterSetNode().GetSegmentationNode()
        table = segmentationNode.GetSegmentation()
        first = cells.segments[0]
        if table.GetSegment(first.id) is None:
            raise InputError(_("The segment was deleted meanwhile: select another one, then press Split."))
        ids = set(table.GetSegmentIDs())
        names = {table.GetSegment(s).GetName() for s in ids - {first.id}}
        rows = []
        for n, cell in enumerate(cells.segments):
            identifier = cell.id if n == 0 else untaken(cell.id, ids)
            name = untaken(cell.name, names)
            ids.add(identifier)
            names.add(name)
            rows.append(replace(cell, id=identifier, name=name))
        return self._masked(replace(cells, segments=rows))

    def _masked(self, cells: Segmentation) -> Segmentation:
        """The cells as they are written: what the settings under Masking protect stays in the segment, the first cell.

        A cell of which nothing is left takes no part.
        """
        from ACSegLib.scene import segmentation_from_node
        from ACSegLib.scene.editing import edit_rules

        self.note = ""
        editorNode, (first, *others) = self._effect.parameterSetNode(), cells.segments
        node, volumeNode = editorNode.GetSegmentationNode(), editorNode.GetSourceVolumeNode()
        allowed = edit_rules(node, [first.id], editorNode, volumeNode).allowed
        if allowed is None:
            return cells
        protected = segmentation_from_node(node, volumeNode, [first.id]).occupied() & ~allowed
        labels = np.where(allowed, cells.labels, 0)
        labels[protected] = first.value
        kept = np.count_nonzero(protected & (cells.labels != first.value))
        left = [cell for cell in others if np.any(labels == cell.value)]
        if not left:
            raise InputError(
                _(
                    "The settings under Masking leave nothing to split: choose 'Everywhere' as editable area, or widen "
                    "the intensity range."
                )
            )
        if kept:
            self.note = _("The settings under Masking keep {count} voxels of other cells in the first one.").format(
                count=f"{kept:,}"
            )
        return replace(cells, layers=(labels,), segments=[first, *left])

    def requireUnchanged(self, request: SplitRequest) -> None:
        """Refuse a result of labels that were edited since; InputError says so."""
        now = self.collect(splitSegment(request), again=True)[1]
        if not same_labels(now.labels, request.labels):
            raise InputError(_("The segment changed since the preview: press Split again."))

    def rename(self, cells: Segmentation) -> None:
        """Give the first cell its name: it has the segment's id, and so its name."""
        table = self._effect.parameterSetNode().GetSegmentationNode().GetSegmentation()
        table.GetSegment(cells.segments[0].id).SetName(cells.segments[0].name)


def splitSegment(request: SplitRequest) -> str:
    """Id of the segment that the effect asked to split."""
    return request.labels.segments[0].id
