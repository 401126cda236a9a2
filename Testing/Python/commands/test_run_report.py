"""The run report."""

import hashlib
import json
import math
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pytest

from ACSegLib.commands.run_report import RunReport, checksum, peak_memory, write_json
from ACSegLib.errors import Cancelled
from ACSegLib.json_values import to_json


@dataclass
class Options:
    """Options that name files."""

    image: str = ""
    more: list[str] = field(default_factory=list)
    output: str = ""
    beta: float = 1.0


def test_checksum_of_a_file_is_sha256(tmp_path):
    path = tmp_path / "a.bin"
    path.write_bytes(bytes(range(256)) * 40000)
    assert checksum(path) == hashlib.sha256(path.read_bytes()).hexdigest()


def test_an_infinite_option_can_be_read_again():
    assert float(RunReport("sample", Options(beta=math.inf)).finished({})["options"]["beta"]) == math.inf


def test_checksum_of_a_folder_knows_names_and_contents(tmp_path):
    for name, files in {"a": {"1": b"x", "2": b"y"}, "b": {"1": b"x", "3": b"y"}, "c": {"2": b"y", "1": b"x"}}.items():
        (tmp_path / name).mkdir()
        for file, content in files.items():
            (tmp_path / name / file).write_bytes(content)
    assert checksum(tmp_path / "a") == checksum(tmp_path / "c")
    assert checksum(tmp_path / "a") != checksum(tmp_path / "b")


def test_a_checksum_can_be_cancelled(tmp_path):
    path = tmp_path / "a.bin"
    path.write_bytes(b"x")

    def stop():
        raise Cancelled

    with pytest.raises(Cancelled):
        checksum(path, stop)


def test_json_values_are_plain():
    value = {
        1: np.float32(0.5),
        "array": np.arange(3, dtype=np.uint8),
        "path": Path("a"),
        "set": {2},
        "nan": math.nan,
        "inf": np.float64("inf"),
        "options": Options("x"),
        "true": np.bool_(True),
    }
    plain = to_json(value)
    assert json.loads(json.dumps(plain, allow_nan=False)) == {
        "1": 0.5,
        "array": [0, 1, 2],
        "path": "a",
        "set": [2],
        "nan": None,
        "inf": None,
        "options": {"image": "x", "more": [], "output": "", "beta": 1.0},
        "true": True,
    }


def test_inputs_are_checksummed_and_outputs_are_not(tmp_path):
    files = {name: tmp_path / name for name in ("image", "one", "two", "out")}
    for name, path in files.items():
        path.write_text(name)
    options = Options(str(files["image"]), [str(files["one"]), str(files["two"]), "absent"], str(files["out"]))
    report = RunReport("sample", options).finished({"outputs": {"segmentation": str(files["out"])}, "dice": 0.9})
    assert set(report["inputs"]) == {str(files[name]) for name in ("image", "one", "two")}
    assert report["inputs"][str(files["one"])] == {"sha256": hashlib.sha256(b"one").hexdigest(), "bytes": 3}
    assert report["options"]["beta"] == 1.0
    assert report["results"]["dice"] == 0.9
    assert report["versions"]["numpy"] == np.__version__
    assert report["seconds"] >= 0
    assert report["cpu_seconds"] >= 0
    json.dumps(report, allow_nan=False)


def test_peak_memory_is_that_of_this_process():
    before = peak_memory()
    if before is None:
        pytest.skip("this system does not tell the peak memory")
    block = np.ones(30_000_000)  # 240 MB
    assert peak_memory() - before > 100e6 or peak_memory() > 240e6
    del block


def test_a_report_is_written_whole(tmp_path):
    write_json({"value": np.int64(3)}, tmp_path / "report.json")
    assert json.loads((tmp_path / "report.json").read_text()) == {"value": 3}
    assert [path.name for path in tmp_path.iterdir()] == ["report.json"]
