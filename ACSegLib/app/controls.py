"""What stands on the page beside the options of a job, for sentences of the library that name flags of the shell."""

from __future__ import annotations

from collections.abc import Mapping

from ACSegLib.option_names import with_options_named

#: Kind of job -> option -> label of its control in ``web/src/panels``.
CONTROLS: Mapping[str, Mapping[str, str]] = {
    "fill": {"mode": "Labels are", "background": "Background"},
    "split": {"count": "Number of cells"},
    "predict": {"model": "Model", "tta": "Average mirrored images"},
    "measure": {
        "unit": "Unit",
        "intensity_unit": "Unit of the image",
        "cells": "Each cell of its own",
        "thin_parts": "Filopodia",
        "contacts": "Contacts",
        "exclude_border": "Leave out cells at the border",
    },
    "train": {"images": "Images", "labels": "Labels", "minutes": "Minutes"},
}


def named_by_controls(text: str, kind: str) -> str:
    """Name options by the controls of the page; those that it does not have keep their flag, as one of the shell."""
    labels = CONTROLS.get(kind, {})

    def name(flag: str, option: str, value: str) -> str:
        if option == "voxel_size":
            return "'Voxel size'"
        if label := labels.get(option.removeprefix("no_")):
            return f"'{label}' = {value}" if value else f"'{label}'"
        return f"the shell's {flag} {value}".rstrip()

    return with_options_named(text, name)
