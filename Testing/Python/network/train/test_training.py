"""One training: what it learns, and what it tells."""

import csv

import numpy as np
from training_cases import TINY, losses_of, pair, settings

from ACSegLib.jobs import Progress
from ACSegLib.network.model.model_file import load_model, save_model
from ACSegLib.network.train import trainer
from ACSegLib.network.train.trainer import Trainer
from ACSegLib.network.train.training import train
from ACSegLib.network.train.validation import overlap_counts, predict_classes
from ACSegLib.volume import Segment, Segmentation


class TestLearning:
    def test_it_learns_and_says_how_well(self, trained):
        assert losses_of(trained)[-1] < 0.5 * losses_of(trained)[0]
        card = trained.model.card
        assert card["validation"]["mean_dice"] > 0.8
        assert set(card["validation"]["dice"]) == {"cell", "bead"}
        assert card["steps"] == 80
        assert set(card["calibration"]) == {"cell", "bead"}
        assert 0.1 <= trained.model.preprocessing.thin_threshold <= 0.5
        assert all(row["dice_gain"] >= -1e-4 for row in card["calibration"].values())
        assert len(card["training"]) == 3
        assert len(card["training"][0]["image_sha256"]) == 64
        assert trained.model.spacing == (30, 30, 30)
        assert trained.model.unit == "nm"

    def test_the_model_survives_the_file_and_segments_a_new_volume(self, trained, tmp_path):
        save_model(trained.model, tmp_path / "m.acseg")
        model = load_model(tmp_path / "m.acseg")
        volume, labels = pair(77)
        from ACSegLib.network.model.preprocessing import normalise

        image = normalise(volume.array, model.preprocessing.normalisation)
        found = predict_classes(model.network(), image, model.spec, model.preprocessing.patch_size, "cpu", Progress())
        counts = overlap_counts(found, labels.labels[None], 2, False)
        assert (2 * counts[:, 0] / (counts[:, 1] + counts[:, 2]) > 0.7).all()

    def test_a_note_names_the_segments_that_were_not_learned(self, trained):
        assert not any("not learned" in warning for warning in trained.warnings)
        barely = train([pair(0), pair(1)], settings(epochs=1, steps_per_epoch=1, learning_rate=1e-6))
        missed = [name for name, row in barely.model.card["calibration"].items() if row["dice"] < 0.1]
        assert "bead" in missed
        assert f"not learned yet: {', '.join(missed)} (Dice below 0.1)" in " ".join(barely.warnings)
        assert barely.model.card["warnings"] == barely.warnings

    def test_same_seed_same_run_other_seed_other_run(self):
        runs = [losses_of(train([pair(0), pair(1)], settings(seed=seed))) for seed in (3, 3, 4)]
        assert runs[0] == runs[1]
        assert runs[0] != runs[2]

    def test_sparse_labels(self):
        volume, labels = pair(0, size=24)
        drawn = np.zeros_like(labels.labels)
        drawn[[7, 12, 17]] = labels.labels[[7, 12, 17]]
        found = train([(volume, labels.with_labels(drawn))], settings(epochs=1, validation_part=0.0))
        assert any("sparse labels" in w and "3 slices across axis z (k)" in w for w in found.warnings)
        assert found.model.card["training"][0]["voxels"]["background"] < 3 * 24 * 24

    def test_one_volume_is_split_by_blocks_and_warned(self):
        found = train([pair(0, size=24)], settings(epochs=1, validation_part=0.5))
        assert any("one volume only" in w for w in found.warnings)
        assert "mean_dice" in found.model.card["validation"]

    def test_overlapping_segments_train_sigmoid_outputs(self):
        volume, labels = pair(0)
        both = Segmentation.from_masks(
            [labels.labels > 0, labels.labels == 2], [Segment("cell", 1), Segment("bead", 2)], labels.geometry
        )
        found = train([(volume, both)], settings(epochs=1))
        assert found.model.spec.output == "sigmoid"
        assert found.model.spec.out_channels == 2

    def test_volume_smaller_than_a_patch_and_minutes(self):
        small = settings(
            epochs=None, minutes=0.02, validation_part=0.0, overrides={"base": 4, "patch_size": [32, 32, 32]}
        )
        found = train([pair(0, size=16)], small)
        assert found.plan.patch_size == (32, 32, 32)
        assert found.model.card["steps"] >= 1

    def test_patches_grow_during_the_run(self, monkeypatch):
        seen = []
        forward_backward = Trainer.forward_backward

        def watched(self, image, target, known):
            seen.append((tuple(image.shape[2:]), len(image)))
            return forward_backward(self, image, target, known)

        monkeypatch.setattr(Trainer, "forward_backward", watched)
        overrides = {**TINY, "patch_size": [24, 24, 24]}
        result = train([pair(0), pair(1)], settings(epochs=2, steps_per_epoch=10, overrides=overrides))
        (until, small, batch), *_ = result.plan.growth
        first = round(until * 20)
        assert tuple(small) == (16, 16, 16)
        assert seen[:first] == [((16, 16, 16), batch)] * first
        assert seen[-1] == ((24, 24, 24), 1)
        assert result.model.preprocessing.patch_size == (24, 24, 24)

    def test_early_stop_keeps_the_best(self, monkeypatch):
        scores = iter([0.5, 0.7, 0.6, 0.6, 0.6, 0.6])

        class Fixed:
            def __init__(self):
                self.mean = next(scores)
                self.by_segment = np.array([self.mean] * 2)
                self.dice = self.by_segment[None]

        monkeypatch.setattr(trainer, "validate", lambda *_: Fixed())
        found = train([pair(0)], settings(epochs=6, steps_per_epoch=1, patience=2), validation=[pair(9)])
        assert len(found.history) == 4
        assert found.model.card["validation"]["step"] == 2
        assert any("stopped early" in w for w in found.warnings)


def test_live_figures_table_plot_and_tensorboard(tmp_path):
    told = []
    options = dict(table=tmp_path / "m.csv", plot=tmp_path / "m.png", tensorboard=tmp_path / "tb")
    found = train([pair(0)], settings(**options), Progress(metrics=told.append), [pair(9)])
    with open(tmp_path / "m.csv", newline="") as stream:
        rows = list(csv.DictReader(stream))
    assert [float(r["loss"]) for r in rows] == losses_of(found)
    assert {"dice", "dice cell", "dice bead", "seconds", "learning_rate"} <= set(rows[-1])
    assert [t["epoch"] for t in told] == [1, 2]
    assert (tmp_path / "m.png").read_bytes()[:4] == b"\x89PNG"
    assert any(f.name.startswith("events.out") for f in (tmp_path / "tb").iterdir())
