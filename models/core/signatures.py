"""Signatures and docstrings that list every option of a function that takes ``**options``."""

from __future__ import annotations

import inspect
import re
import typing
from collections.abc import Callable, Sequence
from typing import ParamSpec, TypeVar

from . import options as option_types

Given = ParamSpec("Given")
Result = TypeVar("Result")

AFTER_OPTIONS = ("Raises", "Warns", "See Also", "Notes", "References", "Examples")
"""Docstring sections that come after ``Other Parameters`` in NumPy style."""


def show_options(function: Callable[Given, Result]) -> Callable[Given, Result]:
    """Replace ``**options`` by the options themselves in the signature and docstring of a function.

    `sojourn.models.core.system.System` applies it to every public method of a system; a
    module-level function takes it as a decorator. What the function does and its annotations, which
    type checkers read, stay the same. A function whose ``**`` parameter is not annotated as
    ``Unpack[...]`` is left as it is.

    Parameters
    ----------
    function : callable
        Its last parameter is ``**options: Unpack[T]``, where T is a TypedDict of
        `sojourn.models.core.options` or of the function's module, such as ``SolveOptions``.

    Returns
    -------
    callable
        The same function. Its ``__signature__`` has one keyword-only parameter for each key of T,
        with the default of ``DEFAULTS`` (``...`` where the table has none). Its docstring has a
        section ``Other Parameters`` with the options that it does not describe itself, in the words
        of the docstrings of the TypedDicts.

    Examples
    --------
    >>> import inspect
    >>> from typing import Unpack
    >>> from sojourn.models.core.options import SolveOptions
    >>> from sojourn.models.core.signatures import show_options
    >>> @show_options
    ... def capacity(**options: Unpack[SolveOptions]) -> float: ...
    >>> list(inspect.signature(capacity).parameters)
    ['solver', 'solver_options', 'gap', 'throw']
    """
    parameters = [*inspect.signature(function).parameters.values()]
    options = _options_type(function, parameters[-1]) if parameters else None
    return function if options is None else _show(function, options, parameters[:-1])


def show_solve_options(function: Callable[Given, Result]) -> Callable[Given, Result]:
    """Show ``SolveOptions`` before ``**options``, for a function that takes any kind of system.

    Every kind of system has these options; ``**options`` stays in the signature for those that
    only some kinds have. Otherwise as `show_options`.
    """
    *named, last = inspect.signature(function).parameters.values()
    return _show(function, option_types.SolveOptions, named, last)


def _show(
    function: Callable[Given, Result],
    options: type,
    before: Sequence[inspect.Parameter],
    *after: inspect.Parameter,
) -> Callable[Given, Result]:
    """Give a function a signature with options between other parameters, and document them."""
    own = {parameter.name for parameter in before}
    shown = [
        inspect.Parameter(
            name,
            inspect.Parameter.KEYWORD_ONLY,
            default=option_types.DEFAULTS.get(name, ...),
            annotation=getattr(annotation, "__forward_arg__", annotation),
        )
        for name, annotation in options.__annotations__.items()
        if name not in own
    ]
    signature = inspect.signature(function).replace(parameters=[*before, *shown, *after])
    function.__signature__ = signature  # type: ignore[attr-defined]
    function.__doc__ = _with_options(inspect.getdoc(function), options)
    return function


def _options_type(function: Callable[..., object], parameter: inspect.Parameter) -> type | None:
    """Return the TypedDict T of a parameter ``**options: Unpack[T]``, else None."""
    if parameter.kind is not inspect.Parameter.VAR_KEYWORD:
        return None
    annotation = parameter.annotation
    if not isinstance(annotation, str):
        return next(iter(typing.get_args(annotation)), None)
    # by name: a module may import its TypedDict for type checkers alone
    name = re.fullmatch(r"(?:\w+\.)*Unpack\[(?:\w+\.)*(\w+)\]", annotation)
    places = {**vars(option_types), **getattr(function, "__globals__", {})}
    return places.get(name[1]) if name else None


def _with_options(text: str | None, options: type) -> str | None:
    """Return a docstring with a section on the options that its own entries do not name."""
    if text is None:
        return None
    entries = re.findall(r"^(\w+(?:, \w+)*) : ", text.partition("\nReturns\n")[0], re.M)
    own = {name for names in entries for name in names.split(", ")}
    known = {**option_types.DESCRIPTIONS, **option_types.descriptions(options)}
    added = [known[name] for name in options.__annotations__ if name in known and name not in own]
    if not added:
        return text
    section = "\n".join(["Other Parameters", "----------------", *added])
    following = re.search(rf"^(?:{'|'.join(AFTER_OPTIONS)})\n-+$", text, re.M)
    at = following.start() if following else len(text)
    return "\n\n".join(part.strip("\n") for part in (text[:at], section, text[at:])).strip("\n")
