"""Nobody but the user's own page can talk to the server."""

import pytest

pytest.importorskip("starlette")
pytest.importorskip("httpx")

from appcases import ADDRESS, make_folder, page


@pytest.fixture(scope="module")
def client(tmp_path_factory):
    with page(make_folder(tmp_path_factory.mktemp("root")), "ramp.nrrd") as client:
        yield client


def test_the_token_becomes_a_cookie_that_no_script_reads_and_leaves_the_address(client):
    answer = client.get(f"/?token={client.guard.token}", follow_redirects=False)
    assert answer.status_code == 200
    assert '<meta http-equiv="refresh" content="0; url=./">' in answer.text
    assert client.guard.token not in answer.text
    cookie = answer.headers["set-cookie"].lower()
    assert "httponly" in cookie
    assert "samesite=strict" in cookie
    assert "path=" not in cookie  # the folder of the address: behind a proxy, other users have other folders
    assert client.get("/").status_code == 200


@pytest.mark.parametrize("cookie", ["", "acseg=wrong", "acseg=", "other=x"])
@pytest.mark.parametrize("path", ["/", "/api/state", "/api/slice/z/0", "/api/nothing", "/index.html"])
def test_without_the_token_nothing_is_served(client, path, cookie):
    answer = client.get(path, headers={"Cookie": cookie})
    assert answer.status_code == 403
    assert "token" in answer.json()["error"]


def test_a_wrong_token_is_one_sentence(client):
    answer = client.get("/?token=wrong", headers={"Cookie": ""}, follow_redirects=False)
    assert answer.status_code == 403
    assert answer.json()["error"].count(".") == 1
    assert "set-cookie" not in answer.headers
    shown = client.get("/?token=wrong", headers={"Cookie": "", "Accept": "text/html,*/*"}, follow_redirects=False)
    assert shown.status_code == 403
    assert f"<p>{answer.json()['error']}</p>" in shown.text


def test_a_refusal_shows_no_markup_of_the_request(client):
    answer = client.get("/", headers={"Host": "<img src=x>", "Accept": "text/html"})
    assert answer.status_code == 400
    assert "&lt;img src=x&gt;" in answer.text
    assert "<img" not in answer.text


def test_the_token_in_the_address_changes_nothing(client):
    answer = client.post(f"/api/undo?token={client.guard.token}", headers={"Cookie": ""})
    assert answer.status_code == 403


@pytest.mark.parametrize("host", ["evil.example", "evil.example:8000", "127.0.0.1.evil.example", "", "localhost.evil"])
def test_a_foreign_host_is_refused(client, host):
    assert client.get("/api/state", headers={"Host": host}).status_code == 400


@pytest.mark.parametrize("host", ["localhost:9000", "127.0.0.1:8000", "[::1]:8000", "LOCALHOST"])
def test_loopback_names_are_served_at_any_port_for_tunnels(client, host):
    assert client.get("/api/state", headers={"Host": host, "Origin": f"http://{host}"}).status_code == 200


@pytest.mark.parametrize(
    "origin", ["http://evil.example", "null", "http://127.0.0.1:9999", "https://127.0.0.1.evil.example", "file://"]
)
@pytest.mark.parametrize("method", ["POST", "PUT", "GET"])
def test_a_foreign_origin_is_refused(client, method, origin):
    path = {"POST": "/api/undo", "PUT": "/api/labels/z/0", "GET": "/api/state"}[method]
    assert client.request(method, path, headers={"Origin": origin}).status_code == 403


@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH", "DELETE"])
def test_writing_without_an_origin_is_refused(client, method):
    del client.headers["Origin"]
    answer = client.request(method, "/api/undo")
    client.headers["Origin"] = ADDRESS
    assert answer.status_code == 403
    assert "origin" in answer.json()["error"]


def test_every_answer_forbids_what_is_not_the_pages_own(client):
    answers = [client.get("/"), client.get("/api/state"), client.get("/api/state", headers={"Cookie": ""})]
    for answer in answers:
        policy = answer.headers["content-security-policy"]
        assert policy.startswith("default-src 'self'")
        assert "unsafe" not in policy
        assert "http:" not in policy
        assert "frame-ancestors 'none'" in policy
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert answer.headers["referrer-policy"] == "no-referrer"


def test_a_proxy_is_served_under_the_name_that_was_given(tmp_path):
    from starlette.testclient import TestClient

    from ACSegLib.app.folder import Folder
    from ACSegLib.app.guard import Guard
    from ACSegLib.app.server import create_application
    from ACSegLib.app.session import Session

    guard = Guard(create_application(Session(Folder(tmp_path))), hosts=["hub.example"])
    with TestClient(guard, base_url="https://hub.example") as client:
        client.get(f"/?token={guard.token}")
        assert client.post("/api/undo", headers={"Origin": "https://hub.example"}).status_code == 404  # no volume
        assert client.post("/api/undo", headers={"Origin": "https://other.example"}).status_code == 403


@pytest.mark.parametrize(
    "path",
    [
        "../secret.nrrd",
        "/etc/passwd",
        "a/../../secret.nrrd",
        "..\\secret.nrrd",
        "C:secret",
        "",
        ".",
        "./",
        "link.nrrd",
        "out/secret.nrrd",
    ],
)
def test_no_path_leads_out_of_the_root_folder(tmp_path, path):
    root = tmp_path / "root"
    root.mkdir()
    make_folder(root)
    make_folder(tmp_path)
    (tmp_path / "ramp.nrrd").rename(tmp_path / "secret.nrrd")
    try:
        (root / "link.nrrd").symlink_to(tmp_path / "secret.nrrd")
        (root / "out").symlink_to(tmp_path)
    except OSError:
        pytest.skip("this account may not make symbolic links")
    with page(root) as client:
        answer = client.post("/api/open", json={"path": path})
        assert answer.status_code == 403
        assert str(tmp_path) not in answer.text
        assert client.session.volume is None
        assert {entry["path"] for entry in client.get("/api/files").json()} == {"ramp.nrrd", "ball.seg.nrrd"}
