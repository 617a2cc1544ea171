"""The command, run in the process of the test; the mark `slow`; the option ``--cases``."""

import gc
import importlib.util
import os
import sys
import warnings
from collections import Counter

import pytest

from sojourn.models import cli

# read by worker processes: with a thread for each core in each of them, the threads wait in turns
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

NEEDS_ECOS = pytest.mark.skipif(
    importlib.util.find_spec("ecos") is None, reason="ECOS has no wheel for this Python"
)


@pytest.fixture
def sojourn(monkeypatch, capsys):
    """Run the command in this process; return exit code, output and errors."""

    def run(*arguments):
        monkeypatch.setattr(sys, "argv", ["sojourn", *map(str, arguments)])
        with warnings.catch_warnings():
            # as Python does by itself: pytest shows the deprecations of every library
            warnings.filterwarnings("ignore", category=DeprecationWarning, module="(?!sojourn)")
            with pytest.raises(SystemExit) as caught:
                cli.main()
        printed = capsys.readouterr()
        return caught.value.code or 0, printed.out, printed.err

    return run


def pytest_addoption(parser):
    text = "run only the first cases of each test function, at most this many"
    parser.addoption("--cases", type=int, help=text)


@pytest.hookimpl(wrapper=True)
def pytest_collection():
    """Collect tests without garbage collection: it looks at all of them time and again."""
    gc.disable()
    try:
        return (yield)
    finally:
        gc.enable()
        gc.freeze()  # they stay


@pytest.hookimpl(trylast=True)  # of what -m selects
def pytest_collection_modifyitems(config, items):
    """Leave out cases for `--cases`: versions of packages differ by function, not by number."""
    most = config.getoption("cases")
    if most is None:
        return
    seen, kept, out = Counter(), [], []
    for item in items:
        name = item.nodeid.partition("[")[0]
        seen[name] += 1
        (kept if seen[name] <= most else out).append(item)
    config.hook.pytest_deselected(items=out)
    items[:] = kept


def pytest_itemcollected(item):
    """Mark exhaustive tests and those of processes as slow: -m "not slow" replaces pyproject's."""
    if item.get_closest_marker("exhaustive") or item.get_closest_marker("testbed"):
        item.add_marker("slow")
    given = item.callspec.params.values() if hasattr(item, "callspec") else ()
    if item.get_closest_marker("ecos") or any(isinstance(v, str) and v == "ECOS" for v in given):
        item.add_marker(NEEDS_ECOS)
