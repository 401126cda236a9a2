"""The page in a real Chromium, by mouse and keyboard, against a server in a process of its own."""

import numpy as np
import pytest
from browsercases import FLAGS, Desk, browser, chromium, needs_browser, serving, trace, wait_for
from webtools import WEB

from ACSegLib.files import save_volume
from ACSegLib.phantom import simulate
from ACSegLib.volume import Geometry, Volume

pytestmark = [needs_browser, pytest.mark.timeout(900)]
SIZE = 64
SCREEN = {"width": 1280, "height": 800}


@pytest.fixture(scope="module")
def phantom():
    """A simulated cell with its ground truth."""
    return simulate(SIZE, seed=3)


@pytest.fixture(scope="module")
def folder(tmp_path_factory, phantom):
    """A folder with the simulated tomogram, and one whose voxels are three times as high as wide."""
    root = tmp_path_factory.mktemp("page")
    save_volume(phantom.volume, root / "cell.nrrd")
    flat = np.random.default_rng(0).normal(size=(12, 40, 48)).astype(np.float32)
    save_volume(Volume(flat, Geometry((20.0, 60.0, 120.0), unit="nm"), "flat"), root / "flat.nrrd")
    return root


@pytest.fixture(scope="module")
def chrome():
    with browser() as running:
        yield running


@pytest.fixture(scope="module")
def server(folder):
    with serving(folder / "cell.nrrd", "--root", folder) as running:
        yield running


@pytest.fixture
def desk(chrome, server):
    """A page on the simulated tomogram; it ends without an error of its own."""
    context = chrome.new_context(viewport=SCREEN)
    desk = Desk(context.new_page(), server)
    yield desk
    context.close()
    assert desk.errors == []


def test_a_brush_stroke_gives_exactly_its_voxels(desk):
    desk.go_to(20)
    desk.page.keyboard.press("b")
    points = [(15.2, 20.7), (40.9, 31.5), (22.1, 50.3)]
    desk.stroke(points)
    assert np.array_equal(desk.labels("z", 20) == 1, trace((SIZE, SIZE), points, across=9))
    assert desk.state()["labels"]["labelled"]["z"].count(20) == 1


def test_the_eraser_takes_away_exactly_its_voxels(desk):
    desk.go_to(22)
    desk.page.keyboard.press("b")
    line, across = [(20.5, 30.5), (44.5, 30.5)], [(32.5, 20.5), (32.5, 40.5)]
    desk.stroke(line)
    desk.page.keyboard.press("e")
    desk.stroke(across)
    expected = trace((SIZE, SIZE), line, 9) & ~trace((SIZE, SIZE), across, 9)
    assert np.array_equal(desk.labels("z", 22) == 1, expected)


def test_an_outline_fills_the_voxels_whose_centres_it_encloses(desk):
    desk.go_to(24)
    desk.page.keyboard.press("d")
    corners = [(10.0, 12.0), (50.0, 12.0), (50.0, 45.0), (10.0, 45.0)]
    desk.stroke(corners)
    expected = np.zeros((SIZE, SIZE), bool)
    expected[12:45, 10:50] = True
    assert np.array_equal(desk.labels("z", 24) == 1, expected)


def test_a_polygon_and_a_closed_hole_are_filled(desk):
    desk.go_to(26)
    desk.page.keyboard.press("p")
    triangle = [(10.0, 10.0), (50.0, 10.0), (10.0, 50.0)]
    for point in triangle:
        desk.page.mouse.click(*desk.pixel(*point))
    desk.page.keyboard.press("Enter")
    desk.settle()
    y, x = np.indices((SIZE, SIZE)) + 0.5
    # centres on the slanted edge are on neither side for a person; leave them out
    edge = np.abs(x + y - 60) < 0.75
    inside = (x > 10) & (y > 10) & (x + y < 60)
    assert np.array_equal((desk.labels("z", 26) == 1)[~edge], inside[~edge])

    desk.go_to(28)
    desk.page.keyboard.press("b")
    ring = [(32 + 15 * np.cos(a), 32 + 15 * np.sin(a)) for a in np.linspace(0, 2 * np.pi, 25)]
    desk.stroke(ring)
    desk.page.keyboard.press("h")
    desk.page.mouse.click(*desk.pixel(32.5, 32.5))
    desk.settle()
    assert (desk.labels("z", 28)[np.hypot(x - 32, y - 32) < 15] == 1).all()


