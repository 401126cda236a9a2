"""The whole work by mouse in a real Chromium: label slices, fill, correct, predict, measure, save."""

from pathlib import Path

import numpy as np
import pytest
from browsercases import Desk, browser, needs_browser, serving, wait_for
from skimage.measure import find_contours

from ACSegLib.files import open_segmentation, save_segmentation, save_volume
from ACSegLib.phantom import simulate

pytestmark = [needs_browser, pytest.mark.timeout(900)]
SIZE = 48


@pytest.fixture(scope="module")
def phantom():
    """A simulated cell with its ground truth."""
    return simulate(SIZE, seed=5)


@pytest.fixture(scope="module")
def desk(tmp_path_factory, phantom):
    """A page on the simulated cell; every request to another address is blocked."""
    root = tmp_path_factory.mktemp("loop")
    save_volume(phantom.volume, root / "cell.nrrd")
    save_segmentation(phantom.truth, root / "truth.seg.nrrd")
    with serving(root / "cell.nrrd", "--root", root) as server, browser() as chrome:
        context = chrome.new_context(viewport={"width": 1280, "height": 800}, accept_downloads=True)
        desk = Desk(context.new_page(), server)
        desk.root = root
        yield desk
        assert desk.errors == []


def dice(a, b):
    """Overlap of two masks, 0 to 1."""
    return 2 * np.count_nonzero(a & b) / (np.count_nonzero(a) + np.count_nonzero(b))


def cytoplasm(phantom):
    """Where the cell is, as a mask (z, y, x)."""
    value = next(segment.value for segment in phantom.truth.segments if segment.name == "cytoplasm")
    return phantom.truth.labels == value


def label_by_mouse(desk, mask, index):
    """Draw around every component of a mask on a slice."""
    desk.go_to(index)
    desk.page.keyboard.press("d")
    for line in find_contours(np.pad(mask[index].astype(float), 1), 0.5):
        if len(line) > 8:
            # centres of voxels are at half numbers; the padding moved them by one
            desk.stroke([(column - 0.5, row - 0.5) for row, column in line[::2]])


def volume_of(desk):
    """All labels of the server, (z, y, x)."""
    return np.stack([desk.labels("z", index) for index in range(SIZE)])


def test_1_slices_labelled_by_mouse_are_filled(desk, phantom):
    mask = cytoplasm(phantom)
    occupied = np.flatnonzero(mask.sum((1, 2)) > 60)
    slices = np.unique(np.linspace(occupied[0], occupied[-1], 6).round().astype(int))
    for index in slices:
        label_by_mouse(desk, mask, int(index))
    assert desk.state()["labels"]["labelled"]["z"] == slices.tolist()
    drawn = {int(index): desk.labels("z", int(index)) for index in slices}
    for index, labels in drawn.items():
        assert dice(labels == 1, mask[index]) > 0.95
    desk.start_job("fill", "Fill")
    desk.job_done("fill")
    assert dice(volume_of(desk) == 1, mask) > 0.9
    for index, labels in drawn.items():
        assert np.array_equal(desk.labels("z", index), labels)


def test_2_a_suggestion_leads_to_its_slice_and_undo_takes_the_fill_back(desk):
    fill = desk.state()["fill"]
    desk.open_step("correct")
    chips = desk.page.locator("#panel-correct .chip")
    wait_for(desk.page, lambda: chips.count() == len(fill["suggestions"]), "the suggestions")
    chips.first.click()
    first = fill["suggestions"][0]
    wait_for(desk.page, lambda: desk.place().startswith(f"{fill['axis']} = {first} "), "the suggested slice")
    filled = volume_of(desk)
    desk.page.locator("#panel-correct").get_by_role("button", name="Undo fill").click()
    wait_for(desk.page, lambda: desk.state()["redo"] == "fill", "the undone fill")
    labelled = desk.state()["labels"]["labelled"]["z"]
    assert [k for k in range(SIZE) if desk.labels("z", k).any()] == labelled
    desk.start_job("fill", "Fill")
    desk.job_done("fill")
    assert np.array_equal(volume_of(desk), filled)


def test_3_an_edit_is_filled_again_by_itself_where_that_is_wanted(desk, phantom):
    desk.open_step("correct")
    desk.page.locator("#panel-correct").get_by_text("Refill after each edit").click()
    before = desk.state()["job"]["id"]
    labelled = desk.state()["labels"]["labelled"]["z"]
    index = (labelled[0] + labelled[1]) // 2
    desk.go_to(index)
    desk.page.keyboard.press("b")
    desk.stroke([(3.5, 3.5), (9.5, 3.5)])
    drawn = desk.labels("z", index)
    wait_for(desk.page, lambda: desk.state()["job"]["id"] > before, "the refill")
    desk.job_done("fill")
    assert np.array_equal(desk.labels("z", index), drawn)
    assert index in desk.state()["labels"]["labelled"]["z"]
    desk.open_step("fill")
    desk.page.locator("#panel-fill").get_by_text("Refill after each edit").click()


