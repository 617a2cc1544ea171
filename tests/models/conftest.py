"""Fixtures for families and kinds of systems that a test registers or installs."""

import sys

import pytest

from sojourn.models.core import plugins
from sojourn.models.frontend import kinds
from sojourn.models.latency import registry
from sojourn.models.systems.parallel import limits


@pytest.fixture
def names():
    """Undo the registrations of a test."""
    kept = [
        (known, dict(known))
        for known in (registry.REGISTRY.known, limits.REGISTRY.known, kinds._registered)
    ]
    yield
    for known, before in kept:
        known.clear()
        known.update(before)


@pytest.fixture
def package(tmp_path, monkeypatch, names):
    """Put a distribution with a module and entry points on the path, as pip does."""

    def install(group, code, points):
        info = tmp_path / "other_package-1.0.dist-info"
        info.mkdir()
        (tmp_path / "other_package.py").write_text(code)
        (info / "METADATA").write_text("Metadata-Version: 2.1\nName: other-package\nVersion: 1.0\n")
        (info / "entry_points.txt").write_text(f"[{group}]\n{points}")
        monkeypatch.syspath_prepend(tmp_path)
        plugins.offered.cache_clear()

    yield install
    plugins.offered.cache_clear()
    sys.modules.pop("other_package", None)
