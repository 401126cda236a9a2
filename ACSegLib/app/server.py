"""The application: endpoints, the page, and what runs beside them.

`Documentation/browser-app.md` lists the endpoints, and `ACSegLib.app.contract` has their JSON bodies.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import mimetypes
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import BaseRoute, Mount, Route
from starlette.staticfiles import StaticFiles

from ACSegLib.app.actions import Actions
from ACSegLib.app.endpoints import Endpoints
from ACSegLib.app.events import Hub
from ACSegLib.app.jobs import Jobs
from ACSegLib.app.keeping import Keeper
from ACSegLib.app.problems import BusyError
from ACSegLib.app.replies import defect, explained
from ACSegLib.app.session import OVERLAYS, Session
from ACSegLib.errors import FileError, InputError, MemoryLimitError
from ACSegLib.worker import Worker

#: The built page.
STATIC = Path(__file__).parent / "static"
#: Types of the page's files. Windows keeps such a list that other programs change: of text/plain nothing would run.
_TYPES = {".html": "text/html", ".css": "text/css", ".js": "text/javascript", ".png": "image/png"}
_NO_PAGE = "The page of this installation is not built. Install a release of acseg, or build ACSegLib/app/web."


Endpoint = Callable[[Request], Awaitable[Response]]
#: Seconds between two looks whether there is something to save.
_LOOK = 0.25


def create_application(
    session: Session, keeper: Keeper | None = None, simulated: bool = False, ready: bool = False
) -> Starlette:
    """The application, to be wrapped by a `Guard`.

    Parameters
    ----------
    session : Session
    keeper : Keeper, optional
        Of the session, where there is one already.
    simulated : bool
        Whether to begin with a simulated tomogram.
    ready : bool
        Whether to start the worker process at once, so that it is ready when the first job comes.
    """
    hub = Hub(session)
    keeper = keeper or Keeper(session)
    jobs = Jobs(session, Worker(), hub.tell_job)
    actions = Actions(session, jobs)

    @contextlib.asynccontextmanager
    async def lifespan(application: Starlette) -> AsyncIterator[None]:
        hub.start()
        tasks = [asyncio.create_task(jobs.watch()), asyncio.create_task(_keep(keeper))]
        if ready:
            jobs.worker.start()
        if simulated:
            await actions.start_simulation()
        try:
            yield
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            await run_in_threadpool(keeper.close)
            await run_in_threadpool(jobs.close)

    handlers = {
        kind: explained for kind in (InputError, FileError, MemoryLimitError, OSError, ImportError, HTTPException)
    }
    page: list[BaseRoute] = [Route("/", _no_page)]
    for ending, kind in _TYPES.items():
        mimetypes.add_type(kind, ending)
    if (STATIC / "index.html").is_file():
        page = [Mount("/", StaticFiles(directory=STATIC, html=True))]
    application = Starlette(
        routes=[*_routes(Endpoints(session, hub, actions.opened), actions, session), *page],
        exception_handlers={**handlers, Exception: defect},  # type: ignore[dict-item]
        lifespan=lifespan,
    )
    application.state.root = session.folder.root
    return application


def _routes(endpoints: Endpoints, actions: Actions, session: Session) -> list[BaseRoute]:
    reading: dict[str, Endpoint] = {
        "state": endpoints.state,
        "events": endpoints.events,
        "files": endpoints.files,
        "slice/{axis}/{index:int}": endpoints.image_slice,
        "labels/{axis}/{index:int}": endpoints.label_slice,
        **{f"{name}/{{axis}}/{{index:int}}": endpoints.overlay_slice(name) for name in OVERLAYS},
        "preview.nii": endpoints.preview,
        "labels.nii": endpoints.labels_preview,
        "strip/{axis}": endpoints.strip,
        "table": actions.table,
        "table.{ending}": actions.table_file,
        "contacts.{ending}": actions.contacts_file,
        "report.html": actions.report,
        "download": actions.download,
    }
    posting: dict[str, Endpoint] = {
        "open": endpoints.open,
        "upload": endpoints.upload,
        "spacing": endpoints.spacing,
        "box": endpoints.box,
        "reference": endpoints.reference,
        "segments": endpoints.add_segment,
        "simulate": actions.simulate,
        "jobs/{kind}": actions.job,
        "cancel": actions.cancel,
        "undo": actions.undo,
        "redo": actions.redo,
        "save": actions.save,
    }
    changing = [
        *(("POST", path, endpoint) for path, endpoint in posting.items()),
        ("PUT", "labels/{axis}/{index:int}", endpoints.put_labels),
        ("PATCH", "segments/{value:int}", endpoints.change_segment),
        ("DELETE", "segments/{value:int}", endpoints.delete_segment),
    ]
    return [
        *(Route(f"/api/{path}", endpoint, methods=["GET"]) for path, endpoint in reading.items()),
        Route("/api/claim", endpoints.claim, methods=["POST"]),
        *(
            Route(f"/api/{path}", _for_the_writer(endpoint, session), methods=[method])
            for method, path, endpoint in changing
        ),
    ]


def _for_the_writer(endpoint: Endpoint, session: Session) -> Endpoint:
    """Let the writer alone change things; where there is none, anybody."""

    async def checked(request: Request) -> Response:
        if session.writer and request.headers.get("x-acseg-client", "") != session.writer:
            raise BusyError("another tab works on this segmentation; close it, or take over here.")
        return await endpoint(request)

    return checked


async def _keep(keeper: Keeper) -> None:
    """Save what changed, for as long as the server runs."""
    while True:
        await asyncio.sleep(_LOOK)
        try:
            await run_in_threadpool(keeper.tick)
        except Exception:  # the next look tries again
            logging.getLogger("ACSeg").exception("the work could not be saved automatically")


async def _no_page(request: Request) -> Response:
    return PlainTextResponse(_NO_PAGE)
