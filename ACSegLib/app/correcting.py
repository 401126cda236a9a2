"""Corrections: what a person changed in filled, predicted or opened labels is carried to its neighbourhood."""

from __future__ import annotations

from ACSegLib.app.jobs import Outcome, Plan
from ACSegLib.app.labels import MAX_IN_MEMORY
from ACSegLib.app.memory import require_room
from ACSegLib.app.requests import CorrectOptions
from ACSegLib.app.session import Session
from ACSegLib.errors import InputError
from ACSegLib.worker import Reply
from ACSegLib.workflows import CorrectOutcome, CorrectRequest


def plan_correction(session: Session, options: CorrectOptions) -> Plan:
    """A correction around the slices that were edited since the labels were filled, predicted, corrected or opened."""
    with session.lock:
        volume, info = session.require_volume()
        work = session.require_work()
        if work.baseline is None and work.labels.complete and work.edited:
            raise InputError(
                f"labels of more than {MAX_IN_MEMORY >> 30} GiB are not corrected on the page; save them before and "
                "after your edits, and correct the two files with 'acseg correct'."
            )
        if work.baseline is None or not work.edited:
            raise InputError(
                "no slice was edited since the labels were filled, predicted or opened; correct some slices first."
            )
        before = work.labels.segmentation(volume.geometry, volume.name, work.baseline)
        after = work.labels.segmentation(volume.geometry, volume.name, work.labels.array.copy())
        session.begin_job()
    require_room(volume)
    request = CorrectRequest(
        volume=volume,
        segmentation=before,
        corrected=after,
        decided=work.decided,
        reach=options.reach,
        device=options.device,
    )
    message, arrays = request.pack()

    def finish(reply: Reply) -> Outcome:
        outcome = CorrectOutcome.unpack(reply.message, reply.arrays, request)
        session.finish_job(
            "correct", info.id, outcome.segmentation, uncertainty=outcome.uncertainty, decided=outcome.decided
        )
        report = outcome.report
        sentence = f"corrected {report.corrected_voxels} voxels around the edited ones in {report.seconds:.1f} s."
        return Outcome(sentence, list(report.warnings))

    return Plan("correct", message, arrays, finish)
