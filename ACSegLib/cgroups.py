"""Limits that a container or a job scheduler sets for this process by Linux control groups.

Docker, Kubernetes and SLURM do so. The system's own figures (free memory, number of cores) do not know of them: a
process that uses more memory than its group may is killed, and one with more threads than cores of its quota is slowed
down. Control groups of version 1 and 2 are read, and those above the process's own group, whose limits hold for it too.

References
----------
https://docs.kernel.org/admin-guide/cgroup-v2.html, https://docs.kernel.org/admin-guide/cgroup-v1/memory.html
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

#: Version 1 says "no limit" by a number near the largest of 64 bits.
_UNLIMITED = 1 << 60


def memory_left(root: Path = Path("/")) -> int | None:
    """Bytes that the control groups of this process still allow it; None where they set no limit.

    Pages of files that the kernel keeps, and would drop first, count as free.

    Parameters
    ----------
    root : Path
        Folder that holds ``proc`` and ``sys``; another one in tests.
    """
    names = (
        ("memory.max", "memory.current", "inactive_file"),
        ("memory.limit_in_bytes", "memory.usage_in_bytes", "total_inactive_file"),
    )
    left: list[int] = []
    for folder in _groups(root, "memory"):
        for limit_name, usage_name, cache_name in names:
            limit, usage = _number(folder / limit_name), _number(folder / usage_name)
            if limit is None or limit >= _UNLIMITED:
                continue
            kept = min(_entry(folder / "memory.stat", cache_name), usage or 0)
            left.append(max(0, limit - (usage or 0) + kept))
    return min(left, default=None)


def core_quota(root: Path = Path("/")) -> float | None:
    """Cores whose time the control groups of this process give it (1.5: one and a half); None without a limit.

    Parameters
    ----------
    root : Path
        As for `memory_left`.
    """
    quotas: list[float] = []
    for folder in _groups(root, "cpu"):
        words = _text(folder / "cpu.max").split()  # version 2: "quota period" or "max period"
        if not words:
            words = [_text(folder / f"cpu.cfs_{name}_us").strip() for name in ("quota", "period")]
        if len(words) == 2 and all(word.isdigit() and int(word) > 0 for word in words):
            quotas.append(int(words[0]) / int(words[1]))
    return min(quotas, default=None)


def _groups(root: Path, controller: str) -> Iterator[Path]:
    """Folders of the process's group and of those above it, of the version-1 controller and of version 2.

    In a container ``/proc/self/cgroup`` may name the group as the host sees it, while the folder shows the container's
    own as its top; the top is therefore always looked at.
    """
    mounted = root / "sys" / "fs" / "cgroup"
    seen: set[Path] = set()
    for line in _text(root / "proc" / "self" / "cgroup").splitlines():
        _, _, rest = line.partition(":")
        controllers, _, path = rest.partition(":")
        names = controllers.split(",")
        if controllers == "":
            tops = [mounted, mounted / "unified"]
        elif controller in names:
            tops = [mounted / controllers, mounted / controller]
        else:
            continue
        parts = [part for part in path.split("/") if part not in ("", "..")]
        for top in tops:
            for depth in range(len(parts), -1, -1):
                folder = top.joinpath(*parts[:depth])
                if folder not in seen and folder.is_dir():
                    seen.add(folder)
                    yield folder


def _text(path: Path) -> str:
    """Content of a small file; empty where it is missing or may not be read."""
    try:
        return path.read_text(encoding="ascii", errors="replace")
    except OSError:
        return ""


def _number(path: Path) -> int | None:
    text = _text(path).strip()
    return int(text) if text.isdigit() else None


def _entry(path: Path, name: str) -> int:
    """Number of a row "name number" of a file; 0 where there is none."""
    for line in _text(path).splitlines():
        key, _, value = line.partition(" ")
        if key == name and value.strip().isdigit():
            return int(value)
    return 0
