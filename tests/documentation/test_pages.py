"""The hand-written pages of the site: what their examples print is what they show."""

import re
from pathlib import Path

import pytest
from pages import examples, pattern, printed

ROOT = Path(__file__).parents[2]
PAGES = sorted((ROOT / ".docs").glob("*.md"))
WITH_EXAMPLES = [page for page in PAGES if examples(page)]


@pytest.mark.slow
@pytest.mark.parametrize("page", WITH_EXAMPLES, ids=lambda p: p.stem)
def test_examples_print_what_the_page_shows(page, tmp_path):
    shown = examples(page)
    for (_, expected), output in zip(
        shown, printed([code for code, _ in shown], tmp_path), strict=True
    ):
        if expected is not None:
            assert re.fullmatch(pattern(expected), output.rstrip("\n")), output


def test_there_are_examples():
    assert {page.stem for page in WITH_EXAMPLES} >= {"index", "extension_points"}
