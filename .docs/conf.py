"""Sphinx configuration of the documentation site.

Build it from the top of the tree, warnings being errors, and look at it:

    pip install '.[docs]'
    sphinx-build -n -W --keep-going .docs .docs/_build/html
    python -m http.server -d .docs/_build/html

Why Sphinx and not MkDocs: single backticks in docstrings are references that Sphinx resolves and
checks, autodoc shows signatures as they are at run time, and MyST-NB shows notebooks with the
outputs that they store.
"""

import sys
from importlib.metadata import version as installed_version
from pathlib import Path

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE / "extensions"))

from references import EXTERNAL  # noqa: E402

project = "sojourn"
release = version = installed_version("sojourn")
html_title = f"sojourn {release}"
html_theme = "pydata_sphinx_theme"
html_static_path = ["static"]
html_favicon = "static/icon.svg"
html_css_files = ["site.css"]
html_copy_source = False
html_show_copyright = False
WITHOUT_SIDEBAR = (
    "index",
    "how_to_choose",
    "theory",
    "extension_points",
    "command",
    "changelog",
    "contributing",
)
html_sidebars = {page: [] for page in WITHOUT_SIDEBAR}
html_context = {"default_mode": "auto"}
html_theme_options = {
    "navbar_align": "left",
    "header_links_before_dropdown": 6,
    "show_toc_level": 2,
    "navigation_depth": 2,
    "footer_start": [],
    "footer_end": [],
    "navbar_end": ["theme-switcher"],
}

extensions = [
    "sphinx.ext.autodoc",
    "myst_nb",
    "numpydoc",
    "sphinx_copybutton",
    "mathml",  # the last three are in .docs/extensions
    "references",
    "write_pages",
]
exclude_patterns = ["_build", "extensions", "static"]

# docstrings: a single backtick is a reference to a Python name; `references` looks the name up
smartquotes = False  # -- is part of an option, and not a dash
default_role = "py:obj"
nitpicky = True
nitpick_ignore_regex = [(r"py:.*", rf"{name}(\..*)?") for name in EXTERNAL]
autodoc_member_order = "bysource"
autodoc_typehints = "none"  # NumPy docstrings have the types
numpydoc_show_class_members = False  # autodoc does, below the class
autosummary_generate = False  # numpydoc loads it; it has nothing to write
python_use_unqualified_type_names = True
toc_object_entries_show_parents = "hide"

myst_enable_extensions = ["colon_fence", "deflist", "dollarmath"]
myst_heading_anchors = 4
copybutton_prompt_text = r">>> |\.\.\. |\$ "
copybutton_prompt_is_regexp = True
nb_execution_mode = "off"  # notebooks are shown with the outputs that they store; tests run them
