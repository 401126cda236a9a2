"""What goes wrong in a training is told in a sentence, and costs as little as possible."""

import pytest
import torch
from training_cases import TINY, pair, settings

from ACSegLib.errors import FileError, InputError, MemoryLimitError
from ACSegLib.network.train import trainer
from ACSegLib.network.train.checkpoint import require_space
from ACSegLib.network.train.settings import TrainingSettings
from ACSegLib.network.train.trainer import Trainer
from ACSegLib.network.train.training import train
from ACSegLib.volume import Volume


class TestTrouble:
    def test_no_pair(self):
        with pytest.raises(InputError, match="no pair"):
            train([], settings())

    def test_labels_in_the_place_of_an_image(self):
        image, labels = pair(0)
        swapped = Volume(labels.labels.astype("f4"), image.geometry, "v0")
        with pytest.raises(InputError, match=r"v0: the image looks like labels.*tomogram in its place.*--force"):
            train([(swapped, labels)], settings())
        assert train([(swapped, labels)], settings(epochs=1, force=True)).model.card["steps"] == 4

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
        with pytest.raises(
            FileError,
            match=r"it needs \d+\.\d MiB, and \S+ has 0\.0 MiB free; free some space or choose another folder",
        ):
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
