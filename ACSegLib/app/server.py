"""The endpoints; `Documentation/browser-app.md` lists them, and `ACSegLib.app.contract` has their JSON bodies."""

from __future__ import annotations

import contextlib
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import TypeVar

from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response, StreamingResponse
from starlette.routing import BaseRoute, Mount, Route
from starlette.staticfiles import StaticFiles

from ACSegLib.app import contract, images
from ACSegLib.app.events import Hub
from ACSegLib.app.folder import ForbiddenError, TooLargeError
from ACSegLib.app.guard import valid_client
from ACSegLib.app.session import NotOpenError, Session
from ACSegLib.errors import FileError, InputError, MemoryLimitError, explain
from ACSegLib.worker.events import capitalized

T = TypeVar("T")

#: The built page.
STATIC = Path(__file__).parent / "static"
#: Bytes of a JSON body.
_MAX_JSON = 1 << 20
_NO_PAGE = "The page of this installation is not built. Install a release of acseg, or build ACSegLib/app/web."
_BYTES = "application/octet-stream"


class BusyError(InputError):
    """Another page has the right to change things, or a job is running."""


def _status(error: Exception) -> int:
    if isinstance(error, HTTPException):
        return error.status_code
    statuses = (
        (ForbiddenError, 403),
        (NotOpenError, 404),
        (BusyError, 409),
        (TooLargeError, 413),
        (MemoryLimitError, 507),
    )
    for kind, status in statuses:
        if isinstance(error, kind):
            return status
    return 507 if isinstance(error, FileError) and "No space left" in str(error) else 400


async def _explained(request: Request, error: Exception) -> Response:
    sentence = error.detail if isinstance(error, HTTPException) else explain(error)
    return JSONResponse({"error": capitalized(sentence or f"unexpected failure: {error}")}, _status(error))


async def _defect(request: Request, error: Exception) -> Response:
    return JSONResponse({"error": f"Unexpected failure: {error}. Please report it."}, 500)


