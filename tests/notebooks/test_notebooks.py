"""The notebooks run, and their stored outputs are those that they compute."""

import os
import re
from itertools import groupby
from pathlib import Path

import nbformat
import pytest
from nbclient import NotebookClient

FOLDER = Path(__file__).parents[2] / "notebooks"
NOTEBOOKS = sorted(FOLDER.glob("*.ipynb"))
NEEDS = "needs "  # start of a cell's tag, before an environment variable with a folder of files
each_notebook = pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda p: p.stem)


def code_cells(notebook):
    return [c for c in notebook.cells if c.cell_type == "code" and c.source.strip()]


def outputs(cell):
    """Return the outputs of a cell without the empty text that a progress bar leaves behind."""
    return [o for o in cell.outputs if o.get("data") != {"text/plain": ""}]


def text(cell):
    """Return the text that a cell prints and displays, whatever the pieces of the stream."""
    parts = [
        (o.name, o.text)
        if o.output_type == "stream"
        else ("result", o.get("data", {}).get("text/plain", ""))
        for o in outputs(cell)
    ]
    return [
        (name, "".join(t for _, t in group))
        for name, group in groupby(parts, key=lambda part: part[0])
    ]


def comparable(cell):
    """Return whether a cell has the files that its stored outputs are made with."""
    return all(
        os.environ.get(tag.removeprefix(NEEDS))
        for tag in cell.metadata.get("tags", ())
        if tag.startswith(NEEDS)
    )


def kinds(cell):
    """Return the types of the outputs of a cell beside text, such as images."""
    return [sorted(o.data) for o in outputs(cell) if "data" in o]


def test_there_are_notebooks():
    assert NOTEBOOKS


@each_notebook
def test_stored_outputs_are_whole_and_clean(path):
    stored = nbformat.read(path, as_version=4)
    nbformat.validate(stored)
    assert stored.metadata.kernelspec.name == "python3"
    cells = code_cells(stored)
    assert [c.execution_count for c in cells] == list(range(1, len(cells) + 1)), (
        "not run in order from a fresh kernel"
    )
    for cell in cells:
        for output in cell.outputs:
            assert output.output_type != "error", cell.id
            assert output.get("name") != "stderr", f"{cell.id}: {output.text}"
        for _, shown in text(cell):
            assert not re.search(r"[/\\](home|root|tmp|Users|site-packages)[/\\]", shown), (
                f"{cell.id} shows a path of one machine: {shown}"
            )


@each_notebook
@pytest.mark.slow
def test_runs_and_shows_what_is_stored(path, tmp_path):
    stored = nbformat.read(path, as_version=4)
    fresh = nbformat.read(path, as_version=4)
    for cell in code_cells(fresh):
        cell.outputs, cell.execution_count = [], None
    for data in (folder for folder in FOLDER.iterdir() if folder.is_dir()):
        (tmp_path / data.name).symlink_to(data, target_is_directory=True)
    # an error in a cell is raised here with its traceback; files go to the temporary folder
    NotebookClient(
        fresh, kernel_name="python3", timeout=300, resources={"metadata": {"path": str(tmp_path)}}
    ).execute()
    for old, new in zip(code_cells(stored), code_cells(fresh), strict=True):
        if not comparable(old):  # it ran, and printed why it left its task out
            assert text(new)
            continue
        assert text(old) == text(new), f"{old.id}: run the notebook again and keep its outputs"
        assert kinds(old) == kinds(new), f"{old.id}: run the notebook again and keep its outputs"
