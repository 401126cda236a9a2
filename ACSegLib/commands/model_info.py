"""Show a model: network, segments, voxel size, training data, validation scores and known limits.

The model is a file of ACSeg or Biomedisa (.h5). Without a file, it is the pretrained model of ACSeg.

Examples:
  acseg model info cytoplasm.acseg
  acseg model info ACSeg.h5 --json
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

from ACSegLib.commands.options import option
from ACSegLib.commands.run_report import Results as BaseResults
from ACSegLib.geometry import size_text
from ACSegLib.jobs import Progress
from ACSegLib.json_values import Json, to_json
from ACSegLib.wording import counted, listed

if TYPE_CHECKING:
    from ACSegLib.network.model.model_file import Model
    from ACSegLib.network.model.preprocessing import Preprocessing
    from ACSegLib.network.model.spec import NetworkSpec
    from ACSegLib.volume import Segment

SUMMARY = "show what a model is and what it was trained on"

#: What of the card is told in words, in this order.
_TOLD = (
    "title", "note", "trained_on", "works_on", "fails_on", "licence", "date", "command", "source", "keras_version",
)  # fmt: skip


@dataclass
class Options:
    """Options of ``acseg model info``."""

    file: str | None = option(
        path="in", default=None, help="model file; the pretrained model if not given", positional=True
    )


@dataclass
class Results(BaseResults):
    """A model without its weights."""

    optional: ClassVar[tuple[str, ...]] = ("file", "outputs", "exit_code")

    network: NetworkSpec
    segments: list[Segment]
    spacing: tuple[float, float, float] | None
    unit: str
    preprocessing: Preprocessing
    card: Json
    file: str = ""

    @classmethod
    def of(cls, model: Model, *, file: str = "", outputs: dict[str, str] | None = None) -> Results:
        """Describe a model that was read from `file`."""
        described = (model.spec, model.segments, model.spacing or None, model.unit, model.preprocessing)
        return cls(*described, card=_card_of(model), file=file, outputs=outputs or {})

    def to_dict(self) -> Json:
        """Give the results as plain JSON values; network and preprocessing as a model file holds them."""
        segments = [{"name": s.name, "value": s.value, "colour": list(s.colour)} for s in self.segments]
        as_in_file = {"network": self.network.to_json(), "preprocessing": self.preprocessing.to_json()}
        return {**super().to_dict(), **to_json({**as_in_file, "segments": segments})}


def run(options: Options, progress: Progress) -> Results:
    """Read the model's header, weights aside."""
    from ACSegLib.network.biomedisa.model_import import import_biomedisa, is_biomedisa_file
    from ACSegLib.network.model.model_file import read_card
    from ACSegLib.network.model.pretrained import pretrained_model

    progress.check()
    path = options.file or str(pretrained_model())
    model = import_biomedisa(path) if is_biomedisa_file(path) else read_card(path)
    return Results.of(model, file=path)


