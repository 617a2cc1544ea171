"""Links of the README, of pages that others show and of notebooks lead to files and headings."""

import json
import re
from itertools import pairwise
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from markdown_it import MarkdownIt

ROOT = Path(__file__).parents[2]
FILES = sorted([*ROOT.glob("*.md"), *ROOT.glob(".github/**/*.md"), *ROOT.glob("notebooks/*.ipynb")])
PAGES = sorted((ROOT / ".docs").glob("*.md"))


def markdown(path):
    """Return the Markdown of a file: that of its cells, where it is a notebook."""
    text = path.read_text(encoding="utf-8")
    if path.suffix != ".ipynb":
        return text
    cells = json.loads(text)["cells"]
    return "\n\n".join("".join(c["source"]) for c in cells if c["cell_type"] == "markdown")


def tokens(text):
    """Return the tokens of a text, those within lines among them."""
    found = MarkdownIt("commonmark").enable("table").parse(text)
    return [inner for token in found for inner in (token, *(token.children or ()))]


def addresses(text):
    """Return what a text links to and shows as pictures."""
    given = [t.attrGet("href") or t.attrGet("src") for t in tokens(text)]
    return [address for address in given if address]


def anchors(text):
    """Return the anchors of the headings, as GitHub names them."""
    found = MarkdownIt("commonmark").parse(text)
    titles = [
        "".join(child.content for child in inline.children)
        for heading, inline in pairwise(found)
        if heading.type == "heading_open"
    ]
    return {re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-") for title in titles}


def leads_somewhere(address, path):
    """Return whether an address is one of the web, or of a file and heading of the tree."""
    parts = urlsplit(address)
    if parts.scheme in ("http", "https"):
        return "." in parts.netloc and " " not in address
    if parts.scheme == "mailto":
        return "@" in parts.path
    target = path.parent / parts.path if parts.path else path
    if not target.resolve().exists():
        return False
    return not parts.fragment or parts.fragment in anchors(markdown(target))


@pytest.mark.parametrize("path", FILES, ids=lambda p: p.name)
def test_links_lead_somewhere(path):
    found = addresses(markdown(path))
    assert [address for address in found if not leads_somewhere(address, path)] == []


def test_a_broken_link_is_seen(tmp_path):
    page = tmp_path / "page.md"
    page.write_text("# Two words, one `line`\n\n[a](page.md#two-words-one-line) ![b](none.png)\n")
    assert addresses(markdown(page)) == ["page.md#two-words-one-line", "none.png"]
    assert leads_somewhere("page.md#two-words-one-line", page)
    assert leads_somewhere("https://example.org/x", page)
    wrong = ("none.png", "page.md#two", "https://nowhere", "mailto:nobody")
    assert not any(leads_somewhere(address, page) for address in wrong)


@pytest.mark.parametrize("page", PAGES, ids=lambda p: p.name)
def test_pages_name_files_that_exist(page):
    code = [t.content for t in tokens(markdown(page)) if t.type == "code_inline"]
    named = [c for c in code if re.fullmatch(r"(tests|models|reference|notebooks)/[\w./]+", c)]
    assert [name for name in named if not (ROOT / name).exists()] == []
