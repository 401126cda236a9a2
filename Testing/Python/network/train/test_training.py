import csv
import json
import os
import socket
import subprocess
import sys
import textwrap
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from ACSegLib.compute import PRECISION_VARIABLE
from ACSegLib.errors import Cancelled, FileError, InputError, MemoryLimitError
from ACSegLib.jobs import CancelFlag, Progress
from ACSegLib.network.model.architecture import build_seeded
from ACSegLib.network.model.model_file import Model, load_model, save_model
from ACSegLib.network.model.preprocessing import BiomedisaPreprocessing, Preprocessing
from ACSegLib.network.model.spec import BIOMEDISA_KIND, NetworkSpec, unet_spec
from ACSegLib.network.train import sampling, trainer, training, validation
from ACSegLib.network.train.augmentation import PRESETS
from ACSegLib.network.train.checkpoint import State, load_checkpoint, require_space
from ACSegLib.network.train.data import IGNORE, Prepared
from ACSegLib.network.train.finetune import adapt_head, head_keys
from ACSegLib.network.train.sampling import FAMILIAR, PatchSampler
from ACSegLib.network.train.settings import TrainingSettings, fabric_precision
from ACSegLib.network.train.trainer import Trainer, learning_rate
from ACSegLib.network.train.training import train
from ACSegLib.network.train.validation import overlap_counts, predict_classes
from ACSegLib.volume import Geometry, Segment, Segmentation, Volume

#: Preprocessing of a model that was imported from Biomedisa.
IMPORTED = Preprocessing(
    biomedisa=BiomedisaPreprocessing(True, (16,) * 3, (16,) * 3, False, (0.0,), (1.0,), False, False, (0, 1, 2))
)
ROOT = Path(__file__).resolve().parents[4]
TINY = {"base": 4, "levels": 3, "patch_size": [16, 16, 16]}


def pair(seed, size=20, names=("cell", "bead"), unit="nm"):
    """A bright ball with a brighter small one in it, in noise."""
    rng = np.random.default_rng(seed)
    k, j, i = np.mgrid[:size, :size, :size]
    centre = size / 2 + rng.uniform(-1, 1, 3)
    radius = np.sqrt((k - centre[0]) ** 2 + (j - centre[1]) ** 2 + (i - centre[2]) ** 2)
    labels = np.where(radius < 3, 2, np.where(radius < 7, 1, 0)).astype(np.uint8)
    image = labels + rng.normal(0, 0.3, labels.shape)
    geometry = Geometry((30, 30, 30), unit=unit)
    named = dict(enumerate(names, start=1))
    return Volume(image.astype(np.float32), geometry, f"v{seed}"), Segmentation.from_labels(labels, geometry, named)


def settings(**options):
    defaults = dict(
        preset="quick", epochs=2, steps_per_epoch=4, device="cpu", overrides=dict(TINY), learning_rate=1e-2, ema=0.8
    )
    return TrainingSettings(**{**defaults, **options})


def losses_of(result):
    return [row["loss"] for row in result.history]


@pytest.fixture(scope="module")
def trained():
    pairs = [pair(n) for n in range(3)]
    # with 4 channels, or residual blocks, it depends on the seed whether the bead is found in 80 steps
    wide = {**TINY, "base": 8, "patch_size": [24, 24, 24], "residual": False}
    options = settings(epochs=4, steps_per_epoch=20, augmentation="none", overrides=wide)
    return train(pairs, options, validation=[pair(9)])


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


