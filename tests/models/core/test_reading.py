"""Reading of files: all but regular text files below the limits raise and are not quoted."""

import os

import pytest

from sojourn.models import InputError
from sojourn.models.core import reading
from sojourn.models.core.reading import read_numbers, read_table, read_text

MARK = "hunter2"


def text(path):
    return read_text(path, "path", "give another")


def table(path):
    return read_table(path, "path", "give another", ("load", "latency"))


def numbers(path):
    return read_numbers(path, "path", "give another")


def gigabyte(path):
    with path.open("wb") as file:
        file.truncate(2**30)
    return path


def pipe(path):
    os.mkfifo(path)
    return path


def folder(path):
    path.mkdir()
    return path


def latin(path):
    path.write_bytes(f"one\ntwo\nGröße {MARK}\n".encode("latin-1"))
    return path


NOT_READ = {
    "gigabyte": (
        gigabyte,
        (
            r"cannot be read: it has 1,073,741,824 bytes or more, and files of up to "
            r"67,108,864 are read"
        ),
    ),
    "pipe": (pipe, r"cannot be read: it is a pipe, and not a file"),
    "folder": (folder, r"cannot be read: it is a folder, and not a file"),
    "device": (lambda _: "/dev/zero", r"cannot be read: it is a device, and not a file"),
    "terminal": (lambda _: "/dev/tty", r"cannot be read: "),
    "nothing": (lambda path: path, r"cannot be read: No such file or directory"),
    "no name": (lambda _: "a\0b", r"cannot be read: .*embedded null"),
    "no path": (lambda _: 0, r"is not the path of a file"),
    "bytes": (lambda _: b"a", r"is not the path of a file"),
    "encoding": (latin, r"is not text in UTF-8, from line 3 on"),
}


@pytest.mark.parametrize(("make", "problem"), NOT_READ.values(), ids=NOT_READ)
def test_file_that_is_not_regular_text_raises(tmp_path, make, problem):
    path = make(tmp_path / "x")
    for read in (text, table, numbers):
        with pytest.raises(InputError, match=rf"^path = .*: {problem}.*; give another$") as caught:
            read(path)
        assert MARK not in str(caught.value)
        assert caught.value.field == "path"


@pytest.mark.parametrize("before", ["", "\ufeff"])
def test_text_is_that_of_the_file(tmp_path, before):
    (tmp_path / "x").write_text(f"{before}a\r\nß\0", encoding="utf-8", newline="")
    assert text(tmp_path / "x") == text(str(tmp_path / "x")) == "a\r\nß\0"


def test_opened_file_is_checked_not_its_name(tmp_path, monkeypatch):
    (tmp_path / "file").write_text("x")
    regular = os.stat(tmp_path / "file")
    monkeypatch.setattr(reading.os, "stat", lambda _: regular)
    with pytest.raises(InputError, match="it is a pipe, and not a file"):
        text(pipe(tmp_path / "pipe"))
    with pytest.raises(InputError, match="it is a device, and not a file"):
        text("/dev/zero")


def test_size_limit_holds_for_the_bytes_read(monkeypatch):
    assert os.stat("/proc/version").st_size == 0
    monkeypatch.setattr(reading, "MAX_BYTES", 5)
    with pytest.raises(InputError, match="it has 6 bytes or more, and files of up to 5 are read"):
        text("/proc/version")


def test_table_has_line_numbers(tmp_path):
    (tmp_path / "x").write_text(
        '\ufeff\n load ,"host\nname"\n1,a\n\n , \n2,"b\nc"\n', encoding="utf-8"
    )
    assert table(tmp_path / "x") == (["load", "host\nname"], [(4, ["1", "a"]), (8, ["2", "b\nc"])])


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        ("", r"has none of the columns load, latency in its first line"),
        (
            f"{MARK}:x:0:0\nload,latency\n",
            r"has none of the columns load, latency in its first line",
        ),
        (
            f"load,latency\n1,{MARK}\n{MARK * 20_000}\n",
            r"is not a table, from line 3 on: field larger than field limit \(131072\)",
        ),
        ("load\n" + "1\n" * 4, r"is not a table, from line 4 on: more than 3 rows"),
    ],
)
def test_file_that_is_not_a_table_is_not_quoted(tmp_path, monkeypatch, content, problem):
    monkeypatch.setattr(reading, "MAX_ROWS", 3)
    (tmp_path / "x").write_text(content)
    with pytest.raises(InputError, match=rf"^path = .*: {problem}; give another$") as caught:
        table(tmp_path / "x")
    assert MARK not in str(caught.value)


def test_numbers_have_white_space_between(tmp_path):
    (tmp_path / "x").write_text("1 2.5\n\n-3e2\tnan\n")
    assert str(numbers(tmp_path / "x")) == "[1.0, 2.5, -300.0, nan]"
    (tmp_path / "x").write_text(f"1\n{MARK}\n")
    with pytest.raises(InputError, match="has a line without a number; give another") as caught:
        numbers(tmp_path / "x")
    assert MARK not in str(caught.value)
