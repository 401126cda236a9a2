"""The training loop: steps, schedule, averaged weights, validation, checkpoints; one process or many.

Devices, precision and processes are Lightning Fabric's; the loop is written out because elapsed-time schedules, exact
resumption without pickle and stopping within a step are not in its Trainer.
"""

from __future__ import annotations

import copy
import math
import time
from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from ACSegLib.compute import free_cached_memory, is_out_of_memory, reuse_freed_memory
from ACSegLib.errors import Cancelled, FileError, InputError, MemoryLimitError
from ACSegLib.geometry import size_text
from ACSegLib.jobs import Progress
from ACSegLib.json_values import Row
from ACSegLib.network.train.augmentation import PRESETS as AUGMENTATIONS
from ACSegLib.network.train.checkpoint import State, optimizer_tensors, part, restore_optimizer, save_checkpoint
from ACSegLib.network.train.data import Prepared
from ACSegLib.network.train.finetune import freeze_batch_statistics
from ACSegLib.network.train.losses import SegmentationLoss
from ACSegLib.network.train.metrics_log import MetricsLog
from ACSegLib.network.train.plan import Plan
from ACSegLib.network.train.planning import smaller_patch
from ACSegLib.network.train.sampling import PatchSampler, Prefetcher
from ACSegLib.network.train.settings import TrainingSettings
from ACSegLib.network.train.validation import validate
from ACSegLib.volume import Segment

if TYPE_CHECKING:
    import torch

#: Validations of a training, and the share of its time that they may take.
VALIDATIONS, MAX_VALIDATION_SHARE = 15, 0.1
#: Threads that prepare patches while a GPU computes (`python Testing/Benchmarks/train.py`, case gpu).
WORKERS_ON_GPU = 6
#: Gain in Dice that counts as an improvement.
MIN_IMPROVEMENT = 1e-4
#: With a rough validation set, the last averaged weights are kept (as nnU-Net does, Isensee et al. 2021) unless their
#: Dice is lower than the best by more than this. Compare both: python Testing/Benchmarks/few_volumes.py
MAX_DICE_LOSS_OF_LAST = 0.05


def learning_rate(settings: TrainingSettings, fraction: float) -> float:
    """Learning rate after a fraction (0 to 1) of the run: linear warm-up, then half a cosine down to 0."""
    if fraction < settings.warmup:
        return settings.learning_rate * max(fraction / settings.warmup, 0.01)
    rest = (min(fraction, 1.0) - settings.warmup) / (1 - settings.warmup)
    return settings.learning_rate * 0.5 * (1 + math.cos(math.pi * rest))