class TestResume:
    @pytest.mark.parametrize("stop_after", [3, 6])
    def test_goes_on_exactly(self, tmp_path, stop_after):
        data = [pair(n) for n in range(2)]
        options = dict(epochs=3, steps_per_epoch=4)
        whole = train(data, settings(**options))
        path = tmp_path / "m.checkpoint"
        steps = 0

        def report(fraction, message):
            nonlocal steps
            steps += message.startswith("training: step")

        with pytest.raises(Cancelled):
            train(data, settings(**options, checkpoint=path), Progress(report, lambda: steps >= stop_after))
        assert load_checkpoint(path)[0].step == stop_after
        resumed = train(data, settings(**options, checkpoint=path, resume=True))
        assert losses_of(resumed) == losses_of(whole)
        assert [r.get("dice") for r in resumed.history] == [r.get("dice") for r in whole.history]
        for name, tensor in whole.model.state_dict.items():
            assert torch.equal(tensor, resumed.model.state_dict[name]), name
        assert not path.exists()

    def test_goes_on_exactly_after_a_cancel_inside_a_validation(self, tmp_path, monkeypatch):
        data, held_out = [pair(n) for n in range(2)], [pair(9)]
        options = dict(epochs=2, steps_per_epoch=2)
        whole = train(data, settings(**options), validation=held_out)
        path, flag = tmp_path / "m.checkpoint", CancelFlag()
        seen = []

        def validate(*arguments):
            flag.set()
            return validation.validate(*arguments)

        monkeypatch.setattr(trainer, "validate", validate)
        with pytest.raises(Cancelled):
            train(data, settings(**options, checkpoint=path), Progress(cancelled=flag), held_out)
        assert len(load_checkpoint(path)[0].losses) == 2
        monkeypatch.undo()
        resumed = train(
            data, settings(**options, checkpoint=path, resume=True), Progress(metrics=seen.append), held_out
        )
        for rows in (resumed.history, seen):
            assert [{**row, "seconds": 0} for row in rows] == [{**row, "seconds": 0} for row in whole.history]

    def test_changed_data_and_bad_checkpoints_are_refused(self, tmp_path):
        path = tmp_path / "m.checkpoint"
        with pytest.raises(Cancelled):
            train([pair(0)], settings(checkpoint=path), Progress(cancelled=CancelledAfter(40)))
        with pytest.raises(InputError, match="have changed"):
            train([pair(1)], settings(checkpoint=path, resume=True))
        path.write_bytes(path.read_bytes()[:1000])
        with pytest.raises(FileError, match="damaged"):
            train([pair(0)], settings(checkpoint=path, resume=True))
        with pytest.raises(FileError, match="no checkpoint"):
            train([pair(0)], settings(checkpoint=tmp_path / "none", resume=True))

    def test_changed_options_are_named_and_only_the_length_may_change(self, tmp_path):
        path = tmp_path / "m.checkpoint"
        with pytest.raises(Cancelled):
            train([pair(0)], settings(checkpoint=path), Progress(cancelled=CancelledAfter(40)))
        changed = settings(checkpoint=path, resume=True, sparse="off", overrides={**TINY, "base": 8})
        with pytest.raises(InputError, match="base was 4, not 8; sparse was auto, not off"):
            train([pair(0)], changed)
        spec = unet_spec(2, base=4)
        start = Model(spec, build_seeded(spec, 0).state_dict(), [Segment("cell", 1), Segment("bead", 2)])
        with pytest.raises(InputError, match=r"init was None, not the model [0-9a-f]{12}\)"):
            train([pair(0)], settings(checkpoint=path, resume=True, init=start))
        other = replace(start, state_dict={**start.state_dict, "heads.0.bias": torch.ones(3)})
        assert start.digest() != other.digest()
        assert train([pair(0)], settings(checkpoint=path, resume=True, epochs=1)).model.card["steps"] >= 4

    def test_a_training_that_is_done_is_kept_until_its_model_is_written(self, tmp_path, monkeypatch):
        path = tmp_path / "m.checkpoint"
        options = dict(epochs=1, checkpoint=path, keep_checkpoint=True)
        done = train([pair(0)], settings(**options))
        assert load_checkpoint(path)[0].step == 4
        monkeypatch.setattr(Trainer, "_step", lambda self: pytest.fail("there was nothing left to train"))
        again = train([pair(0)], settings(**options, resume=True))
        for name, tensor in done.model.state_dict.items():
            assert torch.equal(tensor, again.model.state_dict[name]), name

    def test_a_calibration_that_fails_does_not_cost_the_training(self, tmp_path, monkeypatch):
        def fail(error):
            def calibrate(*_):
                raise error

            monkeypatch.setattr(training, "calibrate", calibrate)

        path = tmp_path / "m.checkpoint"
        fail(ZeroDivisionError("a defect"))
        with pytest.raises(ZeroDivisionError):
            train([pair(0)], settings(epochs=1, checkpoint=path))
        fail(torch.OutOfMemoryError("out of memory"))
        found = train([pair(0)], settings(epochs=1, checkpoint=path, resume=True))
        assert found.model.card["steps"] == 4
        assert "calibration" not in found.model.card
        assert any("memory ran out when the outputs were calibrated" in w for w in found.model.card["warnings"])

    def test_beginning_anew_keeps_the_interrupted_state_until_it_is_done(self, tmp_path):
        path = tmp_path / "m.checkpoint"
        for _ in range(2):
            with pytest.raises(Cancelled):
                train([pair(0)], settings(checkpoint=path), Progress(cancelled=CancelledAfter(40)))
        load_checkpoint(tmp_path / "m.checkpoint.old")
        found = train([pair(0)], settings(checkpoint=path, epochs=1))
        assert any("m.checkpoint of an interrupted training" in w for w in found.warnings)
        assert list(tmp_path.iterdir()) == []

    @pytest.mark.parametrize("calls", [0, 1, 5])
    def test_cancelled_at_any_moment_leaves_nothing_half_written(self, tmp_path, calls):
        path = tmp_path / "m.checkpoint"
        with pytest.raises(Cancelled):
            train([pair(0)], settings(checkpoint=path), Progress(cancelled=CancelledAfter(calls)))
        assert set(os.listdir(tmp_path)) <= {"m.checkpoint"}
        if path.exists():
            load_checkpoint(path)


