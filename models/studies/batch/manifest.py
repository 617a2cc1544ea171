"""Description of a study, kept as ``study.json``: a study goes on only where it is the same."""

from __future__ import annotations

import json
from collections.abc import Mapping
from importlib import metadata
from pathlib import Path
from typing import Any

import numpy as np

from ....reference.errors import InputError
from .files import ANOTHER_FOLDER, read_file
from .spec import StudySpec

MANIFEST = "study.json"
LONGEST_VALUE = 80  # characters of a value in a message
Manifest = dict[str, Any]


def manifest_of(spec: StudySpec, version: str | None) -> Manifest:
    """Return the description of a study, ready for JSON.

    Everything except the version of the library must be the same for the study to go on.
    """
    options = {
        key: _plain(value) for key, value in sorted(spec.options.items()) if value is not None
    }
    return {
        "sojourn": metadata.version("sojourn"),
        "version": version,
        "kind": spec.kind.system.__name__,
        "chunk": spec.chunk_size,
        "relative": spec.relative,
        "options": options,
        "loads": spec.loads.tolist(),
        "names": list(spec.names),
    }


def _plain(value: Any) -> Any:
    """Return a value as JSON reads it back; the name of its type where JSON cannot hold it."""
    try:
        return json.loads(json.dumps(value, default=_as_json))
    except (TypeError, ValueError, RecursionError):  # unusual keys, or a value that holds itself
        return type(value).__qualname__


def _as_json(value: Any) -> Any:
    if hasattr(value, "__array__"):
        return np.asarray(value).tolist()
    if isinstance(value, Mapping):
        return dict(value)
    if isinstance(value, set | frozenset):
        return sorted(map(repr, value))
    name = getattr(value, "__qualname__", type(value).__qualname__)
    return {name: getattr(value, "__dict__", {})}


def difference(stored: Manifest, current: Manifest) -> str:
    """Return the first difference of two studies as a phrase, "" where there is none."""
    changed = (
        name
        for name in current
        if name != "sojourn" and not _equal(stored.get(name), current[name])
    )
    field = next(changed, None)
    if field is None:
        return ""
    if field == "loads":
        return "at other loads"
    if field == "names":
        return (
            f"of other systems: {_names_difference(list(stored.get(field) or ()), current[field])}"
        )
    before, after = stored.get(field), current[field]
    if field == "options":
        field = next(
            key
            for key in sorted({*stored["options"], *after})
            if not _equal(stored["options"].get(key), after.get(key))
        )
        before, after = (options.get(field, "not given") for options in (stored["options"], after))
    return f"with {field} = {_short(before)}, not {_short(after)}"


def _names_difference(before: list[str], after: list[str]) -> str:
    if len(before) != len(after):
        return f"{len(before)}, not {len(after)}"
    differ = (i for i, (old, new) in enumerate(zip(before, after, strict=True)) if old != new)
    return f"number {next(differ, 0)} of {len(after)}"


def _equal(one: Any, other: Any) -> bool:
    # as JSON text, NaN equals NaN
    return bool(one == other) or json.dumps(one, sort_keys=True) == json.dumps(
        other, sort_keys=True
    )


def _short(value: object) -> str:
    text = value if value == "not given" else repr(value)
    return str(text if len(text) <= LONGEST_VALUE else text[: LONGEST_VALUE - 3] + "...")


def read_manifest(field: str, folder: Path) -> Manifest:
    """Return the description in a folder; InputError where it cannot be read."""
    text = read_file(field, folder, MANIFEST)
    try:
        manifest: Any = json.loads(text)
        types = {"names": list, "chunk": int, "options": dict}
        if not isinstance(manifest, dict):
            raise TypeError(f"is a {type(manifest).__name__}")
        for name, kind in types.items():
            if not isinstance(manifest.get(name), kind):
                raise TypeError(f"{name} is missing or wrong")
        if manifest["chunk"] < 1 or not all(isinstance(name, str) for name in manifest["names"]):
            raise ValueError("no such names or chunks are written")
    except (ValueError, TypeError, RecursionError) as error:
        problem = f"its {MANIFEST} cannot be read: {type(error).__name__}: {error}"
        raise InputError(
            field, str(folder), problem, f"restore that file, {ANOTHER_FOLDER}"
        ) from error
    return manifest