class Endpoints:
    """What the page can ask for.

    Parameters
    ----------
    session : Session
    hub : Hub
    """

    def __init__(self, session: Session, hub: Hub) -> None:
        self._session, self._hub = session, hub

    def routes(self) -> list[BaseRoute]:
        """The addresses, relative to the page."""
        reading = {
            "state": self.state,
            "events": self.events,
            "files": self.files,
            "slice/{axis}/{index:int}": self.image_slice,
            "labels/{axis}/{index:int}": self.label_slice,
            "uncertainty/{axis}/{index:int}": self.overlay_slice("uncertainty"),
            "before/{axis}/{index:int}": self.overlay_slice("before"),
            "reference/{axis}/{index:int}": self.overlay_slice("reference"),
            "preview.nii": self.preview,
            "labels.nii": self.labels_preview,
            "strip/{axis}": self.strip,
        }
        writing: dict[str, Callable[[Request], Awaitable[Response]]] = {
            "claim": self.claim,
            "open": self.open,
            "upload": self.upload,
            "spacing": self.spacing,
            "reference": self.reference,
            "segments": self.add_segment,
            "undo": self.undo,
            "redo": self.redo,
        }
        return [
            *(Route(f"/api/{path}", endpoint, methods=["GET"]) for path, endpoint in reading.items()),
            *(Route(f"/api/{path}", self._writes(endpoint), methods=["POST"]) for path, endpoint in writing.items()),
            Route("/api/labels/{axis}/{index:int}", self._writes(self.put_labels), methods=["PUT"]),
            Route("/api/segments/{value:int}", self._writes(self.change_segment), methods=["PATCH"]),
            Route("/api/segments/{value:int}", self._writes(self.delete_segment), methods=["DELETE"]),
        ]

    def _writes(self, endpoint: Callable[[Request], Awaitable[Response]]) -> Callable[[Request], Awaitable[Response]]:
        """Let the writer alone change things; where there is none, anybody."""

        async def checked(request: Request) -> Response:
            writer = self._session.writer
            claims = request.url.path.endswith("/api/claim")
            if writer and not claims and request.headers.get("x-acseg-client", "") != writer:
                raise BusyError("another tab works on this segmentation; close it, or take over here.")
            return await endpoint(request)

        return checked

    async def _state(self) -> Response:
        return _json(self._session.state())

    # -- the state ----------------------------------------------------------------------------------------------------

    async def state(self, request: Request) -> Response:
        """Everything but the voxels."""
        return await self._state()

    async def events(self, request: Request) -> Response:
        """Server-sent events."""
        events = self._hub.listen(_client(request.query_params.get("client", "")))
        headers = {"cache-control": "no-store", "x-accel-buffering": "no"}
        return StreamingResponse(events, media_type="text/event-stream", headers=headers)

    async def claim(self, request: Request) -> Response:
        """Take the right to change things."""
        self._hub.claim(_client(request.headers.get("x-acseg-client", "")))
        return await self._state()

    # -- files --------------------------------------------------------------------------------------------------------

    async def files(self, request: Request) -> Response:
        """Files below the root folder."""
        return _json(await run_in_threadpool(self._session.folder.entries))

    async def open(self, request: Request) -> Response:
        """Open a file below the root folder."""
        body = await _body(request, contract.OpenRequest)
        await run_in_threadpool(self._session.open, body)
        return await self._state()

    async def upload(self, request: Request) -> Response:
        """Take a file."""
        folder = self._session.folder
        length = request.headers.get("content-length", "")
        if length.isdigit():
            folder.check_size(request.query_params.get("name", ""), int(length))
        return _json(await folder.upload(request.query_params.get("name", ""), request.stream()))

    async def spacing(self, request: Request) -> Response:
        """Set the voxel size."""
        self._session.set_spacing(await _body(request, contract.SpacingRequest))
        return await self._state()

    # -- voxels -------------------------------------------------------------------------------------------------------

    async def image_slice(self, request: Request) -> Response:
        """A slice of the image within a window of intensities."""
        volume, info = self._session.require_volume()
        axis, index = _place(request)
        low, high = (_number(request, name, value) for name, value in zip(("low", "high"), info.window, strict=True))
        bits = int(_number(request, "bits", 8))

        def read() -> Response:
            plane = images.to_window(images.take_slice(volume.array, axis, index), low, high, bits)
            return _slice(plane.tobytes(), plane.shape)

        return await run_in_threadpool(read)

    async def label_slice(self, request: Request) -> Response:
        """A slice of labels."""
        return _slice(*self._session.require_work().labels.slice_bytes(*_place(request)))

    def overlay_slice(self, name: str) -> Callable[[Request], Awaitable[Response]]:
        """The endpoint of a slice of an overlay."""

        async def endpoint(request: Request) -> Response:
            plane = images.take_slice(self._session.overlay(name), *_place(request))
            return _slice(plane.astype(plane.dtype.newbyteorder("<"), copy=False).tobytes(), plane.shape)

        return endpoint

    async def put_labels(self, request: Request) -> Response:
        """Replace a slice of labels."""
        labels = self._session.require_work().labels
        body = await _limited(request, labels.array.shape[1] * labels.array.nbytes)
        labelled = request.query_params.get("labelled", "1") != "0"
        client = request.headers.get("x-acseg-client", "")
        return _json(await run_in_threadpool(self._session.put, *_place(request), body, labelled, client))

    async def preview(self, request: Request) -> Response:
        """The image for 3D."""
        volume, info = self._session.require_volume()
        array = await run_in_threadpool(images.image_preview, volume.array, info.window, info.lazy)
        return Response(images.nifti(array, images.preview_spacing(info.shape, info.spacing)), media_type=_BYTES)

    async def labels_preview(self, request: Request) -> Response:
        """Labels for 3D."""
        _volume, info = self._session.require_volume()
        source = self._session.overlay(request.query_params.get("of", "labels"))
        array = await run_in_threadpool(images.labels_preview, source)
        spacing = images.preview_spacing(info.shape, info.spacing)
        return Response(images.nifti(array, spacing, labels=True), media_type=_BYTES)

    async def strip(self, request: Request) -> Response:
        """What is on each slice along an axis."""
        return _json(await run_in_threadpool(self._session.strip, request.path_params["axis"]))

    async def reference(self, request: Request) -> Response:
        """Show reference labels."""
        body = await _body(request, contract.PathRequest)
        await run_in_threadpool(self._session.set_reference, body.path)
        return await self._state()

    # -- segments and steps -------------------------------------------------------------------------------------------

    async def add_segment(self, request: Request) -> Response:
        """A new segment."""
        body = await _body(request, contract.SegmentRequest)
        with self._session.segments() as labels:
            labels.add(body.name, body.colour)
        return await self._state()

    async def change_segment(self, request: Request) -> Response:
        """Another name or colour."""
        body = await _body(request, contract.SegmentRequest)
        with self._session.segments() as labels:
            labels.change(request.path_params["value"], body.name, body.colour)
        return await self._state()

    async def delete_segment(self, request: Request) -> Response:
        """Remove a segment and its voxels."""
        await run_in_threadpool(self._session.delete_segment, request.path_params["value"])
        return await self._state()

    async def undo(self, request: Request) -> Response:
        """Take the last job back."""
        await run_in_threadpool(self._session.undo)
        return await self._state()

    async def redo(self, request: Request) -> Response:
        """Do it again."""
        await run_in_threadpool(self._session.redo)
        return await self._state()


