"""Reads a data set of a Dataverse server: the list of its files, and checked downloads."""

from __future__ import annotations

import hashlib
import http.client
import json
import re
import urllib.parse
import urllib.request
from dataclasses import dataclass
from pathlib import Path

from ACSegLib.errors import FileError
from ACSegLib.files.atomic import atomic_output
from ACSegLib.jobs import Progress
from ACSegLib.json_values import Json
from ACSegLib.volume import Segmentation, Volume

_TIMEOUT = 60.0
_BLOCK = 1 << 20
_LABEL_WORDS = ("label", "mask", "seg", "final")


@dataclass(frozen=True)
class RemoteFile:
    """One file of a Dataverse data set.

    Attributes
    ----------
    identifier : int
    name : str
    size : int
        Bytes.
    algorithm, checksum : str
        As the server lists them, such as "MD5".
    """

    identifier: int
    name: str
    size: int
    algorithm: str
    checksum: str


class Dataverse:
    """Reads one data set of a Dataverse server through its native API.

    Parameters
    ----------
    server : str
        Address, such as "https://heidata.uni-heidelberg.de".
    dataset : str
        Persistent identifier, such as "doi:10.11588/data/XEBZLL".
    """

    def __init__(self, server: str, dataset: str) -> None:
        self.server, self.dataset = server.rstrip("/"), dataset

    def files(self) -> list[RemoteFile]:
        """List the files of the newest version, sorted by name; FileError where the server does not answer."""
        query = urllib.parse.urlencode({"persistentId": self.dataset})
        address = f"{self.server}/api/datasets/:persistentId/?{query}"
        try:
            with urllib.request.urlopen(address, timeout=_TIMEOUT) as answer:
                listing = json.load(answer)
            rows = listing["data"]["latestVersion"]["files"]
            files = [_remote(row["dataFile"]) for row in rows]
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise FileError(
                f"the file list of {self.dataset} could not be read from {self.server}: {error}."
            ) from error
        return sorted(files, key=lambda f: f.name.lower())

    def download(self, file: RemoteFile, folder: Path, progress: Progress | None = None) -> Path:
        """Download a file, whole and checked, or take the one that is there already.

        Raises
        ------
        FileError
            If the download fails, or its checksum is not the listed one; then no file is left behind.
        """
        progress = progress or Progress()
        target = folder / _safe_name(file)
        progress(0.0, f"looking for {target.name}")
        if target.exists() and _matches(target, file):
            return target
        folder.mkdir(parents=True, exist_ok=True)
        address = f"{self.server}/api/access/datafile/{file.identifier}?format=original"
        with atomic_output(target) as temporary:
            try:
                with urllib.request.urlopen(address, timeout=_TIMEOUT) as answer, open(temporary, "wb") as stream:
                    done = 0
                    while block := answer.read(_BLOCK):
                        stream.write(block)
                        done += len(block)
                        if done > file.size:
                            raise FileError(
                                f"{target.name} is longer than the {file.size} bytes that {self.server} lists; the "
                                "download was stopped."
                            )
                        progress(done / max(file.size, 1), f"downloading {target.name}")
            except FileError:
                raise
            except (OSError, http.client.HTTPException) as error:
                reason = getattr(error, "reason", error)
                raise FileError(f"{target.name} could not be downloaded from {self.server}: {reason}.") from error
            if not _matches(temporary, file):
                raise FileError(f"{target.name} arrived damaged (its {file.algorithm} checksum differs); try again.")
        return target


def fetch_pair(
    dataverse: Dataverse, number: int, folder: Path, progress: Progress
) -> tuple[Volume, Segmentation | None]:
    """Download a tomogram of a data set and its labels, if it has some, and read them.

    Parameters
    ----------
    dataverse : Dataverse
    number : int
        Of the tomogram, from 1, in the order of their names.
    folder : Path
        Where the files are kept; what is there is not downloaded again.
    progress : Progress
    """
    from ACSegLib.files import open_segmentation, open_volume

    progress(0.0, "reading the list of files")
    pairs = pair_up(dataverse.files())
    if not 1 <= number <= len(pairs):
        raise FileError(f"the data set holds {len(pairs)} tomograms; there is no number {number}.")
    image, labels = pairs[number - 1]
    size = image.size + (labels.size if labels else 0) + 1
    stages = progress.stages(list=0.02 * size, image=image.size, labels=labels.size if labels else 0, load=0.08 * size)
    volume = open_volume(dataverse.download(image, folder, stages.image))
    if labels is None:
        return volume, None
    sparse = open_segmentation(dataverse.download(labels, folder, stages.labels))
    stages.load(0.0, "loading")
    sparse.geometry = volume.geometry
    return volume, sparse


def _remote(row: Json) -> RemoteFile:
    checksum = row.get("checksum") or {"type": "MD5", "value": row["md5"]}
    _algorithm(checksum["type"])
    return RemoteFile(int(row["id"]), row["filename"], int(row["filesize"]), checksum["type"], checksum["value"])


def _safe_name(file: RemoteFile) -> str:
    """The last part of a server's name, without what no system allows in names of files."""
    name = re.split(r"[/\\]", file.name)[-1]
    name = re.sub(r'[\x00-\x1f\x7f<>:"|?*]', "_", name).strip(" .")
    return name or f"file-{file.identifier}"


def _algorithm(name: str) -> str:
    """The name by which `hashlib` knows a checksum of Dataverse: MD5, SHA-1, SHA-256 or SHA-512."""
    algorithm = name.lower().replace("-", "")
    if algorithm not in ("md5", "sha1", "sha256", "sha512"):
        raise ValueError(f"unknown checksum {name!r}")
    return algorithm


def _matches(path: Path, file: RemoteFile) -> bool:
    digest = hashlib.new(_algorithm(file.algorithm), usedforsecurity=False)
    with open(path, "rb") as stream:
        while block := stream.read(_BLOCK):
            digest.update(block)
    return digest.hexdigest().lower() == file.checksum.lower()


def pair_up(files: list[RemoteFile]) -> list[tuple[RemoteFile, RemoteFile | None]]:
    """Pair tomograms with their labels by name: labels say so in their name, or share the tomogram's beginning."""
    labels = [f for f in files if any(word in f.name.lower() for word in _LABEL_WORDS)]
    pairs = []
    for image in [f for f in files if f not in labels and not f.name.lower().endswith((".txt", ".md", ".pdf", ".csv"))]:
        stem = image.name.split(".")[0].lower()
        partner = next(
            (f for f in labels if _bare(f.name) == _bare(image.name) or f.name.lower().startswith(stem)), None
        )
        pairs.append((image, partner))
    return pairs


def _bare(name: str) -> str:
    stem = name.split(".")[0].lower()
    for word in _LABEL_WORDS:
        stem = stem.replace(word + "s", "").replace(word, "")
    return "".join(c for c in stem if c.isalnum())
