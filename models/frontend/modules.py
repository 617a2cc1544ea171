"""Import of modules that the user names: by their name, or by the path of a file."""

from __future__ import annotations

import importlib
import importlib.util
import sys
from pathlib import Path
from types import ModuleType


def import_named(field: str, name: str) -> ModuleType:
    """Import a module by its name, or a .py file by its path.

    Parameters
    ----------
    field : str
        Name of the argument in an error.
    name : str

    Raises
    ------
    InputError
        Where the import fails.
    """
    try:
        if not name.endswith(".py"):
            return importlib.import_module(name)
        # under a name that no other module has: queue.py must not replace Python's own
        spec = importlib.util.spec_from_file_location(f"imported_{Path(name).stem}", name)
        if spec is None or spec.loader is None:
            raise ImportError(f"{name} is not a Python file")
        module = importlib.util.module_from_spec(spec)
        sys.modules[spec.name] = module
        spec.loader.exec_module(module)
    except (Exception, SystemExit) as error:  # the user's module may raise anything
        from ...reference.errors import InputError

        problem = f"cannot be imported: {type(error).__name__}: {error}"
        remedy = "give the name of a module that is installed, or a .py file"
        raise InputError(field, name, problem, remedy) from error
    return module