class CancelledAfter:
    """Says "cancelled" from the n-th question on."""

    def __init__(self, calls):
        self._left = calls

    def __call__(self):
        self._left -= 1
        return self._left < 0


class TestTrouble:
    def test_no_pair(self):
        with pytest.raises(InputError, match="no pair"):
            train([], settings())

    def test_out_of_memory_tries_smaller_and_says_so(self, monkeypatch):
        original = Trainer.forward_backward

        def limited(self, image, target, known):
            if image.numel() > 16**3:
                raise torch.OutOfMemoryError("out of memory")
            return original(self, image, target, known)

        monkeypatch.setattr(Trainer, "forward_backward", limited)
        options = dict(overrides={**TINY, "patch_size": [16, 16, 20], "batch_size": 2}, validation_part=0.0)
        found = train([pair(0)], settings(epochs=1, **options))
        assert found.plan.batch_size == 1
        assert found.plan.patch_size == (16, 16, 16)
        assert found.model.preprocessing.patch_size == (16, 16, 16)
        assert sum("memory ran out" in w for w in found.warnings) == 2

    def test_out_of_memory_with_the_smallest_patch(self, monkeypatch):
        def never(self, *_):
            raise RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried to allocate 1 bytes")

        monkeypatch.setattr(Trainer, "forward_backward", never)
        with pytest.raises(MemoryLimitError, match="--patch"):
            train([pair(0)], settings())

    def test_no_space_for_checkpoints(self, tmp_path, monkeypatch):
        usage = type("Usage", (), {"free": 1000})
        monkeypatch.setattr("shutil.disk_usage", lambda _: usage)
        with pytest.raises(FileError, match="MiB free"):
            train([pair(0)], settings(checkpoint=tmp_path / "m.checkpoint"))
        assert list(tmp_path.iterdir()) == []
        with pytest.raises(FileError, match="does not exist"):
            require_space(tmp_path / "no" / "x", 1)

    def test_a_disk_that_fills_later_is_told_and_training_goes_on(self, tmp_path, monkeypatch):
        def full(*_):
            raise FileError("cannot write: no space")

        monkeypatch.setattr(trainer, "save_checkpoint", full)
        found = train([pair(0)], settings(epochs=1, checkpoint=tmp_path / "m.checkpoint", checkpoint_minutes=1e-9))
        assert found.model.card["steps"] == 4
        assert any("no space" in w for w in found.warnings)

    def test_a_loss_that_is_no_number_is_an_error(self, monkeypatch):
        monkeypatch.setattr(Trainer, "forward_backward", lambda *_: float("nan"))
        monkeypatch.setattr("torch.optim.AdamW.step", lambda self, *_: None)
        with pytest.raises(InputError, match="learning-rate"):
            train([pair(0)], settings())

    @pytest.mark.parametrize(
        ("options", "word"),
        [
            ({"preset": "heroic"}, "heroic"),
            ({"minutes": 1.0, "epochs": 1}, "not both"),
            ({"epochs": 0}, "epochs"),
            ({"validation_part": 1.5}, "validation_part"),
            ({"resume": True}, "checkpoint"),
        ],
    )
    def test_settings(self, options, word):
        with pytest.raises(InputError, match=word):
            TrainingSettings(**options)


