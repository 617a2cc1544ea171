"""Write the pages that are made from the tree before each build: API, command, guides.

All of them are in folders and files that git ignores.
"""

import inspect
import re
import subprocess
import sys
from collections.abc import Iterable, Mapping
from itertools import dropwhile, takewhile
from pathlib import Path
from textwrap import indent

from public_names import PublicName, by_value, documented, modules, packages
from references import linked, linked_module, nearest_bases
from sphinx.application import Sphinx

ROOT = Path(__file__).parents[2]
LINK = re.compile(r"\[([^\[\]]+)\]\((?!https?:|#)([^)#\s]+)(#[^)]*)?\)")


def _title(text: str) -> str:
    return f"{text}\n{'=' * len(text)}\n\n"


def _inherited(public: PublicName) -> str:
    """Return a line for each base with a page: the members that a class has of it."""
    lines, seen = [], set(public.members)
    for base in public.value.__mro__[1:]:
        if (home := by_value().get(id(base))) is not None:
            names = [name for name in home.members if name not in seen]
            links = ", ".join(f":py:obj:`{name} <{home.full}.{name}>`" for name in names)
            short = home.full.removeprefix("sojourn.")
            lines += [f"From :py:obj:`{short} <{home.full}>`: {links}."] if names else []
            seen.update(names)
    return "\n\n".join(lines)


def _page(public: PublicName) -> str:
    options, text = [], ""
    if inspect.isclass(public.value):
        text = _inherited(public)
        if nearest_bases(public.value):
            options.append(":show-inheritance:")
        if public.members:
            options.append(f":members: {', '.join(public.members)}")
    directive = f"{public.directive}:: {public.name}"
    if public.directive == "autodata":  # which looks for a docstring in one module alone
        directive, text = f"py:data:: {public.name}", "\n".join(linked(public))
    body = indent("\n".join([*options, "", text]), "   ")
    return f"{_title(public.name)}.. currentmodule:: {public.module}\n\n.. {directive}\n{body}\n"


def _row(public: PublicName) -> str:
    """Return a row of a table of names: a link, and the first paragraph of the docstring."""
    lines = linked(public)
    first = " ".join(takewhile(str.strip, dropwhile(lambda line: not line.strip(), lines)))
    return f"   * - :py:obj:`{public.name} <{public.full}>`\n     - {first}"


def _index(module: str, names: tuple[PublicName, ...]) -> str:
    rows = "\n".join(map(_row, names))
    pages = "\n".join(f"   {p.name} <{p.full}>" for p in names if p.module == module)
    return (
        f"{_title(module)}.. automodule:: {module}\n   :no-members:\n\n"
        f".. list-table::\n   :widths: 1 3\n\n{rows}\n\n"
        f".. toctree::\n   :hidden:\n\n{pages}\n"
    )


def _write(path: Path, content: str | bytes) -> None:
    """Write a file where its content is new: Sphinx reads again what is newer."""
    data = content.encode() if isinstance(content, str) else content
    if not path.exists() or path.read_bytes() != data:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)


def _fill(folder: Path, files: Mapping[str, str | bytes]) -> None:
    """Make a folder hold these files alone."""
    for path in folder.glob("*"):
        if path.name not in files:
            path.unlink()
    for name, content in files.items():
        _write(folder / name, content)


def _api() -> dict[str, str]:
    """Return the pages of all public names and of the modules that have them, by name of file."""
    files = {}
    for module, names in documented().items():
        files[f"{module}.rst"] = _index(module, names)
        files.update({f"{p.full}.rst": _page(p) for p in names if p.module == module})
    return files


def _list(modules: Iterable[str]) -> str:
    """Return a list of modules with the first lines of their docstrings, and their pages."""
    lines = [f":py:mod:`{m}`\n   {linked_module(m)[0]}" for m in modules]
    pages = "\n".join(f"   {m.removeprefix('sojourn.')} </api/{m}>" for m in modules)
    return "\n".join(lines) + f"\n\n.. toctree::\n   :hidden:\n\n{pages}\n"


def _command() -> str:
    """Return what Typer says of the command, as Markdown."""
    asked = ["-m", "typer", "sojourn.models.commands", "utils", "docs", "--name", "sojourn"]
    asked += ["--title", "Command line"]
    done = subprocess.run(  # noqa: S603
        [sys.executable, *asked], capture_output=True, text=True, check=True
    )
    return done.stdout


def _of_repository(path: str, otherwise: str) -> str:
    """Return the text of a file of the repository, its links to other files made plain text."""
    text = (ROOT / path).read_text(encoding="utf-8") if (ROOT / path).exists() else otherwise
    return LINK.sub(r"\1", text)


def _guide(path: Path) -> str:
    """Return a notebook whose links to files that are no guides are made plain text."""

    def shown(match: re.Match[str]) -> str:
        return match[0] if match[2].endswith(".ipynb") else match[1]

    return LINK.sub(shown, path.read_text(encoding="utf-8"))


def write_pages(app: Sphinx) -> None:
    """Write all of them."""
    source = Path(app.srcdir)
    included = {
        "packages.txt": _list(sorted(packages(), key=lambda name: name != "sojourn")),
        "modules.txt": _list(modules()),
        "changelog.txt": _of_repository("CHANGELOG.md", "# Changelog\n"),
        "contributing.txt": _of_repository(".github/CONTRIBUTING.md", "# Contributing\n"),
    }
    _fill(source / "api", {**_api(), **included})
    notebooks = ROOT / "notebooks"
    pictures = {path.name: path.read_bytes() for path in notebooks.glob("*.png")}
    _fill(source / "guides", pictures | {p.name: _guide(p) for p in notebooks.glob("*.ipynb")})
    _write(source / "command.md", _command())


def setup(app: Sphinx) -> dict[str, bool]:
    """Write the pages before Sphinx looks for them."""
    app.connect("builder-inited", write_pages)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
