"""Trains nnU-Net v2 for some minutes of wall-clock time and predicts; runs in an interpreter that has nnunetv2 alone.

``python nnunet_peer.py FOLDER`` reads ``job.json`` (minutes, segments), ``train/`` and ``score/`` (case_NN_0000.nii.gz
and, to train on, case_NN.nii.gz) from FOLDER and writes ``results/`` and ``timing.json`` there. nnU-Net plans for
itself (3d_fullres, its own network, loss, optimiser, augmentation); its learning rate falls with elapsed time instead
of epochs, so that it too comes to rest when the time is up. Prediction uses its mirroring.
"""

from __future__ import annotations

import json
import os
import shutil
import sys
import time
from pathlib import Path

DATASET = "Dataset501_Benchmark"
ITERATIONS_PER_EPOCH = 10


def convert(folder: Path, target: str, segments: list[str]) -> None:
    """Lay the training cases out as nnU-Net wants them."""
    raw = Path(target) / DATASET
    for sub in ("imagesTr", "labelsTr"):
        (raw / sub).mkdir(parents=True)
    cases = sorted((folder / "train").glob("case_*_0000.nii.gz"))
    for image in cases:
        shutil.copy(image, raw / "imagesTr" / image.name)
        label = image.name.replace("_0000", "")
        shutil.copy(folder / "train" / label, raw / "labelsTr" / label)
    described = {
        "channel_names": {"0": "image"},
        "labels": {"background": 0, **{name: n for n, name in enumerate(segments, start=1)}},
        "numTraining": len(cases),
        "file_ending": ".nii.gz",
    }
    (raw / "dataset.json").write_text(json.dumps(described))


def main(folder: Path) -> None:
    """Plan, train, predict."""
    job = json.loads((folder / "job.json").read_text())
    folders = {f"nnUNet_{name}": str(folder / f"nnunet_{name}") for name in ("raw", "preprocessed", "results")}
    os.environ.update(folders, nnUNet_compile="false")  # nnU-Net is told its folders by the environment
    convert(folder, folders["nnUNet_raw"], job["segments"])

    import torch
    from nnunetv2.experiment_planning.plan_and_preprocess_api import extract_fingerprints, plan_experiments, preprocess
    from nnunetv2.inference.predict_from_raw_data import nnUNetPredictor
    from nnunetv2.training.nnUNetTrainer.nnUNetTrainer import nnUNetTrainer

    extract_fingerprints([501], num_processes=2)
    plans = plan_experiments([501])
    plans = plans if isinstance(plans, str) else "nnUNetPlans"
    preprocess([501], plans, configurations=["3d_fullres"], num_processes=[2])
    pre = Path(folders["nnUNet_preprocessed"]) / DATASET
    planned = json.loads((pre / f"{plans}.json").read_text())
    planned["continue_training"] = False  # nnU-Net 2.8 passes this option of its command line through the plans
    trainer = nnUNetTrainer(
        planned,
        "3d_fullres",
        "all",  # every case is trained on; nothing is held back
        json.loads((pre / "dataset.json").read_text()),
        device=torch.device("cpu"),
    )
    trainer.num_iterations_per_epoch, trainer.num_val_iterations_per_epoch = ITERATIONS_PER_EPOCH, 1
    trainer.disable_checkpointing = False
    trainer.on_train_start()
    started, steps = time.monotonic(), 0
    budget = 60 * job["minutes"]
    while (elapsed := time.monotonic() - started) < budget:
        trainer.network.train()
        for group in trainer.optimizer.param_groups:
            group["lr"] = trainer.initial_lr * (1 - elapsed / budget) ** 0.9
        trainer.train_step(next(trainer.dataloader_train))
        steps += 1
    training = time.monotonic() - started
    for loader in (trainer.dataloader_train, trainer.dataloader_val):
        if hasattr(loader, "_finish"):  # ends its worker processes, as nnU-Net itself does after training
            loader._finish()
    trainer.set_deep_supervision_enabled(False)
    trainer.network.eval()
    predictor = nnUNetPredictor(device=torch.device("cpu"), perform_everything_on_device=False, allow_tqdm=False)
    predictor.manual_initialization(
        trainer.network, trainer.plans_manager, trainer.configuration_manager, [trainer.network.state_dict()],
        trainer.dataset_json,
        "nnUNetTrainer", trainer.inference_allowed_mirroring_axes,
    )  # fmt: skip
    (folder / "results").mkdir()
    images = [[str(p)] for p in sorted((folder / "score").glob("case_*_0000.nii.gz"))]
    outputs = [str(folder / "results" / Path(i[0]).name.replace("_0000.nii.gz", "")) for i in images]
    started = time.monotonic()
    predictor.predict_from_files_sequential(images, outputs, save_probabilities=False, overwrite=True)
    timing = {"steps": steps, "training_s": training, "predict_s": (time.monotonic() - started) / len(images)}
    (folder / "timing.json").write_text(json.dumps(timing))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
