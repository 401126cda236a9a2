"""What lies in the groups of a Zarr hierarchy: attributes, arrays, and the images of a collection, by their paths."""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from typing import Any

from ACSegLib.json_values import Json

#: Images or wells that are named.
LISTED = 8
#: Groups of a hierarchy without metadata that are looked into for an image.
_MAX_GROUPS = 100


def attributes_of(node: Any) -> Json:
    """Attributes, with those of OME-Zarr 0.5 (under "ome") beside the others."""
    attributes = dict(node.attrs)
    ome = attributes.get("ome")
    return {**attributes, **ome} if isinstance(ome, Mapping) else attributes


def members(node: Any, kind: str) -> list[tuple[str, Any]]:
    """The "arrays" or "groups" in a group by name; zarr warns of files of the system between them."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return sorted(getattr(node, kind)(), key=lambda member: str(member[0]))


def images_of(attributes: Json, node: Any) -> list[str]:
    """The images of a collection (bioformats2raw) or of a plate with wells, by their paths."""
    if "bioformats2raw.layout" in attributes:
        names = [key for key, _ in members(node, "groups") if key.isdecimal()]
        return sorted(names, key=int)
    plate = attributes.get("plate")
    if isinstance(plate, Mapping):
        wells = [str(row["path"]) for row in plate.get("wells", [])][:LISTED]
        return [f"{well}/{row['path']}" for well in wells for row in attributes_of(node[well])["well"]["images"]]
    well = attributes.get("well")
    return [str(row["path"]) for row in well.get("images", [])] if isinstance(well, Mapping) else []


def images_below(node: Any) -> list[str]:
    """The first images and arrays of three dimensions in the groups of a group, by their paths."""
    found: list[str] = []
    waiting = members(node, "groups")
    for _ in range(_MAX_GROUPS):
        if not waiting or len(found) == LISTED:
            break
        name, group = waiting.pop(0)
        if "multiscales" in attributes_of(group):
            found.append(name)
            continue
        found += [f"{name}/{key}" for key, array in members(group, "arrays") if len(array.shape) > 2]
        waiting += [(f"{name}/{key}", inner) for key, inner in members(group, "groups")]
    return found
