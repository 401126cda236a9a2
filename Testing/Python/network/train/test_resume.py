"""A training that was interrupted goes on exactly where it was."""

import os
from dataclasses import replace

import pytest
import torch
from training_cases import TINY, losses_of, pair, settings

from ACSegLib.errors import Cancelled, FileError, InputError
from ACSegLib.jobs import CancelFlag, Progress
from ACSegLib.network.model.architecture import build_seeded
from ACSegLib.network.model.model_file import Model
from ACSegLib.network.model.spec import unet_spec
from ACSegLib.network.train import trainer, training, validation
from ACSegLib.network.train.checkpoint import State, load_checkpoint
from ACSegLib.network.train.trainer import Trainer
from ACSegLib.network.train.training import train
from ACSegLib.volume import Segment


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
        with pytest.raises(InputError, match="--base-filters was 4, and is 8 now; --sparse was auto, and is off now"):
            train([pair(0)], changed)
        resized = settings(checkpoint=path, resume=True, overrides={**TINY, "patch_size": [8, 16, 24]})
        with pytest.raises(InputError, match="--patch was 16 x 16 x 16, and is 24 x 16 x 8 now"):
            train([pair(0)], resized)
        spec = unet_spec(2, base=4)
        start = Model(spec, build_seeded(spec, 0).state_dict(), [Segment("cell", 1), Segment("bead", 2)])
        with pytest.raises(InputError, match=r"--init was not given, and is the model [0-9a-f]{12} now\)"):
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
        assert any("memory ran out during the calibration" in w for w in found.model.card["warnings"])

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


def test_state_is_plain():
    assert State(**vars(State(step=3, history=[{"loss": 1.0}]))) == State(step=3, history=[{"loss": 1.0}])
