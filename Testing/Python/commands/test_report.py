"""acseg report: one page without outside references, with the statistics that scipy gives and pictures where asked."""

from __future__ import annotations

import base64
import re
import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest
from scipy import stats

from ACSegLib.commands import compare, measure
from ACSegLib.commands import report as command
from ACSegLib.commands.main import execute, main
from ACSegLib.errors import FileError, InputError
from ACSegLib.files import save_segmentation, save_volume
from ACSegLib.files.tables import read_table, write_table
from ACSegLib.jobs import Progress
from ACSegLib.study import pictures
from ACSegLib.study.page import Figure
from ACSegLib.study.reading import read_study
from ACSegLib.study.report import build_report
from ACSegLib.volume import Geometry, Segmentation, Volume

NM = Geometry((100.0, 100.0, 100.0), unit="nm")


@pytest.fixture(scope="module")
def study(tmp_path_factory):
    """Six cells, results that are larger than the truth, and their tables."""
    folder = tmp_path_factory.mktemp("study")
    for name in ("images", "results", "truth"):
        (folder / name).mkdir()
    k, j, i = np.indices((22, 22, 22)) - 10.5
    for n in range(6):
        far = np.sqrt(k * k + j * j + i * i)
        for name, radius in (("truth", 6 + 0.5 * n), ("results", 6.6 + 0.6 * n)):
            labels = Segmentation.from_labels((far <= radius).astype(np.uint8), NM, {1: "cyto<plasm>"})
            save_segmentation(labels, folder / name / f"c{n}.seg.nrrd")
        image = (far <= 6 + 0.5 * n) + np.random.default_rng(n).normal(0, 0.1, far.shape)
        save_volume(Volume(image.astype(np.float32), NM), folder / "images" / f"c{n}.nrrd")
    scores = compare.Options(str(folder / "results"), str(folder / "truth"), str(folder / "scores.csv"), workers=1)
    compare.run(scores, Progress())
    cells = measure.Options([str(folder / "truth")], str(folder / "cells.csv"), thin_parts=False, workers=1)
    measure.run(cells, Progress())
    return folder


def built(options):
    """The report that the command writes, and its tables."""
    tables = read_study(options.scores, options.cells, options.learning_curve, options.segment)
    return build_report(tables, command._settings(options, tables), Progress())


def test_tables_from_workbooks_give_the_same_page_as_from_csv(study, tmp_path):
    pages = []
    for ending in (".csv", ".xlsx"):
        for name in ("scores", "cells"):
            write_table(read_table(study / f"{name}.csv"), tmp_path / f"{name}{ending}")
        page = tmp_path / f"r{ending}.html"
        tables = {"scores": [str(tmp_path / f"scores{ending}")], "cells": [str(tmp_path / f"cells{ending}")]}
        command.run(command.Options(str(page), **tables), Progress())
        pages.append(re.findall(r"<t[dh][^>]*>[^<]*", page.read_text(encoding="utf-8")))
    assert len(pages[0]) > 100
    assert pages[0] == pages[1]


