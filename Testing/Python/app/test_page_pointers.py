"""The slice by touch and by pen, as Chromium makes their events."""

import numpy as np
import pytest
from browsercases import Desk, browser, needs_browser, serving, trace

from ACSegLib.files import save_volume
from ACSegLib.volume import Geometry, Volume

pytestmark = [needs_browser, pytest.mark.timeout(900)]
SHAPE = (8, 60, 60)


@pytest.fixture(scope="module")
def desk(tmp_path_factory):
    """A page on a touch screen; it ends without an error of its own."""
    root = tmp_path_factory.mktemp("pointers")
    noise = np.random.default_rng(0).normal(size=SHAPE).astype(np.float32)
    save_volume(Volume(noise, Geometry((50.0, 50.0, 50.0), unit="nm"), "noise"), root / "noise.nrrd")
    with serving(root / "noise.nrrd", "--root", root) as server, browser() as chrome:
        context = chrome.new_context(viewport={"width": 1280, "height": 800}, has_touch=True)
        desk = Desk(context.new_page(), server)
        desk.input = context.new_cdp_session(desk.page)
        yield desk
        context.close()
        assert desk.errors == []


@pytest.fixture
def brush(desk):
    """The brush, on a slice that was not drawn on yet."""
    free = next(k for k in range(SHAPE[0]) if k not in desk.state()["labels"]["labelled"]["z"])
    desk.page.keyboard.press("f")  # the whole slice fits
    desk.go_to(free)
    desk.page.keyboard.press("b")
    return free


def touch(desk, kind, *places):
    """Put fingers down, move or lift them; places are pixels."""
    points = [{"x": x, "y": y, "id": n} for n, (x, y) in enumerate(places)]
    desk.input.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": points})


def pen(desk, kind, place):
    """Put a pen down, move or lift it; the place is a pixel."""
    pressed = kind != "mouseReleased"
    desk.input.send(
        "Input.dispatchMouseEvent",
        {
            **{"type": kind, "x": place[0], "y": place[1], "pointerType": "pen", "clickCount": 1},
            **{"button": "left", "buttons": int(pressed), "force": 0.5 * pressed},
        },
    )


def eraser(desk, kind, place):
    """The upper end of a pen, which the protocol of the browser's tests does not know: button 5 (32 of the buttons)."""
    script = """([canvas, kind, x, y]) => canvas.dispatchEvent(new PointerEvent(kind, {
        pointerId: 1, pointerType: 'pen', clientX: x, clientY: y, bubbles: true,
        button: kind === 'pointermove' ? -1 : 5, buttons: kind === 'pointerup' ? 0 : 32
    }))"""
    canvas = desk.page.locator("canvas.slice").element_handle()
    desk.page.evaluate(script, [canvas, kind, *place])


def shown_width(desk):
    """How wide the slice is drawn: pixels that are not black in the middle row of the canvas."""
    script = """() => {
        const canvas = document.querySelector('canvas.slice')
        const row = canvas.getContext('2d').getImageData(0, canvas.height >> 1, canvas.width, 1).data
        let count = 0
        for (let k = 0; k < row.length; k += 4) if (row[k] + row[k + 1] + row[k + 2] > 0) count++
        return count
    }"""
    desk.page.wait_for_timeout(100)  # two frames
    return desk.page.evaluate(script)


def test_one_finger_draws_exactly_its_voxels(desk, brush):
    points = [(15.5, 20.5), (40.5, 25.5), (30.5, 45.5)]
    pixels = desk.pixels(points)
    touch(desk, "touchStart", pixels[0])
    for pixel in pixels[1:]:
        touch(desk, "touchMove", pixel)
    touch(desk, "touchEnd")
    desk.settle()
    assert np.array_equal(desk.labels("z", brush) == 1, trace(SHAPE[1:], points, across=9))


def test_a_second_finger_takes_the_stroke_back_and_both_enlarge_the_slice(desk, brush):
    before = shown_width(desk)
    first, second = desk.pixel(25.5, 30.5), desk.pixel(35.5, 30.5)
    touch(desk, "touchStart", first)
    touch(desk, "touchStart", first, second)
    for step in (20, 40, 60):
        touch(desk, "touchMove", (first[0] - step, first[1]), (second[0] + step, second[1]))
    touch(desk, "touchEnd")
    desk.settle()
    assert not desk.labels("z", brush).any()
    assert brush not in desk.state()["labels"]["labelled"]["z"]
    assert shown_width(desk) > 1.2 * before


def test_a_finger_that_stays_after_two_draws_nothing(desk, brush):
    first, second = desk.pixel(20.5, 20.5), desk.pixel(40.5, 40.5)
    touch(desk, "touchStart", first)
    touch(desk, "touchStart", first, second)
    touch(desk, "touchEnd", first)
    touch(desk, "touchMove", desk.pixel(30.5, 45.5))
    touch(desk, "touchEnd")
    desk.settle()
    assert not desk.labels("z", brush).any()


def test_a_pen_draws_and_its_upper_end_erases(desk, brush):
    line, across = [(15.5, 30.5), (45.5, 30.5)], [(30.5, 20.5), (30.5, 40.5)]
    start, end = (desk.pixel(*point) for point in line)
    pen(desk, "mousePressed", start)
    pen(desk, "mouseMoved", end)
    pen(desk, "mouseReleased", end)
    desk.settle()
    drawn = trace(SHAPE[1:], line, 9)
    assert np.array_equal(desk.labels("z", brush) == 1, drawn)
    start, end = (desk.pixel(*point) for point in across)
    eraser(desk, "pointerdown", start)
    eraser(desk, "pointermove", end)
    eraser(desk, "pointerup", end)
    desk.settle()
    assert np.array_equal(desk.labels("z", brush) == 1, drawn & ~trace(SHAPE[1:], across, 9))
    assert desk.page.locator(".toolbar [aria-pressed=true]").first.get_attribute("title").startswith("Brush")


def test_a_touch_that_the_system_takes_away_leaves_no_stroke(desk, brush):
    touch(desk, "touchStart", desk.pixel(20.5, 20.5))
    touch(desk, "touchMove", desk.pixel(40.5, 20.5))
    touch(desk, "touchCancel")
    desk.settle()
    assert not desk.labels("z", brush).any()
    assert desk.place().endswith("not labelled")
