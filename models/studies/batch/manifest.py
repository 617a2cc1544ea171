"""What a study is of, as ``study.json`` has it: what must be the same for it to go on."""

from __future__ import annotations

import json
from collections.abc import Mapping
from importlib import metadata
from pathlib import Path
from typing import Any

import numpy as np

from ....reference.errors import InputError
from .files import ELSEWHERE, content
from .question import Question

MANIFEST = "study.json"
Manifest = dict[str, Any]


def described(question: Question, version: str | None) -> Manifest:
    """Return what a study is of; all but the version of the library must be the same for it to go on."""
    options = {
        key: _plain(value) for key, value in sorted(question.options.items()) if value is not None
    }
    return {
        "sojourn": metadata.version("sojourn"),
        "version": version,
        "kind": question.kind.system.__name__,
        "chunk": question.size,
        "relative": question.relative,
        "options": options,
        "loads": question.loads.tolist(),
        "names": list(question.names),
    }


def _plain(value: Any) -> Any:
    """What JSON makes of a value, whatever it is."""
    try:
        return json.loads(json.dumps(value, default=_parts))
    except (TypeError, ValueError, RecursionError):  # keys of no kind, or what holds itself
        return type(value).__qualname__


def _parts(value: Any) -> Any:
    if hasattr(value, "__array__"):
        return np.asarray(value).tolist()
    if isinstance(value, Mapping):
        return dict(value)
    if isinstance(value, set | frozenset):
        return sorted(map(repr, value))
    name = getattr(value, "__qualname__", type(value).__qualname__)
    return {name: getattr(value, "__dict__", {})}


def difference(there: Manifest, now: Manifest) -> str:
    """Return the first thing in which two studies differ, or nothing."""
    field = next(
        (name for name in now if name != "sojourn" and not _equal(there.get(name), now[name])), None
    )
    if field is None:
        return ""
    if field == "loads":
        return "at other loads"
    before, after = there.get(field), now[field]
    if field == "names":
        place = next(
            (i for i, (a, b) in enumerate(zip(before or (), after, strict=False)) if a != b), 0
        )
        where = (
            f"number {place} of {len(after)}"
            if len(before or ()) == len(after)
            else f"{len(before or ())}, not {len(after)}"
        )
        return f"of other systems: {where}"
    if field == "options":
        field = next(
            key
            for key in sorted({*there["options"], *after})
            if not _equal(there["options"].get(key), after.get(key))
        )
        before, after = (side.get(field, "not given") for side in (there["options"], after))
    return f"with {field} = {_short(before)}, not {_short(after)}"


def _equal(one: Any, other: Any) -> bool:
    # as texts two NaN are one
    return bool(one == other) or json.dumps(one, sort_keys=True) == json.dumps(
        other, sort_keys=True
    )


def _short(value: object) -> str:
    text = value if value == "not given" else repr(value)
    return str(text if len(text) <= 80 else text[:77] + "...")


def read(field: str, folder: Path) -> Manifest:
    """Return what a folder holds a study of; InputError where that cannot be read."""
    text = content(field, folder, MANIFEST)
    try:
        manifest: Any = json.loads(text)
        kinds = {"names": list, "chunk": int, "options": dict}
        if not isinstance(manifest, dict):
            raise TypeError(f"is a {type(manifest).__name__}")
        if wrong := [
            name for name, kind in kinds.items() if not isinstance(manifest.get(name), kind)
        ]:
            raise TypeError(f"{wrong[0]} is missing or wrong")
        if manifest["chunk"] < 1 or not all(isinstance(name, str) for name in manifest["names"]):
            raise ValueError("no such names or chunks are written")
    except (ValueError, TypeError, RecursionError) as error:
        problem = f"its {MANIFEST} cannot be read: {type(error).__name__}: {error}"
        raise InputError(field, str(folder), problem, f"restore that file, {ELSEWHERE}") from error
    return manifest