class TestFineTuning:
    def test_head_keeps_what_it_knows_by_name(self, trained):
        model = trained.model
        table = [Segment("bead", 1), Segment("wall", 2), Segment("Cell", 3)]
        spec, state, fresh = adapt_head(model, table, "softmax")
        assert fresh == ["wall"]
        assert spec.out_channels == 4
        for key in head_keys(model.spec):
            assert torch.equal(state[key][[0, 3, 1]], model.state_dict[key])
        assert {k for k in state if not torch.equal(state[k], model.state_dict[k])} == set(head_keys(model.spec))

    def test_it_starts_where_the_model_was(self, trained):
        new = [pair(20 + n, names=("Cell", "granule")) for n in range(2)]
        options = dict(epochs=1, steps_per_epoch=10, learning_rate=1e-3, augmentation="none")
        tuned = train(new, settings(**options, init=trained.model))
        fresh = train(new, settings(**options))
        assert tuned.history[-1]["dice Cell"] > fresh.history[-1]["dice Cell"]
        assert losses_of(tuned) == losses_of(train(new, settings(**options, init=trained.model)))
        assert any("granule" in w for w in tuned.warnings)
        assert any("base, levels had no effect" in w for w in tuned.warnings)
        assert tuned.plan.spec.filters == trained.plan.spec.filters
        assert tuned.model.card["initial_model"]["steps"] == 80

    def test_another_kind_of_output_starts_all_segments_untrained(self, trained):
        table = [Segment("bead", 1), Segment("cell", 2)]
        spec, _, fresh = adapt_head(trained.model, table, "sigmoid")
        assert (spec.out_channels, fresh) == (2, ["bead", "cell"])
        assert adapt_head(trained.model, table, "softmax")[2] == []

    def test_imported_networks_can_go_on(self):
        from ACSegLib.network.model.architecture import build_network

        spec = NetworkSpec(kind=BIOMEDISA_KIND, in_channels=1, out_channels=3, filters=(4, 8))
        network = build_network(spec)
        model = Model(spec, network.state_dict(), [Segment("cell", 1), Segment("bead", 2)], IMPORTED)
        found = train([pair(0)], settings(epochs=1, init=model))
        assert found.model.spec.kind == "biomedisa-unet"
        means = [k for k in model.state_dict if k.endswith("running_mean")]
        assert means
        for key in means:
            assert torch.equal(found.model.state_dict[key], model.state_dict[key])
        assert found.model.preprocessing.normalisation.kind == "volume"
        assert found.model.preprocessing.biomedisa is None  # it was trained in our way, and predicts in our way

    def test_a_model_that_reduces_images_is_trained_on_reduced_ones(self, trained, monkeypatch):
        reduced = replace(trained.model.preprocessing, longest_side=12)
        model = replace(trained.model, preprocessing=reduced, spacing=None, unit="px")
        shapes = []
        init = Trainer.__init__

        def watched(self, fabric, network, plan, settings, training, *rest):
            shapes.extend(case.shape for case in training)
            init(self, fabric, network, plan, settings, training, *rest)

        monkeypatch.setattr(Trainer, "__init__", watched)
        found = train([pair(0), pair(1)], settings(epochs=1, init=model, validation_part=0.0))
        assert shapes == [(12, 12, 12)] * 2
        assert found.model.preprocessing.longest_side == 12


