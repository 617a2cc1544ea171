"""One server whose base jobs go before the others, or after them, without a loop over jobs.

The server works whenever there is work, so that the work that a job finds, W, does not depend on
the order, and is Lindley's. A job behind others waits until W and the work of all those that come
meanwhile are done. With Y(t) the work of the others that came until t, less t, that is the first t
at which Y falls below Y(a) - W, where a is the time of its arrival; if it can be interrupted, it
has left when Y falls below that level by its own work. As W holds all work of the others, the level
is not above the least value of Y so far: the running minimum of Y, which is sorted, is searched.

Base jobs that go last are those behind; the others wait for each other, and for a base job that has
begun: in their queue, it comes when it begins.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from ...reference.errors import Array
from .arrivals import Arrivals, Mask
from .single import Lindley

BACKLOG = 1_000_000  # largest number of jobs behind that are kept; those of an overload are not met


class Behind(NamedTuple):
    """Jobs that go after others.

    Attributes
    ----------
    came : ndarray, shape (m,)
        Time of arrival, from the start of the chunk.
    level : ndarray, shape (m,)
        Level below which Y has to fall, Y being 0 at the start of the chunk.
    work : ndarray, shape (m,)
        Time of service.
    """

    came: Array
    level: Array
    work: Array

    def take(self, index: slice) -> Behind:
        """Return some of the jobs."""
        return Behind(self.came[index], self.level[index], self.work[index])


NONE = Behind(np.zeros(0), np.zeros(0), np.zeros(0))


class BehindOthers:
    """Jobs that go after others at one server, chunk by chunk.

    Parameters
    ----------
    preempted : bool
        Whether the others interrupt a job in service, which later resumes.
    """

    def __init__(self, preempted: bool) -> None:
        self.preempted, self.queue = preempted, Lindley()
        self.first_work, self.pending = 0.0, NONE

    def passages(self, gap: Array, work: Array, behind: Mask) -> tuple[Array, Array, Array]:
        """Return when jobs that go after others begin, or leave where they can be interrupted.

        Parameters
        ----------
        gap, work : ndarray, shape (n,)
            Further jobs, all together; see `Lindley.waits`.
        behind : ndarray of bool, shape (n,)
            Which of them go after the others.

        Returns
        -------
        tuple of ndarray, shape (m,)
            Times of the passages within this chunk, times of arrival, both from the start of the
            chunk and in order of arrival; and times of service.
        """
        wait, time = self.queue.waits(gap, work), np.cumsum(gap)
        first = ~behind
        came = np.concatenate([[0.0], time[first]])
        after = np.cumsum(np.concatenate([[0.0], work[first]]))
        after -= came  # Y just after each of the others
        before = np.empty_like(after)
        before[0] = -self.first_work
        before[1:] = after[1:] - work[first]
        least = np.minimum.accumulate(before)
        last = np.cumsum(first)[behind]  # the last of the others before each job behind
        at = after[last] - (time[behind] - came[last])
        level = np.minimum(at - wait[behind], np.minimum(least[last], at))
        if self.preempted:
            level -= work[behind]
        new = Behind(time[behind], level, work[behind])
        jobs = Behind(*(np.concatenate(pair) for pair in zip(self.pending, new, strict=True)))
        # the gap of the others within which Y passes the level
        place = np.searchsorted(-least, -jobs.level, side="right") - 1
        passed = np.maximum(came[place] + (after[place] - jobs.level), jobs.came)
        end = float(time[-1])
        done = int(np.count_nonzero(passed <= end))
        y = float(after[-1]) - (end - float(came[-1]))
        self.first_work = y - min(float(least[-1]), y)
        rest = jobs.take(slice(done, done + BACKLOG))
        self.pending = Behind(rest.came - end, rest.level - y, rest.work)
        return passed[:done], jobs.came[:done], jobs.work[:done]


class Priorities:
    """Sojourn times of jobs beside base jobs that go first or last, chunk by chunk.

    Parameters
    ----------
    base_priority : {"equal", "non-preemptive", "preemptive", "last"}
    """

    def __init__(self, base_priority: str) -> None:
        self.equal, self.last = base_priority == "equal", base_priority == "last"
        self.preempted = base_priority == "preemptive"
        self.queue, self.behind = Lindley(), BehindOthers(self.preempted)

    def sojourns(self, jobs: Arrivals) -> Array:
        """Return the times of the jobs that are not base jobs and are done, in order of arrival."""
        gap, work, own = jobs
        if own is None or self.equal:
            wait = self.queue.waits(gap, work)
            wait += work
            return wait if own is None else wait[own]
        if self.last:
            return self._before_base(gap, work, own)
        passed, came, served = self.behind.passages(gap, work, own)
        return passed - came if self.preempted else passed - came + served

    def _before_base(self, gap: Array, work: Array, own: Mask) -> Array:
        begun, _, base = self.behind.passages(gap, work, ~own)
        time, mine = np.cumsum(gap), work[own]
        came = np.concatenate([time[own], begun])
        order = np.argsort(came, kind="stable")
        came, works = came[order], np.concatenate([mine, base])[order]
        gaps = np.diff(came, prepend=0.0)
        gaps = np.append(gaps, time[-1] - (came[-1] if came.size else 0.0))
        # the end of the chunk counts as a job without work
        waits = self.queue.waits(gaps, np.append(works, 0.0))[:-1]
        return np.asarray((waits + works)[order < mine.size])
