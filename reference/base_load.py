"""Servers that carry base jobs beside the jobs that are split, whole batches, and who goes first.

With a service rate mu and a base flow b, service times of variability k = (1 + cv^2)/2 and batches
in which a job finds beta jobs of its batch before it, every latency here is e + k'/(R - x):

=================  ========  ========================  =======================
base priority      R         k'                        e - delay
=================  ========  ========================  =======================
equal (FCFS)       mu - b    k + beta (mu - b)/mu      (1 - k)/mu
non-preemptive     mu - b    k mu/(mu - b) + beta      1/mu - k/(mu - b)
preemptive         mu - b    k mu/(mu - b) + beta      (1 - k)/(mu - b)
last               mu        k (1 + b/mu) + beta       (1 - k)/mu
=================  ========  ========================  =======================

*Derivation.* Jobs in service or on their way to it delay a new batch. Their mean remaining work
that is present at a random time is W0 = (k b + (k + beta) x)/mu^2: base jobs one by one, and
batches as one job each. With u = b/mu and v = x/mu, the first job of a batch waits W0/(1 - u - v)
in one queue; W0/((1 - u) (1 - u - v)) behind all base jobs; W0/(1 - v) before them. These are the
waits of A. Cobham, *Priority assignment in waiting line problems*, Oper. Res. 2 (1954), also in
Kleinrock, *Queueing Systems* II (1976), sect. 3.3 and 3.6; a base load that preempts gives the same
wait. A job then waits for the beta jobs before it in its batch, beta/mu or, behind base jobs,
beta/(mu - b), and is served: 1/mu, or 1/(mu - b) with preemptions.
"""

from __future__ import annotations

from abc import abstractmethod
from dataclasses import dataclass, field, fields
from functools import cached_property
from typing import Any, ClassVar, NamedTuple

import numpy as np

from .bank_fields import check_servers, constant, store
from .compensated_sum import exact_sum
from .errors import Array, InputError
from .pollaczek_khinchine import PollaczekKhinchine
from .server_bank import ArrayLike
from .tails import EXACT, NO_TAIL
from .validation import as_server_array, list_or_none, raise_at_first

EQUAL, LAST = "equal", "last"
PRIORITIES = (EQUAL, "non-preemptive", "preemptive", LAST)
"""Priorities of the base jobs over the jobs that are split."""
SAME_RATE = 1e-14  # relative error of a rate that is service rate less base load
WHOLE = 1e-9  # relative error allowed in the spread of whole batch sizes


class Numbers(NamedTuple):
    """Numbers of a bank with a base load or batches, each of shape (n,).

    Attributes
    ----------
    k : ndarray
        Weight k' of the latency e + k'/(R - x).
    work : ndarray
        Latency of an empty server less its delay, times R.
    fixed_by_rate, k_by_rate : ndarray
        Derivatives of e and of k' in the service rate.
    """

    k: Array
    work: Array
    fixed_by_rate: Array
    k_by_rate: Array