def create_application(session: Session) -> Starlette:
    """The application, to be wrapped by a `Guard`.

    Parameters
    ----------
    session : Session
    """
    hub = Hub(session)

    @contextlib.asynccontextmanager
    async def lifespan(application: Starlette) -> AsyncIterator[None]:
        hub.start()
        yield

    handlers = {
        kind: _explained for kind in (InputError, FileError, MemoryLimitError, OSError, ImportError, HTTPException)
    }
    page: list[BaseRoute] = [Route("/", _no_page)]
    if (STATIC / "index.html").is_file():
        page = [Mount("/", StaticFiles(directory=STATIC, html=True))]
    return Starlette(
        routes=[*Endpoints(session, hub).routes(), *page],
        exception_handlers={**handlers, Exception: _defect},  # type: ignore[dict-item]
        lifespan=lifespan,
    )


async def _no_page(request: Request) -> Response:
    return PlainTextResponse(_NO_PAGE)


def _json(body: object) -> Response:
    return JSONResponse(contract.to_json(body), headers={"cache-control": "no-store"})


def _slice(data: bytes, shape: tuple[int, ...]) -> Response:
    headers = {"x-slice-shape": ",".join(map(str, shape)), "cache-control": "no-store"}
    return Response(data, media_type=_BYTES, headers=headers)


def _place(request: Request) -> tuple[str, int]:
    return request.path_params["axis"], request.path_params["index"]


def _number(request: Request, name: str, default: float) -> float:
    text = request.query_params.get(name, "")
    try:
        return float(text) if text else default
    except ValueError:
        raise InputError(f"{name} must be a number, not {text!r}.") from None


def _client(text: str) -> str:
    if not valid_client(text):
        raise InputError(f"client {text!r} must be 8 to 64 letters, digits, '-' or '_'.")
    return text


async def _limited(request: Request, limit: int) -> bytes:
    """The body, read no further than a limit."""
    parts, size = [], 0
    async for chunk in request.stream():
        size += len(chunk)
        if size > limit:
            raise TooLargeError(f"the body of the request is larger than {limit} bytes.")
        parts.append(chunk)
    return b"".join(parts)


async def _body(request: Request, kind: type[T]) -> T:
    try:
        values = json.loads(await _limited(request, _MAX_JSON) or b"{}")
    except ValueError as error:
        raise InputError(f"the body is not JSON: {error}.") from error
    return contract.from_json(kind, values)
