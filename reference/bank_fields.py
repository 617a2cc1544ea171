"""Checked fields of banks: rates and delays as float arrays of shape (n,), one entry a server."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np

from .errors import Array, InputError
from .validation import as_floats, raise_at_first

if TYPE_CHECKING:
    from .server_bank import ServerBank

Bank = TypeVar("Bank")
NO_RATE, DRAINED = "a server needs a rate above 0", ", or leave a drained server out"


def bank_arrays(**given: object) -> dict[str, Array]:
    """Return the fields of a bank as arrays of one length n; a single number stands for all servers.

    Raises
    ------
    InputError
        On an empty bank, mismatched lengths, or anything that is not finite.
    """
    arrays = {name: np.atleast_1d(as_floats(name, value)) for name, value in given.items()}
    n = max((a.size for a in arrays.values()), default=0)
    for name, a in arrays.items():
        if a.ndim != 1:
            raise InputError(
                name, a.tolist(), f"has {a.ndim} dimensions", "give one number per server"
            )
        if a.size == 0:
            raise InputError(name, [], "the system has no server", "give at least one")
        if a.size not in (1, n):
            problem = f"has {a.size} values where {next(k for k, b in arrays.items() if b.size == n)} has {n}"
            raise InputError(name, a.tolist(), problem, "give one value per server, or one for all")
        raise_at_first(name, a, np.isfinite(a), "is not finite", "give a finite number")
    out = {name: np.ascontiguousarray(np.broadcast_to(a, (n,))) for name, a in arrays.items()}
    for a in out.values():
        a.flags.writeable = False
    return out


def store(bank: Bank, **values: Any) -> Bank:
    """Return a bank, frozen or not, after some of its fields were set."""
    for name, value in values.items():
        object.__setattr__(bank, name, value)
    return bank


def check_servers(bank: Any, *nonnegative: str, **more: object) -> None:
    """Store the fields of a bank as checked arrays: `rate` above 0; `delay` and those named 0 or more; `more` finite, its own to check."""
    names = ("delay", *nonnegative)
    arrays = bank_arrays(rate=bank.rate, **{name: getattr(bank, name) for name in names}, **more)
    raise_at_first(
        "rate",
        arrays["rate"],
        arrays["rate"] > 0,
        NO_RATE,
        f"give a positive service rate{DRAINED}",
    )
    for name in names:
        what = (
            "a delay"
            if name == "delay"
            else "a coefficient of variation"
            if name.endswith("cv")
            else "it"
        )
        raise_at_first(
            name, arrays[name], arrays[name] >= 0, f"{what} cannot be negative", "give 0 or more"
        )
    store(bank, **arrays)


def rates_and_delays(rate: object, delay: object, servers: int = 1) -> tuple[Array, Array]:
    """Return rates, which may be infinite, and delays, shape (n,) each; a number stands for all servers. InputError as `bank_arrays`."""
    rates = np.atleast_1d(as_floats("rate", rate))
    arrays = bank_arrays(
        rate=np.where(np.isposinf(rates), 1.0, rates), delay=delay, servers=np.zeros(servers)
    )
    raise_at_first(
        "rate",
        arrays["rate"],
        arrays["rate"] > 0,
        NO_RATE,
        f"give a load to stay below, or infinity{DRAINED}",
    )
    raise_at_first(
        "delay",
        arrays["delay"],
        arrays["delay"] >= 0,
        "a delay cannot be negative",
        "give 0 or more",
    )
    return np.array(np.broadcast_to(rates, arrays["rate"].shape)), arrays["delay"]


def whole(bank: Any) -> Any:
    """Return a bank after its rate and delay were made arrays of one shape (n,), where a family gives numbers or lists, or no delay.

    Raises
    ------
    InputError
        On a family without a rate, or values that do not fit.
    """
    given: list[Any] = [getattr(bank, name, None) for name in ("rate", "delay")]
    if all(_a_row(value) for value in given) and given[0].size == given[1].size:
        return bank
    rate, delay = given[0], 0.0 if given[1] is None else given[1]
    if rate is None:
        remedy = "store the load that each server must stay below, or infinity, in an array of shape (n,)"
        raise InputError("rate", None, f"is not given by {type(bank).__name__}", remedy)
    _keep(bank, *rates_and_delays(rate, delay))
    if (
        np.ndim(rate) == np.ndim(delay) == 0
    ):  # how many servers there are is told by the latency alone
        shape = np.shape(bank.latency(np.zeros(1)))
        _keep(bank, *rates_and_delays(rate, delay, shape[-1] if shape else 1))
    return bank


def _a_row(value: Any) -> bool:
    return isinstance(value, np.ndarray) and value.dtype == np.float64 and value.ndim == 1


def _keep(bank: ServerBank, rate: Array, delay: Array) -> None:
    for name, array in (("rate", rate), ("delay", delay)):
        given: Any = getattr(bank, name, None)
        try:
            if not (_a_row(given) and given.size == array.size):
                store(bank, **{name: array})
        except AttributeError:
            value, problem = (
                getattr(bank, name),
                "is a property that gives no array of one float a server",
            )
            raise InputError(name, value, problem, f"give shape ({array.size},)") from None
