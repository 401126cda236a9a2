"""The whole workflow in a browser: ``acseg app``.

One server process a user (Starlette and uvicorn, on the loopback interface), one worker process, one page.

================= ====================================================================================================
`contract`        what the page and the server say to each other: the JSON bodies as dataclasses
`server`          the endpoints
`guard`           who may talk to the server: token, host, origin, headers of all answers
`session`         what is open: the volume, its labels, which slices are labelled, what was done
`images`          slices as bytes, intensity windows, small copies for 3D
`jobs`            fill, predict, measure, train: in the worker process, with progress and cancelling
`autosave`        the work on the disk within seconds, found again after a crash
`folder`          files below the root folder: listed, opened, uploaded, and none outside of it
================= ====================================================================================================

``Documentation/browser-app.md`` lists the endpoints. The page's sources are in ``web/`` and are not packaged; its built
bundle is in ``static/``.
"""
