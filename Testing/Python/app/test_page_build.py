"""The page's sources: types, style, unit tests; and the committed bundle is what they build."""

import dataclasses
import re

import pytest
from webtools import WEB, needs_node, node

from ACSegLib.app import contract, requests
from ACSegLib.app.server import STATIC

NAMES = re.compile(r"export interface (\w+) \{(.*?)\n\}", re.S)


def interfaces():
    """Interface of contract.ts -> its fields, with whether they may be left out."""
    text = (WEB / "src" / "contract.ts").read_text(encoding="utf-8")
    return {name: dict(re.findall(r"^  (\w+)(\??):", body, re.M)) for name, body in NAMES.findall(text)}


@pytest.mark.parametrize("name", interfaces())
def test_page_and_server_agree_on_the_fields_of(name):
    fields = dataclasses.fields(getattr(contract, name, None) or getattr(requests, name))
    assert list(interfaces()[name]) == [field.name for field in fields]
    if name.endswith(("Request", "Options")):
        optional = {f.name for f in fields if not (f.default is f.default_factory is dataclasses.MISSING)}
        assert {field for field, mark in interfaces()[name].items() if mark} == optional


@needs_node
def test_types_and_style_of_the_sources():
    node("tsc", "--noEmit")
    node("eslint", ".")


@needs_node
def test_unit_tests_of_the_page_pass():
    assert re.search(r"Tests\s+\d+ passed", re.sub(r"\x1b\[[0-9;]*m", "", node("vitest", "run")))


@needs_node
def test_the_committed_bundle_is_what_the_sources_build(tmp_path):
    node("vite", "build", "--outDir", str(tmp_path / "fresh"), "--emptyOutDir")
    fresh, committed = (
        {str(p.relative_to(root)): p.read_bytes() for p in root.rglob("*") if p.is_file()}
        for root in (tmp_path / "fresh", STATIC)
    )
    assert sorted(fresh) == sorted(committed)
    different = [name for name in fresh if fresh[name] != committed[name]]
    assert not different, f"run npm run build in ACSegLib/app/web, and commit {different}"


def test_the_bundle_asks_for_nothing_from_elsewhere():
    """Addresses of others occur in comments of shaders and in messages; none is loaded by the page itself."""
    html = (STATIC / "index.html").read_text(encoding="utf-8")
    css = "".join(p.read_text(encoding="utf-8") for p in STATIC.rglob("*.css"))
    assert not re.search(r"(?:src|href)=\"(?:https?:)?//|<script(?![^>]*src=)| style=| on\w+=", html)
    assert "://" not in css
    assert "@import" not in css


def test_the_licence_of_every_bundled_package_is_beside_the_bundle():
    text = (STATIC / "licences.txt").read_text(encoding="utf-8")
    assert "BSD 2-Clause License" in text
    lock = (WEB / "package-lock.json").read_text(encoding="utf-8")
    for name in ("@niivue/niivue", "gl-matrix", "fflate", "nifti-reader-js", "@lukeed/uuid", "array-equal"):
        version = re.search(rf'"node_modules/{name}": \{{\s*"version": "([^"]+)"', lock)[1]
        assert f"{name} {version}\n" in text
