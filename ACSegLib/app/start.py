"""Starts the server, says where the page is, and ends server and worker together."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import socket
import threading
import webbrowser
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import uvicorn

from ACSegLib.app.folder import Folder
from ACSegLib.app.guard import Guard
from ACSegLib.app.keeping import Keeper
from ACSegLib.app.requests import OpenRequest
from ACSegLib.app.server import create_application
from ACSegLib.app.session import Session
from ACSegLib.errors import FileError, InputError
from ACSegLib.files.names import is_zarr_folder_name

_HOST = "127.0.0.1"
#: Seconds between two looks whether the user has pressed Ctrl-C.
_LOOK = 0.1


@dataclass(frozen=True)
class Start:
    """What to start with.

    Parameters
    ----------
    image : str
        A file or folder; "" for a simulated tomogram.
    labels : str
        File of labels for the image; "" for none.
    root : str
        Folder whose files the page may open and write; by default that of the image, or the current one.
    port : int
        0 for a free one.
    browser : bool
        Whether to open the page.
    hosts : sequence of str
        Names of reverse proxies.
    """

    image: str = ""
    labels: str = ""
    root: str = ""
    port: int = 0
    browser: bool = True
    hosts: Sequence[str] = ()


def serve(start: Start, tell: Callable[[str], None], stopped: Callable[[], bool]) -> Path:
    """Serve the page until the user stops it.

    Parameters
    ----------
    start : Start
    tell : callable
        Called with the address of the page once it can be opened.
    stopped : callable
        Whether to end; asked several times a second.

    Returns
    -------
    Path
        The root folder.

    Raises
    ------
    FileError, InputError
        If a path cannot be used, or the port is in use.
    """
    session = Session(Folder(_root(start)))
    keeper = Keeper(session)
    request = _first(start, session.folder)
    with _socket(start.port) as bound:
        port = bound.getsockname()[1]
        if request is not None:
            session.open(request)
        application = create_application(session, keeper, simulated=not start.image, ready=True)
        guard = Guard(application, name=f"acseg-{port}", hosts=start.hosts)
        config = uvicorn.Config(
            guard,  # type: ignore[arg-type]
            log_level="warning",
            access_log=False,
            server_header=False,
            proxy_headers=False,
            timeout_graceful_shutdown=1,
        )
        address = f"http://{_HOST}:{port}/?token={guard.token}"
        asyncio.run(_run(_Server(config), bound, lambda: _open(address, start.browser, tell), stopped))
    return session.folder.root


class _Server(uvicorn.Server):
    """Uvicorn without handlers of signals: the shell command has its own."""

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


async def _run(server: _Server, bound: socket.socket, ready: Callable[[], None], stopped: Callable[[], bool]) -> None:
    task = asyncio.create_task(server.serve(sockets=[bound]))
    told = False
    while not task.done():
        if server.started and not told:
            told = True
            ready()
        if stopped():
            server.should_exit = True
        await asyncio.wait([task], timeout=_LOOK)
    task.result()


def _open(address: str, browser: bool, tell: Callable[[str], None]) -> None:
    tell(address)
    if browser:
        threading.Thread(target=_show, args=(address,), name="browser", daemon=True).start()


def _show(address: str) -> None:
    try:
        webbrowser.open(address)
    except webbrowser.Error as error:  # the address is printed: it can be opened by hand
        logging.getLogger("ACSeg").info("no browser could be opened: %s", error)


def _socket(port: int) -> socket.socket:
    # With the protocol named, asyncio sends at once what is written (TCP_NODELAY); each answer took 40 ms otherwise.
    # Windows' event loop does not, but connections inherit the option.
    bound = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    try:
        # Windows lets a second server have a port that is reused, and has an option against it.
        option = getattr(socket, "SO_EXCLUSIVEADDRUSE", socket.SO_REUSEADDR)
        bound.setsockopt(socket.SOL_SOCKET, option, 1)
        bound.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        bound.bind((_HOST, port))
    except OSError as error:
        bound.close()
        raise InputError(f"--port {port} cannot be used ({error.strerror}); choose another one, or none.") from error
    return bound


def _root(start: Start) -> Path:
    if start.root:
        return Path(start.root)
    if not start.image:
        return Path.cwd()
    path = Path(start.image)
    if not path.exists():
        raise FileError(f"{path}: there is no such file or folder; check the name.")
    return path if _is_plain_folder(path) else path.absolute().parent


def _is_plain_folder(path: Path) -> bool:
    """Whether a path is a folder of files, and not an image that is a folder (OME-Zarr)."""
    return path.is_dir() and not is_zarr_folder_name(path)


def _first(start: Start, folder: Folder) -> OpenRequest | None:
    """What to open at the start."""
    if not start.image or _is_plain_folder(Path(start.image)):
        if start.labels:
            raise InputError("--labels needs the image that the labels are for; name it first.")
        return None
    return OpenRequest(folder.name(start.image), folder.name(start.labels) if start.labels else "")
