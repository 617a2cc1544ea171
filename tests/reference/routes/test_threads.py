"""One thread of BLAS for systems of few stations, with and without threadpoolctl."""

import sys

import numpy as np
import pytest

from sojourn.reference.routes import threads


@pytest.fixture(autouse=True)
def _new_controller():
    threads._controller.cache_clear()
    yield
    threads._controller.cache_clear()


def counts():
    threadpoolctl = pytest.importorskip("threadpoolctl")
    return [pool["num_threads"] for pool in threadpoolctl.threadpool_info()]


def test_few_stations_take_one_thread_and_then_all_again():
    before = counts()
    with threads.one_thread(threads.LARGE):
        assert set(counts()) <= {1}
    assert counts() == before


def test_many_stations_keep_their_threads():
    before = counts()
    with threads.one_thread(threads.LARGE + 1):
        assert counts() == before


def test_without_threadpoolctl_nothing_changes(monkeypatch):
    monkeypatch.setitem(sys.modules, "threadpoolctl", None)
    with threads.one_thread(3):
        assert np.ones(3) @ np.ones(3) == 3.0
