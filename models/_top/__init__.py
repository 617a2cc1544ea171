"""Optimum, equilibrium and price of anarchy of queueing systems, each with a certificate.

The package `sojourn` itself: every public name of `sojourn.models`, the packages `models` and
`reference`, and ``__version__``. Each is imported at its first use: the import takes no time.
"""

TYPE_CHECKING = False  # type checkers read True; to import it from `typing` would take time

if TYPE_CHECKING:
    from . import models, reference
    from .models import *

    __version__: str
    __all__ = ["__version__", "models", "reference"]
    __all__ += models.__all__
else:

    def __getattr__(name):
        """Import a name at its first use (PEP 562)."""
        import importlib
        import sys

        packages = ("models", "reference")
        if name in packages:
            return importlib.import_module(f".{name}", __name__)
        if name == "__version__":
            from importlib.metadata import version

            value = version(__name__)
        else:
            models = importlib.import_module(".models", __name__)
            if name == "__all__":
                value = sorted([*models.__all__, *packages, "__version__"])
            elif name in models.__all__:
                value = getattr(models, name)
            else:
                raise AttributeError(
                    f"module {__name__!r} has no attribute {name!r}",
                    name=name,
                    obj=sys.modules[__name__],
                )
        globals()[name] = value
        return value

    def __dir__():
        return __getattr__("__all__")
