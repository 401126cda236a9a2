import json
import sys
from pathlib import Path

import pytest

sys.path.append(str(Path(__file__).parents[1] / "network"))
from biomedisa_files import random_weights, write_model
from known_networks import threshold_model

from ACSegLib.commands.main import main
from ACSegLib.network.model.model_file import load_model, save_model
from ACSegLib.network.model.pretrained import pretrained_model


def test_import_then_info(tmp_path, capsys):
    write_model(tmp_path / "b.h5", random_weights((2, 3), 3), keras=3)
    arguments = ["model", "import", str(tmp_path / "b.h5"), "-o", str(tmp_path / "m.acseg")]
    assert main([*arguments, "--names", "cytoplasm", "bead", "--licence", "CC-BY-4.0"]) == 0
    model = load_model(tmp_path / "m.acseg")
    assert [(s.name, s.value) for s in model.segments] == [("cytoplasm", 1), ("bead", 5)]
    assert len(model.card["imported_from_sha256"]) == 64
    capsys.readouterr()
    assert main(["model", "info", str(tmp_path / "m.acseg")]) == 0
    printed = capsys.readouterr().out
    for words in ("biomedisa-unet", "2-3", "cytoplasm = 1, bead = 5", "scaled to 20 x 24 x 16", "CC-BY-4.0"):
        assert words in printed


def test_info_reads_biomedisas_file_itself(tmp_path, capsys):
    write_model(tmp_path / "b.h5", random_weights((2, 3), 3))
    assert main(["model", "info", str(tmp_path / "b.h5"), "--json"]) == 0
    report = json.loads(capsys.readouterr().out)["results"]
    assert report["network"]["filters"] == [2, 3]
    assert report["preprocessing"]["labels"] == [0, 1, 5]


def test_card_is_told(tmp_path, capsys):
    model = threshold_model(spacing=(30.0, 30.0, 40.0))
    model.card = {"title": "T", "fails_on": "flat samples", "validation": {"dice": {"cell": 0.9123}}}
    model.card |= {"training": [{"name": "a"}, {"name": "b"}, "odd"], "steps": 902, "seconds": 300, "device": "cpu"}
    model.card["plan"] = {"patch_size": [48, 64, 80], "reasons": {"patch_size": "budget", "output": "no overlap"}}
    model.card["warnings"] = ["few volumes"]
    model.card["calibration"] = {"cell": {"offset": -1.2, "dice_gain": 0.008}, "odd": {"offset": "high"}, "none": None}
    save_model(model, tmp_path / "m.acseg")
    assert main(["model", "info", str(tmp_path / "m.acseg")]) == 0
    printed = capsys.readouterr().out
    for words in (
        "cell = 1, bead = 7",
        "30 x 30 x 40 nm",
        "cell 0.912",
        "Fails on: flat samples",
        "cell -1.2 (Dice +0.008)",
        "Trained on: a, b",
        "902 steps in 5.0 min on cpu",
        "patch size 80 x 64 x 48: budget",
        "output: no overlap",
        "few volumes",
    ):
        assert words in printed


def test_refusals(tmp_path, capsys):
    (tmp_path / "x.h5").write_bytes(b"\x89HDF\r\n\x1a\n" + b"\0" * 100)
    write_model(tmp_path / "b.h5", random_weights((2, 3), 3))
    for arguments, words in (
        (["model", "info", str(tmp_path / "none.acseg")], "does not exist"),
        (["model", "info", str(tmp_path / "x.h5")], "damaged"),
        (["model", "import", str(tmp_path / "x.h5"), "-o", str(tmp_path / "o.acseg")], "x.h5"),
        (["model", "import", str(tmp_path / "b.h5"), "-o", str(tmp_path / "o.acseg"), "--names", "a"], "2 segments"),
        (["model", "import", str(tmp_path / "b.h5"), "-o", str(tmp_path / "no" / "o.acseg")], "does not exist"),
    ):
        assert main(arguments) == 2
        assert words in capsys.readouterr().err
    assert not (tmp_path / "o.acseg").exists()
    (tmp_path / "models").mkdir()
    assert main(["model", "import", str(tmp_path / "b.h5"), "-o", str(tmp_path / "models")]) == 2
    assert "is a folder; name a file in it" in capsys.readouterr().err
    assert (tmp_path / "models").is_dir()


def test_shipped_model_is_small_and_says_what_it_is():
    path = pretrained_model()
    assert path.stat().st_size <= 15 << 20
    model = load_model(path)
    assert [(s.name, s.value) for s in model.segments] == [("cytoplasm", 1), ("bead", 2)]
    for key in ("trained_on", "fails_on", "licence", "command"):
        assert model.card[key]
    assert path == Path(path)
    model.network()


def test_info_of_the_shipped_model_tells_of_its_refinement_network_in_the_words_of_the_glossary(capsys):
    assert main(["model", "info"]) == 0
    printed = capsys.readouterr().out
    assert "Refinement network: filters 16-32-64, on a grid of up to 2 times the voxels a side of the main" in printed
    assert "Refinement network trained on: 110 simulated tomograms" in printed
    assert main(["model", "info", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["results"]["card"]["surface"]["grid"].endswith("of the main network")


@pytest.mark.parametrize("place", ["beside", "installed", "of the user", "missing"])
def test_shipped_model_is_found_in_every_kind_of_installation(place, tmp_path, monkeypatch):
    import sysconfig

    from ACSegLib.errors import FileError
    from ACSegLib.network.model import pretrained

    source = tmp_path / "lib" / "ACSegLib" / "network" / "model" / "pretrained.py"
    monkeypatch.setattr(pretrained, "__file__", str(source))
    monkeypatch.setattr(sysconfig, "get_path", lambda name, scheme="python": str(tmp_path / scheme))
    monkeypatch.setattr(sysconfig, "get_preferred_scheme", lambda key: key)
    folder = {"beside": tmp_path / "lib" / "Resources" / "Models", "installed": tmp_path / "python/share/acseg/models"}
    folder["of the user"] = tmp_path / "user/share/acseg/models"
    if place == "missing":
        with pytest.raises(FileError, match="install ACSeg again"):
            pretrained.pretrained_model()
        return
    folder[place].mkdir(parents=True)
    (folder[place] / pretrained.NAME).write_bytes(b"")
    assert pretrained.pretrained_model() == (folder[place] / pretrained.NAME).resolve()