def test_4_a_click_on_a_row_of_the_table_shows_the_cell(desk):
    desk.start_job("measure", "Measure")
    desk.job_done("measure")
    table = desk.get("table").json()
    rows = desk.page.locator(".drawer tbody tr")
    wait_for(desk.page, lambda: rows.count() == len(table["rows"]), "the table")
    place = next(k for k, centre in enumerate(table["centres"]) if centre)
    desk.page.keyboard.press("z")
    rows.nth(place).click()
    z = table["centres"][place][0]
    wait_for(desk.page, lambda: desk.place().startswith(f"z = {z} "), "the slice of the cell")
    with desk.page.expect_download() as download:
        desk.page.locator("#panel-measure").get_by_role("link", name="CSV").click()
    text = Path(download.value.path()).read_text(encoding="utf-8")
    assert len(text.strip().splitlines()) == len(table["rows"]) + 1


def test_5_labels_are_saved_with_names_colours_and_geometry(desk, phantom):
    shown = volume_of(desk)
    desk.open_step("save")
    panel = desk.page.locator("#panel-save")
    panel.locator("select").first.select_option(".nrrd")
    assert panel.locator("input").first.input_value() == "cell-labels.nrrd"  # cell.nrrd is the image
    panel.locator("select").first.select_option(".seg.nrrd")
    panel.get_by_role("button", name="Save to the folder").click()
    path = desk.root / "cell.seg.nrrd"
    wait_for(desk.page, path.exists, "the saved file")
    wait_for(desk.page, lambda: "Saved cell.seg.nrrd" in desk.page.locator(".toasts").text_content(), "the sentence")
    saved = open_segmentation(path)
    assert np.array_equal(saved.labels, shown)
    assert saved.geometry.spacing == pytest.approx(phantom.volume.geometry.spacing, rel=1e-6)
    names = [s["name"] for s in desk.state()["labels"]["segments"]]
    assert [segment.name for segment in saved.segments] == names
    with desk.page.expect_download() as download:
        panel.get_by_role("link", name="Meshes (.obj)").click()
    assert download.value.suggested_filename == "cell.obj"
    groups = Path(download.value.path()).read_text(encoding="utf-8").splitlines()
    assert {line[2:] for line in groups if line.startswith(("o ", "g "))} <= set(names)
    assert sum(line.startswith("f ") for line in groups) > 100


def test_6_a_reference_is_shown_as_a_dashed_outline(desk):
    desk.open_step("view")
    choice = desk.page.locator("#panel-view").get_by_label("Reference").last
    wait_for(desk.page, lambda: choice.locator("option", has_text="truth.seg.nrrd").count() == 1, "the file")
    choice.select_option("truth.seg.nrrd")
    wait_for(desk.page, lambda: desk.state()["overlays"]["reference"] > 0, "the reference")
    desk.settle()
    shown = white_pixels(desk)
    desk.page.locator("canvas.slice").focus()
    desk.page.keyboard.press("r")
    desk.settle()
    assert shown > white_pixels(desk) + 100


def white_pixels(desk):
    """Pure white pixels within the capillary's inner half, where the image has none."""
    script = """() => {
        const canvas = document.querySelector('canvas.slice')
        const {width, height} = canvas
        const data = canvas.getContext('2d').getImageData(width * 0.35, height * 0.2, width * 0.3, height * 0.6).data
        let count = 0
        for (let k = 0; k < data.length; k += 4) if (data[k] + data[k + 1] + data[k + 2] === 765) count++
        return count
    }"""
    desk.page.wait_for_timeout(100)  # two frames
    return desk.page.evaluate(script)


def test_7_a_prediction_is_cancelled_and_changes_nothing(desk):
    before = volume_of(desk)
    desk.start_job("predict", "Predict")
    desk.page.locator(".job").get_by_role("button", name="Cancel").click()

    def ended():
        job = desk.state()["job"]
        return job["kind"] == "predict" and job["state"]

    state = wait_for(desk.page, lambda: (s := ended()) != "running" and s, "the end of the prediction")
    if state == "done":  # it was quicker than the mouse
        pytest.skip("the prediction had ended before it was cancelled")
    assert state == "cancelled"
    assert np.array_equal(volume_of(desk), before)