def test_undo_and_redo_go_back_and_forth_and_the_first_undo_makes_the_slice_unlabelled_again(desk):
    desk.go_to(30)
    desk.page.keyboard.press("b")
    states = [desk.labels("z", 30)]
    for row in (20, 30, 40):
        desk.stroke([(15.5, row + 0.5), (45.5, row + 0.5)])
        states.append(desk.labels("z", 30))
    for state in states[2::-1]:
        desk.page.keyboard.press("Control+z")
        desk.settle()
        assert np.array_equal(desk.labels("z", 30), state)
    assert 30 not in desk.state()["labels"]["labelled"]["z"]
    for state in states[1:]:
        desk.page.keyboard.press("Control+y")
        desk.settle()
        assert np.array_equal(desk.labels("z", 30), state)
    assert 30 in desk.state()["labels"]["labelled"]["z"]


def test_labels_of_the_nearest_labelled_slice_are_copied(desk):
    desk.go_to(34)
    desk.page.keyboard.press("b")
    desk.stroke([(20.5, 20.5), (40.5, 40.5)])
    desk.go_to(36)
    desk.page.keyboard.press("c")
    wait_for(desk.page, lambda: 36 in desk.state()["labels"]["labelled"]["z"], "a labelled slice 36")
    assert np.array_equal(desk.labels("z", 36), desk.labels("z", 34))


def test_strokes_in_another_direction_of_view_are_seen_in_all(desk):
    desk.go_to(12, axis="x")
    desk.page.keyboard.press("b")
    points, before = [(20.5, 20.5), (40.5, 50.5)], desk.labels("x", 12) == 1
    desk.stroke(points, axis="x")
    drawn = desk.labels("x", 12) == 1
    assert np.array_equal(drawn, before | trace((SIZE, SIZE), points, 9))
    assert np.array_equal(desk.labels("z", 45)[:, 12] == 1, drawn[45])
    desk.page.keyboard.press("Control+z")
    desk.settle()
    assert np.array_equal(desk.labels("x", 12) == 1, before)


def test_a_segment_is_added_renamed_and_drawn_and_others_are_kept(desk):
    desk.page.get_by_role("button", name="Add a segment").click()
    row = desk.page.locator(".segments li.current")
    wait_for(desk.page, lambda: row.locator(".text").text_content() == "segment 2", "the new segment")
    row.locator(".pick").press("F2")
    desk.page.keyboard.type("bead")
    desk.page.keyboard.press("Enter")
    wait_for(desk.page, lambda: desk.state()["labels"]["segments"][-1]["name"] == "bead", "the new name")
    desk.go_to(40)
    desk.page.keyboard.press("b")
    first, second = [(20.5, 30.5), (44.5, 30.5)], [(32.5, 20.5), (32.5, 44.5)]
    desk.page.keyboard.press("1")
    desk.stroke(first)
    desk.page.keyboard.press("2")
    desk.stroke(second)
    ones, twos = (trace((SIZE, SIZE), points, 9) for points in (first, second))
    assert np.array_equal(desk.labels("z", 40), np.where(ones, 1, np.where(twos, 2, 0)))


