"""A simulated tomogram, for whoever has none at hand."""

from __future__ import annotations

from dataclasses import replace

from ACSegLib.app.jobs import Outcome, Plan
from ACSegLib.app.labels import Labels
from ACSegLib.app.opening import opened
from ACSegLib.app.session import Session
from ACSegLib.worker import Reply
from ACSegLib.workflows.packing import unpack_segmentation, unpack_volume

#: Voxels along an edge, seed, and distance of labelled slices (which are not shown).
SIZE, SEED, _EVERY = 128, 0, 20


def plan_simulation(session: Session) -> Plan:
    """Simulate a tomogram of a T cell, and open it with its segments, which no voxel has yet."""

    def finish(reply: Reply) -> Outcome:
        volume = unpack_volume(reply.message["volume"], reply.arrays)
        labels = Labels.empty(volume.shape)
        sparse = unpack_segmentation(reply.message["labels"], reply.arrays)
        labels.segments = [replace(segment, layer=0) for segment in sparse.segments]
        session.show(opened(volume, ["This tomogram is simulated."]), labels, f"simulated-{SIZE}-{SEED}")
        return Outcome("The simulated tomogram is open. Open your own with Open or Upload.")

    return Plan("simulate", {"size": SIZE, "seed": SEED, "every": _EVERY}, {}, finish)
