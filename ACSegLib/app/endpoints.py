"""The endpoints of the volume, its labels and its files; `ACSegLib.app.actions` has those of jobs and results."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse

from ACSegLib.app import images, requests
from ACSegLib.app.events import Hub
from ACSegLib.app.replies import BYTES, body_of, client_of, json_answer, limited_body, number_of, place_of, slice_answer
from ACSegLib.app.session import Session
from ACSegLib.app.state import describe

Endpoint = Callable[[Request], Awaitable[Response]]


class Endpoints:
    """What the page can ask for.

    Parameters
    ----------
    session : Session
    hub : Hub
    opened : callable
        Called when another volume is open.
    """

    def __init__(self, session: Session, hub: Hub, opened: Callable[[], None]) -> None:
        self._session, self._hub, self._opened = session, hub, opened

    async def _state(self) -> Response:
        return json_answer(describe(self._session))

    # -- the state ----------------------------------------------------------------------------------------------------

    async def state(self, request: Request) -> Response:
        """Everything but the voxels."""
        return await self._state()

    async def events(self, request: Request) -> Response:
        """Server-sent events."""
        events = self._hub.listen(client_of(request.query_params.get("client", "")))
        headers = {"cache-control": "no-store", "x-accel-buffering": "no"}
        return StreamingResponse(events, media_type="text/event-stream", headers=headers)

    async def claim(self, request: Request) -> Response:
        """Take the right to change things."""
        self._hub.claim(client_of(request.headers.get("x-acseg-client", "")))
        return await self._state()

    # -- files --------------------------------------------------------------------------------------------------------

    async def files(self, request: Request) -> Response:
        """Files below the root folder."""
        return json_answer(await run_in_threadpool(self._session.folder.entries))

    async def open(self, request: Request) -> Response:
        """Open a file below the root folder."""
        body = await body_of(request, requests.OpenRequest)
        await run_in_threadpool(self._session.open, body)
        self._opened()
        return await self._state()

    async def upload(self, request: Request) -> Response:
        """Take a file."""
        folder = self._session.folder
        length = request.headers.get("content-length", "")
        if length.isdigit():
            folder.check_size(request.query_params.get("name", ""), int(length))
        return json_answer(await folder.upload(request.query_params.get("name", ""), request.stream()))

    async def spacing(self, request: Request) -> Response:
        """Set the voxel size."""
        self._session.set_spacing(await body_of(request, requests.SpacingRequest))
        return await self._state()

    async def box(self, request: Request) -> Response:
        """Set the box around the object that strokes mark."""
        body = await body_of(request, requests.BoxRequest)
        await run_in_threadpool(self._session.set_box, body)
        return await self._state()

    # -- voxels -------------------------------------------------------------------------------------------------------

    async def image_slice(self, request: Request) -> Response:
        """A slice of the image within a window of intensities."""
        volume, info = self._session.require_volume()
        axis, index = place_of(request)
        low, high = (number_of(request, name, value) for name, value in zip(("low", "high"), info.window, strict=True))
        bits = int(number_of(request, "bits", 8))

        def read() -> Response:
            plane = images.to_window(images.take_shown_slice(volume.array, axis, index), low, high, bits)
            return slice_answer(plane.tobytes(), plane.shape)

        return await run_in_threadpool(read)

    async def label_slice(self, request: Request) -> Response:
        """A slice of labels."""
        return slice_answer(*self._session.require_work().labels.slice_bytes(*place_of(request)))

    def overlay_slice(self, name: str) -> Callable[[Request], Awaitable[Response]]:
        """The endpoint of a slice of an overlay."""

        async def endpoint(request: Request) -> Response:
            plane = images.take_slice(self._session.overlay(name), *place_of(request))
            return slice_answer(plane.astype(plane.dtype.newbyteorder("<"), copy=False).tobytes(), plane.shape)

        return endpoint

    async def put_labels(self, request: Request) -> Response:
        """Replace a slice of labels."""
        labels = self._session.require_work().labels
        largest = labels.array.nbytes // min(labels.shape)
        body = await limited_body(request, largest + 1)  # what is a little too long is told with the right size
        labelled = request.query_params.get("labelled", "1") != "0"
        client = request.headers.get("x-acseg-client", "")
        return json_answer(await run_in_threadpool(self._session.put, *place_of(request), body, labelled, client))

    async def preview(self, request: Request) -> Response:
        """The image for 3D."""
        volume, info = self._session.require_volume()
        size = preview_size(request)
        array = await run_in_threadpool(images.image_preview, volume.array, info.window, info.lazy, size)
        return Response(images.nifti(array, images.preview_spacing(info.shape, info.spacing, size)), media_type=BYTES)

    async def labels_preview(self, request: Request) -> Response:
        """Labels for 3D."""
        _volume, info = self._session.require_volume()
        source = self._session.overlay(request.query_params.get("of", "labels"))
        size = preview_size(request)
        array = await run_in_threadpool(images.labels_preview, source, size)
        spacing = images.preview_spacing(info.shape, info.spacing, size)
        return Response(images.nifti(array, spacing, labels=True), media_type=BYTES)

    async def strip(self, request: Request) -> Response:
        """What is on each slice along an axis."""
        return json_answer(await run_in_threadpool(self._session.strip, request.path_params["axis"]))

    async def reference(self, request: Request) -> Response:
        """Show reference labels."""
        body = await body_of(request, requests.PathRequest)
        await run_in_threadpool(self._session.set_reference, body.path)
        return await self._state()

    # -- segments -----------------------------------------------------------------------------------------------------

    async def add_segment(self, request: Request) -> Response:
        """A new segment."""
        body = await body_of(request, requests.SegmentRequest)
        with self._session.segments() as labels:
            labels.add(body.name, body.colour, self._session.names())
        return await self._state()

    async def change_segment(self, request: Request) -> Response:
        """Another name or colour."""
        body = await body_of(request, requests.SegmentRequest)
        with self._session.segments() as labels:
            labels.change(request.path_params["value"], body.name, body.colour)
        return await self._state()

    async def delete_segment(self, request: Request) -> Response:
        """Remove a segment and its voxels."""
        await run_in_threadpool(self._session.delete_segment, request.path_params["value"])
        return await self._state()


def preview_size(request: Request) -> int:
    """Voxels an edge, at most, of the copy for 3D that a request asks for."""
    return int(number_of(request, "size", images.MAX_PREVIEW))
