"""The judgement of the training benchmark; what it measures takes minutes and is not repeated here."""

import importlib
import json
import sys
from pathlib import Path

import pytest

SCRIPTS = Path(__file__).resolve().parents[2] / "Benchmarks"
OK, MISSED, UNKNOWN = "ok", "MISSED", "not measured"


@pytest.fixture
def bench(monkeypatch):
    """The benchmark's module, which is a script and no part of a package."""
    monkeypatch.syspath_prepend(str(SCRIPTS))
    yield importlib.import_module("train")
    for name in ("train", "train_cases", "harness"):
        sys.modules.pop(name)


@pytest.fixture
def verdicts(bench):
    def judged(*rows):
        lines = bench.targets({row["name"]: row for row in rows})
        return {case: (measured, met) for case, _, measured, met in lines}

    return judged


def trained(name, mean=0.9, minutes=10.0, size=96, **dice):
    return {"name": name, "mean": mean, "dice": dice or {"a": mean}, "steps": 1, "minutes": minutes, "size": size}


def test_nothing_is_met_that_was_not_run(verdicts):
    assert {met for _, met in verdicts().values()} == {UNKNOWN}


@pytest.mark.parametrize(("mean", "peer", "met"), [(0.87, 0.85, OK), (0.869, 0.85, MISSED), (0.99, None, UNKNOWN)])
def test_hippocampus_is_held_against_nnunet(verdicts, mean, peer, met):
    rows = [trained("hippocampus 6 min", mean, 6.0)]
    rows += [trained("nnU-Net v2 6 min", peer, 6.0)] if peer else []
    assert verdicts(*rows)["hippocampus, 6 minutes"][1] == met


def test_phantoms_are_judged_at_the_size_and_length_of_the_target(verdicts):
    dense = trained("phantoms dense", cytoplasm=0.975, bead=0.91)
    sparse = trained("phantoms sparse", cytoplasm=0.96, bead=0.895)
    filled = trained("phantoms filled", cytoplasm=0.96, bead=0.91)
    found = [met for _, met in verdicts(dense, sparse, filled).values()]
    assert found[2:5] == [OK, OK, MISSED]
    short = trained("phantoms dense", minutes=1.0, cytoplasm=0.975, bead=0.91)
    found = [met for _, met in verdicts(short, sparse, filled).values()]
    assert found[2:5] == [UNKNOWN] * 3


def test_a_run_that_failed_is_a_miss(verdicts):
    assert verdicts({"name": "hippocampus 1 min", "error": "exit 1: no"})["hippocampus, 1 minute"] == (
        "exit 1: no",
        MISSED,
    )


def test_gpu_needs_speed_and_a_busy_device(verdicts):
    row = {"name": "GPU ACSeg", "patches_per_s": 13.0, "busy": 95.0, "patch": [128] * 3, "device": "cuda"}
    peer = {**row, "name": "GPU nnU-Net", "patches_per_s": 10.0}
    case = "training step, base 32, 128^3 patches, one GPU"
    assert verdicts(row, peer)[case][1] == OK
    assert verdicts({**row, "busy": 80.0}, peer)[case][1] == MISSED
    assert verdicts({**row, "patches_per_s": 12.0}, peer)[case][1] == MISSED
    assert verdicts(row)[case][1] == UNKNOWN


def test_rows_are_kept_from_one_run_to_the_next(bench, tmp_path):
    bench.Table(tmp_path / "t.json").add(trained("hippocampus 1 min", 0.5))
    table = bench.Table(tmp_path / "t.json")
    table.add(trained("phantoms dense"))
    table.add(trained("hippocampus 1 min", 0.9))
    rows = json.loads((tmp_path / "t.json").read_text())["rows"]
    assert {name: row["mean"] for name, row in rows.items()} == {"hippocampus 1 min": 0.9, "phantoms dense": 0.9}
