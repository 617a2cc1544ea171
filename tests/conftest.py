"""The command, run in the process of the test; the mark `slow`."""

import sys

import pytest

from sojourn.models import cli


@pytest.fixture
def sojourn(monkeypatch, capsys):
    """Run the command in this process; return exit code, output and errors."""

    def run(*arguments):
        monkeypatch.setattr(sys, "argv", ["sojourn", *map(str, arguments)])
        with pytest.raises(SystemExit) as caught:
            cli.main()
        printed = capsys.readouterr()
        return caught.value.code or 0, printed.out, printed.err

    return run


def pytest_itemcollected(item):
    """Mark the exhaustive tests as slow: -m "not slow" replaces the -m of pyproject.toml."""
    if item.get_closest_marker("exhaustive"):
        item.add_marker("slow")
