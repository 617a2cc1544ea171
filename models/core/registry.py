"""Classes known by name in scenario files and on the command line, built in or registered."""

from __future__ import annotations

import difflib
import warnings
from collections.abc import Callable, Mapping
from typing import Any, Generic, TypeVar, overload

from ...reference.errors import InputError
from ...reference.validation import check_text
from .plugins import OWN, loaded, offered

Kind = TypeVar("Kind", bound=type)
Own = TypeVar("Own", bound=type)


class Registry(Generic[Kind]):
    """Subclasses of one base class, by name.

    Parameters
    ----------
    what, of : str
        Two nouns for error messages, such as ``"family"`` (a class is one) and ``"servers"`` (it is
        a class of).
    base : type
        Base class of all of them.
    group : str
        Group of entry points by which installed packages add classes; each is loaded at first use.
    known : mapping of str to type
        The built-in classes.
    """

    def __init__(
        self, what: str, of: str, base: type, group: str, known: Mapping[str, Kind]
    ) -> None:
        self.what, self.of, self.base, self.group, self.known = what, of, base, group, dict(known)

    @overload
    def register(self, name: str) -> Callable[[Own], Own]: ...
    @overload
    def register(self, name: str, kind: Own) -> Own: ...
    def register(self, name: str, kind: Any = None) -> Any:
        """Register a class under a name for scenario files and the command line.

        Call ``register("M/M/1/K", MM1K)``, or write ``@register("M/M/1/K")`` above the class.

        Parameters
        ----------
        name : str
            A name that no other class has.
        kind : type, optional
            A subclass of the base class. Without it, a decorator is returned.

        Returns
        -------
        type
            The class itself.

        Raises
        ------
        InputError
            Where the name is empty or taken, or the class has another base.
        """
        if kind is None:
            return lambda decorated: self.register(name, decorated)
        name = check_text("name", name)
        if not (isinstance(kind, type) and issubclass(kind, self.base)):
            remedy = f"make it a subclass of sojourn.models.{self.base.__name__}"
            raise InputError(self.what, kind, f"is not a class of {self.of}", remedy)
        present = self.known.get(name)
        # a module that is imported again defines its class again
        if present is not None and _path(present) != _path(kind):
            raise InputError(
                "name", name, f"is the name of {_path(present)}", "choose another name"
            )
        self.known[name] = kind  # type: ignore[assignment]  # a subclass of the base, checked above
        return kind

    def all(self) -> Mapping[str, Kind]:
        """Return all classes by name; an entry point that fails to load causes a warning."""
        classes = dict(self.known)
        for name in offered(self.group):
            try:
                classes.setdefault(name, self.named(name))
            except InputError as error:
                warnings.warn(str(error), stacklevel=3)
        return classes

    def names(self) -> tuple[str, ...]:
        """Return the names of all classes, without loading an entry point."""
        return tuple(dict.fromkeys([*self.known, *offered(self.group)]))

    def named(self, name: object) -> Kind:
        """Return the class with a name.

        Raises
        ------
        InputError
            Where the name is unknown, or its entry point fails to load.
        """
        if isinstance(name, str) and name in self.known:
            return self.known[name]
        if not isinstance(name, str) or name not in self.names():
            by_lower_case = {known.lower(): known for known in self.names()}
            text = name.lower() if isinstance(name, str) else ""
            near = difflib.get_close_matches(text, by_lower_case, 1)
            guess = f"did you mean {by_lower_case[near[0]]}? Known are" if near else "use one of"
            remedy = f"{guess} {', '.join(self.names())}, and any {OWN}"
            raise InputError(
                self.what,
                name,
                "is missing" if name is None else f"is not a known {self.what}",
                remedy,
            )
        self.register(name, loaded(offered(self.group)[name], self.what))
        return self.known[name]


def _path(kind: type) -> str:
    """Return the module and name of a class."""
    return f"{kind.__module__}.{kind.__qualname__}"