class Trainer:
    """One training.

    Parameters
    ----------
    fabric : lightning.fabric.Fabric
        Launched.
    network : torch.nn.Module
        Fresh, or from the model to start with.
    training, validation : sequence of Prepared
        `validation` may be empty: then the last averaged weights are kept.
    table : sequence of Segment
        All segments.
    rough : bool
        The validation set is so small that its Dice is too rough to choose weights by, unless the last ones are clearly
        worse (`MAX_DICE_LOSS_OF_LAST`).
    """

    def __init__(
        self,
        fabric: Any,
        network: torch.nn.Module,
        plan: Plan,
        settings: TrainingSettings,
        training: Sequence[Prepared],
        validation: Sequence[Prepared],
        table: Sequence[Segment],
        state: State,
        progress: Progress,
        rough: bool = False,
    ) -> None:
        import torch

        self.fabric, self.plan, self.settings, self.state = fabric, plan, settings, state
        self._validation, self._table = validation, table
        self._progress, self._rough = progress, rough
        self._loss = SegmentationLoss(plan.class_weights, plan.spec.overlapping)
        self._names = [name for name, _ in network.named_parameters()]
        optimizer = torch.optim.AdamW(
            network.parameters(), lr=settings.learning_rate, weight_decay=settings.weight_decay
        )
        on_gpu = fabric.device.type == "cuda"
        network = network.to(memory_format=torch.channels_last_3d)  # type: ignore[call-overload]
        if on_gpu:
            torch.backends.cudnn.deterministic = settings.deterministic
            torch.backends.cudnn.benchmark = not settings.deterministic
        self._plain = network
        freeze_batch_statistics(network)
        if settings.compile and on_gpu:
            network = torch.compile(network)  # type: ignore[assignment]
        elif fabric.world_size == 1:
            stop_inside(self._plain, progress)
        self._network, self._optimizer = fabric.setup(network, optimizer)
        self.averaged = copy.deepcopy(self._plain).to(fabric.device).eval()
        self._best: dict[str, torch.Tensor] = {}
        self._latest: Row = {}
        self._log = MetricsLog()
        if fabric.is_global_zero:
            self._log = MetricsLog(settings.table, settings.plot, settings.tensorboard)
        self._sampler = PatchSampler(
            training,
            *plan.patches_at(0.0),
            AUGMENTATIONS[settings.augmentation or settings.preset],
            (plan.spacing or (1.0, 1.0, 1.0))[::-1],
            state.seed,
            fabric.global_rank,
            fabric.world_size,
            str(fabric.device),
        )
        self._batches: Prefetcher | None = None
        self._patches = plan.patches_at(0.0)
        self._clock = self._saved = 0.0

    # ---- state ------------------------------------------------------------------------------------------------

    def tensors(self) -> dict[str, torch.Tensor]:
        """All tensors of the state, by name."""
        found = {f"network/{k}": v for k, v in self._plain.state_dict().items()}
        found |= {f"averaged/{k}": v for k, v in self.averaged.state_dict().items()}
        found |= {f"best/{k}": v for k, v in self._best.items()}
        return found | optimizer_tensors(self._optimizer, self._names)

    def restore(self, tensors: dict[str, torch.Tensor]) -> None:
        """Put back what `tensors` gave."""
        self._plain.load_state_dict(part(tensors, "network"))
        self.averaged.load_state_dict(part(tensors, "averaged"))
        self._best = part(tensors, "best")
        restore_optimizer(self._optimizer, self._names, tensors)

    def best_weights(self) -> dict[str, torch.Tensor]:
        """The averaged weights of the best validation; the last ones where there was none."""
        found = self._best or self.averaged.state_dict()
        return {name: tensor.detach().cpu().clone() for name, tensor in found.items()}

    def save(self, when_cancelled: bool = False) -> None:
        """Write the checkpoint; one that cannot be written is noted, and an error after a cancel."""
        path = self.settings.checkpoint
        if path is None or not self.fabric.is_global_zero:
            return
        self.state.elapsed = self._elapsed()
        try:
            save_checkpoint(path, self.state, self.plan, self.tensors())
        except FileError as error:
            if when_cancelled:
                raise
            self._note(f"the state could not be kept at step {self.state.step}: {error}")
        self._saved = time.monotonic()

    def _note(self, text: str) -> None:
        if text not in self.state.notes:
            self.state.notes.append(text)
        self._progress(self._fraction(), text)

    # ---- time -------------------------------------------------------------------------------------------------

    def _elapsed(self) -> float:
        return time.monotonic() - self._clock

    def _fraction(self) -> float:
        if self.settings.epochs is not None:
            return self.state.step / (self.settings.epochs * self.settings.steps_per_epoch)
        return self.state.elapsed / (60 * (self.settings.minutes or 1.0))

    def _agree(self) -> bool:
        """Take elapsed time from the first process and learn whether any was cancelled."""
        self.state.elapsed = self._elapsed()
        cancelled = self._progress.is_cancelled()
        if self.fabric.world_size > 1:
            import torch

            first = self.state.elapsed if self.fabric.is_global_zero else 0.0
            shared = torch.tensor([first, float(cancelled)], device=self.fabric.device)
            shared = self.fabric.all_reduce(shared, reduce_op="sum")
            self.state.elapsed, cancelled = float(shared[0]), bool(shared[1] > 0)
        return cancelled

    # ---- the loop ---------------------------------------------------------------------------------------------

    @reuse_freed_memory()
    def run(self) -> None:
        """Train to the end; on a cancel keep the state and raise Cancelled."""
        self._clock = time.monotonic() - self.state.elapsed
        self._saved = time.monotonic()
        try:
            self._order_batches()
            stop = self._out_of_patience()
            while not stop:
                if len(self.state.losses) >= self.settings.steps_per_epoch:  # a cancel may have ended its validation
                    stop = self._end_epoch()
                    continue
                if self._agree():
                    raise Cancelled("cancelled")
                if self._fraction() >= 1:
                    break
                self._step()
                if time.monotonic() - self._saved > 60 * self.settings.checkpoint_minutes:
                    self.save()
            self._finish(stopped_early=stop)
            self._prefer_last()
        except Cancelled:
            self.save(when_cancelled=True)
            raise
        finally:
            if self._batches is not None:
                self._batches.close()
            if self.fabric.is_global_zero:
                self._log.close(self.state.history, self.state.best.get("step"))

    def _order_batches(self) -> None:
        if self._batches is not None:
            self._batches.close()
        on_gpu = self.fabric.device.type == "cuda"
        self._patches = self.plan.patches_at(self._fraction())
        sampler = self._sampler.resized(*self._patches)
        self._batches = Prefetcher(sampler.batch, self.state.step, WORKERS_ON_GPU if on_gpu else 0)

    def _step(self) -> None:
        """One step of the optimiser; with a smaller batch or patch if memory runs out."""
        assert self._batches is not None
        rate = learning_rate(self.settings, self._fraction())
        if self.plan.patches_at(self._fraction()) != self._patches:
            self._order_batches()
        for group in self._optimizer.param_groups:
            group["lr"] = rate
        while True:
            try:
                loss = self.forward_backward(*self._batches.next())
                break
            except Exception as error:
                if not is_out_of_memory(error):
                    raise
                self._shrink(error)
        self.fabric.clip_gradients(
            self._network, self._optimizer, max_norm=self.settings.clip, error_if_nonfinite=False
        )
        self._optimizer.step()
        self.state.step += 1
        self._average()
        self.state.losses.append(loss)
        if not math.isfinite(loss):
            raise InputError(
                f"the loss became {loss} at step {self.state.step}; lower --learning-rate (now {rate:.2g}), "
                "or check the images for extreme values."
            )
        self._tell(loss)

    def forward_backward(self, image: torch.Tensor, target: torch.Tensor, known: torch.Tensor) -> float:
        """Compute the loss of a batch and its gradients."""
        import torch

        self._optimizer.zero_grad(set_to_none=True)
        image = image.contiguous(memory_format=torch.channels_last_3d)
        loss = self._loss(self._network(image), target, known)
        self.fabric.backward(loss)
        return float(loss.detach())

    def _shrink(self, error: BaseException) -> None:
        smaller = smaller_patch(self.plan.patch_size, self.plan.batch_size, self.plan.spec)
        if smaller is None or self.fabric.world_size > 1:
            raise MemoryLimitError(
                f"memory ran out with batch {self.plan.batch_size} and patch {size_text(self.plan.patch_size)}; close "
                "other programs, or choose a smaller --patch or fewer --base-filters."
            ) from error
        self._optimizer.zero_grad(set_to_none=True)
        free_cached_memory(self.fabric.device.type)
        before = f"batch {self._patches[1]}, patch {size_text(self._patches[0])}"
        (k, j, i), self.plan.batch_size = smaller
        self.plan.patch_size, self.plan.growth = (k, j, i), []
        self.plan.preprocessing = replace(self.plan.preprocessing, patch_size=(k, j, i))
        text = f"memory ran out with {before}; going on with batch {self.plan.batch_size}, patch {size_text((k, j, i))}"
        self.plan.reasons["patch_size"] = text
        self._note(text)
        self._order_batches()

    def _average(self) -> None:
        """Move the averaged weights; faster at first, when the weights are still far from anything good."""
        import torch

        decay = min(self.settings.ema, (1 + self.state.step) / (10 + self.state.step))
        with torch.no_grad():
            mine, plain = self.averaged.state_dict(), self._plain.state_dict()
            floating = [k for k, v in plain.items() if v.is_floating_point()]
            torch._foreach_lerp_([mine[k] for k in floating], [plain[k] for k in floating], 1 - decay)
            for key in plain.keys() - set(floating):
                mine[key].copy_(plain[key])

    def _tell(self, loss: float) -> None:
        fraction = self._fraction()
        left = self.state.elapsed * (1 / fraction - 1) if fraction > 0 else 0.0
        best = f", best Dice {self.state.best_dice:.3f}" if self.state.best_dice is not None else ""
        text = f"training: step {self.state.step}, loss {loss:.3f}{best}, {left / 60:.1f} min left"
        # A cancel is noticed by `_agree`, where all processes notice it together.
        if self.fabric.is_global_zero and not self._progress.is_cancelled():
            self._progress(fraction, text)

    # ---- epochs -----------------------------------------------------------------------------------------------

    def _end_epoch(self) -> bool:
        """Write the epoch's row, validate if it is time; True to stop early."""
        row = self._row(self.state.losses)
        if self.fabric.broadcast(self._due()):  # the clocks of several processes differ
            row |= self._validate()
        self._append(row)
        if self._out_of_patience():
            self._note(f"stopped early: {self.settings.patience} validations without improvement")
            return True
        return False

    def _out_of_patience(self) -> bool:
        return bool(self.settings.patience) and self.state.stale >= (self.settings.patience or 0)

    def _due(self) -> bool:
        """Whether to validate now: about 15 times in a run, and for a tenth of its time at most."""
        if not self._validation:
            return False
        if self.settings.epochs is not None:
            every = max(1, self.settings.epochs // VALIDATIONS)
            last = self.state.epoch + 1 == self.settings.epochs
            return last or (self.state.epoch + 1) % every == 0
        budget = 60 * (self.settings.minutes or 1.0)
        last_took = self.state.best.get("validation_seconds", 0.0)
        return self.state.elapsed - self.state.validated > max(budget / VALIDATIONS, last_took / MAX_VALIDATION_SHARE)

    def _validate(self) -> Row:
        """Score the averaged weights, keep them if they are the best."""
        started = time.monotonic()
        # Of several processes none may leave alone: a cancel waits for the next step, where all learn of it.
        progress = self._progress if self.fabric.world_size == 1 else Progress()
        scores = validate(self.fabric, self.averaged, self._validation, self.plan.spec, self.plan.patch_size, progress)
        by_segment = {s.name: float(v) for s, v in zip(self._table, scores.by_segment, strict=True) if v == v}
        took = time.monotonic() - started
        self._latest = {
            "step": self.state.step,
            "dice": by_segment,
            "mean_dice": scores.mean,
            "cases": {
                case.name: {s.name: (float(v) if v == v else None) for s, v in zip(self._table, row, strict=True)}
                for case, row in zip(self._validation, scores.dice, strict=True)
            },
        }
        if self.state.best_dice is None or scores.mean > self.state.best_dice + MIN_IMPROVEMENT:
            self.state.best_dice, self.state.stale = scores.mean, 0
            self._keep_latest()
        else:
            self.state.stale += 1
        self.state.best["validation_seconds"] = took
        self.state.validated = self._elapsed()
        return {"dice": scores.mean, **{f"dice {name}": value for name, value in by_segment.items()}}

    def _keep_latest(self) -> None:
        """Take the averaged weights of the latest validation for the best."""
        self._best = {k: v.detach().cpu().clone() for k, v in self.averaged.state_dict().items()}
        self.state.best = dict(self._latest)

    def _prefer_last(self) -> None:
        """With a rough validation set, keep the last averaged weights unless they are clearly worse; note which."""
        if not self._rough or not self._latest or self._latest["step"] != self.state.step:
            return
        best, last = self.state.best_dice or 0.0, float(self._latest["mean_dice"])
        if last >= best - MAX_DICE_LOSS_OF_LAST:
            self._keep_latest()
            self._note("the last averaged weights were kept, since the validation set is small")
        else:
            step = self.state.best["step"]
            self._note(
                f"the weights of step {step} were kept: the last ones had a lower Dice ({last:.3f}, not {best:.3f})"
            )

    def _finish(self, stopped_early: bool) -> None:
        """End an epoch that time cut short, and score the last averaged weights unless they have been."""
        scored = bool(self.state.history) and "dice" in self.state.history[-1] and not self.state.losses
        if not self.state.losses and (scored or stopped_early or not self._validation):
            return
        losses = self.state.losses or [self.state.history[-1]["loss"] if self.state.history else math.nan]
        self._append(self._row(losses) | (self._validate() if self._validation else {}))

    def _row(self, losses: Sequence[float]) -> Row:
        return {
            "epoch": self.state.epoch + 1,
            "step": self.state.step,
            "seconds": round(self._elapsed(), 2),
            "loss": sum(losses) / len(losses),
            "learning_rate": learning_rate(self.settings, self._fraction()),
        }

    def _append(self, row: Row) -> None:
        self.state.epoch += 1
        self.state.losses = []
        self.state.history.append(row)
        if self.fabric.is_global_zero:
            self._progress.metrics(row)
            self._log.update(self.state.history)


def stop_inside(network: torch.nn.Module, progress: Progress) -> None:
    """Notice a cancel within a step, after each stage of the network, forwards and backwards."""

    def check(*_: Any) -> None:
        progress.check()

    def watch(module: Any, inputs: Any, output: Any) -> None:
        progress.check()
        if hasattr(output, "register_hook") and output.requires_grad:
            output.register_hook(check)

    stages = [child for group in network.children() for child in group.children()] or list(network.children())
    for stage in stages:
        stage.register_forward_hook(watch)
