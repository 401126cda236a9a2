"""JSON values: what files, reports, models and other processes exchange, and how Python's values become them."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Mapping
from typing import Any

#: A JSON object as Python has it. It is the type at a border: a file's header, a message, a report. Inside the
#: library the same values are a dataclass.
Json = dict[str, Any]
#: A row of a table: the name of each column with its plain value. Which columns there are depends on the options of
#: the command and on the segments of the file.
Row = dict[str, Any]


def to_json(value: Any) -> Any:
    """Turn dataclasses (by their `to_dict`, if any), numpy values and paths into JSON values (NaN, infinity: null)."""
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        if hasattr(value, "to_dict"):
            return to_json(value.to_dict())
        return {field.name: to_json(getattr(value, field.name)) for field in dataclasses.fields(value)}
    if isinstance(value, Mapping):
        return {str(k): to_json(v) for k, v in value.items()}
    if isinstance(value, (list, tuple, set)):
        return [to_json(v) for v in value]
    if hasattr(value, "tolist"):
        return to_json(value.tolist())
    if isinstance(value, float):
        return value if value == value and abs(value) != float("inf") else None
    if isinstance(value, (str, int, bool)) or value is None:
        return value
    return str(value)


def parse_object(text: str) -> Json | None:
    """Read a text that is one JSON object; None for any other text."""
    text = text.strip()
    if not text.startswith("{"):
        return None
    try:
        value = json.loads(text)
    except json.JSONDecodeError:
        return None
    return value if isinstance(value, dict) else None