@dataclass(frozen=True, eq=False, repr=False)
class SharedServers(PollaczekKhinchine):
    """Base class of servers that may carry a base load, and jobs that may come in batches.

    A family adds `rate` and `delay` as fields, and its `variability`. A bank without a base load
    stores 0 for it, and a bank without batches stores 1 and 0, whatever the number of servers.
    """

    base: Any = field(default=0.0, kw_only=True)
    base_priority: Any = field(default=None, kw_only=True)
    batch: Any = field(default=1.0, kw_only=True)
    batch_cv: Any = field(default=0.0, kw_only=True)
    # the rate that was given, where `rate` is less by a base load: for copies by `dataclasses`
    _given_rate: Any = field(default=None, kw_only=True, repr=False)

    _not_negative: ClassVar[tuple[str, ...]] = ()

    @property
    @abstractmethod
    def variability(self) -> Array:
        """Variability (1 + cv^2)/2 of the service time, shape (n,)."""

    def __post_init__(self) -> None:
        numbers = [name for name, none in NOT_GIVEN.items() if not _is(getattr(self, name), none)]
        words = _priorities(self.base_priority)
        codes = {} if words is None else {"base_priority": [PRIORITIES.index(w) for w in words]}
        try:
            check_servers(self, *self._not_negative, *numbers, **codes)
        except InputError as error:
            value = words if error.field == "base_priority" else error.value
            raise InputError(error.field, value, error.problem, error.remedy) from None
        if words is not None:
            chosen = np.array(PRIORITIES)[self.base_priority.astype(np.intp)]
            store(self, base_priority=None if np.all(chosen == EQUAL) else chosen)
        if "batch" in numbers or "batch_cv" in numbers:
            self._check_batches()
        if self._given_rate is not None:
            self._check_given_rate()
        if np.any(np.asarray(self.base) > 0):
            self._take_base()
        else:
            store(self, base=0.0, base_priority=None, _given_rate=None)

    def _check_given_rate(self) -> None:
        """Raise InputError unless the rate is that which the base load leaves of the given one."""
        given = as_server_array("_given_rate", self._given_rate, self.rate.size)
        finite = np.isfinite(given)
        left = self._pole_of(np.where(finite, given, 1.0), np.broadcast_to(self.base, given.shape))
        if not np.all(finite & (np.abs(self.rate - left) <= SAME_RATE * given)):
            problem = "cannot be changed, nor its base load, by dataclasses.replace"
            remedy = "make the bank anew from its service rate and base load"
            raise InputError("rate", self.rate.tolist(), problem, remedy)
        store(self, rate=given)

    def _take_base(self) -> None:
        """Store the rate that is left for the jobs that are split."""
        given = self.rate
        for i in np.flatnonzero(~(self.base < given)):
            problem = f"is not below the rate of the server, {given[i]:g}"
            remedy = "give less, give the server a higher rate, or leave it out"
            raise InputError(f"base[{i}]", float(self.base[i]), problem, remedy)
        left = self._pole_of(given, self.base)
        left.flags.writeable = False
        store(self, rate=left, _given_rate=given)

    def _pole_of(self, rate: Array, base: Array) -> Array:
        """Return R, at which the latency of each server is infinite.

        It is rounded up: so the latency is infinite at the float, too, whose `rate_error` is 0 or
        less.
        """
        base = np.where(self._is_last, 0.0, base)
        left = rate - base
        return np.where(_exact_sum(rate, -base, -left) > 0, np.nextafter(left, np.inf), left)

    def _check_batches(self) -> None:
        """Raise InputError unless sizes of batches can have this mean and this spread."""
        n = self.rate.size
        size, cv = (np.broadcast_to(v, (n,)) for v in (self.batch, self.batch_cv))
        remedy = "give the mean number of jobs in a batch, 1 or more"
        raise_at_first("batch", size, size >= 1.0, "is no mean size of batches", remedy)
        beyond = size - np.floor(size)
        least = np.sqrt(beyond * (1.0 - beyond)) / size
        for i in np.flatnonzero(cv < least * (1.0 - WHOLE)):
            problem = f"is too small: sizes are whole numbers, and their mean is {size[i]:g}"
            remedy = f"give {least[i]:.6g} or more, or a whole mean"
            raise InputError(f"batch_cv[{i}]", float(cv[i]), problem, remedy)
        problem = "is above 0 where the mean size is 1, so that every batch is one job"
        raise_at_first("batch_cv", cv, (size > 1.0) | (cv == 0.0), problem, "give 0")
        store(self, batch=np.array(size), batch_cv=np.array(cv))
        for value in (self.batch, self.batch_cv):
            value.flags.writeable = False

    def __repr__(self) -> str:
        names = [f.name for f in sorted(fields(self), key=lambda f: bool(f.kw_only)) if f.repr]
        values = {name: getattr(self, name) for name in names} | {"rate": self.service_rate}
        left_out = {*NOT_GIVEN, "base_priority"}
        shown = (f"{k}={v!r}" for k, v in values.items() if k not in left_out or np.ndim(v))
        return f"{type(self).__qualname__}({', '.join(shown)})"

    @property
    def service_rate(self) -> Array:
        """Service rate mu of each server, shape (n,), of which `base` takes a part."""
        return self.rate if self._given_rate is None else np.asarray(self._given_rate)

    @property
    def _is_last(self) -> Any:
        """Whether base jobs go last, one bool a server or one for all."""
        return False if self.base_priority is None else self.base_priority == LAST

    @property
    def has_exponential_times(self) -> Array:
        """Whether the time at each server is exponential where that of service is, shape (n,).

        It is so in one queue, served first come, first served, with jobs that come one by one.
        """
        no_other = np.asarray(self.base) == 0.0
        one_queue = self.base_priority is None or no_other | (self.base_priority == EQUAL)
        return np.broadcast_to(one_queue & (self._before == 0.0), self.rate.shape)

    @property
    def tail_kind(self) -> tuple[str, ...]:
        """See `ServerBank.tail_kind`: one queue, first come, first served, jobs one by one."""
        return tuple(np.where(self.has_exponential_times, self._law_kind, NO_TAIL).tolist())

    @property
    def _law_kind(self) -> Any:
        """How well the law of the service time is known: `tail_kind`, shape (n,) or ()."""
        return EXACT

    @cached_property
    def _before(self) -> Any:
        """Mean number of jobs before a job in its batch, (E[X^2]/E[X] - 1)/2."""
        return (self.batch * (1.0 + self.batch_cv**2) - 1.0) / 2.0

    @cached_property
    def rate_error(self) -> Array:
        """Service rate less base load less the float `rate`, shape (n,)."""
        if self._given_rate is None:
            return constant(0.0, self.rate.size)
        base = np.where(self._is_last, 0.0, self.base)
        return _exact_sum(self._given_rate, -base, -self.rate)

    @cached_property
    def _inexact(self) -> bool:
        """Whether `rate` has a rounding error."""
        if type(self).rate_error is SharedServers.rate_error and self._given_rate is None:
            return False
        return bool(np.any(self.rate_error))

    @property
    def base_utilisation(self) -> Array:
        """Utilisation of each server by its base jobs alone, shape (n,): b/mu."""
        if self._given_rate is None:
            return constant(0.0, self.rate.size)
        return np.asarray(self.base / self._given_rate)

    @cached_property
    def _numbers(self) -> Numbers | None:
        """Numbers of the latency, or None without a base load and batches."""
        if self._given_rate is None and np.ndim(self.batch) == 0:
            return None
        mu, b, k, beta = self.service_rate, self.base, self.variability, self._before
        left, used = mu - b, b / mu
        of = [np.broadcast_to(w == np.asarray(self.base_priority), mu.shape) for w in PRIORITIES]

        def chosen(equal: Any, waits: Any, preempted: Any, first: Any) -> Array:
            values = [np.broadcast_to(v, mu.shape) for v in (equal, waits, preempted, first)]
            return np.asarray(np.select(of[1:], values[1:], values[0]))

        behind = k * mu / left + beta
        part = left / mu
        return Numbers(
            k=chosen(k + beta * part, behind, behind, k * (1.0 + used) + beta),
            work=chosen(
                k + (1.0 - k + beta) * part,
                part + k * b / left + beta,
                1.0 + k * b / left + beta,
                1.0 + k * used + beta,
            ),
            fixed_by_rate=chosen(
                (k - 1.0) / mu**2,
                k / left**2 - 1.0 / mu**2,
                (k - 1.0) / left**2,
                (k - 1.0) / mu**2,
            ),
            k_by_rate=chosen(beta * used / mu, -k * b / left**2, -k * b / left**2, -k * used / mu),
        )

    @cached_property
    def k(self) -> Array:
        """Weight k' of the latency e + k'/(R - x), shape (n,); alone, the variability."""
        return self.variability if self._numbers is None else self._numbers.k

    @cached_property
    def work(self) -> Any:
        """Latency of an empty server less its delay, times R; see `PollaczekKhinchine`."""
        return 1.0 if self._numbers is None else self._numbers.work

    def rate_slope(self, flow: ArrayLike) -> Array:
        """Return the derivative of the latency in the service rate, the base load being fixed."""
        return self._by_rate(flow, 0.0)

    def marginal_rate_slope(self, flow: ArrayLike) -> Array:
        """Return the derivative of the marginal delay in the service rate."""
        return self._by_rate(flow, 1.0)

    def _by_rate(self, flow: ArrayLike, own: float) -> Array:
        """Return the derivative of l(x) + own x l'(x) in the service rate."""
        numbers = self._numbers
        if numbers is None or self._given_rate is None:
            alone = super().marginal_rate_slope if own else super().rate_slope
            return alone(flow)
        flow, spare = self._point(flow)
        first = (numbers.k_by_rate - numbers.k / spare) / spare
        second = (numbers.k_by_rate - 2.0 * numbers.k / spare) / spare**2
        return np.asarray(numbers.fixed_by_rate + first + own * flow * second)


NOT_GIVEN = {"base": 0.0, "batch": 1.0, "batch_cv": 0.0}
"""Values of the fields that do nothing."""


def _exact_sum(*terms: Array) -> Array:
    """Return the sum of arrays, rounded once."""
    high, low = exact_sum(np.stack(terms, axis=-1))
    return np.asarray(high + low)


def _is(value: object, none: float) -> bool:
    """Return whether a field has the value that does nothing, as one number."""
    return isinstance(value, float | int) and not isinstance(value, bool) and value == none


def _priorities(given: object) -> list[str] | None:
    """Return priorities of base jobs as words; InputError on any other."""
    if given is None:
        return None
    listed = None if isinstance(given, str) else list_or_none(given)
    words = [given] if listed is None else listed
    known = [EQUAL if word is None else word for word in words]
    for i, word in enumerate(known):
        if not isinstance(word, str) or word not in PRIORITIES:
            name = "base_priority" if listed is None else f"base_priority[{i}]"
            problem = "is no priority of base jobs over the others"
            remedy = f"give one of {', '.join(PRIORITIES)}"
            raise InputError(name, words[i], problem, remedy)
    return [str(word) for word in known]
