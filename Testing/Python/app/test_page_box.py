"""A box by mouse and by keyboard, and a closed line by mouse, in a real Chromium."""

import numpy as np
import pytest
from appcases import cell_case, dice
from browsercases import Desk, browser, needs_browser, serving, wait_for

from ACSegLib.files import save_volume

pytestmark = [needs_browser, pytest.mark.timeout(900)]

#: Around the ball of `cell_case`, x0 x1 y0 y1 z0 z1.
BOX = [4, 32, 6, 34, 1, 23]
LINE = (79, 209, 255)


@pytest.fixture(scope="module")
def chrome():
    with browser() as running:
        yield running


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    root = tmp_path_factory.mktemp("box")
    save_volume(cell_case()[0], root / "cell.nrrd")
    with serving(root / "cell.nrrd", "--root", root) as running:
        yield running


@pytest.fixture
def desk(server, chrome):
    """The page of a ball without labels and without a box, and a thin brush."""
    context = chrome.new_context(viewport={"width": 1280, "height": 800})
    context.request.get(server.address)  # gives the cookie
    origin, body = f"http://127.0.0.1:{server.port}", {"path": "cell.nrrd", "fresh": True}
    answer = context.request.post(f"{origin}/api/open", data=body, headers={"Origin": origin})
    assert answer.ok, answer.text()
    desk = Desk(context.new_page(), server)
    desk.go_to(12)
    yield desk
    assert desk.errors == []
    context.close()


def boxed(desk, box):
    wait_for(desk.page, lambda: desk.state()["box"] == box, f"the box {box}")
    desk.settle()


def away_from_line(desk, x, y, axis):
    """How far the canvas is from the colour of the box near a place of the slice, in voxels."""
    left, top = desk.pixel(x, y, axis)
    frame = desk.page.locator("canvas.slice").bounding_box()
    at = [round(left - frame["x"]), round(top - frame["y"])]
    script = """(canvas, [x, y]) => {
        const ratio = window.devicePixelRatio
        return [...canvas.getContext('2d').getImageData(x * ratio - 4, y * ratio - 4, 9, 9).data]
    }"""
    pixels = np.array(desk.page.locator("canvas.slice").evaluate(script, at)).reshape(-1, 4)[:, :3]
    return np.abs(pixels - LINE).sum(1).min()


def line_is_drawn(desk, x, y, axis, wanted=True):
    """Wait for the frame in which the line of the box is drawn near a place, or is not."""
    what = f"the line of the box {'at' if wanted else 'gone from'} {x}, {y} along {axis}"
    wait_for(desk.page, lambda: (away_from_line(desk, x, y, axis) < 150) == wanted, what)


def draw_box(desk):
    """By a drag on a slice along z, and one on a slice along x."""
    desk.page.keyboard.press("g")
    desk.settle()
    desk.stroke([(4.5, 6.5), (20, 20), (31.5, 33.5)])
    boxed(desk, [4, 32, 6, 34, 0, 24])
    desk.go_to(18, "x")
    desk.stroke([(33.2, 22.4), (20, 10), (6.3, 1.6)], axis="x")
    boxed(desk, BOX)


def filled(desk):
    labels = np.stack([desk.labels("z", k) for k in range(24)])
    return dice(labels == 1, cell_case()[1] == 1)


def test_a_dab_in_a_box_that_is_drawn_on_two_planes_fills_the_ball(desk):
    draw_box(desk)
    for axis, index, left, middle in (("z", 12, 4, 20), ("y", 20, 4, 12), ("x", 18, 6, 12)):
        desk.go_to(index, axis)
        line_is_drawn(desk, left, middle, axis)
        assert away_from_line(desk, left + 3, middle, axis) > 150, axis
    desk.go_to(12)
    desk.page.keyboard.press("b")
    desk.stroke([(16.5, 20.5), (20.5, 20.5)])
    desk.open_step("fill")
    panel = desk.page.locator("#panel-fill")
    sentence = "x 4 to 31, y 6 to 33, z 1 to 22. Outside it is background."
    wait_for(desk.page, lambda: sentence in panel.text_content(), "what the box is")
    panel.get_by_role("button", name="Fill", exact=True).click()
    desk.job_done("fill")
    assert filled(desk) > 0.95
    desk.page.reload()
    desk.wait_until_drawn()
    clear = desk.page.get_by_role("button", name="Clear the box")
    clear.click()
    boxed(desk, [])
    clear.wait_for(state="hidden")
    line_is_drawn(desk, 4, 20, "z", wanted=False)


def test_a_box_is_drawn_by_keyboard_and_escape_takes_the_first_corner_back(desk):
    desk.page.mouse.move(*desk.pixel(4.5, 6.5))
    desk.page.keyboard.press("g")
    desk.settle()
    for key in ("Alt+Enter", "Escape"):
        desk.page.keyboard.press(key)
    for key in ("Alt+ArrowRight", "Alt+Enter", "Control+Alt+ArrowRight", "Control+Alt+ArrowDown", "Alt+Enter"):
        desk.page.keyboard.press(key)
    boxed(desk, [5, 16, 6, 17, 0, 24])


def test_a_closed_line_by_brush_is_filled_and_the_page_tells_what_it_was_taken_for(desk):
    desk.page.keyboard.press("b")
    for _ in range(3):
        desk.page.keyboard.press("[")
    angles = np.linspace(0, 2 * np.pi, 40)
    desk.stroke([(18.5 + 11 * np.cos(a), 20.5 + 11 * np.sin(a)) for a in angles])
    assert desk.labels("z", 12)[20, 18] == 0
    desk.start_job("fill", "Fill")
    desk.job_done("fill")
    assert desk.labels("z", 12)[20, 18] == 1
    assert filled(desk) > 0.9
    assert "Closed lines were taken for outlines" in desk.page.locator(".job").text_content()
