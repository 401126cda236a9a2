"""Requests read with care, and answers: JSON, slices, and one sentence for each error."""

from __future__ import annotations

import json
import math
import os
import zlib
from pathlib import Path
from typing import TypeVar

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from ACSegLib.app import requests
from ACSegLib.app.guard import valid_client
from ACSegLib.app.problems import BusyError, ForbiddenError, NotOpenError, TooLargeError
from ACSegLib.errors import FileError, InputError, MemoryLimitError, explain
from ACSegLib.json_values import to_json
from ACSegLib.worker.events import capitalized

T = TypeVar("T")

#: Bytes of a JSON body.
_MAX_JSON = 1 << 20
BYTES = "application/octet-stream"


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


async def explained(request: Request, error: Exception) -> Response:
    """Answer with the sentence of an error; paths are those below the root folder."""
    text = error.detail if isinstance(error, HTTPException) else explain(error)
    root = str(request.app.state.root)
    return JSONResponse({"error": sentence((text or f"unexpected failure: {error}"), root)}, _status(error))


def sentence(text: str, root: str) -> str:
    """A sentence for the page: with a capital letter, unless it begins with the name of a file."""
    text = text.replace(root + os.sep, "").replace(root, Path(root).name)
    return capitalized(text)


async def defect(request: Request, error: Exception) -> Response:
    """Answer to a defect, which the log has with its traceback."""
    return JSONResponse({"error": f"Unexpected failure: {error}. Please report it."}, 500)


def json_answer(body: object) -> Response:
    """Answer with a body of `contract`, or a list of them."""
    return JSONResponse(to_json(body), headers={"cache-control": "no-store"})


def slice_answer(data: bytes, shape: tuple[int, ...]) -> Response:
    """Answer with the bytes of a slice, and its shape."""
    headers = {"x-slice-shape": ",".join(map(str, shape)), "cache-control": "no-store"}
    return Response(data, media_type=BYTES, headers=headers)


def place_of(request: Request) -> tuple[str, int]:
    """Axis and index of a slice in the address."""
    return request.path_params["axis"], request.path_params["index"]


def number_of(request: Request, name: str, default: float) -> float:
    """A number in the query of the address; InputError if it is none."""
    text = request.query_params.get(name, "")
    try:
        number = float(text) if text else default
    except ValueError:
        number = math.nan
    if not math.isfinite(number):
        raise InputError(f"{name} must be a number, not {text!r}.")
    return number


def client_of(text: str) -> str:
    """The id of a client; InputError if it cannot be one."""
    if not valid_client(text):
        raise InputError(f"client {text!r} must be 8 to 64 letters, digits, '-' or '_'.")
    return text


async def limited_body(request: Request, limit: int) -> bytes:
    """The body, unpacked if it is packed, and read no further than a limit.

    Raises
    ------
    InputError
        If it is packed in another way than deflate, or is damaged.
    TooLargeError
        If it is larger.
    """
    packing = request.headers.get("content-encoding", "")
    if packing not in ("", "deflate"):
        raise InputError(f"content-encoding {packing!r} is unknown; pack the body with deflate, or do not pack it.")
    body = await _received(request, limit)
    if not packing:
        return body
    unpacker = zlib.decompressobj()
    try:
        body = unpacker.decompress(body, limit + 1)
    except zlib.error as error:
        raise InputError(f"the packed body of the request is damaged ({error}); send it again.") from error
    if len(body) > limit:
        raise TooLargeError(f"the body of the request is larger than {limit} bytes.")
    if not unpacker.eof:
        raise InputError("the packed body of the request is incomplete; send it again.")
    return body


async def _received(request: Request, limit: int) -> bytes:
    parts, size = [], 0
    async for chunk in request.stream():
        size += len(chunk)
        if size > limit:
            raise TooLargeError(f"the body of the request is larger than {limit} bytes.")
        parts.append(chunk)
    return b"".join(parts)


async def body_of(request: Request, kind: type[T]) -> T:
    """The JSON body of a request, as one of `requests`; InputError if it is none."""
    try:
        values = json.loads(await limited_body(request, _MAX_JSON) or b"{}")
    except ValueError as error:
        raise InputError(f"the body is not JSON: {error}.") from error
    return requests.from_json(kind, values)
