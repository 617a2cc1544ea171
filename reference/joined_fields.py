"""Stored values of several banks of n servers put together, so that these become one bank."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import is_dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from .bank_fields import whole
from .family_checks import SAME

if TYPE_CHECKING:
    from .server_bank import ServerBank


def one_a_server(value: Any, n: int) -> bool:
    """Return whether a stored value is an array with one entry for each of n servers."""
    return isinstance(value, np.ndarray) and value.shape[:1] == (n,)


def joined_fields(banks: Sequence[ServerBank]) -> dict[str, Any] | None:
    """Return the stored values of all servers of banks of one class, by name, or None.

    It is None where the banks store different names, or values that cannot be `concatenated`.
    """
    names = banks[0]._stored()
    if not is_dataclass(type(banks[0])) and any(bank._stored() != names for bank in banks):
        return None
    columns = {name: [getattr(bank, name) for bank in banks] for name in names}
    try:
        return {name: concatenated(values, len(banks[0])) for name, values in columns.items()}
    except ValueError:
        return None


def concatenated(values: Sequence[Any], n: int) -> Any:
    """Return one stored value for all of several banks of n servers.

    Raises
    ------
    ValueError
        Where the values are neither arrays with one entry a server nor equal.
    """
    first = values[0]
    if one_a_server(first, n):
        if all(isinstance(v, np.ndarray) and v.shape == first.shape for v in values):
            return np.concatenate(values)
    elif all(v is first or _equal(v, first) for v in values):
        return first
    raise ValueError("the banks differ in a value that is not one number a server")


def _equal(value: Any, other: Any) -> bool:
    """Return whether two stored values are equal; values that cannot be compared are not."""
    if type(value) is not type(other):
        return False
    if isinstance(value, np.ndarray):
        return np.array_equal(value, other)
    try:
        return bool(value == other)
    except Exception:  # a value may raise anything
        return False


def agrees(joined: ServerBank, banks: Sequence[ServerBank]) -> bool:
    """Return whether a joined bank of a family from outside this library has the banks' latencies.

    It has not where the family stores lists, or has numbers elsewhere.
    """
    for bank in banks:
        bank._validated  # noqa: B018  the check of a family, before any answer
    flows = [np.where(np.isfinite(bank.rate), 0.5 * bank.rate, 1.0) for bank in banks]
    each = [bank.latency(flow) for bank, flow in zip(banks, flows, strict=True)]
    try:
        got = whole(joined).latency(np.concatenate(flows))
        return bool(np.allclose(got, np.concatenate(each), rtol=SAME, atol=0.0))
    except Exception:  # a family may raise anything
        return False
