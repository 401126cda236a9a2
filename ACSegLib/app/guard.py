"""Who may talk to the server: the token, the host, the origin; and the headers of every answer.

The server listens on the loopback interface alone. Other programs of the computer, and pages of other sites in the same
browser, can reach it there. They know no token: it is random, is in the first address alone, and is then in a cookie
that no script can read. A page of another site that has its name point to this computer (DNS rebinding) is told by the
host, and a form of another site by its origin.
"""

from __future__ import annotations

import hmac
import html
import json
import re
import secrets
from collections.abc import Awaitable, Callable, Iterable, MutableMapping
from typing import Any
from urllib.parse import parse_qs, urlsplit

Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
Application = Callable[[Message, Receive, Send], Awaitable[None]]

_LOOPBACK = frozenset({"127.0.0.1", "localhost", "[::1]"})
_READING = frozenset({"GET", "HEAD"})
#: NiiVue makes blobs for its workers and pictures, and has its font as data.
_POLICY = (
    "default-src 'self'; img-src 'self' blob: data:; font-src 'self' data:; connect-src 'self' blob: data:; "
    "worker-src 'self' blob:; object-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
HEADERS: tuple[tuple[bytes, bytes], ...] = (
    (b"content-security-policy", _POLICY.encode()),
    (b"x-content-type-options", b"nosniff"),
    (b"referrer-policy", b"no-referrer"),
    (b"cross-origin-opener-policy", b"same-origin"),
    (b"cross-origin-resource-policy", b"same-origin"),
    (b"permissions-policy", b"camera=(), microphone=(), geolocation=()"),
)
_PAGE = (
    '<!doctype html><html lang="en"><meta name="color-scheme" content="light dark"><title>ACSeg</title><p>{}</p></html>'
)
_LEAD_ON = _PAGE.format('<meta http-equiv="refresh" content="0; url=./"><a href="./">Open the page</a>').encode()
_WORDS = re.compile(r"[A-Za-z0-9_-]{8,64}\Z")


class Guard:
    """Wraps the application: what is not allowed does not reach it.

    Parameters
    ----------
    application : callable
        An ASGI application.
    name : str
        Name of the cookie: cookies are shared by all ports of a host, so each server needs its own.
    hosts : iterable of str
        Names besides the loopback ones under which the server is reached, through a reverse proxy.

    Attributes
    ----------
    token : str
        The secret of this server.
    """

    def __init__(self, application: Application, name: str = "acseg", hosts: Iterable[str] = ()) -> None:
        self._application = application
        self.token = secrets.token_urlsafe(32)
        self.cookie = name
        self._hosts = frozenset(host.lower() for host in hosts)

    async def __call__(self, scope: Message, receive: Receive, send: Send) -> None:
        """Answer a request, or hand it on."""
        if scope["type"] == "lifespan":
            await self._application(scope, receive, send)
            return
        if scope["type"] != "http":
            return
        headers = {name.lower(): value.decode("latin-1") for name, value in scope["headers"]}
        refusal = self._refusal(scope, headers)
        if refusal is not None:
            await _answer(send, *refusal, page=b"text/html" in dict(scope["headers"]).get(b"accept", b""))
            return
        if "token" in parse_qs(scope["query_string"].decode("latin-1")):
            await self._enter(scope, send)
            return

        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                message["headers"] = [*message.get("headers", ()), *HEADERS]
            await send(message)

        await self._application(scope, receive, send_with_headers)

    def _refusal(self, scope: Message, headers: dict[bytes, str]) -> tuple[int, str] | None:
        host = headers.get(b"host", "")
        if not self._known(_host_name(host)):
            return 400, f"the server does not answer for the host {host!r}; use the address that acseg app printed."
        origin = headers.get(b"origin")
        if origin is None and scope["method"] not in _READING:
            return 403, "the request names no origin; use the page to change things."
        if origin is not None and not self._same_origin(origin, host):
            return 403, f"requests from {origin!r} are refused; use the address that acseg app printed."
        if not self._has_token(scope, headers):
            return 403, "the token is missing or wrong; use the whole address that acseg app printed, with its token."
        return None

    def _known(self, name: str) -> bool:
        return name in _LOOPBACK or name in self._hosts

    def _same_origin(self, origin: str, host: str) -> bool:
        parts = urlsplit(origin)
        if parts.scheme not in ("http", "https"):
            return False
        name = _host_name(parts.netloc)
        return name in self._hosts or (name in _LOOPBACK and parts.netloc.lower() == host.lower())

    def _has_token(self, scope: Message, headers: dict[bytes, str]) -> bool:
        given = parse_qs(scope["query_string"].decode("latin-1")).get("token", [""])[0]
        if given:
            return scope["method"] in _READING and self._equal(given)
        return any(
            name.strip() == self.cookie and self._equal(value.strip())
            for name, _, value in (part.partition("=") for part in headers.get(b"cookie", "").split(";"))
        )

    def _equal(self, text: str) -> bool:
        return hmac.compare_digest(text.encode("utf-8", "replace"), self.token.encode())

    async def _enter(self, scope: Message, send: Send) -> None:
        """Put the token into a cookie, and lead on to the address without it.

        A page leads on, and not a redirect: browsers send no strict cookie after one that began on another site, as a
        link in a mail or in the terminal of a web page does.
        """
        # without a path it is for the folder of this address alone: behind a proxy, other users have other folders
        cookie = f"{self.cookie}={self.token}; HttpOnly; SameSite=Strict"
        headers = [(b"set-cookie", cookie.encode()), (b"cache-control", b"no-store"), *HEADERS]
        headers.append((b"content-type", b"text/html; charset=utf-8"))
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": _LEAD_ON})


def valid_client(text: str) -> bool:
    """Whether a text can be the ID of a client."""
    return bool(_WORDS.match(text))


def _host_name(host: str) -> str:
    """A host without its port, in small letters; of "[::1]:80", "[::1]"."""
    host = host.strip().lower()
    return host.partition("]")[0] + "]" if host.startswith("[") else host.partition(":")[0]


async def _answer(send: Send, status: int, sentence: str, page: bool) -> None:
    """Answer with a sentence: as a page where a browser opens the address, and as JSON otherwise."""
    sentence = sentence[:1].upper() + sentence[1:]
    body = _PAGE.format(html.escape(sentence)).encode() if page else json.dumps({"error": sentence}).encode()
    kind = b"text/html; charset=utf-8" if page else b"application/json"
    headers = [(b"content-type", kind), (b"cache-control", b"no-store"), *HEADERS]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})
