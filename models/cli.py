"""The entry point of the `sojourn` command: it listens to signals before what takes time is imported."""

from __future__ import annotations

import sys

from .frontend.process import BAD_INPUT, INTERRUPTED, UNCERTIFIED, command, concluded


def main() -> None:
    """Run the command; errors are one line on standard error and an exit code."""
    with command():
        code = concluded(_run())
    sys.exit(code)


def _run() -> int:
    try:
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
        return _complain(error, BAD_INPUT)
    except RuntimeError as error:
        from .core.errors import NotCertifiedError

        if not isinstance(error, NotCertifiedError):
            raise
        return _complain(error, UNCERTIFIED)
    return 0


def _complain(error: Exception, code: int) -> int:
    from .frontend.files import complain

    complain("error:", str(error))
    return code
