"""The page behind a reverse proxy with a prefix and a name of its own, as on JupyterHub."""

from urllib.parse import urlsplit

import numpy as np
import pytest
from browsercases import Desk, browser, needs_browser, serving, trace, wait_for
from proxycases import proxied

from ACSegLib.files import save_volume
from ACSegLib.volume import Geometry, Volume

pytestmark = [needs_browser, pytest.mark.timeout(900)]
HUB, PREFIX, SHAPE = "hub.example.org", "/user/ann/proxy/8700/", (8, 60, 60)


class FarDesk(Desk):
    """A page that reaches its server through a proxy; the test asks the server itself, with the page's cookie."""

    def get(self, path):
        """The answer to a request with the page's cookie."""
        (cookie,) = self.page.context.cookies()
        headers = {"Cookie": f"{cookie['name']}={cookie['value']}"}
        answer = self.page.request.get(f"http://127.0.0.1:{self.server.port}/api/{path}", headers=headers)
        assert answer.ok, answer.text()
        return answer


def test_the_page_works_below_the_prefix_of_a_proxy_and_its_cookie_goes_nowhere_else(tmp_path):
    noise = np.random.default_rng(0).normal(size=SHAPE).astype(np.float32)
    save_volume(Volume(noise, Geometry((50.0, 50.0, 50.0), unit="nm"), "noise"), tmp_path / "noise.nrrd")
    start = (tmp_path / "noise.nrrd", "--root", tmp_path, "--allow-host", HUB)
    with (
        serving(*start) as server,
        proxied(server.port, PREFIX) as port,
        browser(f"--host-resolver-rules=MAP {HUB} 127.0.0.1") as chrome,
    ):
        server.address = f"http://{HUB}:{port}{PREFIX}?{urlsplit(server.address).query}"
        page = chrome.new_page(viewport={"width": 1280, "height": 800})
        asked = []
        page.on("request", lambda request: asked.append(request.url))
        desk = FarDesk(page, server)
        (cookie,) = page.context.cookies()
        assert (cookie["path"], cookie["httpOnly"], cookie["sameSite"]) == (PREFIX.rstrip("/"), True, "Strict")
        assert page.url == f"http://{HUB}:{port}{PREFIX}"

        desk.go_to(3)
        page.keyboard.press("b")
        points = [(15.5, 20.5), (40.5, 25.5)]
        desk.stroke(points)
        assert np.array_equal(desk.labels("z", 3) == 1, trace(SHAPE[1:], points, across=9))
        desk.start_job("measure", "Measure")  # its end comes as an event
        rows = page.locator(".drawer tbody tr")
        wait_for(page, lambda: rows.count() > 0, "the table")
        page.keyboard.press("t")  # another part of the bundle is loaded
        pane = page.locator(".volume-pane")
        wait_for(page, lambda: pane.get_attribute("data-ready") == "true", "3D")

        assert all(url.startswith((f"http://{HUB}:{port}{PREFIX}", "data:", "blob:")) for url in asked), asked
        assert desk.errors == []
