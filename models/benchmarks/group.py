"""The group of commands ``sojourn bench``; without a name of a benchmark it is ``speed``."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import typer
from typer.core import TyperGroup

from ..frontend.command import commands_of_file
from . import COMMAND_FILES

DEFAULT = "speed"


class Benchmarks(TyperGroup):
    """Commands of which one is the default."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Parse arguments; options without a name before them are those of the default."""
        first = args[0] if args else ""
        if not first or (first.startswith("-") and first not in ctx.help_option_names):
            args = [DEFAULT, *args]
        return super().parse_args(ctx, args)

    def resolve_command(self, ctx: Any, args: list[str]) -> Any:
        """Return the command of the first argument; InputError where there is none."""
        if args and args[0] not in self.commands:
            from ...reference.errors import InputError

            *names, last = self.commands
            remedy = f"use {', '.join(names)} or {last}"
            raise InputError("bench", args[0], "is not a benchmark", remedy)
        return super().resolve_command(ctx, args)


def bench_group() -> typer.Typer:
    """Return the group with all benchmarks."""
    group = typer.Typer(
        cls=Benchmarks,
        help="Run a benchmark: times, errors and false claims, against known answers and other "
        "tools.",
    )
    for name in COMMAND_FILES:
        for command in commands_of_file(Path(__file__).parent / name):
            group.command()(command)
    return group
