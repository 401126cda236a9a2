"""Adapting a model to tomograms without labels."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from ACSegLib.commands import adapt as command
from ACSegLib.commands.main import main
from ACSegLib.errors import Cancelled, FileError, InputError
from ACSegLib.files import save_volume
from ACSegLib.jobs import CancelFlag, Progress
from ACSegLib.network.model import model_file
from ACSegLib.network.model.model_file import Model, load_model, save_model
from ACSegLib.network.model.pretrained import open_model
from ACSegLib.network.refinement.network import without_refinement_network
from ACSegLib.network.train.settings import TrainingSettings
from ACSegLib.phantom import simulate, vary_packed
from ACSegLib.volume import Geometry, Segment, Volume
from ACSegLib.workflows import AdaptRequest, adapt, run

SIDE = 28


@pytest.fixture(autouse=True)
def few_twins(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, number in (("_MIN_TWINS", 3), ("_MAX_TWINS", 3), ("VALIDATION_TWINS", 1), ("TEST_TWINS", 2)):
        monkeypatch.setattr(adapt, name, number)


@pytest.fixture(scope="module")
def tomogram() -> Volume:
    recipe = vary_packed(
        3, holder="capillary", wall=True, wall_thickness=0.12, capillary=0.36, axis="j", filling=0.6, column=False,
        glass=0.9, cytoplasm=0.3, beads=0, missing_wedge=0.0, noise=0.02,
    )  # fmt: skip
    made = simulate((36, 44, 36), 3, recipe=recipe).volume
    return Volume(made.array, Geometry((60.0,) * 3, unit="nm"), "scan")


@pytest.fixture(scope="module")
def small_model() -> Model:
    """The pretrained main network at a small size, with the probability of cytoplasm too low everywhere."""
    model = without_refinement_network(open_model())
    state = {name: value.clone() for name, value in model.state_dict.items()}
    bias = next(name for name in reversed(state) if name.endswith("bias") and len(state[name]) == 3)
    state[bias][1] -= 2.0
    preprocessing = replace(model.preprocessing, mean_side=SIDE, patch_size=(32, 32, 32))
    return replace(model, state_dict=state, preprocessing=preprocessing)


def test_a_model_is_better_on_unseen_twins_after_the_adaptation(
    tomogram: Volume, small_model: Model, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = adapt._settings

    def steps_instead_of_time(request: AdaptRequest, minutes: float) -> TrainingSettings:
        return replace(settings(request, minutes), minutes=None, epochs=1, steps_per_epoch=20)

    monkeypatch.setattr(adapt, "_settings", steps_instead_of_time)
    request = AdaptRequest(volumes=[tomogram], model=small_model, minutes=0.1, device="cpu")
    result = run(request)
    assert result.after["cytoplasm"] > result.before["cytoplasm"] + 0.01
    assert result.helped == (result.gain >= 0.002)
    assert result.twins == request.twins
    assert result.model.preprocessing.mean_side == SIDE  # it sees tomograms of any size as before
    assert result.model.preprocessing.canonical_axes
    assert result.model.card["adapted_to"] == {"scan": result.estimates[0].as_dict()}
    assert result.model.card["dice_on_twins"]["after"] == result.after


def test_the_command_writes_the_model_and_continues_after_a_cancel(
    tomogram: Volume,
    small_model: Model,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def full_disk(*_: object) -> None:
        raise FileError("cannot write: no space.")

    image, start, output = tmp_path / "scan.nrrd", tmp_path / "start.acseg", tmp_path / "mine.acseg"
    save_volume(tomogram, image)
    save_model(small_model, start)
    words = {"tomograms": [str(image)], "output": str(output), "model": str(start), "device": "cpu"}
    flag = CancelFlag()

    def cancel_in_training(fraction: float, message: str) -> None:
        if "training: step" in message:
            flag.set()

    with pytest.raises(FileError, match=r"no checkpoint \S*mine.acseg.checkpoint to resume from"):
        command.run(command.Options(**words, resume=True), Progress())
    with pytest.raises(Cancelled, match="--resume"):
        command.run(command.Options(**words, minutes=5.0), Progress(cancel_in_training, cancelled=flag))
    checkpoint = tmp_path / "mine.acseg.checkpoint"
    assert checkpoint.exists()
    assert not output.exists()
    with monkeypatch.context() as patch:
        patch.setattr(model_file, "save_model", full_disk)
        with pytest.raises(FileError, match=r"no space; the state is in \S*mine.acseg.checkpoint; add --resume"):
            command.run(command.Options(**words, minutes=0.05, resume=True), Progress())
    results = command.run(command.Options(**words, minutes=0.05, resume=True), Progress())
    assert not checkpoint.exists()
    assert load_model(output).card["name"] == "mine"
    text = command.describe(results)
    assert f"cells {results.tomograms[str(image)]['cells']:.2f}" in text
    assert f"{results.dice_before['cytoplasm']:.3f} before, {results.dice_after['cytoplasm']:.3f} after" in text
    assert main(["adapt", str(image), "-o", str(image)]) == 2
    assert "scan.nrrd" in capsys.readouterr().err


def test_models_that_do_not_suit_are_refused_in_a_sentence(tomogram: Volume, small_model: Model) -> None:
    own_size = replace(small_model, preprocessing=replace(small_model.preprocessing, mean_side=None))
    with pytest.raises(InputError, match="acseg train --init"):
        run(AdaptRequest(volumes=[tomogram], model=own_size))
    renamed = replace(small_model, segments=[Segment("nucleus", 1), Segment("bead", 2)])
    with pytest.raises(InputError, match="nucleus, bead"):
        run(AdaptRequest(volumes=[tomogram], model=renamed))


def test_a_tomogram_without_cells_is_named(small_model: Model) -> None:
    empty = Volume(np.zeros((30, 30, 30), np.float32), name="empty scan")
    empty.array[15, 15, 15] = 1  # an image of one value is refused before
    with pytest.raises(InputError, match="empty scan: no cells"):
        run(AdaptRequest(volumes=[empty], model=small_model))


def test_nothing_to_adapt_to_or_no_time_is_refused(tomogram: Volume, small_model: Model) -> None:
    with pytest.raises(InputError, match="no tomogram"):
        AdaptRequest(volumes=[], model=small_model)
    with pytest.raises(InputError, match="--minutes"):
        AdaptRequest(volumes=[tomogram], model=small_model, minutes=0)
