"""The module `ctk`: those widgets of the Common Toolkit that ACSeg uses."""

from __future__ import annotations

import types

from standin import widgets


def build() -> types.ModuleType:
    """Give the module `ctk`."""
    module = types.ModuleType("ctk")
    for name, cls in widgets.WIDGETS.items():
        if name.startswith("ctk"):
            setattr(module, name, cls)
    return module
