"""The labels of MITK's multi-label segmentations, as its NRRD files spell them: one group of labels for each layer."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import numpy as np

from ACSegLib.volume import Segment, default_colour

_GROUPS = "org.mitk.multilabel.segmentation.labelgroups"


def present(keys: Mapping[str, str]) -> bool:
    """Whether the key/value pairs describe groups of labels."""
    return _GROUPS in keys


def read(keys: Mapping[str, str], layers: int) -> list[Segment]:
    """Make the segment table; rows that state no value, or a layer that the file lacks, are passed over.

    Versions differ in the spelling of colours: three numbers, or a property with these as its value.
    """
    try:
        groups = json.loads(keys[_GROUPS])
    except ValueError:
        return []
    segments: dict[tuple[int, int], Segment] = {}
    for layer, group in enumerate(groups[:layers] if isinstance(groups, list) else []):
        rows = group.get("labels") if isinstance(group, dict) else None
        for row in rows if isinstance(rows, list) else []:
            value = row.get("value") if isinstance(row, dict) else None
            if isinstance(value, int) and value > 0:
                name = str(row.get("name") or f"Segment_{value}").strip()
                colour = _colour(row.get("color")) or default_colour(len(segments))
                segments.setdefault((layer, value), Segment(name, value, colour, layer))
    return list(segments.values())


def _colour(stated: Any) -> tuple[float, ...] | None:
    values = stated.get("value") if isinstance(stated, dict) else stated
    if not isinstance(values, list) or len(values) != 3 or not all(isinstance(v, (int, float)) for v in values):
        return None
    return tuple(float(np.clip(v, 0, 1)) for v in values)
