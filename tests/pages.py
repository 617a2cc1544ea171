"""Examples of a page of Markdown: what its blocks print is what the page shows."""

import re
import subprocess
import sys
from itertools import pairwise

from markdown_it import MarkdownIt

END = "--- the end of a block ---"


def blocks(path):
    """Return the kind and the text of each fenced block."""
    found = MarkdownIt().parse(path.read_text(encoding="utf-8"))
    return [(t.info, t.content) for t in found if t.type == "fence"]


def examples(path):
    """Return the Python blocks with what the page shows below each; None where it shows nothing."""
    return [
        (code, shown if kind == "text" else None)
        for (python, code), (kind, shown) in pairwise([*blocks(path), ("", "")])
        if python == "python"
    ]


def pattern(shown):
    """Return what an output must match: certificates and the digits at ... differ by machine."""
    text = re.escape(shown.rstrip("\n")).replace(r"\.\.\.", r"\d*")
    text = re.sub(r"within\\ \S+ ", r"within\\ \\S+ ", text)
    return re.sub(r"\d\\ Newton", r"\\d+\\ Newton", text)


def printed(codes, folder):
    """Return what blocks print, one after the other in a process of their own."""
    script = "\n".join(f"{code}\nprint({END!r})" for code in codes)
    done = subprocess.run(
        [sys.executable, "-c", script], cwd=folder, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.split(f"{END}\n")[:-1]
