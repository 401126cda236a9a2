"""Throughput of training steps on a GPU: ACSeg's whole training against nnU-Net's network and loss alone.

``python train_gpu.py {acseg,nnunet} FOLDER`` reads ``job.json`` (patch, batch, base, levels, steps, device) from FOLDER
and writes ``timing.json`` there: patches a second, and how busy the GPU was. Run by ``train.py``; "nnunet" needs an
interpreter with nnunetv2, "acseg" one with ACSeg.

ACSeg cuts and augments its patches meanwhile; nnU-Net's network is fed one random patch that already lies on the GPU,
which is the most that its own loader could reach. Both have plain blocks, the same filters and levels, deep
supervision, mixed precision, and neither is compiled. The first third of the steps warms up.
"""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any

SEGMENTS = 2
_SAMPLE_S = 0.25


class Utilisation:
    """Samples how busy the first GPU is; `mean` is None without nvidia-smi."""

    def __init__(self) -> None:
        self._values: list[tuple[float, float]] = []
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)
        self._thread.start()

    def _watch(self) -> None:
        program = shutil.which("nvidia-smi")
        query = [str(program), "--query-gpu=utilization.gpu", "--format=csv,noheader,nounits", "--id=0"]
        while program and not self._stop.wait(_SAMPLE_S):
            told = subprocess.run(query, capture_output=True, text=True, check=False).stdout.strip()
            if told.isdigit():
                self._values.append((time.monotonic(), float(told)))

    def mean(self, since: float, until: float) -> float | None:
        """Mean percentage between two times of `time.monotonic`."""
        self._stop.set()
        self._thread.join()
        found = [value for at, value in self._values if since <= at <= until]
        return sum(found) / len(found) if found else None


def acseg(job: dict[str, Any]) -> dict[str, Any]:
    """Train on random volumes by the library's own training; the last two thirds of the steps are timed."""
    sys.path.insert(0, str(Path(__file__).resolve().parents[2]))
    import numpy as np

    from ACSegLib.jobs import Progress
    from ACSegLib.network.train.settings import TrainingSettings
    from ACSegLib.network.train.training import train
    from ACSegLib.volume import Geometry, Segmentation, Volume

    rng = np.random.default_rng(0)
    shape = [n + n // 4 for n in job["patch"]]
    pairs = []
    for n in range(4):
        labels = (rng.random(shape) < 0.1).astype(np.uint8) * rng.integers(1, SEGMENTS + 1, shape, dtype=np.uint8)
        volume = Volume((labels + rng.normal(0, 0.5, shape)).astype(np.float32), Geometry(), f"random {n}")
        pairs.append((volume, Segmentation.from_labels(labels, volume.geometry)))
    overrides = {
        "patch_size": job["patch"], "batch_size": job["batch"], "base": job["base"], "levels": job["levels"],
        "residual": False, "grow": False,
    }  # fmt: skip
    settings = TrainingSettings(
        preset="standard", epochs=3, steps_per_epoch=job["steps"] // 3, device=job["device"], deterministic=False,
        validation_part=0.0, sparse="off", overrides=overrides,
    )  # fmt: skip
    marks: list[float] = []
    watch = Utilisation()
    result = train(pairs, settings, Progress(metrics=lambda _: marks.append(time.monotonic())))
    seconds = marks[-1] - marks[0]
    used = {"patch": list(result.plan.patch_size), "batch": result.plan.batch_size}
    patches = 2 * (job["steps"] // 3) * result.plan.batch_size
    return {"patches_per_s": patches / seconds, "busy": watch.mean(marks[0], marks[-1]), **used}


def nnunet(job: dict[str, Any]) -> dict[str, Any]:
    """Train nnU-Net's PlainConvUNet with its loss and optimiser on one random batch."""
    import numpy as np
    import torch
    from dynamic_network_architectures.architectures.unet import PlainConvUNet
    from nnunetv2.training.loss.compound_losses import DC_and_CE_loss
    from nnunetv2.training.loss.deep_supervision import DeepSupervisionWrapper
    from nnunetv2.training.loss.dice import MemoryEfficientSoftDiceLoss

    device, levels = torch.device(job["device"]), job["levels"]
    on_gpu = device.type == "cuda"
    torch.backends.cudnn.benchmark = True
    network = PlainConvUNet(
        1, levels, [min(job["base"] * 2**n, 320) for n in range(levels)], torch.nn.Conv3d, 3,
        [1] + [2] * (levels - 1), 2, SEGMENTS + 1, 2, True, torch.nn.InstanceNorm3d, {"eps": 1e-5, "affine": True},
        nonlin=torch.nn.LeakyReLU, nonlin_kwargs={"inplace": True}, deep_supervision=True,
    ).to(device)  # fmt: skip
    weights = np.array([0.5**n for n in range(levels - 1)])
    weights[-1] = 0
    dice = {"batch_dice": False, "smooth": 1e-5, "do_bg": False, "ddp": False}
    loss = DeepSupervisionWrapper(
        DC_and_CE_loss(dice, {}, dice_class=MemoryEfficientSoftDiceLoss), weights / weights.sum()
    )
    optimiser = torch.optim.SGD(network.parameters(), 1e-2, momentum=0.99, nesterov=True, weight_decay=3e-5)
    scaler = torch.amp.GradScaler(device.type, enabled=on_gpu)
    image = torch.randn((job["batch"], 1, *job["patch"]), device=device)
    sizes = [[n // 2**level for n in job["patch"]] for level in range(levels - 1)]
    target = [torch.randint(0, SEGMENTS + 1, (job["batch"], 1, *size), device=device).float() for size in sizes]
    watch = Utilisation()
    started = time.monotonic()
    for step in range(job["steps"]):
        if step == job["steps"] // 3:
            if on_gpu:
                torch.cuda.synchronize()
            started = time.monotonic()
        optimiser.zero_grad(set_to_none=True)
        with torch.autocast(device.type, enabled=on_gpu):
            value = loss(network(image), target)
        scaler.scale(value).backward()
        scaler.unscale_(optimiser)
        torch.nn.utils.clip_grad_norm_(network.parameters(), 12)
        scaler.step(optimiser)
        scaler.update()
        value.detach().cpu()  # nnU-Net logs every step's loss
    ended = time.monotonic()
    patches = (job["steps"] - job["steps"] // 3) * job["batch"]
    return {"patches_per_s": patches / (ended - started), "busy": watch.mean(started, ended)}


def main(method: str, folder: Path) -> None:
    """Run one method and write what it took."""
    job = json.loads((folder / "job.json").read_text())
    found = {"acseg": acseg, "nnunet": nnunet}[method](job)
    (folder / "timing.json").write_text(json.dumps(found))


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]))