class TestSampling:
    @staticmethod
    def prepared(name, value, shape=(12, 30, 18)):
        target = np.zeros((1, *shape), np.uint8)
        target[0, 3:5, 20:23, 4:7] = 1
        return Prepared(name, np.full(shape, value, np.float32), target, np.array([True]))

    def test_patches_stay_in_one_volume_and_show_the_segment(self):
        cases = [self.prepared("a", 1.0), self.prepared("b", 2.0, (40, 40, 40))]
        sampler = PatchSampler(cases, (16, 16, 16), 2, PRESETS["none"], seed=1)
        seen, with_segment = [], 0
        for step in range(20):
            image, target, known = sampler.batch(step)
            assert image.shape == target.shape == (2, 1, 16, 16, 16)
            assert known.shape == (2, 1)
            for n in range(2):
                assert len(image[n].unique()) == 1
                seen.append(float(image[n].unique()))
                with_segment += bool((target[n] == 1).any())
        assert seen.count(1.0) == seen.count(2.0) == 20
        assert with_segment >= 20

    def test_centres_are_spread_over_the_segment_and_hold_no_other_voxel(self, monkeypatch):
        monkeypatch.setattr(sampling, "_PLACES", 50)
        case = self.prepared("a", 1.0, (40, 30, 18))
        case.target[0, 30:38] = 1
        for limit in (50, 100_000):
            monkeypatch.setattr(sampling, "_PLACES", limit)
            places = sampling.find_places(case, np.random.default_rng(0))
            chosen = places.segments[0]
            assert len(chosen) == min(limit, np.count_nonzero(case.target == 1)) == len(np.unique(chosen, axis=0))
            assert (case.target[0][tuple(chosen.T)] == 1).all()
            assert set(chosen[:, 0]) >= set(range(30, 38))
        empty = self.prepared("b", 1.0)
        empty.target[:] = 0
        assert len(sampling.find_places(empty, np.random.default_rng(0)).segments[0]) == 0

    def test_small_volumes_are_padded_and_the_padding_is_ignored(self):
        sampler = PatchSampler([self.prepared("a", 1.0)], (16, 32, 32), 1, PRESETS["none"])
        image, target, _ = sampler.batch(0)
        assert (image == 1).all()
        assert int((target != IGNORE).sum()) == 12 * 30 * 18

    def test_a_batch_is_a_function_of_its_number_and_of_the_process(self):
        cases = [self.prepared("a", 1.0)]
        cases[0].image[:] = np.random.default_rng(0).normal(size=cases[0].shape)
        one = PatchSampler(cases, (8, 8, 8), 1, PRESETS["standard"], seed=1)
        again = PatchSampler(cases, (8, 8, 8), 1, PRESETS["standard"], seed=1)
        for step in (5, 2):
            assert torch.equal(one.batch(step)[0], again.batch(step)[0])
        two = [PatchSampler(cases, (8, 8, 8), 1, PRESETS["standard"], seed=1, rank=r, world=2) for r in (0, 1)]
        assert torch.equal(two[1].batch(0)[0], one.batch(1)[0])
        assert not torch.equal(two[1].batch(0)[0], two[0].batch(0)[0])

    def test_random_changes_set_in_with_familiarity(self):
        """Each patch is an eighth of the only volume, so it has been seen FAMILIAR times after 8 x FAMILIAR patches."""
        case = self.prepared("a", 1.0, (32, 32, 32))
        case.image[:] = np.arange(32, dtype=np.float32)
        always = replace(PRESETS["none"], flip=1.0)
        sampler = PatchSampler([case], (16, 16, 16), 1, always)
        late = int(8 * FAMILIAR)
        assert [sampler.familiarity(n) for n in (0, late // 2, late, 10 * late)] == [0.0, 0.5, 1.0, 1.0]

        def mirrored(step):
            row = sampler.batch(step)[0][0, 0, 0, 0]
            return bool(row[0] > row[-1])

        assert not any(mirrored(step) for step in range(3))
        assert all(mirrored(step) for step in range(late, late + 5))


def test_bfloat16_is_taken_on_a_gpu_only_where_it_is_not_emulated(monkeypatch):
    monkeypatch.delenv(PRECISION_VARIABLE, raising=False)
    for native in (False, True):
        monkeypatch.setattr(
            torch.cuda, "is_bf16_supported", lambda including_emulation=True, n=native: n or including_emulation
        )
        assert fabric_precision("auto", "cuda") == ("bf16-mixed" if native else "16-mixed")


def test_schedule_warms_up_and_ends_at_nothing():
    chosen = settings(warmup=0.1, learning_rate=1.0)
    assert learning_rate(chosen, 0.05) == pytest.approx(0.5)
    assert learning_rate(chosen, 0.1) == pytest.approx(1.0)
    assert learning_rate(chosen, 0.55) == pytest.approx(0.5)
    assert learning_rate(chosen, 1.0) == pytest.approx(0, abs=1e-9)


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


def test_state_is_plain():
    assert State(**vars(State(step=3, history=[{"loss": 1.0}]))) == State(step=3, history=[{"loss": 1.0}])


def test_two_processes_train_one_model(tmp_path):
    script = tmp_path / "two.py"
    script.write_text(
        textwrap.dedent(f"""
        import json, os, sys
        sys.path[:0] = [{str(ROOT)!r}, {str(Path(__file__).parent)!r}]
        from test_training import pair, settings
        from ACSegLib.network.train.trainer import Trainer
        from ACSegLib.network.train.training import train
        if os.environ["RANK"] == "1":  # whose clock says otherwise
            Trainer._due = lambda self: False
        found = train([pair(n) for n in range(3)], settings(), validation=[pair(8), pair(9)])
        total = float(sum(v.double().sum() for v in found.model.state_dict.values()))
        print(json.dumps([os.environ["RANK"], found.main_process, found.model.card["processes"], total,
                          found.history[-1]["dice"]]), flush=True)
        """)
    )
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    common = {
        "WORLD_SIZE": "2",
        "LOCAL_WORLD_SIZE": "2",
        "GROUP_RANK": "0",
        "MASTER_ADDR": "127.0.0.1",
        "MASTER_PORT": str(port),
        "TORCHELASTIC_RUN_ID": "test",
        "OMP_NUM_THREADS": "1",
    }
    workers = [
        subprocess.Popen(
            [sys.executable, str(script)],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env={**os.environ, **common, "RANK": str(rank), "LOCAL_RANK": str(rank)},
        )
        for rank in (0, 1)
    ]
    results = []
    for worker in workers:
        out, err = worker.communicate(timeout=240)
        assert worker.returncode == 0, err[-2000:]
        results.append(json.loads(out.strip().splitlines()[-1]))
    assert [r[0] for r in results] == ["0", "1"]
    assert [r[1] for r in results] == [True, False]
    assert [r[2] for r in results] == [2, 2]
    assert results[0][3:] == results[1][3:]


def test_unknown_output_heads_are_refused():
    model = Model(unet_spec(2, base=4), {}, [Segment("cell", 1)])
    with pytest.raises(InputError, match="outputs"):
        adapt_head(model, [Segment("cell", 1)], "softmax")