def test_everything_that_draws_works_by_keyboard_alone(desk):
    desk.go_to(44)
    keyboard = desk.page.keyboard
    for key in ("b", "Alt+ArrowRight", "Alt+ArrowRight", "Alt+ArrowDown", "Alt+Enter"):
        keyboard.press(key)
    desk.settle()
    middle = (SIZE // 2 + 0.5 + 2, SIZE // 2 + 0.5 + 1)
    assert np.array_equal(desk.labels("z", 44) == 1, trace((SIZE, SIZE), [middle], 9))


def test_the_brush_is_round_in_space_where_voxels_are_not_cubes(chrome, folder):
    with serving(folder / "flat.nrrd", "--root", folder) as server:
        context = chrome.new_context(viewport=SCREEN)
        desk = Desk(context.new_page(), server)
        desk.go_to(5)
        desk.page.keyboard.press("b")
        points = [(12.5, 10.5), (30.5, 30.5)]
        desk.stroke(points)
        assert np.array_equal(desk.labels("z", 5) == 1, trace((40, 48), points, 9, aspect=3.0))
        desk.go_to(20, axis="y")
        desk.stroke([(10.5, 3.5), (20.5, 8.5)], axis="y")
        expected = trace((12, 48), [(10.5, 3.5), (20.5, 8.5)], 9, aspect=6.0)
        on_z5 = trace((40, 48), points, 9, aspect=3.0)[20]
        expected[5] |= on_z5
        assert np.array_equal(desk.labels("y", 20) == 1, expected)
        context.close()


def test_what_is_drawn_while_the_server_is_gone_is_sent_when_it_is_back(chrome, folder):
    server = serving(folder / "flat.nrrd", "--root", folder)
    with server as running:
        context = chrome.new_context(viewport=SCREEN)
        desk = Desk(context.new_page(), running)
        desk.go_to(2)
        desk.page.keyboard.press("b")
        running.kill()
        banner = desk.page.locator(".banner")
        wait_for(desk.page, lambda: "does not answer" in (banner.first.text_content() or ""), "a banner")
        points = [(10.5, 10.5), (30.5, 15.5)]
        pixels = offline_pixels(desk, points, (40, 48), (20.0, 60.0))
        desk.page.mouse.move(*pixels[0])
        desk.page.mouse.down()
        desk.page.mouse.move(*pixels[1])
        desk.page.mouse.up()
        wait_for(desk.page, lambda: "waits to be sent" in (banner.first.text_content() or ""), "a slice that waits")
    # a new server has a new token, so the old page cannot talk to it; the new address gets the slice
    with serving(folder / "flat.nrrd", "--root", folder, port=running.port) as again:
        wait_for(desk.page, lambda: "started anew" in (banner.first.text_content() or ""), "the new server")
        desk = Desk(desk.page, again)
        expected = trace((40, 48), points, 9, aspect=3.0)
        wait_for(desk.page, lambda: np.array_equal(desk.labels("z", 2) == 1, expected), "the slice drawn meanwhile")
        assert 2 in desk.state()["labels"]["labelled"]["z"]
        context.close()


def offline_pixels(desk, points, shape, spacing):
    """What `Desk.pixel` gives, without asking the server."""
    box = desk.page.locator("canvas.slice").bounding_box()
    tall = shape[0] * spacing[1] / spacing[0]
    zoom = min((box["width"] - 32) / shape[1], (box["height"] - 32) / tall, 64)
    left, top = box["x"] + (box["width"] - zoom * shape[1]) / 2, box["y"] + (box["height"] - zoom * tall) / 2
    return [(left + zoom * x, top + zoom * spacing[1] / spacing[0] * y) for x, y in points]


def test_a_second_tab_is_told_and_can_take_over(desk):
    second = Desk(desk.page.context.new_page(), desk.server, writes=False)
    banner = second.page.locator(".banner")
    assert "Another tab" in banner.text_content()
    before = second.labels("z", 50)
    second.go_to(50)
    second.page.keyboard.press("b")
    second.stroke([(20.5, 20.5), (30.5, 30.5)])
    assert np.array_equal(second.labels("z", 50), before)
    banner.get_by_role("button", name="Work here").click()
    wait_for(desk.page, lambda: desk.page.locator(".banner").count() == 1, "the notice in the first tab")
    second.stroke([(20.5, 20.5), (30.5, 30.5)])
    assert np.array_equal(second.labels("z", 50) == 1, trace((SIZE, SIZE), [(20.5, 20.5), (30.5, 30.5)], 9))
    assert second.errors == []


def test_a_link_on_another_site_opens_the_page(chrome, server):
    page = chrome.new_page(viewport=SCREEN)
    link = f'<a href="{server.address}">ACSeg</a>'
    page.route("http://notes.example/", lambda route: route.fulfill(body=link, content_type="text/html"))
    page.goto("http://notes.example/")
    page.get_by_role("link").click()
    wait_for(page, lambda: page.locator(".place").count() == 1, "the page")
    assert page.url == f"http://127.0.0.1:{server.port}/"
    page.close()


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_axe_finds_no_fault_in_any_step(chrome, server, theme):
    source = WEB / "node_modules" / "axe-core" / "axe.min.js"
    if not source.exists():
        pytest.skip("the packages of the page are not installed: npm ci --prefix ACSegLib/app/web")
    context = chrome.new_context(viewport=SCREEN, color_scheme=theme)
    desk = Desk(context.new_page(), server)
    desk.page.evaluate(source.read_text(encoding="utf-8") + "; undefined")
    for step in ("draw", "fill", "correct", "predict", "measure", "view", "save"):
        desk.open_step(step)
        found = desk.page.evaluate("axe.run({resultTypes: ['violations']}).then((result) => result.violations)")
        faults = [f"{v['id']}: {node['html']}" for v in found for node in v["nodes"]]
        assert faults == [], step
    context.close()


def test_no_button_is_too_small_for_its_text(chrome, tmp_path):
    save_volume(Volume(np.random.default_rng(1).random((6, 20, 20)).astype(np.float32)), tmp_path / "plain.mha")
    cut = """[...document.querySelectorAll('.button')]
        .filter((b) => b.checkVisibility() && b.scrollWidth > b.clientWidth).map((b) => b.textContent)"""
    with serving(tmp_path / "plain.mha", "--root", tmp_path) as running:
        context = chrome.new_context(viewport=SCREEN)
        desk = Desk(context.new_page(), running)
        size = desk.page.get_by_role("button", name="Use this voxel size")
        wait_for(desk.page, lambda: size.count() == 1, "the question for the voxel size")
        assert desk.page.evaluate(cut) == []
        assert desk.page.get_by_label("Voxel size along x").input_value() == ""  # no size is proposed
        desk.page.keyboard.press("Escape")
        desk.page.keyboard.press("b")
        desk.stroke([(5.5, 5.5), (9.5, 9.5)])
        for step in ("draw", "fill", "correct", "predict", "measure", "view", "save"):
            desk.open_step(step)
            assert desk.page.evaluate(cut) == [], step
        context.close()


def test_the_tool_bar_is_whole_in_a_small_window_at_200_percent(chrome, server):
    context = chrome.new_context(viewport={"width": 640, "height": 400})
    desk = Desk(context.new_page(), server)
    beyond = """[...document.querySelectorAll('.toolbar button')]
        .filter((b) => b.checkVisibility() && b.getBoundingClientRect().right > innerWidth).map((b) => b.title)"""
    assert desk.page.evaluate(beyond) == []
    context.close()


def test_without_webgl2_the_slices_work_and_the_page_says_so(chrome, server):
    with chrome.browser_type.launch(executable_path=chromium(), args=[*FLAGS, "--disable-3d-apis"]) as plain:
        desk = Desk(plain.new_page(viewport=SCREEN), server)
        desk.page.keyboard.press("t")
        status = desk.page.locator(".volume-pane .status")
        wait_for(desk.page, lambda: "no WebGL2" in (status.text_content() or ""), "the sentence")
        desk.page.keyboard.press("t")
        desk.go_to(52)
        desk.page.keyboard.press("b")
        desk.stroke([(20.5, 20.5), (30.5, 40.5)])
        assert np.array_equal(desk.labels("z", 52) == 1, trace((SIZE, SIZE), [(20.5, 20.5), (30.5, 40.5)], 9))
        assert desk.errors == []


def test_the_page_asks_nobody_but_its_server(chrome, server):
    context = chrome.new_context(viewport=SCREEN)
    outside = []

    def look(route):
        if route.request.url.startswith((f"http://127.0.0.1:{server.port}/", "data:", "blob:")):
            route.continue_()
        else:
            outside.append(route.request.url)
            route.abort()

    context.route("**/*", look)
    desk = Desk(context.new_page(), server)
    desk.page.keyboard.press("t")
    pane = desk.page.locator(".volume-pane")
    wait_for(desk.page, lambda: pane.get_attribute("data-ready") == "true", "3D")
    for step in ("fill", "predict", "measure", "view", "save"):
        desk.open_step(step)
    desk.settle()
    context.close()
    assert outside == []
    assert desk.errors == []
