"""A stand-in of the part of Slicer that needs its application: `qt`, `ctk`, `slicer.app`, module and effect hosts.

The MRML scene, the segmentation logic and the segment editor logic are the real ones of the PyPI package
slicer-core; widgets are PySide6. The stand-in offers Slicer's documented interface, and refuses what Slicer refuses:
names of widgets, properties and signals that do not exist, nodes of the wrong class, and (see `threads`) any touch of
MRML or Qt from another thread. A pass here is not a pass in Slicer: there are no views and no C++ widgets.

`ACSEG_SLICER_SOURCE`, a folder holding Slicer's own ``Base/Python/slicer``, makes the tests run on Slicer's
``ScriptedLoadableModule``, ``parameterNodeWrapper``, ``i18n``, ``SampleData`` and the base class of effects instead of
the stand-in's.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

os.environ.setdefault("QT_QPA_PLATFORM", "offscreen")
ROOT = Path(__file__).resolve().parents[3]


def install():
    """Make ``import qt, ctk, slicer`` give the stand-in, once a process; returns the application."""
    import slicer

    if hasattr(slicer, "app") and getattr(slicer.app, "isStandIn", False):
        return slicer.app
    from standin import application, ctkmodule, effecthost, qtmodule, scripted

    upstream = os.environ.get("ACSEG_SLICER_SOURCE")
    sys.modules["qt"] = qtmodule.build()
    sys.modules["ctk"] = ctkmodule.build()
    application.install()
    scripted.install(upstream)
    effecthost.install(upstream)
    for folder in ("ACSeg", "ACSeg/SegmentEditorACSegFill"):
        path = str(ROOT / folder)
        if path not in sys.path:
            sys.path.insert(0, path)
    return slicer.app
