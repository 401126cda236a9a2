"""A fill from strokes by mouse."""

import numpy as np
import pytest
from appcases import cell_case, dice
from browsercases import Desk, browser, needs_browser, serving, wait_for

from ACSegLib.files import save_volume

pytestmark = [needs_browser, pytest.mark.timeout(900)]


def test_strokes_of_two_segments_are_filled_and_the_page_remembers_what_they_are(tmp_path):
    volume, truth = cell_case()
    save_volume(volume, tmp_path / "cell.nrrd")
    with serving(tmp_path / "cell.nrrd", "--root", tmp_path) as server, browser() as chrome:
        context = chrome.new_context(viewport={"width": 1280, "height": 800})
        desk = Desk(context.new_page(), server)
        desk.go_to(12)
        desk.page.keyboard.press("b")
        for _ in range(3):
            desk.page.keyboard.press("[")
        desk.stroke([(12.5, 20.5), (25.5, 20.5)])
        desk.page.get_by_role("button", name="Add a segment").click()
        wait_for(desk.page, lambda: len(desk.state()["labels"]["segments"]) == 2, "the second segment")
        name = desk.state()["labels"]["segments"][1]["name"]
        desk.settle()
        desk.page.keyboard.press("2")
        desk.stroke([(3.5, 4.5), (36.5, 4.5)])
        desk.open_step("fill")
        panel = desk.page.locator("#panel-fill")
        panel.get_by_label("Labels are").select_option("slices")
        run = panel.get_by_role("button", name="Fill", exact=True)
        wait_for(desk.page, run.is_disabled, "a button that asks for a second slice")
        panel.get_by_label("Labels are").select_option("scribbles")
        panel.get_by_label("Background").select_option(name)
        run.click()
        desk.job_done("fill")
        labels = np.stack([desk.labels("z", k) for k in range(truth.shape[0])])
        assert dice(labels == 1, truth == 1) > 0.9
        assert not (labels == 2).any()

        again = Desk(context.new_page(), server, writes=False)
        again.open_step("fill")
        panel = again.page.locator("#panel-fill")
        mode = panel.get_by_label("Labels are")
        wait_for(again.page, lambda: mode.input_value() == "scribbles", "the way that the labels were read")
        assert panel.get_by_label("Background").input_value() == name
        assert desk.errors == again.errors == []
