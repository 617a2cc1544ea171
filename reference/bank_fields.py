"""Checked fields of banks: rates and delays as float arrays of shape (n,), one entry a server."""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np

from .errors import Array, InputError
from .plural import counted
from .validation import as_floats, raise_at_first

if TYPE_CHECKING:
    from .server_bank import ServerBank

Bank = TypeVar("Bank")
ENDLESS = 2**40  # longer than any bank
NO_RATE, DRAINED = "a server needs a rate above 0", ", or leave a drained server out"


def bank_arrays(**given: object) -> dict[str, Array]:
    """Return the fields of a bank as read-only arrays of one length n.

    Parameters
    ----------
    **given : array_like, shape (n,) or ()
        Fields by name; a single number holds for all servers.

    Returns
    -------
    dict of str to ndarray, shape (n,)

    Raises
    ------
    InputError
        On an empty bank, arrays of different lengths, or an entry that is not finite.
    """
    arrays = {name: np.atleast_1d(as_floats(name, value)) for name, value in given.items()}
    n = max((a.size for a in arrays.values()), default=0)
    for name, a in arrays.items():
        if a.ndim != 1:
            problem = f"has {a.ndim} dimensions"
            raise InputError(name, a.tolist(), problem, "give one number per server")
        if a.size == 0:
            raise InputError(name, [], "the system has no server", "give at least one")
        if a.size not in (1, n):
            longest = next(k for k, b in arrays.items() if b.size == n)
            problem = f"has {counted(a.size, 'value')} where {longest} has {n}"
            raise InputError(name, a.tolist(), problem, "give one value per server, or one for all")
        raise_at_first(name, a, np.isfinite(a), "is not finite", "give a finite number")
    out = {name: a if a.size == n else np.repeat(a, n) for name, a in arrays.items()}
    for a in out.values():
        a.flags.writeable = False
    return out


def constant(value: float, n: int) -> Array:
    """Return n times one number, shape (n,), read-only and without memory of its own."""
    return _endless(value)[:n]


@lru_cache(64)
def _endless(value: float) -> Array:
    return np.broadcast_to(value, (ENDLESS,))  # a part of it is much faster than `broadcast_to`


def store(bank: Bank, **values: Any) -> Bank:
    """Set fields of an object, also of a frozen dataclass, and return the object."""
    for name, value in values.items():
        object.__setattr__(bank, name, value)
    return bank


def check_servers(bank: Any, *nonnegative: str, **more: object) -> None:
    """Replace the fields of a bank by checked arrays of shape (n,).

    Parameters
    ----------
    bank : ServerBank
        With the fields ``rate``, which must be above 0, and `delay`, which must be 0 or more.
    *nonnegative : str
        Names of further fields that must be 0 or more.
    **more : array_like
        Further fields by name, which must be finite.

    Raises
    ------
    InputError
    """
    names = ("delay", *nonnegative)
    arrays = bank_arrays(rate=bank.rate, **{name: getattr(bank, name) for name in names}, **more)
    rate, remedy = arrays["rate"], f"give a positive service rate{DRAINED}"
    raise_at_first("rate", rate, rate > 0, NO_RATE, remedy)
    for name in names:
        noun = "a coefficient of variation" if name.endswith("cv") else "it"
        noun = "a delay" if name == "delay" else noun
        problem = f"{noun} cannot be negative"
        raise_at_first(name, arrays[name], arrays[name] >= 0, problem, "give 0 or more")
    store(bank, **arrays)


def rates_and_delays(rate: object, delay: object, servers: int = 1) -> tuple[Array, Array]:
    """Return rates, which may be infinite, and delays as arrays of shape (n,).

    Parameters
    ----------
    rate, delay : array_like, shape (n,) or ()
        A single number holds for all servers.
    servers : int, default 1
        Number of servers where both are single numbers.

    Raises
    ------
    InputError
        As `bank_arrays`, on a rate that is not above 0 and on a negative delay.
    """
    rates = np.atleast_1d(as_floats("rate", rate))
    finite = np.where(np.isposinf(rates), 1.0, rates)
    arrays = bank_arrays(rate=finite, delay=delay, servers=np.zeros(servers))
    remedy = f"give a load to stay below, or infinity{DRAINED}"
    raise_at_first("rate", arrays["rate"], arrays["rate"] > 0, NO_RATE, remedy)
    delays, problem = arrays["delay"], "a delay cannot be negative"
    raise_at_first("delay", delays, delays >= 0, problem, "give 0 or more")
    return np.array(np.broadcast_to(rates, arrays["rate"].shape)), delays


def whole(bank: Any) -> Any:
    """Make the rate and the delay of a bank arrays of shape (n,), and return the bank.

    A family may store numbers or lists, and no delay; a delay that is left out is 0.

    Raises
    ------
    InputError
        On a family without a rate, or values that do not fit.
    """
    given: list[Any] = [getattr(bank, name, None) for name in ("rate", "delay")]
    if all(_is_row(value) for value in given) and given[0].size == given[1].size:
        return bank
    rate, delay = given[0], 0.0 if given[1] is None else given[1]
    if rate is None:
        problem = f"is not given by {type(bank).__name__}"
        remedy = "store the load that each server must stay below, or infinity, in an array"
        raise InputError("rate", None, problem, f"{remedy} of shape (n,)")
    _store_rows(bank, *rates_and_delays(rate, delay))
    if np.ndim(rate) == np.ndim(delay) == 0:
        # two single numbers do not tell how many servers there are; the shape of the latency does
        shape = np.shape(bank.latency(np.zeros(1)))
        _store_rows(bank, *rates_and_delays(rate, delay, shape[-1] if shape else 1))
    return bank


def _is_row(value: Any) -> bool:
    """Return whether a value is an array of floats of one dimension."""
    return isinstance(value, np.ndarray) and value.dtype == np.float64 and value.ndim == 1


def _store_rows(bank: ServerBank, rate: Array, delay: Array) -> None:
    """Store rate and delay in a bank, where it does not have them as such arrays already."""
    for name, array in (("rate", rate), ("delay", delay)):
        given: Any = getattr(bank, name, None)
        try:
            if not (_is_row(given) and given.size == array.size):
                store(bank, **{name: array})
        except AttributeError:
            value, problem = given, "is a property that gives no array of one float a server"
            raise InputError(name, value, problem, f"give shape ({array.size},)") from None
