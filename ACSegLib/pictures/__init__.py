"""Pictures of volumes and segmentations for people: contact sheets and 3D surfaces, written as PNG."""

from __future__ import annotations

from ACSegLib.pictures.contact_sheet import comparison_sheet, contact_sheet
from ACSegLib.pictures.surface import surface_picture

__all__ = ["comparison_sheet", "contact_sheet", "surface_picture"]