def test_the_page_is_self_contained_and_complete(study, tmp_path):
    curve = [{"labels": "hand", "volumes": n, "dice": 1 - 0.3 * np.exp(-0.05 * n)} for n in (5, 10, 20)]
    write_table(curve, tmp_path / "curve.csv")
    options = command.Options(
        str(tmp_path / "r.html"),
        scores=[f"network={study / 'scores.csv'}"],
        cells=[str(study / "cells.csv")],
        learning_curve=str(tmp_path / "curve.csv"),
        images=str(study / "images"),
        results=str(study / "results"),
        truth=str(study / "truth"),
        tables=str(tmp_path / "r.xlsx"),
    )
    results = command.run(options, Progress())
    page = (tmp_path / "r.html").read_text(encoding="utf-8")
    assert results.sections == [
        "Agreement with the reference",
        "Morphology against the reference",
        "Morphology",
        "Learning curve",
        "Pictures",
        "All scores",
        "Methods",
    ]
    # Nothing is loaded from elsewhere: no script, and every reference is inline data or within the page.
    assert "<script" not in page
    for reference in re.findall(r'(?:src|href)="([^"]+)"', page):
        assert reference.startswith(("#", "data:image/png;base64,")), reference[:60]
    pictures = re.findall(r"data:image/png;base64,([A-Za-z0-9+/=]+)", page)
    assert len(pictures) == 6
    assert all(base64.b64decode(p).startswith(b"\x89PNG") for p in pictures)
    assert "cyto&lt;plasm&gt;" in page
    assert "cyto<plasm>" not in page
    assert "98 % at 55 volumes" in page  # ln(15) / 0.05 = 54.2, and of 54 volumes it would be less
    assert (tmp_path / "r.xlsx").stat().st_size > 3000


def test_statistics_equal_scipy(study, tmp_path):
    options = command.Options(str(tmp_path / "r.html"), scores=[f"network={study / 'scores.csv'}"])
    report, sheets = built(options)
    rows = read_table(study / "scores.csv")
    expected = stats.ttest_rel([r["result_volume"] for r in rows], [r["truth_volume"] for r in rows])
    volume = next(r for r in sheets["morphology tests"] if r["measure"] == "volume")
    assert volume["t_p"] == pytest.approx(expected.pvalue)
    assert volume["difference"] > 0
    dice = np.array([r["dice"] for r in rows])
    assert sheets["agreement"][0]["dice"] == pytest.approx(dice.mean())
    assert report.facts[0][0] == f"{100 * dice.mean():.1f} ± {100 * dice.std(ddof=1):.1f} %"


def test_tables_of_cells_are_compared_as_groups(study, tmp_path):
    options = command.Options(
        str(tmp_path / "r.html"), cells=[f"control={study / 'cells.csv'}", f"drug={study / 'cells.csv'}"]
    )
    _, sheets = built(options)
    assert {r["comparison"] for r in sheets["group tests"]} == {"control - drug"}
    volume = next(r for r in sheets["group tests"] if r["measure"] == "volume")
    assert volume["p"] == pytest.approx(1.0)
    assert volume["unit"] == "µm³"


def test_the_methods_name_only_what_was_done(study, tmp_path):
    def methods(**cells):
        options = command.Options(str(tmp_path / "r.html"), cells=[f"{n}={p}" for n, p in cells.items()])
        report, _ = built(options)
        return " ".join(report.sections[-1].texts)

    plain = methods(control=study / "cells.csv")
    assert not re.search("Thin structures|beads|Groups", plain)
    rows = [{**row, "thin_radius": 0.25, "bead_lac": 0.6, "lac_factor": 2.0} for row in read_table(study / "cells.csv")]
    write_table(rows, tmp_path / "drug.csv")
    full = methods(control=study / "cells.csv", drug=tmp_path / "drug.csv")
    assert "no ball of radius 0.25 µm" in full
    assert "beads' interior is 1.2." in full
    assert "Welch" in full


def test_a_cell_without_an_image_is_listed_with_the_reason(study, tmp_path, capsys):
    images = tmp_path / "images"
    images.mkdir()
    save_volume(Volume(np.zeros((22, 22, 22), np.float32), NM), images / "other.nrrd")
    arguments = ["report", "-o", str(tmp_path / "r.html"), "--scores", str(study / "scores.csv")]
    arguments += ["--images", str(images), "--results", str(study / "results"), "--truth", str(study / "truth")]
    assert main([*arguments, "--quiet"]) == 2
    assert "no image of this name" in capsys.readouterr().out
    assert "no image of this name" in (tmp_path / "r.html").read_text(encoding="utf-8")


