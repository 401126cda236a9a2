"""Estimate how many labelled volumes are enough: train on 5, 10, 20, ... volumes, test, and fit the learning curve.

Give images, one or more folders of labels for them, and a test set. With filled=DIR hand=DIR two kinds of labels are
compared. Each run trains on volumes that are selected at random, and every kind of labels uses the same volumes.
Finished runs are kept: an interrupted study continues, and you can add counts or repeats later. A run is repeated if
one of its files has changed.

--simulate needs no data: it simulates tomograms and sparse labels with inaccurate outlines, and fills them. --scores
trains nothing: it fits the curve to a table with the columns labels, volumes, dice and dice_sd. --unlabelled sorts
volumes by how useful it is to label them next. First come those that differ most from the training set, and on which
the trained networks disagree most. Subfolders are cell types, and they alternate.

Examples:
  acseg learning-curve -o study --images t/ --labels filled=f/ hand=h/ --test-images ti/ --test-labels tl/
  acseg learning-curve -o study --simulate 12 --simulate-test 4 --size 64 --counts 2 4 8 12 --minutes 2
  acseg learning-curve -o study --scores table1.csv --target 0.98
  acseg learning-curve -o study --scores study/learning_curve.csv --images t/ --unlabelled new/
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any, ClassVar

from ACSegLib.commands.batch import failure_lines, journal_path, run_batch
from ACSegLib.commands.inputs import find_files
from ACSegLib.commands.learning_runs import RunSettings, check_tests, design_run, one_run, scores_of
from ACSegLib.commands.opening import (
    ImageDatasetOption,
    LabelsDatasetOption,
    VoxelSizeOptions,
    check_opening,
    open_image,
)
from ACSegLib.commands.options import option
from ACSegLib.commands.run_report import Results as BaseResults
from ACSegLib.compute import DEVICES
from ACSegLib.errors import FileError, InputError
from ACSegLib.files.names import is_zarr_folder_name, stem
from ACSegLib.jobs import Progress
from ACSegLib.json_values import Json, Row, to_json

SUMMARY = "estimate how many labelled volumes are enough, and which to label next"


@dataclass
class Options(LabelsDatasetOption, ImageDatasetOption, VoxelSizeOptions):
    """Options of ``acseg learning-curve``."""

    output: str = option(
        path="folder", help="folder for models and tables; it is created if it does not exist", short="o", metavar="DIR"
    )
    images: str | None = option(path="in", default=None, help="folder of training images", metavar="DIR")
    labels: list[str] = option(
        path="in", default=[], help="folders of labels, NAME=DIR or DIR; several kinds are compared", metavar="DIR"
    )
    test_images: str | None = option(path="in", default=None, help="folder of test images", metavar="DIR")
    test_labels: str | None = option(
        path="in", default=None, help="folder of the reference labels of the test images", metavar="DIR"
    )
    counts: list[int] = option(default=[5, 10, 20, 30, 43], help="numbers of training volumes", minimum=1)
    repeats: int = option(default=1, help="random subsets of each number", minimum=1)
    target: float = option(default=0.98, help="Dice to reach", minimum=0.01, maximum=0.9999)
    segment: str = option(default="", help="segment whose Dice is used; default: the mean of all segments")
    scores: str | None = option(path="in", default=None, help="fit this table instead of training", metavar="TABLE")
    unlabelled: str | None = option(
        path="in", default=None, help="folder of unlabelled images (subfolders are cell types)", metavar="DIR"
    )
    simulate: int = option(default=0, help="simulate so many training volumes instead", minimum=0)
    simulate_test: int = option(default=4, help="simulated test volumes", minimum=1)
    size: int = option(default=64, help="voxels per side of simulated volumes", minimum=16)
    every: int = option(default=20, help="sparse labels of the simulated volumes: every n-th slice", minimum=1)
    shake: float = option(
        default=1.0, help="sparse labels of the simulated volumes: error of the outlines", minimum=0, unit="voxels"
    )
    preset: str = option(default="quick", help="training: length and size", choices=("quick", "standard", "thorough"))
    minutes: float | None = option(default=None, help="length of each training", minimum=0.05, unit="minutes")
    epochs: int | None = option(default=None, help="length of each training in epochs instead", minimum=1)
    device: str = option(default="auto", help="where to train", choices=DEVICES)
    workers: int = option(default=1, help="runs at a time; 0: one per core", minimum=0)
    resample: bool = option(default=False, help="resample labels that are not on the grids of their images")
    seed: int = option(default=0, help="seed of subsets, networks and simulation", minimum=0)


@dataclass(frozen=True)
class Fit:
    """The learning curve of one kind of labels; see `ACSegLib.measure.learning_curve.LearningCurve`.

    Attributes
    ----------
    a, b : float
        Rate per volume, and the error at no volume.
    volumes, low, high : float
        Labelled volumes that the target needs, and the bounds of its confidence interval.
    more : float
        How many of them are still to be labelled.
    answer : str
        The same as a sentence.
    """

    a: float
    b: float
    volumes: float
    low: float
    high: float
    more: float
    answer: str


@dataclass(frozen=True)
class NoFit:
    """Why a kind of labels has no curve."""

    error: str


@dataclass
class Results(BaseResults):
    """What a study of the number of volumes gave.

    Attributes
    ----------
    summary : list of Row
        Mean Dice of each kind of labels and number of volumes.
    fits : dict of str to Fit or NoFit
        Of each kind of labels.
    target : float
    failures : dict of str to str
        Runs that could not be done -> why.
    suggestions : list of Row, optional
        Volumes to label next, the most useful first; None if there were no unlabelled volumes to choose from.
    """

    optional: ClassVar[tuple[str, ...]] = ("exit_code",)

    summary: list[Row]
    fits: dict[str, Fit | NoFit]
    target: float
    failures: dict[str, str]
    suggestions: list[Row] | None = None

    def to_dict(self) -> Json:
        """Give the results as plain JSON values."""
        values = super().to_dict()
        if self.suggestions is None:
            del values["suggestions"]
        return values


def run(options: Options, progress: Progress) -> Results:
    """Train and test what is asked for, fit the curves, order the unlabelled volumes."""
    from ACSegLib.files.atomic import output_folders

    check_opening(options)
    with output_folders(options.output):
        return _study(options, Path(options.output), progress)


def _study(options: Options, folder: Path, progress: Progress) -> Results:
    """Do what `run` does, in a folder that is there."""
    from ACSegLib.files.tables import read_table, write_table

    outputs: dict[str, str] = {}
    failures: dict[str, str] = {}
    stages = progress.stages(experiment=9, suggest=1)
    if options.scores:
        rows = read_table(options.scores)
        if lacking := [name for name in ("volumes", "dice") if not any(name in row for row in rows)]:
            raise InputError(
                f"{options.scores} has no column {lacking[0]!r}; give a table with the columns volumes and dice, as "
                "acseg learning-curve writes it."
            )
    else:
        rows, failures = _experiment(options, folder, stages.experiment)
        if not rows:
            raise InputError("; ".join(failures.values()) or "there is no run; give --counts.")
        outputs["table"] = str(folder / "learning_curve.csv")
        write_table(rows, outputs["table"])
    summary, fits = fit_curves(rows, options.target)
    outputs["summary"] = str(folder / "summary.csv")
    write_table(summary, outputs["summary"])
    suggestions = None
    if options.unlabelled:
        suggestions = suggest(options, folder, stages.suggest)
        outputs["suggestions"] = str(folder / "label_next.csv")
        write_table(suggestions, outputs["suggestions"])
    figures = (to_json(summary), fits, options.target, failures, suggestions)
    return Results(*figures, outputs=outputs, exit_code=2 if failures else 0)


def describe(results: Results) -> str:
    """The table of scores, the answer to "how many more?", and what to label next."""
    lines = []
    for row in results.summary:
        spread = f" +- {100 * row['dice_sd']:.2f}" if row["dice_sd"] else ""
        lines.append(f"{row['labels']}: {row['volumes']} volumes, Dice {100 * row['dice']:.2f}{spread} %")
    for name, fit in results.fits.items():
        lines.append(f"{name}: " + (f"no curve: {fit.error}" if isinstance(fit, NoFit) else fit.answer))
    for row in (results.suggestions or [])[:10]:
        lines.append(f"label next, {row['rank']}: {row['image']} (novelty {row['novelty']:.2f})")
    return "\n".join(lines + failure_lines(results.failures))


def fit_curves(rows: list[Row], target: float) -> tuple[list[Row], dict[str, Fit | NoFit]]:
    """Mean Dice per kind of labels and number, and the fit of each kind."""
    from ACSegLib.measure.learning_curve import fit_learning_curve
    from ACSegLib.study.learning import summarised_runs

    summary = summarised_runs(rows)
    fits: dict[str, Fit | NoFit] = {}
    for kind in dict.fromkeys(row["labels"] for row in summary):
        mine = [row for row in summary if row["labels"] == kind]
        spreads = [row["dice_sd"] for row in mine]
        try:
            curve = fit_learning_curve(
                [r["volumes"] for r in mine], [r["dice"] for r in mine], spreads if min(spreads) > 0 else None
            )
        except InputError as error:
            fits[kind] = NoFit(str(error))
            continue
        needed, low, high = curve.volumes_for(target)
        labelled = max(r["volumes"] for r in mine)
        answer = curve.answer(target, labelled)
        fits[kind] = Fit(curve.a, curve.b, needed, low, high, max(0.0, needed - labelled), answer)
    return summary, fits


def _experiment(options: Options, folder: Path, progress: Progress) -> tuple[list[Row], dict[str, str]]:
    """Every run of the design, trained and tested; finished ones come from the journal."""
    from ACSegLib.commands.pairs import find_pairs

    stages = progress.stages(simulate=3, runs=7)
    if options.simulate:
        kinds, images, tests = simulate_study(options, folder / "simulated", stages.simulate)
    elif options.images and options.labels and options.test_images and options.test_labels:
        from ACSegLib.study.reading import named_paths

        kinds, images = named_paths(options.labels), options.images
        tests = (options.test_images, options.test_labels)
    else:
        raise InputError("give --images, --labels, --test-images and --test-labels; or --simulate; or --scores.")
    pairs = {kind: find_pairs([images], [path], kind) for kind, path in kinds.items()}
    test_pairs = find_pairs([tests[0]], [tests[1]], "test")
    shared = {p.image for mine in pairs.values() for p in mine} & {p.image for p in test_pairs}
    if shared:
        raise InputError(
            f"{sorted(shared)[0]} is both a training image and a test image; remove it from one of the two sets."
        )
    available = min(len(mine) for mine in pairs.values())
    counts = sorted(set(options.counts))
    if counts and counts[-1] > available:
        raise InputError(f"--counts asks for {counts[-1]} volumes but there are {available}; lower it.")
    settings = RunSettings(**{field.name: getattr(options, field.name) for field in fields(RunSettings)})
    check_tests(test_pairs, options.segment, settings)
    for name in ("models", "runs"):
        (folder / name).mkdir(exist_ok=True)
    items = [
        design_run(kind, mine, test_pairs, count, repeat, options.seed, folder / "runs")
        for kind, mine in pairs.items()
        for count in counts
        for repeat in range(options.repeats)
    ]
    journal = journal_path(folder / "learning_curve.csv")  # kept: later runs add numbers and repeats to it
    outcomes = run_batch(items, one_run, settings, journal=journal, workers=options.workers, progress=stages.runs)
    rows = scores_of([r for o in outcomes for r in o.rows], options.segment)
    return rows, {o.name: o.error for o in outcomes if o.error}


def simulate_study(options: Options, folder: Path, progress: Progress) -> tuple[dict[str, str], str, tuple[str, str]]:
    """Simulate the paper's experiment: images, labels filled from shaky slices, labels shaky on every slice, a test.

    Volumes that are there already are kept.
    """
    from ACSegLib.commands.run_report import write_json

    names = ("images", "filled", "hand", "test_images", "test_truth")
    for name in names:
        (folder / name).mkdir(parents=True, exist_ok=True)
    recipe = {key: getattr(options, key) for key in ("size", "every", "shake", "seed")}
    note = folder / "simulation.json"
    if note.exists():
        import json

        text = note.read_text(encoding="utf-8")
        if json.loads(text) != to_json(recipe):
            raise FileError(f"{folder} holds another simulation ({text.strip()}); choose another --output.")
    else:
        write_json(recipe, note)
    total = options.simulate + options.simulate_test
    for n, _ in progress.each(range(total), lambda n: f"simulating volume {n + 1} of {total}"):
        _simulate_one(options, folder, n, test=n >= options.simulate)
    labels = {"filled": str(folder / "filled"), "hand": str(folder / "hand")}
    return labels, str(folder / "images"), (str(folder / "test_images"), str(folder / "test_truth"))


def _simulate_one(options: Options, folder: Path, number: int, test: bool) -> None:
    from ACSegLib.files import save_segmentation, save_volume
    from ACSegLib.phantom import label_slices, simulate

    number = number - options.simulate if test else number
    name = f"cell{number:03d}"
    image = folder / ("test_images" if test else "images") / f"{name}.nrrd"
    if image.exists():
        return
    # Test cells have seeds of their own, so that asking for more training cells cannot draw a test cell.
    seed = 2 * (1000 * options.seed + number) + (1 if test else 0)
    phantom = simulate(size=options.size, seed=seed)
    if test:
        save_segmentation(phantom.truth, folder / "test_truth" / f"{name}.seg.nrrd")
    else:
        from ACSegLib.fill import fill

        drawn, slices = label_slices(phantom.truth, every=options.every, axis="k", shake=options.shake, seed=seed)
        filled = fill(phantom.volume, drawn, axis="k", slices=slices).segmentation
        save_segmentation(filled, folder / "filled" / f"{name}.seg.nrrd")
        by_hand, _ = label_slices(phantom.truth, every=1, axis="k", shake=options.shake, seed=seed + 1)
        save_segmentation(by_hand, folder / "hand" / f"{name}.seg.nrrd")
    save_volume(phantom.volume, image)  # last: it says that the volume is complete


def suggest(options: Options, folder: Path, progress: Progress) -> list[Row]:
    """Order the unlabelled volumes by how much labelling each would teach."""
    from ACSegLib.measure.learning_curve import describe_volume, suggest_volumes

    training = options.images or (str(folder / "simulated" / "images") if options.simulate else None)
    known = find_files([training]) if training else []
    candidates = _unlabelled(str(options.unlabelled))
    models = sorted((folder / "models").glob("*.acseg"), key=_volumes_of)[-3:]
    described, unsure, groups = {}, {}, {}
    total = len(known) + len(candidates)
    seen = []
    for n, path in enumerate(known):
        progress(n / total, f"describing {stem(path)}")
        seen.append(describe_volume(open_image(path, options)))
    for n, (path, group) in enumerate(candidates.items()):
        progress((len(known) + n) / total, f"describing {stem(path)}")
        volume = open_image(path, options)
        described[path], groups[path] = describe_volume(volume), group
        if len(models) > 1:
            unsure[path] = _disagreement(volume, models, options.device, progress)
    suggestions = suggest_volumes(described, seen, disagreements=unsure, groups=groups)
    return [
        {"rank": s.rank, "image": s.name, "group": s.group, "novelty": s.novelty, "disagreement": s.disagreement}
        for s in suggestions
    ]


def _unlabelled(path: str) -> dict[str, str]:
    """Images of a folder, and of its sub-folders, whose names are the cell types."""
    root = Path(path)
    if not root.is_dir():
        return dict.fromkeys(find_files([path]), "")
    inside = {
        folder.name: folder for folder in sorted(root.iterdir()) if folder.is_dir() and not is_zarr_folder_name(folder)
    }
    images = {file: name for name, folder in inside.items() for file in find_files([str(folder)])}
    if any(p.is_file() or is_zarr_folder_name(p) for p in root.iterdir()) or not images:
        images |= dict.fromkeys(find_files([path]), "")
    return images


def _volumes_of(model: Path) -> tuple[int, str]:
    """Order of models: by their number of training volumes, from names such as filled-010-0."""
    words = model.stem.split("-")
    return (int(words[-2]) if len(words) > 2 and words[-2].isdigit() else 0), model.stem


def _disagreement(volume: Any, models: list[Path], device: str, progress: Progress) -> float:
    from ACSegLib.measure.learning_curve import disagreement
    from ACSegLib.network.model.model_file import load_model
    from ACSegLib.network.predict.inference import PredictionSettings, predict

    predicted = []
    for path in models:
        progress.check()
        # The progress of a part only checks for a cancel: the caller tells how far it is.
        quiet = Progress(cancelled=progress.is_cancelled)
        predicted.append(
            predict(volume, load_model(path), PredictionSettings(device=device), quiet).segmentation.labels
        )
    return disagreement(predicted)
