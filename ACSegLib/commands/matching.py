"""Files of many folders: a name for each, and the partner that each has in another folder."""

from __future__ import annotations

import os
from collections.abc import Callable, Collection, Mapping, Sequence
from pathlib import Path

from ACSegLib.errors import FileError, InputError
from ACSegLib.files.names import stem


def files_there(paths: Sequence[str], find: Callable[[list[str]], list[str]]) -> tuple[list[str], dict[str, str]]:
    """The files that `find` gives for each path, and for each path under which it finds none a sentence on why."""
    files: list[str] = []
    missing: dict[str, str] = {}
    for path in paths:
        try:
            files += find([path])
        except FileError as error:
            missing[path] = str(error)
    return files, missing


def name_files(paths: Sequence[str]) -> dict[str, str]:
    """A name for each file: its stem, and in front as many of its folders as tell files of one stem apart.

    Raises
    ------
    InputError
        If two files of one folder differ in nothing but their endings.
    """
    alike: dict[str, dict[tuple[str, ...], str]] = {}
    for path in {os.path.abspath(path): path for path in paths}.values():
        folders = Path(os.path.abspath(path)).parent.parts
        twin = alike.setdefault(stem(path), {}).setdefault(folders, path)
        if twin != path:
            raise InputError(f"{twin} and {path} have the same name; rename one of them, or move it elsewhere.")
    names = {}
    for word, group in alike.items():
        depth = _telling_depth(group)
        names.update({path: "/".join((*folders[len(folders) - depth :], word)) for folders, path in group.items()})
    return {names[path]: path for path in paths if path in names}


def _telling_depth(places: Collection[tuple[str, ...]]) -> int:
    """How many of their innermost folders tell different places apart."""
    deepest = max(map(len, places))
    return next(
        depth
        for depth in range(deepest + 1)
        if len({place[max(len(place) - depth, 0) :] for place in places}) == len(places)
    )


def match_files(
    named: Mapping[str, str], candidates: Sequence[str], what: str, where: str
) -> tuple[dict[str, str], dict[str, str]]:
    """Give each file its partner by name; a file and a single candidate are partners whatever they are called.

    A candidate of the same stem comes first. Each other candidate goes to the longest name among those left that is its
    own but for something added to one of the two ("cell1" and "cell1_filled", not "cell10"). Files of one folder do not
    share a partner; those of several folders may, since they may be results of several methods.

    Parameters
    ----------
    named : mapping of name to path
        As `name_files` gives them.
    candidates : sequence of path
    what, where : str
        What the candidates are, and the folder that they are from, for the sentences.

    Returns
    -------
    partners : dict of name to path
    missing : dict of name to str
        Sentences on files that have no partner, several, or one that they would have to share.
    """
    if len(named) == len(candidates) == 1:
        return dict(zip(named, candidates, strict=True)), {}
    folders: dict[str, dict[str, str]] = {}
    for name, path in named.items():
        folders.setdefault(os.path.dirname(os.path.abspath(path)), {})[name] = path
    partners: dict[str, str] = {}
    missing: dict[str, str] = {}
    for inside in folders.values():
        for name, partner_files in _possible_partners(inside, candidates).items():
            if len(partner_files) == 1:
                partners[name] = partner_files[0]
            elif partner_files:
                listed = ", ".join(Path(p).name for p in partner_files[:3])
                missing[name] = f"several {what}s in {where} have this name ({listed}); keep one of them."
            else:
                missing[name] = f"there is no {what} of this name in {where}."
        for name, other in _sharing(inside, partners).items():
            missing[name] = f"its {what} {Path(partners.pop(name)).name} goes with {other} as well; rename one of them."
    return {n: partners[n] for n in named if n in partners}, {n: f"{named[n]}: {missing[n]}" for n in missing}


def _possible_partners(named: Mapping[str, str], candidates: Sequence[str]) -> dict[str, list[str]]:
    """Candidates of the same stem for each name; where there is none, those that go to it (see `match_files`)."""
    words = {name: stem(path) for name, path in named.items()}
    stems = {path: stem(path) for path in candidates}
    of_stem: dict[str, list[str]] = {}
    for path, word in stems.items():
        of_stem.setdefault(word, []).append(path)
    possible = {name: list(of_stem.get(word, ())) for name, word in words.items()}
    taken = {path for paths in possible.values() for path in paths}
    left = [name for name in named if not possible[name]]
    for path in stems:
        shared = {name: _shared(stems[path], words[name]) for name in left if path not in taken}
        longest = max(shared.values(), default=0)
        for name, length in shared.items():
            if length == longest > 0:
                possible[name].append(path)
    return possible


def _shared(one: str, other: str) -> int:
    """Length of the shorter of two stems if the longer is that with something added, else 0."""
    return min(len(one), len(other)) if extends(one, other) or extends(other, one) else 0


def extends(longer: str, shorter: str) -> bool:
    """Whether a name is another with something added: "cell1_filled" is "cell1" with that, "cell10" is not."""
    return bool(shorter) and longer.startswith(shorter) and not longer[len(shorter) :][:1].isalnum()


def _sharing(names: Collection[str], partners: Mapping[str, str]) -> dict[str, str]:
    """The names that have one partner with another name, and that other name."""
    users: dict[str, list[str]] = {}
    for name in names:
        if name in partners:
            users.setdefault(partners[name], []).append(name)
    groups = [group for group in users.values() if len(group) > 1]
    return {name: next(n for n in group if n != name) for group in groups for name in group}


def segments_there(wanted: Sequence[str], known: Collection[str]) -> list[str] | None:
    """Those of the wanted segments that a file has; None if it has none of them. Wanting none is wanting all: []."""
    chosen = [name for name in wanted if name in known]
    return chosen if chosen or not wanted else None
