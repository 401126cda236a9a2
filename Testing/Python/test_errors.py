"""Errors as sentences for a user: what is explained, and what is a defect."""

import errno
import os

import pytest

from ACSegLib.errors import explain


@pytest.mark.parametrize(
    "text", ["_csr.so: failed to map segment from shared object", "[Errno 12] Cannot allocate memory: 'libllvm.so'"]
)
def test_a_package_that_memory_has_no_room_for_is_no_defect(text):
    assert "not enough memory" in explain(ImportError(text))
    chained = OSError("Could not find/load shared object file")
    chained.__context__ = OSError(text)
    assert "not enough memory" in explain(chained)


@pytest.mark.parametrize("code", [errno.ENOSPC, errno.EFBIG])
def test_a_full_disk_is_told_with_the_file_and_a_way_out(code):
    named = explain(OSError(code, os.strerror(code), "cells.csv"))
    nameless = explain(OSError(code, os.strerror(code)))
    assert named.startswith("there is no room to write cells.csv (")
    assert nameless.startswith("there is no room (")
    assert all("choose another folder" in text and "Errno" not in text for text in (named, nameless))


def test_a_broken_package_is_a_defect():
    assert explain(ImportError("cannot import name 'csr' from 'scipy.sparse'")) is None
