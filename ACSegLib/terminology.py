"""Standard codes of what ACSeg segments, as Slicer stores them with a segment and writes them into DICOM SEG.

A name that is not here has no code: a code that fits only roughly would be wrong in an archive.

References
----------
SNOMED CT 4421005, "Cell structure". Foundational Model of Anatomy 66835, "Cytoplasm" (Rosse, Mejino, J. Biomed. Inform.
36 (2003) 478). Categories of DICOM PS3.16, CID 7150.
"""

from __future__ import annotations

import re
from dataclasses import replace

from ACSegLib.volume import Segmentation

_CONTEXT = "Segmentation category and type - ACSeg"
_STRUCTURE = "SCT^123037004^Anatomical Structure"
_TYPES = {"cell": "SCT^4421005^Cell", "cytoplasm": "FMA^66835^Cytoplasm"}


def terminology_of(name: str) -> str:
    """Slicer's serialized terminology entry for the name of a segment, such as "cell 3"; "" where there is none."""
    kind = re.sub(r"[\s_]*\d+$", "", name.strip().lower())
    return f"{_CONTEXT}~{_STRUCTURE}~{_TYPES[kind]}~^^~~^^~^^" if kind in _TYPES else ""


def with_standard_codes(segmentation: Segmentation) -> Segmentation:
    """Give segments without a terminology entry the one of their name, where there is one."""
    segments = [
        segment if segment.terminology else replace(segment, terminology=terminology_of(segment.name))
        for segment in segmentation.segments
    ]
    return replace(segmentation, segments=segments)