def describe(results: Results) -> str:
    """What a person wants to know of a model."""
    from ACSegLib.network.model.spec import REFINED_KIND

    network, card, preprocessing = results.network, results.card, results.preprocessing
    lines = [results.file] if results.file else []
    filters = "-".join(str(n) for n in network.filters)
    residual = ", residual" if network.residual else ""
    kind = network.kind if network.refinement is None else REFINED_KIND
    lines.append(f"Network: {kind}, filters {filters}{residual}, {counted(network.in_channels, 'channels')}")
    lines += _refinement(network, card.get("surface"))
    lines.append("Segments: " + ", ".join(f"{s.name} = {s.value}" for s in results.segments))
    if results.spacing:
        lines.append(f"Voxel size: {' x '.join(f'{v:g}' for v in results.spacing)} {results.unit}")
    elif preprocessing.longest_side:
        lines.append(f"Voxel size: any; images are reduced to {preprocessing.longest_side} voxels per side")
    elif preprocessing.mean_side:
        lines.append(f"Voxel size: any; images are reduced to {preprocessing.mean_side}^3 voxels")
    else:
        lines.append("Voxel size: images are not resampled")
    if (biomedisa := preprocessing.biomedisa) is not None:
        scale = size_text(biomedisa.scale)
        lines.append(f"Biomedisa: images are scaled to {scale}" if biomedisa.scaling else "Biomedisa: not scaled")
        if card.get("cropping"):
            lines.append("Biomedisa's auto-cropping network in it is not used: crop by --roi where it matters")
    validation = card.get("validation") or {}
    scores = validation.get("dice") if isinstance(validation, dict) else None
    if isinstance(scores, dict):
        told = ", ".join(f"{k} {v:.3f}" for k, v in scores.items() if v is not None and math.isfinite(v))
        lines.append(f"Dice on validation volumes: {told}")
    if told := ", ".join(_offsets(card.get("calibration"))):
        lines.append(f"Calibration, offsets of the logits: {told}")
    lines += [f"{key.replace('_', ' ').capitalize()}: {card[key]}" for key in _TOLD if card.get(key)]
    if not card.get("trained_on"):  # a card whose author told of the training in words needs no more of it
        lines += [*_training(card), *_plan(card.get("plan"))]
    return "\n".join(lines)


def _card_of(model: Model) -> Json:
    """The card of a model. The grid of its refinement network is told anew: an older card has another word for it."""
    card: Json = to_json(model.card)
    surface = card.get("surface")
    if isinstance(surface, dict) and surface.get("grid"):
        card["surface"] = surface | {"grid": _grid_of_refinement()}
    return card


def _grid_of_refinement() -> str:
    from ACSegLib.network.refinement.finer_grid import FINENESS

    return f"up to {FINENESS} times the voxels a side of the main network"


def _refinement(network: NetworkSpec, surface: Any) -> Iterator[str]:
    """The line on the refinement network, if there is one, with what the card says of its training."""
    if network.refinement is None:
        return
    line = f"Refinement network: filters {'-'.join(str(n) for n in network.refinement.filters)}"
    told = surface if isinstance(surface, dict) else {}
    if told.get("grid"):
        line += f", on a grid of {told['grid']}"
    yield line
    if told.get("trained_on"):
        yield f"Refinement network trained on: {told['trained_on']}"


def _training(card: Json) -> Iterator[str]:
    """The volumes of the training, and its length; a model file may hold anything."""
    volumes = card.get("training")
    rows = [row for row in volumes if isinstance(row, dict)] if isinstance(volumes, list) else []
    if names := [str(row.get("name")) for row in rows]:
        yield f"Trained on: {listed(names)}"
    steps, seconds = card.get("steps"), card.get("seconds")
    if isinstance(steps, int) and isinstance(seconds, (int, float)):
        yield f"Training: {counted(steps, 'steps')} in {seconds / 60:.1f} min on {card.get('device')}"
    warnings = card.get("warnings")
    yield from (f"Note of the training: {text}" for text in (warnings if isinstance(warnings, list) else ()))


def _plan(plan: Any) -> Iterator[str]:
    """Each choice of the plan and its reason; a model file may hold anything."""
    reasons = plan.get("reasons") if isinstance(plan, dict) else None
    if not isinstance(reasons, dict) or not reasons:
        return
    yield "Plan:"
    for key, reason in reasons.items():
        value = plan.get(key)
        if key == "patch_size" and isinstance(value, list):  # as options and sizes of images: along x, y, z
            value = size_text(value)
        told = f" {value}" if isinstance(value, (str, int, float)) and not isinstance(value, bool) else ""
        yield f"  {key.replace('_', ' ')}{told}: {reason}"


def _offsets(calibration: Any) -> Iterator[str]:
    """Offsets and what they gain, of what a card says that is as it should be: a model file may hold anything."""
    for name, row in calibration.items() if isinstance(calibration, dict) else ():
        values = [row.get(key) for key in ("offset", "dice_gain")] if isinstance(row, dict) else []
        if values and all(isinstance(v, (int, float)) for v in values):
            yield f"{name} {values[0]:+.1f} (Dice {values[1]:+.3f})"
