"""A report as one HTML page without external files and without scripts."""

from __future__ import annotations

import base64
import re
from collections.abc import Iterable, Sequence
from xml.etree.ElementTree import Element, SubElement, tostring

from .....reference.errors import escaped
from .document import Block, Bullets, DataTable, Picture, Section
from .html_style import CSS


def page(title: str, sections: Sequence[Section]) -> str:
    """Return a report as the text of an HTML page; all texts are escaped."""
    root = Element("html", lang="en")
    head = SubElement(root, "head")
    SubElement(head, "meta", charset="utf-8")
    SubElement(head, "meta", name="viewport", content="width=device-width, initial-scale=1")
    _text(head, "title", title)
    # no browser asks for an icon beside the page
    SubElement(head, "link", rel="icon", href="data:,")
    _Page(root, head, title, sections)
    return "<!DOCTYPE html>\n" + tostring(root, encoding="unicode", method="html") + "\n"


class _Page:
    """The page as it grows: anchors are numbered, and each table has its labels in the style."""

    def __init__(
        self, root: Element, head: Element, title: str, sections: Sequence[Section]
    ) -> None:
        self.anchors: set[str] = set()
        self.labels: list[str] = []
        style = SubElement(head, "style")
        body = SubElement(root, "body")
        _text(body, "h1", title)
        contents = SubElement(body, "nav")
        contents.set("aria-label", "Contents")
        main = SubElement(body, "main")
        self.sections(main, contents, sections, 2)
        style.text = CSS + "@media(max-width:40rem){" + "".join(self.labels) + "}"

    def sections(
        self, parent: Element, contents: Element, sections: Iterable[Section], level: int
    ) -> None:
        """Add sections, and their titles to the contents."""
        listed = SubElement(contents, "ul")
        for section in sections:
            anchor = self.anchor(section.title)
            item = SubElement(listed, "li")
            _text(item, "a", section.title, href=f"#{anchor}")
            part = SubElement(parent, "section", id=anchor)
            _text(part, f"h{level}", section.title)
            inner = [block for block in section.blocks if isinstance(block, Section)]
            for block in section.blocks:
                if not isinstance(block, Section):
                    self.block(part, block)
            if inner:
                self.sections(part, item, inner, level + 1)

    def anchor(self, title: str) -> str:
        """Return a name for a place of the page that no other place has."""
        name = base = re.sub("[^a-z0-9]+", "-", title.lower()).strip("-") or "part"
        count = 1
        while name in self.anchors:
            count += 1
            name = f"{base}-{count}"
        self.anchors.add(name)
        return name

    def block(self, parent: Element, block: Block) -> None:
        """Add a block that is no section."""
        if isinstance(block, DataTable):
            self.table(parent, block)
        elif isinstance(block, Picture):
            _picture(parent, block)
        elif isinstance(block, Bullets):
            items = SubElement(parent, "ul")
            for item in block.items:
                _text(items, "li", item)
        elif isinstance(block, str):
            _text(parent, "p", block)

    def table(self, parent: Element, table: DataTable) -> None:
        """Add a table that scrolls beside its first column, and is one card a row on a phone."""
        name = self.anchor("table")
        kept = "frame" if table.names == 1 else "frame several"
        box = SubElement(parent, "div", {"class": kept, "tabindex": "0", "role": "region"})
        box.set("aria-label", escaped(table.caption or "table"))
        element = SubElement(box, "table", id=name)
        if table.caption:
            _text(element, "caption", table.caption)
        row = SubElement(SubElement(element, "thead"), "tr")
        for i, heading in enumerate(table.headings):
            _text(row, "th", heading, **_kind(i, table), scope="col")
        body = SubElement(element, "tbody")
        for cells in table.rows:
            row = SubElement(body, "tr")
            for i, cell in enumerate(cells):
                tag, scope = ("th", {"scope": "row"}) if i == 0 else ("td", {})
                _text(row, tag, cell, **_kind(i, table), **scope)
        for i, heading in enumerate(table.headings):
            self.labels.append(f"#{name} tr>:nth-child({i + 1}){{--of:{_css_string(heading)}}}")
        _reading(parent, table)


def _reading(parent: Element, table: DataTable) -> None:
    if table.reading:
        details = SubElement(parent, "details")
        _text(details, "summary", "How to read this table")
        terms = SubElement(details, "dl")
        for term, meaning in table.reading:
            _text(terms, "dt", term)
            _text(terms, "dd", meaning)


def _picture(parent: Element, picture: Picture) -> None:
    figure = SubElement(parent, "figure")
    box = SubElement(figure, "div", {"class": "frame", "tabindex": "0", "role": "region"})
    box.set("aria-label", "picture")
    data = base64.b64encode(picture.svg.encode()).decode()
    SubElement(box, "img", src=f"data:image/svg+xml;base64,{data}", alt=escaped(picture.caption))
    _text(figure, "figcaption", picture.caption)


def _text(parent: Element, tag: str, text: str, **attributes: str) -> None:
    SubElement(parent, tag, attributes).text = escaped(text)


def _kind(i: int, table: DataTable) -> dict[str, str]:
    return {} if i < table.names else {"class": "n"}


def _css_string(text: str) -> str:
    """Return a text as a string of CSS, with all but letters, digits and spaces as their codes."""
    codes = re.sub("[^a-zA-Z0-9 ]", lambda match: f"\\{ord(match[0]):06x}", escaped(text))
    return f'"{codes}"'
