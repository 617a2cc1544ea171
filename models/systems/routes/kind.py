"""Systems with routes as kinds, for scenario files, studies and the command."""

from __future__ import annotations

from ...frontend.kinds import SystemKind

KINDS: tuple[SystemKind, ...] = ()
