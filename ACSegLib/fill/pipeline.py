"""The fill from end to end: from sparse labels to a dense segmentation."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import replace

import numpy as np

from ACSegLib.cells.evidence import is_flat
from ACSegLib.compute import reuse_freed_memory
from ACSegLib.errors import InputError
from ACSegLib.fill.blank import without_blank_slices
from ACSegLib.fill.constants import STROKE_EDGE, STROKE_GAMMA, STROKE_SAMPLES, TOLERANCE, TRIAL_STEPS
from ACSegLib.fill.memory import require_memory
from ACSegLib.fill.prior.appearance import AppearanceClassifier, train_classifier
from ACSegLib.fill.prior.evidence import Evidence, collect_evidence
from ACSegLib.fill.prior.learned_edges import learn_edges
from ACSegLib.fill.prior.neighbour_search import with_neighbours
from ACSegLib.fill.prior.samples import as_between_slices, collect_samples
from ACSegLib.fill.prior.screening import screen
from ACSegLib.fill.prior.walls import find_walls
from ACSegLib.fill.prompts.stroke_evidence import StrokeEvidence
from ACSegLib.fill.prompts.strokes import FirstSegmentation, classes_around_strokes
from ACSegLib.fill.result import Assembly, FillResult, FillState
from ACSegLib.fill.seeds import OUTSIDE, SeedOptions, chosen_mode, collect_seeds
from ACSegLib.fill.slab import Context, Settings, solve_slab
from ACSegLib.fill.tuning.selection import Choice, choose_settings
from ACSegLib.fill.walk.solvers import Solver, choose_solver
from ACSegLib.geometry import size_text
from ACSegLib.jobs import Progress, with_look
from ACSegLib.noise import is_white_noise
from ACSegLib.padding import Padding, padding_of
from ACSegLib.volume import Segmentation, Volume, require_same_grid


@reuse_freed_memory()
def fill(
    volume: Volume,
    labels: Segmentation,
    *,
    axis: str = "auto",
    slices: Sequence[int] | Mapping[str, Sequence[int]] | None = None,
    mode: str = "auto",
    background: str | None = None,
    ignore: str | None = None,
    device: str = "auto",
    probabilities: bool = False,
    settings: Settings | None = None,
    tolerance: float = TOLERANCE,
    holes: bool = False,
    memory_limit: float | None = None,
    previous: FillResult | None = None,
    progress: Progress | None = None,
) -> FillResult:
    """Fill the volume between labelled slices.

    An exact random walk whose prior is learned from the labelled slices of this volume; see `random_walk`,
    `appearance` and `selection` for the method and its literature. Same input, same output, bit for bit, on the same
    device.

    Parameters
    ----------
    volume : Volume
        Any numeric type; voxels that are not finite stay background unless labelled.
    labels : Segmentation
        Sparse labels on the same grid; segments may overlap.
    axis, slices, mode, background, ignore
        See `ACSegLib.fill.seeds.SeedOptions`.
    device : str
        "auto", "cpu", "cuda" or another torch device.
    probabilities : bool
        Also give a probability per segment (2 bytes per voxel and segment).
    settings : Settings, optional
        Strength of prior and edges; chosen by leaving slices out when None.
    tolerance : float
        Bound on the error of the probabilities.
    holes : bool
        Whether all segments may have holes. Otherwise those that have none on any labelled slice get none; a hole with
        a labelled voxel stays.
    memory_limit : float, optional
        Bytes that the fill may use; what is available when None.
    previous : FillResult, optional
        Of the same image, from strokes to which others were added. What it means stays, unless clearly more speaks for
        something else, so that one more stroke does not change all. It counts for strokes alone.
    progress : Progress, optional

    Returns
    -------
    FillResult

    Raises
    ------
    InputError
        If image and labels do not fit each other, or the labels are no labelled slices.
    MemoryLimitError
        If the fill would not fit in memory.
    Cancelled
        If the progress was cancelled.
    """
    progress = progress or Progress()
    start = time.perf_counter()
    require_same_grid(volume, labels)
    if min(volume.shape) < 2:
        raise InputError(
            f"volume {volume.name!r} is one voxel thin ({size_text(volume.shape)}); a fill needs 3 dimensions."
        )
    stages = progress.stages(seeds=2, evidence=6, learn=17, solve=75)
    stages.seeds(0.0, "reading the labelled slices")
    volume, notes = without_blank_slices(volume)
    padding = padding_of(volume.array)
    outside = _without_value(volume, padding)
    options = SeedOptions(axis, slices, mode, background, ignore, outside)
    stages.seeds.check()
    options = replace(options, mode=chosen_mode(labels, options))
    stages.seeds.check()
    seeds = collect_seeds(labels, options)
    stages.evidence(0.0, "reading the labelled slices")
    require_memory(volume, seeds, probabilities, memory_limit)
    evidence = collect_evidence(volume, seeds, outside, options.mode == "slices", stages.evidence)
    seeds = replace(seeds, warnings=[*seeds.warnings, *notes, *_notes_on_empty_image(volume.name, evidence)])
    solver = choose_solver(device)
    before = None if previous is None else previous.state.context.evidence
    seen = before.seen_in(evidence.classes) if isinstance(before, StrokeEvidence) else None
    evidence, classifier, choice = _learn(evidence, solver, settings, holes, seen, stages.learn)
    context = Context(
        evidence, classifier, choice.settings, solver, tolerance, () if holes else evidence.classes_without_holes()
    )
    assembly = Assembly(evidence.classes.shape, evidence.count if probabilities else 0)
    solve_slabs(context, evidence.slabs(), assembly, stages.solve)
    state = FillState(volume, options, seeds, context, choice, assembly.probabilities, assembly.tallies, padding)
    result = timed(assembly.result(labels, state, None, None), start)
    stages.solve.check()
    return result


def _notes_on_empty_image(name: str, evidence: Evidence) -> list[str]:
    """A note on an image that shows nothing; of one value, it is refused for strokes."""
    image, known = evidence.features.image, evidence.classes != OUTSIDE
    if is_flat(image, known):
        if not evidence.whole_slices:
            raise InputError(
                f"volume {name!r} has the same value everywhere, so it does not show where a segment ends; a fill "
                "from strokes needs another image."
            )
        return [f"volume {name!r} has the same value everywhere, so that the shapes on the slices alone decide."]
    if is_white_noise(image, known):
        return [
            f"volume {name!r} is noise: its neighbouring voxels are no more alike than distant ones, so it does not "
            "show where a segment ends; do not trust what lies between the labels."
        ]
    return []


def _without_value(volume: Volume, padding: Padding | None) -> np.ndarray | None:
    """Where the image has no value, or padding; None when it has a value everywhere."""
    outside = _not_finite(volume)
    if padding is None:
        return outside
    padded = padding.where(volume.array)
    return padded if outside is None else outside | padded


def _not_finite(volume: Volume) -> np.ndarray | None:
    """Where the image has no value; None when it has one everywhere."""
    if volume.array.dtype.kind != "f":
        return None
    with np.errstate(invalid="ignore"):  # infinite values of both signs
        total = volume.array.sum(dtype=np.float64)
    if np.isfinite(total):
        return None
    outside = ~np.isfinite(volume.array)
    if outside.all():
        raise InputError(f"volume {volume.name!r} holds no finite value.")
    return outside if outside.any() else None


def _learn(
    evidence: Evidence,
    solver: Solver,
    settings: Settings | None,
    holes: bool,
    seen: FirstSegmentation | None,
    progress: Progress,
) -> tuple[Evidence, AppearanceClassifier, Choice]:
    """Train the appearance classifier, and choose the settings unless they are given, at the same time."""
    if not evidence.whole_slices:
        return _learn_from_strokes(evidence, settings, holes, seen, progress)
    stages = progress.stages(sample=4, choose=13)
    samples = collect_samples(evidence)
    screening = screen(evidence, samples, progress)
    walls = find_walls(evidence.features, evidence.classes, evidence.cuts, progress)
    evidence = replace(evidence, rivals=screening.rivals(evidence, progress), walls=walls)
    if settings is None or settings.learned:
        learned = learn_edges(evidence.features, evidence.classes, evidence.cuts, progress)
        evidence = replace(evidence, learned_edges=learned)
    evidence, samples = with_neighbours(evidence, samples, screening, progress)
    stages.choose(0.0, "learning the appearance of the segments")
    with ThreadPoolExecutor(1) as trainer:  # the choice has classifiers of its own
        taught = as_between_slices(evidence, samples)
        classifier = trainer.submit(with_look(train_classifier), taught, len(evidence.groups), progress=progress)
        if settings is None:
            choice = choose_settings(evidence, samples, solver, stages.choose)
        else:
            choice = Choice(settings, left_out=None)
        return evidence, classifier.result(), choice


def _learn_from_strokes(
    evidence: Evidence, settings: Settings | None, holes: bool, seen: FirstSegmentation | None, progress: Progress
) -> tuple[Evidence, AppearanceClassifier, Choice]:
    """Train the appearance classifier on a first segmentation: strokes alone show too little of the volume."""
    stages = progress.stages(search=4, learn=13)
    stages.search(0.0, "searching paths from the strokes")
    first = classes_around_strokes(evidence.features, evidence.classes, holes, seen)
    stages.learn(0.0, "learning the appearance of the segments")
    samples = collect_samples(replace(evidence, classes=first.classes), STROKE_SAMPLES)
    classifier = train_classifier(samples, len(evidence.groups), steps=TRIAL_STEPS, progress=progress)
    evidence = StrokeEvidence.of(evidence, first, samples, classifier, holes)
    return evidence, classifier, Choice(settings or Settings(STROKE_GAMMA, STROKE_EDGE), left_out=None)


def solve_slabs(context: Context, slabs: Sequence[tuple[int, int]], assembly: Assembly, progress: Progress) -> None:
    """Solve slabs one after the other; while one is solved, the one before is finished on another core."""
    keep = assembly.probabilities is not None

    def words(slab: tuple[int, int]) -> str:
        first, last = context.evidence.orientation.slices(slab)
        return f"filling slices {first} to {last}"

    with ThreadPoolExecutor(1) as finisher:
        finished: Future[None] | None = None
        for (first, last), part in progress.each(slabs, words):
            slab = solve_slab(context, first, last, keep=keep, progress=part)
            if finished is not None:
                finished.result()
            finished = finisher.submit(with_look(assembly.write), slab)
        if finished is not None:
            finished.result()
    progress(1.0, "done")


def timed(result: FillResult, start: float) -> FillResult:
    """The result with the seconds since `start` (of `time.perf_counter`) in its report."""
    return replace(result, report=replace(result.report, seconds=round(time.perf_counter() - start, 3)))
