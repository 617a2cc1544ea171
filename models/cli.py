"""The entry point of the `sojourn` command."""

from __future__ import annotations

import sys

from .frontend.files import INTERRUPTED, complain, err

UNCERTIFIED, BAD_INPUT = 1, 2


def main() -> None:
    """Run the command; errors are one line on standard error and an exit code."""
    try:
        from .commands import app

        app()
    except ValueError as error:
        from ..reference.errors import InputError  # here, since help is to be there at once

        if not isinstance(error, InputError):
            raise
        complain("error:", str(error))
        sys.exit(BAD_INPUT)
    except KeyboardInterrupt:
        err.print("interrupted")
        sys.exit(INTERRUPTED)
    except RuntimeError as error:
        from .core.errors import NotCertifiedError

        if not isinstance(error, NotCertifiedError):
            raise
        complain("error:", str(error))
        sys.exit(UNCERTIFIED)
