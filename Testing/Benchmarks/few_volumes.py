"""Which weights should a training on one to six volumes keep: the last averaged ones, or those of the best validation?

    python Testing/Benchmarks/few_volumes.py                       # 1, 2, 3, 4 and 6 phantoms, 5 seeds each
    python Testing/Benchmarks/few_volumes.py --counts 2 4 --seeds 2 --minutes 1
    python Testing/Benchmarks/few_volumes.py --labels sparse       # filled from labelled slices, as in README's study

Each row is one training. "last", "best" and "kept" are the mean Dice, over segments, of the three candidates on
phantoms that no training saw. "loss" is what "kept" falls short of the better of the other two; the aim is 0.01 at
most, and 0.002 in the mean.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

import numpy as np
from harness import say

from ACSegLib.network.model.model_file import Model
from ACSegLib.network.predict.inference import PredictionSettings, predict
from ACSegLib.network.train.settings import TrainingSettings
from ACSegLib.network.train.trainer import Trainer
from ACSegLib.network.train.training import train
from ACSegLib.phantom import simulate
from ACSegLib.volume import Segmentation, Volume

TEST_SEEDS = (901, 902, 903)
Pair = tuple[Volume, Segmentation]


def pair(seed: int, size: int, labels: str) -> Pair:
    """A simulated tomogram with dense labels, or with a fill of every eighth slice's."""
    phantom = simulate(size, seed=seed)
    if labels == "dense":
        return phantom.volume, phantom.truth
    from ACSegLib.fill import fill

    kept = phantom.truth.labels.copy()
    kept[[k for k in range(size) if k % 8 != 4]] = 0
    return phantom.volume, fill(phantom.volume, phantom.truth.with_labels(kept)).segmentation


def dice(model: Model, cases: list[Pair]) -> float:
    """Mean over segments and volumes."""
    values = []
    for volume, truth in cases:
        result = predict(volume, model, PredictionSettings(device="cpu")).segmentation
        for segment in truth.segments:
            mask, found = truth.mask(segment), result.mask(next(s for s in result.segments if s.name == segment.name))
            if mask.any():
                values.append(2 * np.count_nonzero(mask & found) / (np.count_nonzero(mask) + np.count_nonzero(found)))
    return float(np.mean(values))


def run(count: int, seed: int, options: argparse.Namespace, tests: list[Pair]) -> dict[str, Any]:
    """One training, and the Dice of its three candidates; none is calibrated, which would hide the difference."""
    candidates: dict[str, Any] = {}
    prefer = Trainer._prefer_last

    def watched(trainer: Trainer) -> None:
        candidates["best"] = trainer.best_weights()
        candidates["last"] = {k: v.detach().clone() for k, v in trainer.averaged.state_dict().items()}
        prefer(trainer)
        candidates["kept"] = trainer.best_weights()

    pairs = [pair(100 * seed + n, options.size, options.labels) for n in range(count)]
    settings = TrainingSettings(preset="quick", minutes=options.minutes, seed=seed, device="cpu", force=True)
    Trainer._prefer_last = watched  # type: ignore[method-assign]
    try:
        model = train(pairs, settings).model
    finally:
        Trainer._prefer_last = prefer  # type: ignore[method-assign]
    scores = {
        name: dice(Model(model.spec, weights, model.segments, model.preprocessing, model.spacing, model.unit), tests)
        for name, weights in candidates.items()
    }
    loss = max(scores["last"], scores["best"]) - scores["kept"]
    notes = [note for note in model.card["warnings"] if "kept" in note]
    return {"volumes": count, "seed": seed, **scores, "loss": loss, "note": "; ".join(notes)}


def main() -> None:
    """Run the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--counts", type=int, nargs="+", default=[1, 2, 3, 4, 6])
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--minutes", type=float, default=2.0)
    parser.add_argument("--size", type=int, default=64)
    parser.add_argument("--labels", choices=("dense", "sparse"), default="dense")
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    tests = [pair(seed, options.size, "dense") for seed in TEST_SEEDS]
    rows = []
    say("volumes  seed   last   best   kept   loss")
    for count in options.counts:
        for seed in range(options.seeds):
            rows.append(run(count, seed, options, tests))
            row = rows[-1]
            values = "  ".join(f"{row[name]:.3f}" for name in ("last", "best", "kept", "loss"))
            say(f"{count:7d} {seed:5d}  {values}  {row['note']}")
            if options.json:
                options.json.write_text(json.dumps(rows, indent=1))
    losses = [row["loss"] for row in rows]
    say(f"largest loss {max(losses):.3f}, mean {np.mean(losses):.4f} of {len(rows)} trainings")


if __name__ == "__main__":
    main()
