"""The command, run in the process of the test; and the families that a test registers."""

import sys

import pytest

from sojourn.models import cli
from sojourn.models.latency import registry


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


@pytest.fixture
def names():
    """Whatever a test registers is forgotten after it."""
    before = dict(registry.REGISTRY.known)
    yield
    registry.REGISTRY.known.clear()
    registry.REGISTRY.known.update(before)