def test_pictures_show_the_cell_of_their_caption(study, tmp_path, monkeypatch):
    """Of cells told apart without names, and of one pair; never of another pair than that of the row."""
    folders = {"images": str(study / "images"), "results": str(study / "results"), "truth": str(study / "truth")}
    table = str(tmp_path / "cells.csv")
    options = compare.Options(folders["results"], folders["truth"], table, cells=True, workers=1)
    compare.run(options, Progress())
    write_table(read_table(table)[:1], tmp_path / "first.csv")
    page = str(tmp_path / "r.html")

    def pictured(scores, **changes):
        report_options = command.Options(page, scores=[str(scores)], **{**folders, **changes})
        report, _ = built(report_options)
        section = next(s for s in report.sections if s.title == "Pictures")
        return [figure.caption for figure in section.figures], list(report.failures)

    captions, failures = pictured(tmp_path / "first.csv")
    assert ([c.split(",")[0] for c in captions], failures) == (["Only: c0"] * 2, [])

    def name_files(cell, segment, method, caption, matched):
        return [Figure(f"{caption}: {Path(cell.open.args[0]).name}")]

    monkeypatch.setattr(pictures, "cell_figures", name_files)
    renamed = tmp_path / "renamed.nrrd"
    renamed.touch()
    captions, failures = pictured(tmp_path / "first.csv", images=str(renamed))
    assert ([c.split(": ")[-1] for c in captions], failures) == (["renamed.nrrd"], [])
    captions, failures = pictured(table, images=str(study / "images" / "c3.nrrd"))
    assert all("c3," in c for c in captions)
    assert len(failures) == 3 - len(captions)


def test_a_browser_shows_and_prints_the_page(study, tmp_path):
    browser = next((b for b in ("chromium", "chromium-browser", "google-chrome") if shutil.which(b)), None)
    if browser is None:
        pytest.skip("no Chromium to show the page with")
    options = command.Options(str(tmp_path / "r.html"), scores=[f"network={study / 'scores.csv'}"])
    command.run(options, Progress())
    arguments = [browser, "--headless", "--no-sandbox", "--disable-gpu", "--window-size=1000,1400"]
    arguments += [f"--user-data-dir={tmp_path / 'profile'}", f"--screenshot={tmp_path / 'page.png'}"]
    arguments += [f"--print-to-pdf={tmp_path / 'page.pdf'}", (tmp_path / "r.html").as_uri()]
    for left_out in ("--print-to-pdf", "--screenshot"):  # the browser does one of the two at a time
        chosen = [a for a in arguments if not a.startswith(left_out)]
        subprocess.run(chosen, check=True, capture_output=True, timeout=120)
    from matplotlib.image import imread

    shown = imread(tmp_path / "page.png")
    assert shown.shape[:2] == (1400, 1000)
    # Ink on white, and the dots' blue: the page is neither blank nor an error page without figures.
    assert 0.02 < np.mean(shown[..., :3].min(axis=2) < 0.8) < 0.5
    blue = np.array([0x00, 0x72, 0xB2]) / 255
    assert np.count_nonzero(np.abs(shown[..., :3] - blue).max(axis=2) < 0.15) > 20
    assert (tmp_path / "page.pdf").read_bytes().startswith(b"%PDF")


def test_errors_name_the_table_or_option(study, tmp_path):
    def run(**changes):
        command.run(command.Options(**{"output": str(tmp_path / "r.html"), **changes}), Progress())

    with pytest.raises(InputError, match="nothing to report"):
        run()
    with pytest.raises(InputError, match=r"must end in \.html"):
        execute("report", command.Options(output="r.pdf"), Progress())
    with pytest.raises(InputError, match="no table has a segment 'nucleus'"):
        run(scores=[str(study / "scores.csv")], segment="nucleus")
    with pytest.raises(FileError, match="no column 'dice'"):
        run(scores=[str(study / "cells.csv")])
    with pytest.raises(InputError, match="two tables are named 'a'"):
        run(scores=["a=x.csv", "a=y.csv"])
