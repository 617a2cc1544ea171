"""The command, run in the process of the test; and what is slow."""

import sys
import warnings

import pytest

from sojourn.models import cli


@pytest.fixture
def sojourn(monkeypatch, capsys):
    """Run the command in this process; return exit code, output and errors."""

    def run(*arguments):
        monkeypatch.setattr(sys, "argv", ["sojourn", *map(str, arguments)])
        with warnings.catch_warnings(), pytest.raises(SystemExit) as caught:
            # as Python does by itself: pytest shows the deprecations of every library
            warnings.filterwarnings("ignore", category=DeprecationWarning, module="(?!sojourn)")
            cli.main()
        printed = capsys.readouterr()
        return caught.value.code or 0, printed.out, printed.err

    return run


def pytest_itemcollected(item):
    """What is for a release is slow too: -m "not slow" takes the place of the -m "not exhaustive" of pyproject.toml."""
    if item.get_closest_marker("exhaustive"):
        item.add_marker("slow")
