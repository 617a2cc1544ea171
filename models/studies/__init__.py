"""Work that is done with systems of any kind: verification, and studies of many systems.

The names of studies are imported at their first use: xarray takes longer than a verification.
"""

from typing import TYPE_CHECKING, Any

from .verify import verify

if TYPE_CHECKING:
    from .batch import StudyInterruptedError, StudyStoppedError, load_study, study

__all__ = ["StudyInterruptedError", "StudyStoppedError", "load_study", "study", "verify"]

if not TYPE_CHECKING:  # a type checker would take any name for a public one

    def __getattr__(name: str) -> Any:
        """Import a name of `batch` at its first use (PEP 562)."""
        if name not in __all__:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        from . import batch

        return getattr(batch, name)
