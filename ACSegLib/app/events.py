"""Server-sent events: every page is told of each change; and which of them may change things."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator

from ACSegLib.app.contract import JobInfo
from ACSegLib.app.session import Session
from ACSegLib.app.state import describe
from ACSegLib.json_values import to_json

#: Seconds without an event after which a comment shows that the connection lives.
_SILENCE = 15.0


class Hub:
    """The pages that listen, and the one of them that may change things (the writer).

    Parameters
    ----------
    session : Session
        Its changes are told; many at once are told as one.
    """

    def __init__(self, session: Session) -> None:
        self._session = session
        self._queues: dict[asyncio.Queue[tuple[str, str]], str] = {}
        self._loop: asyncio.AbstractEventLoop | None = None
        self._waiting = False
        session.on_change = self._changed

    def start(self) -> None:
        """Begin to tell, on the running event loop."""
        self._loop = asyncio.get_running_loop()

    def claim(self, client: str) -> None:
        """Let a client change things, in place of the one that did."""
        if self._session.writer != client:
            self._session.writer = client
            self._session.changed()

    def tell_job(self, job: JobInfo) -> None:
        """Tell how far a job is; call it on the event loop."""
        self._put("job", json.dumps(to_json(job)))

    async def listen(self, client: str) -> AsyncIterator[str]:
        """Give the events for a page until it goes away; it becomes the writer where no page that listens is.

        A page that was closed before it listened may have claimed the right, and would keep it for ever.
        """
        queue: asyncio.Queue[tuple[str, str]] = asyncio.Queue()
        self._queues[queue] = client
        if self._session.writer not in self._queues.values():
            self.claim(client)
        try:
            yield _event("state", json.dumps(to_json(describe(self._session))))
            while True:
                try:
                    yield _event(*await asyncio.wait_for(queue.get(), _SILENCE))
                except asyncio.TimeoutError:
                    yield ": still here\n\n"
        finally:
            del self._queues[queue]
            if client == self._session.writer and client not in self._queues.values():
                self.claim("")

    def _changed(self) -> None:
        if self._loop is not None and not self._waiting and not self._loop.is_closed():
            self._waiting = True
            self._loop.call_soon_threadsafe(self._tell_state)

    def _tell_state(self) -> None:
        self._waiting = False
        if self._queues:
            self._put("state", json.dumps(to_json(describe(self._session))))

    def _put(self, event: str, data: str) -> None:
        for queue in self._queues:
            queue.put_nowait((event, data))


def _event(name: str, data: str) -> str:
    return f"event: {name}\ndata: {data}\n\n"
