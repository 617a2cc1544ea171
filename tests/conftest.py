"""The command, run in the process of the test; the marks `slow` and `no_cover`."""

import importlib.util
import os
import sys
import warnings

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


def pytest_itemcollected(item):
    """Mark exhaustive tests and those of processes as slow: -m "not slow" replaces pyproject's."""
    if item.get_closest_marker("exhaustive") or item.get_closest_marker("testbed"):
        item.add_marker("slow")
    given, indices = (
        (item.callspec.params.values(), item.callspec.indices.values())
        if hasattr(item, "callspec")
        else ((), ())
    )
    # coverage doubles the time of a test: it is taken of each value of a parameter, not of pairs
    pair = sum(index > 0 for index in indices) > 1
    if pair and item.config.pluginmanager.hasplugin("_cov"):
        item.add_marker("no_cover")
    if item.get_closest_marker("ecos") or any(isinstance(v, str) and v == "ECOS" for v in given):
        item.add_marker(NEEDS_ECOS)
