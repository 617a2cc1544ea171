"""The built site: a page for every public name, links, the search, nothing loaded from elsewhere.

Run after the build: ``pytest .docs/test_site.py``.
"""

import inspect
import json
import pkgutil
import re
import sys
from collections.abc import Iterator
from functools import cache
from html import unescape
from importlib import import_module
from pathlib import Path
from typing import NamedTuple
from urllib.parse import unquote, urlsplit

from sphinx.search.en import SearchEnglish

from sojourn import models, reference

HERE = Path(__file__).parent
SITE = HERE / "_build" / "html"
sys.path.insert(0, str(HERE / "extensions"))

from public_names import by_value, documented, packages  # noqa: E402
from references import unknown  # noqa: E402

PAGES = [path for path in sorted(SITE.rglob("*.html")) if "_static" not in path.parts]
ANCHOR = re.compile(r'\bid="([^"]+)"')
LINK = re.compile(r'<a\b[^>]*\bhref="([^"]*)"')
LOADED = re.compile(r'<(?:script|img)\b[^>]*\bsrc="([^"]*)"|<link\b[^>]*\bhref="([^"]*)"')


class Page(NamedTuple):
    """Anchors of a page, the addresses that it links to, and those that a browser loads for it."""

    anchors: set[str]
    links: set[str]
    loaded: set[str]


@cache
def page(path: Path) -> Page:
    text = path.read_text(encoding="utf-8")
    loaded = {unescape("".join(both)) for both in LOADED.findall(text)}
    return Page(set(ANCHOR.findall(text)), set(map(unescape, LINK.findall(text))), loaded)


def test_there_is_a_site():
    assert len(PAGES) > 100, "build it first: sphinx-build -n -W .docs .docs/_build/html"


def test_every_public_name_has_a_page():
    values = [
        (f"{module}.{name}", getattr(import_module(module), name))
        for module in packages()
        for name in import_module(module).__all__
        if not name.startswith("__")
    ]
    values = [(name, value) for name, value in values if not inspect.ismodule(value)]
    assert len(values) > 100
    targets = {name: by_value()[id(value)].full for name, value in values}
    missing = {
        name: full
        for name, full in targets.items()
        if full not in page(SITE / "api" / f"{full}.html").anchors
    }
    assert not missing


def test_every_object_has_one_page():
    pages = [p.full for names in documented().values() for p in names]
    assert {p.full for p in by_value().values()} == set(pages)
    assert len({p.stem for p in (SITE / "api").glob("*.html")} - set(documented())) == len(
        set(pages)
    )


def leads_somewhere(path: Path, address: str) -> bool:
    """Return whether an address is that of a file and anchor of the site, or one of the web."""
    parts = urlsplit(address)
    if parts.scheme in ("http", "https"):
        return "." in parts.netloc and " " not in address
    if parts.scheme in ("data", "mailto"):
        return True
    target = (path.parent / unquote(parts.path)).resolve() if parts.path else path
    return target.exists() and (
        not parts.fragment or unquote(parts.fragment) in page(target).anchors
    )


def test_links_lead_somewhere():
    broken = {
        (path.relative_to(SITE).as_posix(), address)
        for path in PAGES
        for address in page(path).links | page(path).loaded
        if not leads_somewhere(path, address)
    }
    assert not broken


def test_a_broken_link_is_seen():
    home = SITE / "index.html"
    assert leads_somewhere(home, "theory.html#service-modes")
    assert not leads_somewhere(home, "theory.html#no-such-anchor")
    assert not leads_somewhere(home, "no_such_page.html")
    assert not leads_somewhere(home, "https://nowhere")


def test_nothing_is_loaded_from_elsewhere():
    addresses = {address for path in PAGES for address in page(path).loaded}
    assert addresses
    assert not {address for address in addresses if urlsplit(address).netloc}


def docstrings() -> Iterator[tuple[str, str, object]]:
    """Yield kind, name and object of all that may have a docstring, public or not."""
    for top in (models, reference):
        for found in pkgutil.walk_packages(top.__path__, f"{top.__name__}."):
            if "._" in found.name:
                continue
            module = import_module(found.name)
            yield "module", found.name, module
            for name, value in list(vars(module).items()):
                if getattr(value, "__module__", None) == found.name:
                    full = f"{found.name}.{name}"
                    yield "object", full, value
                    members = vars(value).items() if inspect.isclass(value) else ()
                    yield from (("member", f"{full}.{key}", member) for key, member in members)


def test_every_name_in_a_docstring_exists():
    wrong, count = [], 0
    for what, name, value in docstrings():
        text = value.__doc__
        own = (
            what != "member"
            or inspect.isroutine(value)
            or hasattr(value, "fget")
            or hasattr(value, "func")
        )
        if own and isinstance(text, str):
            count += 1
            wrong += [(name, said) for said in unknown(what, name, value, text)]
    assert count > 1000
    lines = [f"{name}: `{said}`" for name, said in wrong]
    assert not lines, "\n".join(["two backticks for what is no name:", *lines])


@cache
def index() -> dict[str, object]:
    text = (SITE / "searchindex.js").read_text(encoding="utf-8")
    return json.loads(text.removeprefix("Search.setIndex(").removesuffix(")"))


def found(words: str) -> set[str]:
    """Return the pages that have all words, in their texts or titles, by name."""
    stem = SearchEnglish({}).stem
    pages = []
    for word in words.lower().split():
        places = [index()[kind].get(stem(word), []) for kind in ("terms", "titleterms")]
        pages.append(
            {i for place in places for i in (place if isinstance(place, list) else [place])}
        )
    return {index()["docnames"][i] for i in set.intersection(*pages)}


def test_the_search_finds_what_is_there():
    assert {"guides/price_of_anarchy", "theory", "index"} <= found("price anarchy")
    assert {"api/sojourn.models.ParallelServers", "how_to_choose"} <= found("ParallelServers")
    assert not found("unfindableword")
    names = {entry[-1] for entries in index()["objects"].values() for entry in entries}
    assert "ParallelServers" in names
