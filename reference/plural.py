"""Counts in texts, with their nouns in the singular or the plural."""


def counted(count: float, noun: str) -> str:
    """Return a count with its noun, such as ``1 server`` or ``2 servers``."""
    number = f"{count:g}" if isinstance(count, float) else f"{count}"
    return f"{number} {noun}" if count == 1 else f"{number} {noun}s"
