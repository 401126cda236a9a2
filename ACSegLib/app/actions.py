"""The endpoints of jobs, and of what they give: undo, table, report, saved and downloaded labels."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from starlette.background import BackgroundTask
from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import FileResponse, Response

from ACSegLib.app import requests
from ACSegLib.app.correcting import plan_correction
from ACSegLib.app.filling import Filling
from ACSegLib.app.jobs import Jobs, Plan
from ACSegLib.app.measuring import plan_measurement, plan_report, write_contacts_file, write_table_file
from ACSegLib.app.networks import plan_prediction, plan_training
from ACSegLib.app.problems import NotOpenError
from ACSegLib.app.replies import body_of, json_answer
from ACSegLib.app.saving import MESHES, plan_meshes, save_copy, save_labels
from ACSegLib.app.session import Session
from ACSegLib.app.simulating import plan_simulation
from ACSegLib.app.splitting import plan_split
from ACSegLib.app.state import describe
from ACSegLib.files.tables import ENDINGS


class Actions:
    """What the page can have done.

    Parameters
    ----------
    session : Session
    jobs : Jobs
    """

    def __init__(self, session: Session, jobs: Jobs) -> None:
        self._session, self._jobs = session, jobs
        self._filling = Filling(session, jobs.worker)

    def opened(self) -> None:
        """Another volume is open: what runs is for the one before."""
        self._jobs.cancel()
        self._filling.forget()

    async def simulate(self, request: Request) -> Response:
        """Open a simulated tomogram."""
        await self.start_simulation()
        return json_answer(describe(self._session))

    async def start_simulation(self) -> None:
        """Begin to simulate a tomogram, which will be opened."""
        await self._jobs.start("simulate", lambda: plan_simulation(self._session))

    async def job(self, request: Request) -> Response:
        """Begin a job."""
        kind = request.path_params["kind"]
        if kind not in requests.OPTIONS:
            raise HTTPException(404, f"there is no job {kind!r}; known are: {', '.join(requests.OPTIONS)}.")
        options: Any = await body_of(request, requests.OPTIONS[kind])
        makers: dict[str, Callable[[], Plan]] = {
            "fill": lambda: self._filling.plan(options),
            "correct": lambda: plan_correction(self._session, options),
            "split": lambda: plan_split(self._session, options),
            "predict": lambda: plan_prediction(self._session, options),
            "measure": lambda: plan_measurement(self._session, options),
            "train": lambda: plan_training(self._session, options),
        }
        return json_answer(await self._jobs.start(kind, makers[kind]))

    async def cancel(self, request: Request) -> Response:
        """Stop the running job."""
        self._jobs.cancel()
        return json_answer(describe(self._session))

    async def undo(self, request: Request) -> Response:
        """Take the last job back."""
        await run_in_threadpool(self._session.undo)
        return json_answer(describe(self._session))

    async def redo(self, request: Request) -> Response:
        """Do it again."""
        await run_in_threadpool(self._session.redo)
        return json_answer(describe(self._session))

    async def table(self, request: Request) -> Response:
        """The measurements."""
        if self._session.table is None:
            raise NotOpenError("nothing was measured yet; measure first.")
        return json_answer(self._session.table)

    async def table_file(self, request: Request) -> Response:
        """The measurements as a file."""
        return await self._table_file(request, write_table_file)

    async def contacts_file(self, request: Request) -> Response:
        """The pairs that touch as a file."""
        return await self._table_file(request, write_contacts_file)

    async def _table_file(self, request: Request, write: Callable[[Session, Path, str], Path]) -> Response:
        ending = f".{request.path_params['ending']}"
        if ending not in ENDINGS:
            raise HTTPException(404, f"tables are {', '.join(ENDINGS)}, not {ending}.")
        with self._session.scratch.folder() as folder:
            return self._download(await run_in_threadpool(write, self._session, folder, ending))

    async def report(self, request: Request) -> Response:
        """The report of the measurements, a page of its own."""
        with self._session.scratch.folder() as folder:
            plan, path = await run_in_threadpool(plan_report, self._session, folder)
            await self._jobs.aside(plan)
            return self._download(path)

    async def save(self, request: Request) -> Response:
        """Save the labels below the root folder."""
        body = await body_of(request, requests.SaveRequest)
        return json_answer(await run_in_threadpool(save_labels, self._session, body))

    async def download(self, request: Request) -> Response:
        """The labels as a file, or as the meshes of all segments."""
        ending = request.query_params.get("ending", ".seg.nrrd")
        with self._session.scratch.folder() as folder:
            if ending not in MESHES:
                return self._download(await run_in_threadpool(save_copy, self._session, folder, ending))
            plan, path = await run_in_threadpool(plan_meshes, self._session, folder, ending)
            await self._jobs.aside(plan)
            return self._download(path)

    def _download(self, path: Path) -> Response:
        """A file to download; it and its folder, which is its own, are removed afterwards."""
        tidy = BackgroundTask(self._session.scratch.discard, path.parent)
        headers = {"cache-control": "no-store"}
        return FileResponse(
            path, filename=path.name, media_type="application/octet-stream", background=tidy, headers=headers
        )
