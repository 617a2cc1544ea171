"""A report as sections of texts, lists, tables and pictures, whatever it is written as."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TypeAlias


@dataclass(frozen=True)
class DataTable:
    """A table of texts.

    Attributes
    ----------
    headings : sequence of str
    rows : sequence of sequence of str
        As many cells in each as there are headings.
    names : int
        Number of columns from the left that name the row; the others hold numbers.
    reading : sequence of (str, str)
        How to read it: headings, and what the column has.
    caption : str
        What the table is of.
    """

    headings: Sequence[str]
    rows: Sequence[Sequence[str]]
    names: int = 1
    reading: Sequence[tuple[str, str]] = ()
    caption: str = ""


@dataclass(frozen=True)
class Picture:
    """A picture.

    Attributes
    ----------
    name : str
        Name of its file without the ending.
    svg : str
        The picture itself.
    caption : str
        What it shows, and how to read it.
    """

    name: str
    svg: str
    caption: str


@dataclass(frozen=True)
class Bullets:
    """A list of sentences."""

    items: Sequence[str]


@dataclass(frozen=True)
class Section:
    """A part of a report.

    Attributes
    ----------
    title : str
    blocks : sequence of str, Bullets, DataTable, Picture or Section
        Paragraphs of plain text, and more.
    """

    title: str
    blocks: Sequence[Block] = field(default_factory=tuple)


Block: TypeAlias = "str | Bullets | DataTable | Picture | Section"
