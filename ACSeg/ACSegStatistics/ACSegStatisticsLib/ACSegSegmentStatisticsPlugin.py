"""Surface-to-volume ratio, sphericity, filopodia and absorption for Segment Statistics."""

import logging

import numpy as np
import qt
import slicer
from ACSegPanels.task import sentence
from SegmentStatisticsPlugins import SegmentStatisticsPluginBase
from slicer.i18n import tr as _

from ACSegLib.errors import InputError
from ACSegLib.geometry import MAX_SKEW
from ACSegLib.measure import segment_values as values
from ACSegLib.scene import (
    UNIT_ATTRIBUTE,
    length_unit,
    segmentation_from_node,
    shown_unit,
    value_unit,
    volume_from_node,
)
from ACSegLib.scene.grid import transform_to_world
from ACSegLib.scene.segment_boxes import SegmentBoxes


class ACSegSegmentStatisticsPlugin(SegmentStatisticsPluginBase):
    """Shape of each segment from its voxels, and the statistics of the scalar volume (LAC) inside.

    Lengths are in the unit that the scene shows (nm, um, mm), or in that which the volume's attribute
    "ACSeg.LengthUnit" declares. What counts as thin is set by the parameter
    "ACSegSegmentStatisticsPlugin.thin_radius" in that unit; 0 or nothing means 250 nm, but at least 1.5 voxels.
    """

    def __init__(self):
        super().__init__()
        self.name = "ACSeg"  # never translated
        self.title = _("ACSeg")
        self.keys = list(values.VALUES)
        self.defaultKeys = []  # the table of a person who does not ask for them stays as it is
        self._boxes = SegmentBoxes()
        self.thinRadiusSpinBox = None

    # -- what it needs from the scene

    def _nodes(self):
        scene, parameters = slicer.mrmlScene, self.getParameterNode()
        segmentation = scene.GetNodeByID(parameters.GetParameter("Segmentation"))
        volume = scene.GetNodeByID(parameters.GetParameter("ScalarVolume"))
        return segmentation, volume if volume is not None and volume.GetImageData() is not None else None

    @staticmethod
    def _unitNode(segmentation, volume):
        """The node whose unit counts: one that declares its unit, else the volume measured."""
        nodes = [node for node in (volume, _volumeOf(segmentation), segmentation) if node is not None]
        return next((node for node in nodes if node.GetAttribute(UNIT_ATTRIBUTE)), nodes[0])

    def _stateUnit(self):
        """Let the segmentation itself state the unit of its volume, where that declares one.

        Segment Statistics measures a hardened copy of a segmentation under a transform; the copy has the attributes of
        the node, and none of its references.
        """
        segmentation = slicer.mrmlScene.GetNodeByID(self.getParameterNode().GetParameter("Segmentation"))
        volume = _volumeOf(segmentation) if segmentation is not None else None
        unit = volume.GetAttribute(UNIT_ATTRIBUTE) if volume is not None else None
        if unit and segmentation.GetAttribute(UNIT_ATTRIBUTE) != unit:
            segmentation.SetAttribute(UNIT_ATTRIBUTE, unit)

    def thinRadius(self, geometry):
        """Radius below which a part is thin, in the geometry's unit."""
        from ACSegLib.postprocess.thin_structures import default_radius

        text = self.getParameterNode().GetParameter(self.toLongKey("thin_radius"))
        radius = float(text) if text else 0.0
        return radius if radius > 0 else default_radius(geometry.spacing, geometry.unit)

    # -- the plugin's interface

    def computeStatistics(self, segmentID):
        """Measure one segment; a dictionary of Python floats."""
        wanted = self.getRequestedKeys()
        segmentation, volume = self._nodes()
        if not wanted or segmentation is None:
            return {}
        unitNode = self._unitNode(segmentation, volume)
        stored, shown = length_unit(unitNode), shown_unit(unitNode)
        found = {}
        crop = self._boxes.crop(segmentation, segmentID)
        if crop is None:
            return {}
        if any(key in wanted for key in values.SHAPE_VALUES + values.THIN_VALUES):
            found = self._shape(crop.mask, crop.geometry(stored).in_unit(shown), wanted)
        if volume is not None and any(key in wanted for key in values.LAC_VALUES):
            try:
                image = volume_from_node(volume, unit=stored)
                voxels, mask = self._inside(crop, segmentation, segmentID, volume, image)
                if mask.size:  # it does not lie outside the volume
                    size = self._voxelVolume(image.geometry.in_unit(shown), volume)
                    found |= values.lac_values(voxels, mask, size)
            except InputError as error:  # what else is asked for is not lost
                logging.warning(sentence(error))
        return {key: float(found[key]) for key in wanted if np.isfinite(found.get(key, np.nan))}

    def _shape(self, mask, geometry, wanted):
        """What the voxels say of a shape; of voxels that are no boxes, the volume alone."""
        if geometry.skew <= MAX_SKEW:
            return values.shape_values(mask, geometry.spacing, wanted, self.thinRadius(geometry))
        logging.warning(
            _(
                "The voxels of the segmentation are sheared, by a transform or by their volume: ACSeg measures volumes "
                "alone."
            )
        )
        return {"volume": np.count_nonzero(mask) * geometry.voxel_volume}

    @staticmethod
    def _inside(crop, segmentation, segmentID, volume, image):
        """The voxels of the volume, and which of them lie inside of the segment."""
        inside = crop.within(segmentation, volume)
        if inside is None:  # on another grid
            inside = segmentation_from_node(segmentation, volume, [segmentID]).labels, image.array
        return inside[::-1]

    @staticmethod
    def _voxelVolume(geometry, volume):
        """Volume of a voxel in the world, as Segment Statistics measures; NaN where a transform bends the volume."""
        toWorld = transform_to_world(volume)
        return geometry.voxel_volume * (np.nan if toWorld is None else abs(np.linalg.det(toWorld[:3, :3])))

    def getMeasurementInfo(self, key):
        """Name, title, description and units of a measure."""
        if key not in self.keys:
            return None
        segmentation, volume = self._nodes()
        unit = shown_unit(self._unitNode(segmentation, volume)) if segmentation is not None else "mm"
        described = self._descriptions(unit, value_unit(volume) if volume is not None else "")
        name, title, description, units = described[key]
        return self.createMeasurementInfo(name, title, description, units, *self._codes(key, unit))

    @staticmethod
    def _descriptions(unit, value):
        times = f"{value} {unit}3".strip()
        return {
            "volume": ("ACSeg volume", _("Volume"), _("Number of voxels times the volume of one."), f"{unit}3"),
            "surface_area": (
                "ACSeg surface area",
                _("Surface area"),
                _("Area by the Cauchy-Crofton formula in 13 directions."),
                f"{unit}2",
            ),
            "surface_to_volume": (
                "Surface to volume ratio",
                _("Surface to volume ratio"),
                _("Surface area over volume."),
                f"1/{unit}",
            ),
            "sphericity": (
                "Sphericity",
                _("Sphericity"),
                _("Area of the ball of equal volume over the surface area: 1 for a ball, less for all else."),
                "",
            ),
            "thin_volume_share": (
                "Thin share of volume",
                _("Thin share of volume"),
                _("Share of the volume in parts into which no ball of the thin radius fits (filopodia)."),
                "",
            ),
            "thin_surface_share": (
                "Thin share of surface",
                _("Thin share of surface"),
                _("Share of the surface on parts into which no ball of the thin radius fits (filopodia)."),
                "",
            ),
            "lac_mean": ("LAC mean", _("LAC mean"), _("Mean of the scalar volume inside the segment."), value),
            "lac_sd": (
                "LAC standard deviation",
                _("LAC standard deviation"),
                _("Standard deviation of the scalar volume inside the segment (all voxels, not a sample)."),
                value,
            ),
            "lac_integral": (
                "LAC integral",
                _("LAC integral"),
                _("Sum of the scalar volume inside the segment times the volume of a voxel."),
                times,
            ),
        }

    def _codes(self, key, unit):
        """DICOM codes of quantity and unit, where there are any."""
        quantity = {
            "volume": ("118565006", "SCT", "Volume"),
            "surface_area": ("C0JK", "IBSI", "Surface area"),
            "surface_to_volume": ("2PR5", "IBSI", "Surface to volume ratio"),
            "sphericity": ("QCFX", "IBSI", "Sphericity"),
        }.get(key)
        powers = {"volume": f"{unit}3", "surface_area": f"{unit}2", "surface_to_volume": f"/{unit}", "sphericity": "1"}
        if quantity is None:
            return ()
        return (
            self.createCodedEntry(*quantity, True),
            self.createCodedEntry(powers[key], "UCUM", powers[key], True),
        )

    # -- options

    def createDefaultOptionsWidget(self):
        """Add the thin radius below the check boxes of the measures."""
        super().createDefaultOptionsWidget()
        self.thinRadiusSpinBox = qt.QDoubleSpinBox()
        self.thinRadiusSpinBox.setDecimals(4)
        self.thinRadiusSpinBox.setMaximum(1e6)
        self.thinRadiusSpinBox.setSpecialValueText(_("automatic"))
        self.thinRadiusSpinBox.setToolTip(
            _("A part is thin where no ball of this radius fits, in the scene's unit of length; 0: 250 nm.")
        )
        self.thinRadiusSpinBox.connect("valueChanged(double)", self.updateParameterNodeFromGui)
        self.optionsWidget.layout().addRow(_("Thin radius:"), self.thinRadiusSpinBox)

    def updateGuiFromParameterNode(self, caller=None, event=None):
        """Show the parameters; another segmentation may have been chosen."""
        super().updateGuiFromParameterNode(caller, event)
        if self.getParameterNode() is None or self.thinRadiusSpinBox is None:
            return
        self._stateUnit()
        text = self.getParameterNode().GetParameter(self.toLongKey("thin_radius"))
        wasBlocked = self.thinRadiusSpinBox.blockSignals(True)
        self.thinRadiusSpinBox.setValue(float(text) if text else 0.0)
        self.thinRadiusSpinBox.blockSignals(wasBlocked)

    def updateParameterNodeFromGui(self, *arguments):
        """Keep what the user set."""
        super().updateParameterNodeFromGui()
        if self.getParameterNode() is not None and self.thinRadiusSpinBox is not None:
            name = self.toLongKey("thin_radius")
            self.getParameterNode().SetParameter(name, str(self.thinRadiusSpinBox.value))


def _volumeOf(segmentation):
    """The volume on whose grid a segmentation was drawn, or None."""
    role = slicer.vtkMRMLSegmentationNode.GetReferenceImageGeometryReferenceRole()
    return segmentation.GetNodeReference(role)
