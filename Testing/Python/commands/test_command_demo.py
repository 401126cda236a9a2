"""acseg demo: its steps on small volumes, and the page it writes."""

from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest

from ACSegLib.commands import load
from ACSegLib.commands.demo import page
from ACSegLib.commands.demo_steps import DemoCase, DemoStep, fill_case, nuclei, score
from ACSegLib.errors import InputError
from ACSegLib.files import open_segmentation, open_volume
from ACSegLib.jobs import Progress
from ACSegLib.phantom import label_slices, simulate
from ACSegLib.volume import Segmentation


def test_scores_count_only_slices_that_were_not_drawn():
    truth = Segmentation.from_labels(np.zeros((6, 10, 10), np.uint8), names={1: "cell", 2: "bead"})
    truth.labels[:, 2:8, 2:8] = 1
    truth.labels[:, 8:, 8:] = 2
    result = truth.with_labels(truth.labels.copy())
    result.labels[2] = 0  # wrong, but drawn
    assert score(result, truth, [2]) == {"cell": 1.0, "bead": 1.0, "all together": 1.0}
    result.labels[3] = 0  # wrong, and not drawn: a fifth of the voxels is missed
    scores = score(result, truth, [2])
    assert scores["cell"] == pytest.approx(2 * 4 / 9)
    assert scores["all together"] == pytest.approx(2 * 4 / 9)


def test_the_real_volume_is_found_without_importing_its_package():
    try:
        case = nuclei()
    except InputError as error:
        pytest.skip(str(error))
    assert case.volume.shape == case.truth.shape == (60, 256, 256)
    assert len(case.truth.segments) == 20


def test_without_the_real_volume_the_demo_says_what_to_install(monkeypatch):
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(InputError, match="pip install"):
        nuclei()


def test_a_case_is_filled_scored_and_written(tmp_path):
    phantom = simulate(40, 2, photons=20000, beads=1)
    case = DemoCase("A small cell", phantom.volume, phantom.truth, 13)
    step = fill_case(case, tmp_path / "case", "cpu", Progress())
    drawn, slices = label_slices(phantom.truth, 13)
    assert step.labelled_slices == slices
    assert step.scores["cytoplasm"] > 0.85
    assert step.figures["labelled voxels changed"] == 0
    assert len(step.suggested_slices) >= 1
    assert not set(step.suggested_slices) & set(slices)
    files = {name: Path(path) for name, path in step.files.items()}
    assert all(path.is_file() for path in files.values())
    assert sorted(p.name for p in (tmp_path / "case").iterdir()) == sorted(p.name for p in files.values())
    filled = open_segmentation(files["filled"])
    np.testing.assert_array_equal(filled.labels[slices], drawn.labels[slices])
    assert [s.name for s in filled.segments] == ["cytoplasm", "bead"]
    assert filled.geometry.matches(phantom.volume.geometry)
    assert open_volume(files["uncertainty"]).array.dtype == np.uint8
    for name in ("contact sheet", "3D picture"):
        assert files[name].read_bytes().startswith(b"\x89PNG")


class _Links(HTMLParser):
    def __init__(self):
        super().__init__()
        self.links, self.text = [], []

    def handle_starttag(self, tag, attributes):
        self.links += [value for name, value in attributes if name in ("src", "href")]

    def handle_data(self, data):
        self.text.append(data)


def test_the_page_links_its_files_and_escapes_text(tmp_path):
    picture = tmp_path / "nuclei" / "sheet.png"
    picture.parent.mkdir()
    picture.write_bytes(b"x")
    step = DemoStep("Cells <30 nm & more", {"Dice": "0.99", "<b>": 1}, {"sheet": str(picture)}, [str(picture)], {})
    links = _Links()
    links.feed(page([step]))
    assert all((tmp_path / link).is_file() for link in links.links)
    assert len(links.links) == 2
    assert "Cells <30 nm & more" in links.text
    assert "<b>" in links.text


def test_the_description_names_every_figure_and_file():
    demo = load("demo")
    steps = [DemoStep("A", {"Dice of cell": "0.99"}, {"filled": "x/filled.seg.nrrd"}, [], {})]
    text = demo.describe(demo.Results(steps, {}, outputs={"page": "x/report.html"}))
    for words in ("Dice of cell: 0.99", "x/filled.seg.nrrd", "open x/report.html"):
        assert words in text
