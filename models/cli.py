"""Entry point of the `sojourn` command.

It handles signals before it imports the modules that take long to load.
"""

from __future__ import annotations

import sys

from .frontend.process import BAD_INPUT, INTERRUPTED, UNCERTIFIED, command, concluded, quick_imports


def main() -> None:
    """Run the command and exit; an error is one line on standard error and an exit code."""
    with command():
        code = concluded(_run())
    sys.exit(code)


def _run() -> int:
    """Run the command and return its exit code."""
    try:
        with quick_imports():
            from .commands import app
            from .core.progress import working

        with working("sojourn"):
            app()
    except SystemExit as end:
        return end.code if isinstance(end.code, int) else int(end.code is not None)
    except KeyboardInterrupt:
        return INTERRUPTED
    except ValueError as error:
        from ..reference.errors import InputError

        if not isinstance(error, InputError):
            raise
        return _print_error(error, BAD_INPUT)
    except RuntimeError as error:
        from .core.errors import NotCertifiedError

        if not isinstance(error, NotCertifiedError):
            raise
        return _print_error(error, UNCERTIFIED)
    return 0


def _print_error(error: Exception, code: int) -> int:
    from .frontend.files import complain

    complain("error:", str(error))
    return code
