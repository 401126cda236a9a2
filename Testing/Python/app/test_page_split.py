"""Touching cells split by mouse, and put together again."""

import numpy as np
import pytest
from appcases import touching_cells
from browsercases import Desk, browser, needs_browser, serving, wait_for

pytestmark = [needs_browser, pytest.mark.timeout(900)]


def test_a_click_on_split_cells_gives_each_its_segment_and_undo_takes_it_back(tmp_path):
    balls, merged = touching_cells(tmp_path)
    image, labels = tmp_path / "cells.nrrd", tmp_path / "merged.seg.nrrd"
    with serving(image, "--labels", labels, "--root", tmp_path) as server, browser() as chrome:
        desk = Desk(chrome.new_page(viewport={"width": 1280, "height": 800}), server)
        desk.open_step("correct")
        panel = desk.page.locator("#panel-correct")
        panel.get_by_text("Split touching cells").click()
        panel.get_by_label("Segment").last.select_option("yeast")
        panel.get_by_label("Number of cells").fill("2")
        panel.get_by_role("button", name="Split cells").click()
        assert desk.job_done("split")["message"] == "Split yeast: 2 cells."
        names = [segment["name"] for segment in desk.state()["labels"]["segments"]]
        assert names == ["yeast 1", "yeast 2", "gold bead"]
        listed = desk.page.locator(".segments li .text")
        wait_for(desk.page, lambda: listed.all_text_contents() == names, "the names of the cells")
        shown = desk.labels("z", 10)
        for ball in (1, 2):
            values, counts = np.unique(shown[balls[10] == ball], return_counts=True)
            assert counts.max() / counts.sum() > 0.95, values
        panel.get_by_role("button", name="Undo split").click()
        wait_for(desk.page, lambda: listed.all_text_contents() == ["yeast", "gold bead"], "the names before")
        desk.settle()
        assert np.array_equal(desk.labels("z", 10), merged[10])
        assert desk.errors == []
