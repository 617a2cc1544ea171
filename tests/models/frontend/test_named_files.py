"""Files that a scenario names: only in its folder, and not quoted unless they are tables."""

import os
import re

import pytest

from sojourn.models import InputError, load_scenario
from sojourn.models.frontend.fields import Folder, ScenarioError

HEAD = '[units]\nrate = "1/s"\ndelay = "ms"\n[loads]\nat = 1\ncurve = [1]\n'
SAMPLES = "load,latency\n" + "".join(f"{x},{1 / (10 - x):.6f}\n" for x in range(9))
TABLE = "rate\n10\n20\n"
MARK = "admin:hunter2"

# scenarios that name one file, with its contents
NAMING = {
    "samples": ('[[servers]]\nfamily = "measured"\nsamples = {}\n', SAMPLES),
    "samples in a tandem": (
        (
            '[[servers]]\nfamily = "tandem"\nfirst = {{ rate = 9 }}\nsecond = {{ family = '
            '"measured", samples = {} }}\n'
        ),
        SAMPLES,
    ),
    "servers": ("[servers]\nfile = {}\n", TABLE),
}
every_naming = pytest.mark.parametrize(("naming", "content"), NAMING.values(), ids=NAMING)


@pytest.fixture
def scenario(tmp_path):
    """Write a scenario that names a file, in a folder of its own; return its path."""

    def write(naming, name):
        folder = tmp_path / "own"
        folder.mkdir(exist_ok=True)
        path = folder / "a.toml"
        path.write_text(HEAD + naming.format(f"'{name}'"), encoding="utf-8")
        return path

    return write


@every_naming
@pytest.mark.parametrize(
    "name", ["{beside}", "x.csv", "./x.csv", "sub/../x.csv", "sub/link.csv", "../own/x.csv"]
)
def test_file_in_the_folder(scenario, naming, content, name):
    own = scenario(naming, "x").parent
    (own / "sub").mkdir()
    (own / "x.csv").write_text(content)
    (own / "sub" / "link.csv").symlink_to(own / "x.csv")
    load_scenario(scenario(naming, name.format(beside=own / "x.csv")))


@every_naming
def test_folder_that_is_a_link(scenario, tmp_path, naming, content):
    own = scenario(naming, "x.csv").parent
    (own / "x.csv").write_text(content)
    (tmp_path / "link").symlink_to(own)
    load_scenario(tmp_path / "link" / "a.toml")


@every_naming
@pytest.mark.parametrize(
    "name",
    [
        "../x.csv",
        "{outside}/x.csv",
        "sub/../../x.csv",
        "link.csv",
        "linked/x.csv",
        "linked/../x.csv",
    ],
)
def test_file_outside_the_folder(scenario, sojourn, tmp_path, naming, content, name):
    path = scenario(naming, name.format(outside=tmp_path))
    (tmp_path / "x.csv").write_text(content)
    (tmp_path / "deeper").mkdir()
    (tmp_path / "deeper" / "x.csv").write_text(content)
    (path.parent / "sub").mkdir()
    (path.parent / "link.csv").symlink_to(tmp_path / "x.csv")
    (path.parent / "linked").symlink_to(tmp_path / "deeper")
    message = (
        r"= .*: is not in the folder of the scenario; put it there, or allow it by --allow-outside"
    )
    with pytest.raises(ScenarioError, match=message):
        load_scenario(path)
    for command in ("run", "anarchy", "verify"):
        status, out, err = sojourn(command, path)
        assert (status, out, err.count("\n")) == (2, "", 1)
        assert re.search(message, err)
    load_scenario(path, allow_outside=True)
    assert sojourn("run", path, "--allow-outside", "--json")[0] == 0


@every_naming
def test_error_does_not_reveal_files_outside_the_folder(scenario, naming, content):
    problems = set()
    for name in ("/etc/passwd", "/etc/none", "/dev/zero", "/", ".."):
        with pytest.raises(ScenarioError) as caught:
            load_scenario(scenario(naming, name))
        problems.add(caught.value.problem)
    assert problems == {"is not in the folder of the scenario"}


@pytest.mark.parametrize("allow", ["no", 1, None, [True]])
def test_allow_outside_is_true_or_false(allow):
    with pytest.raises(
        InputError, match=r"^allow_outside = .*: is neither true nor false; give True or False$"
    ):
        load_scenario("1", allow_outside=allow)


@every_naming
@pytest.mark.parametrize("kind", ["pipe", "folder", "gigabyte", "device", "nothing"])
def test_file_that_is_not_regular_text_raises(scenario, naming, content, kind):
    path = scenario(naming, "x.csv")
    target = path.parent / "x.csv"
    if kind == "pipe":
        os.mkfifo(target)
    elif kind == "folder":
        target.mkdir()
    elif kind == "gigabyte":
        with target.open("wb") as file:
            file.truncate(2**30)
    elif kind == "device":
        target.symlink_to("/dev/zero")
    with pytest.raises(
        ScenarioError, match=r"^servers.* = '.*x\.csv': cannot be read: .*; give a CSV file"
    ):
        load_scenario(path, allow_outside=True)


@pytest.mark.parametrize("kind", ["pipe", "gigabyte", "device"])
def test_scenario_that_is_not_regular_text_raises(sojourn, tmp_path, kind):
    path = tmp_path / "a.toml"
    if kind == "pipe":
        os.mkfifo(path)
    elif kind == "gigabyte":
        with path.open("wb") as file:
            file.truncate(2**30)
    else:
        path.symlink_to("/dev/zero")
    with pytest.raises(
        ScenarioError,
        match=(
            r"^scenario = '.*a\.toml': (is neither a file nor|cannot be read: it has "
            r"1,073,741,824 bytes)"
        ),
    ):
        load_scenario(path)
    assert sojourn("run", path)[0] == 2


@every_naming
@pytest.mark.parametrize(
    "content_of",
    [
        f"{MARK}\n",
        f"{MARK},{MARK}\n{MARK}\n",
        f"{MARK},x\nload,latency,rate\n",
        f'"{MARK}\nload",{MARK}\n1,2\n',
    ],
)
def test_file_that_is_not_a_table_is_not_quoted(scenario, naming, content, content_of):
    path = scenario(naming, "x.csv")
    (path.parent / "x.csv").write_text(content_of)
    with pytest.raises(
        ScenarioError, match=r"has none of the columns .* in its first line"
    ) as caught:
        load_scenario(path)
    assert not re.search("hunter2|admin", str(caught.value))


@pytest.mark.parametrize("name", [3, True, [], "", " ", {}])
def test_value_that_is_not_a_file_name_raises(tmp_path, name):
    with pytest.raises(
        ScenarioError, match=r"^servers\.file = .*: is not the name of a file; give some text"
    ):
        Folder(tmp_path).file(name, "servers.file")


@pytest.mark.parametrize(
    "name", ["a\0b", "\0", "a" * 5000, "/" * 5000, "~root/.ssh/id", "a\x1b[31m\nb"]
)
@every_naming
def test_impossible_file_name_raises(scenario, naming, content, name):
    path = scenario(naming, "x")
    path.write_text(HEAD + naming.format('"' + "".join(f"\\u{ord(c):04x}" for c in name) + '"'))
    for allow_outside in (False, True):
        with pytest.raises(ScenarioError, match=r"^servers") as caught:
            load_scenario(path, allow_outside=allow_outside)
        assert str(caught.value).isprintable()
