"""Classes by name, as scenario files and the command say them: those that come along, and those that others add."""

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
    """Classes of one kind by name.

    Parameters
    ----------
    what, of : str
        What one of them is, such as a family, and what it is a class of, such as servers; in messages.
    base : type
        Class that all are made of.
    group : str
        Entry points of installed packages, which are loaded when somebody asks for them.
    known : mapping
        Those that come along.
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
        """Give a class a name, by which scenario files know it.

        From a module: ``register("M/M/1/K", MM1K)``, or ``@register("M/M/1/K")`` above the class.

        Parameters
        ----------
        name : str
            Not taken by another class.
        kind : type, optional
            Without it a decorator is returned.

        Returns
        -------
        type
            The class.

        Raises
        ------
        InputError
            On a name that is none or taken, or a class of another kind.
        """
        if kind is None:
            return lambda decorated: self.register(name, decorated)
        name = check_text("name", name)
        if not (isinstance(kind, type) and issubclass(kind, self.base)):
            remedy = f"make it a subclass of sojourn.models.{self.base.__name__}"
            raise InputError(self.what, kind, f"is not a class of {self.of}", remedy)
        there = self.known.get(name)
        # a module that is loaded again defines its class again
        if there is not None and (there.__module__, there.__qualname__) != (
            kind.__module__,
            kind.__qualname__,
        ):
            raise InputError(
                "name",
                name,
                f"is the name of {there.__module__}.{there.__qualname__}",
                "choose another name",
            )
        self.known[name] = kind  # type: ignore[assignment]  # of the base, as was looked at
        return kind

    def all(self) -> Mapping[str, Kind]:
        """Return all by name; an entry point that does not load is passed over with a warning."""
        found = dict(self.known)
        for name in offered(self.group):
            try:
                found.setdefault(name, self.named(name))
            except InputError as error:
                warnings.warn(str(error), stacklevel=3)
        return found

    def names(self) -> tuple[str, ...]:
        """Return the names of all, without loading any."""
        return tuple(dict.fromkeys([*self.known, *offered(self.group)]))

    def named(self, name: object) -> Kind:
        """Return the class of a name.

        Raises
        ------
        InputError
            On a name that is not known, or an entry point that does not load.
        """
        if isinstance(name, str) and name in self.known:
            return self.known[name]
        if not isinstance(name, str) or name not in self.names():
            plain = {known.lower(): known for known in self.names()}
            near = (
                difflib.get_close_matches(name.lower(), plain, 1) if isinstance(name, str) else []
            )
            guess = f"did you mean {plain[near[0]]}? Known are" if near else "use one of"
            remedy = f"{guess} {', '.join(self.names())}, and any {OWN}"
            raise InputError(
                self.what,
                name,
                "is missing" if name is None else f"is not a known {self.what}",
                remedy,
            )
        self.register(name, loaded(offered(self.group)[name], self.what))
        return self.known[name]
