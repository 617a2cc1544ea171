"""The known name that a user probably meant."""

from __future__ import annotations

import difflib
from collections.abc import Iterable


def suggest(word: str, known: Iterable[str], otherwise: str) -> str:
    """Return the remedy for an unknown name: the known name that is like it, or another remedy.

    Parameters
    ----------
    word : str
        The name that is not known.
    known : iterable of str
        Known names.
    otherwise : str
        Remedy where none of them is like it.

    Examples
    --------
    >>> suggest("rete", ["rate", "delay"], "give a rate"), suggest("x", ["rate"], "give a rate")
    ('did you mean rate?', 'give a rate')
    """
    near = difflib.get_close_matches(word, list(known), 1)
    return f"did you mean {near[0]}?" if near else otherwise
