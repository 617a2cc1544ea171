"""Solvers of CVXPY, functions and commands; their settings; wrong arguments; the command line."""

import json
import shutil
import sys
from pathlib import Path

import cvxpy as cp
import numpy as np
import pytest

from sojourn.models import InputError
from sojourn.models.benchmarks.solvers.command import numbers
from sojourn.models.benchmarks.solvers.compare import compare, comparison
from sojourn.models.benchmarks.solvers.instances import keys
from sojourn.models.benchmarks.solvers.run.chosen import as_solvers
from sojourn.models.benchmarks.solvers.run.cvxpy_solver import CvxpySolver
from sojourn.models.benchmarks.solvers.run.solver import Answer
from sojourn.models.benchmarks.solvers.run.work import Build, Cell
from sojourn.models.benchmarks.solvers.settings import Settings, as_settings
from sojourn.models.core.solver_specs import SOLVERS, SolverSpec, spec

SMALL = {"problems": ["mm1-optimum"], "formulations": ["inv_pos"], "sizes": [3], "loads": [0.6]}
SCRIPT = """
import sys
import numpy as np
sys.path.insert(0, {folder!r})
from mine import good
from types import SimpleNamespace
import json, scipy.sparse as sp
a = np.load(sys.argv[1])
h = json.loads(str(a["header"]))
n, m = a["q"].size, a["b"].size
P, A = (sp.csc_array((a[k + "_data"], a[k + "_indices"], a[k + "_indptr"]), shape=s)
        for k, s in (("P", (n, n)), ("A", (m, n))))
program = SimpleNamespace(name=h["name"], P=sp.csc_array(P), q=a["q"], A=A, b=a["b"],
                          cones=SimpleNamespace(**h["cones"]))
if h["name"] != "trial" and sys.argv[3] == "1e-06":
    sys.exit("does not converge")
np.savez(sys.argv[2], **good(program, {{"tolerance": None}}))
"""


@pytest.fixture(scope="module")
def mine(tmp_path_factory):
    folder = tmp_path_factory.mktemp("own")
    source = Path(__file__).with_name("misbehaving.py")
    shutil.copy(source, folder / "mine.py")
    (folder / "script.py").write_text(SCRIPT.format(folder=str(folder)))
    return folder


@pytest.mark.slow
def test_a_function_and_a_command_end_to_end(mine, sojourn, tmp_path):
    command = f"own={sys.executable} {mine}/script.py {{instance}} {{solution}} {{tolerance}}"
    status, out, err = sojourn(
        "bench", "solvers", "--problems", "mm1-optimum", "--formulations", "inv_pos",
        "--sizes", "3", "--loads", "0.6", "--solvers", "CLARABEL",
        "--solver", f"{mine}/mine.py:good",
        "--solver", command, "--settings", "default,mid", "--limit", "20", "--json",
        "--out", tmp_path / "run",
    )  # fmt: skip
    assert (status, err) == (0, "")
    found = json.loads(out)
    rows = {(row["solver"], row["settings"]): row for row in found["rows"]}
    assert rows["CLARABEL", "default"]["right"]
    assert rows["mine.good", "default"]["right"]
    assert rows["mine.good", "mid"]["error"] > rows["mine.good", "default"]["error"]
    own = rows["own", "default"]
    assert own["right"]
    assert own["transfer_seconds"] > own["solve_seconds"]  # Python starts, and reads the file
    assert own["version"].startswith("sha256 ")
    assert rows["own", "mid"]["status"] == "error: exit code 1: does not converge"
    metadata = found["metadata"]
    assert metadata["instances"]["number"] == 1
    assert metadata["settings"]["mid"]["CLARABEL"].startswith("max_threads=1")
    assert {"rows.jsonl", "report.html", "report.md"} <= {
        p.name for p in (tmp_path / "run").iterdir()
    }
    (instance,) = (tmp_path / "run" / "instances").iterdir()
    x = tmp_path / "x.npz"
    program = np.load(instance)
    np.savez(x, x=np.zeros(program["q"].size))
    status, out, _ = sojourn("bench", "check", instance, x, "--json")
    assert status == 0
    assert json.loads(out)


@pytest.mark.slow
def test_smoke_runs_every_formulation_by_every_solver_once():
    run = comparison(smoke=True, limit=5.0)
    rows = list(run.rows())
    formulations = {(key.problem, key.formulation) for key in run.keys}
    assert len(formulations) == len(run.keys)
    assert len(rows) == len(run.keys) * len(run.solvers)
    assert {"CLARABEL", "SCS", "OSQP", "HIGHS"} <= {row.solver for row in rows}
    assert not any(row.failure for row in rows)
    clarabel = [row for row in rows if row.solver == "CLARABEL"]
    assert sum(row.right for row in clarabel) > 0.7 * len(clarabel)
    assert all(row.repeats <= 1 for row in rows)


@pytest.mark.parametrize("name", sorted({*cp.installed_solvers()} & {s.name for s in SOLVERS}))
def test_options_of_a_tolerance_are_those_of_the_solver(name):
    """Each solves a tiny program with them; a wrong name would be an error."""
    from sojourn.models.core.solvers import capable_solvers

    record = spec(name)
    if not record.tolerances:
        with pytest.raises(ValueError, match="no option for a tolerance"):
            record.accuracy(1e-6)
        return
    options = CvxpySolver(name).options(Settings("mid", 1e-6), 10.0)
    assert capable_solvers((name,), options) == (name,)
    assert record.accuracy(1e-6) == {**record.accuracy(1e-3), **record.accuracy(1e-6)}


def test_tolerances_of_nested_options():
    record = SolverSpec("OWN", tolerances=("eps", "inner.tol"), iterations={"most": 9})
    assert record.accuracy(0.1) == {"most": 9, "eps": 0.1, "inner": {"tol": 0.1}}


def test_options_of_commercial_solvers_are_merged_in_their_dictionaries():
    """CPLEX and MOSEK have the limit of time, the threads and the tolerances in one option."""
    options = CvxpySolver("CPLEX").options(Settings("mid", 1e-6), 7.0)
    assert options.keys() == {"cplex_params"}
    inner = options["cplex_params"]
    assert (inner["threads"], inner["timelimit"], inner["barrier.convergetol"]) == (1, 7.0, 1e-6)
    inner = CvxpySolver("MOSEK").options(Settings("default"), 7.0)["mosek_params"]
    assert inner == {"MSK_DPAR_OPTIMIZER_MAX_TIME": 7.0, "MSK_IPAR_NUM_THREADS": 1}


@pytest.mark.parametrize("name", ["MOSEK", "GUROBI", "COPT", "XPRESS", "CPLEX"])
def test_a_tolerance_out_of_the_range_of_a_solver_is_refused(name):
    solver = CvxpySolver(name)
    least, largest = solver.record.range
    assert not any(solver.settings_refusal(Settings("mid", t)) for t in (1e-3, 1e-6, 1e-9))
    for tolerance in (least / 2, largest * 2):
        if 1e-15 <= tolerance <= 0.1:
            refused = solver.settings_refusal(Settings("tolerance", tolerance))
            assert refused == f"takes tolerances from {least:g} to {largest:g} alone"


@pytest.mark.parametrize(
    "status",
    [
        "Error: rescode.err_missing_license_file(1008): License cannot be located.",
        "GurobiError: Model too large for size-limited license; visit https://gurobi.com",
        "CplexSolverError: CPLEX Error 1016: Community Edition. Problem size limits exceeded.",
        "CoptError: 4, (LICENSE) Fail to solve problem",
        "SolverError: ?120 Error: Problem has too many rows and columns. The maximum is 200",
    ],
)
def test_a_program_that_a_licence_does_not_cover_is_skipped(status, tmp_path):
    """The messages of MOSEK 11.2, GUROBI 13.0, CPLEX 22.2, COPT 8.0 and Xpress 9.9."""

    class Unlicensed(CvxpySolver):
        def solve(self, program, options):
            return Answer(status)

    key = keys(**SMALL)[0]
    instance = tmp_path / "instance.npz"
    built = Build(key, instance)(lambda task, *_: task())
    cell = Cell(key, instance, built, Unlicensed("CLARABEL"), Settings("default"), 1, 10.0)
    row = cell(lambda task, *_: task())
    assert (row.skipped, row.status, row.failure) == (status, "", "")


def test_settings_of_names_files_and_tolerances(tmp_path):
    file = tmp_path / "mine.toml"
    file.write_text("[CLARABEL]\ntol_feas = 1e-5\n")
    default, high, own, loose = as_settings(["default", "high", file], [1e-4])
    clarabel, ecos = CvxpySolver("CLARABEL"), CvxpySolver("ECOS")
    assert clarabel.options(default, 3.0) == {"max_threads": 1, "time_limit": 3.0}
    assert clarabel.options(high, 3.0)["tol_gap_rel"] == 1e-9
    assert clarabel.options(own, 3.0)["tol_feas"] == 1e-5
    assert ecos.settings_refusal(own) == "no options for it in mine.toml"
    assert ecos.options(loose, 3.0)["abstol"] == 1e-4
    assert loose.label == "tolerance 0.0001"
    assert CvxpySolver("SCIPY").settings_refusal(high) == "no option for a tolerance is known"
    assert "the library has no options" in CvxpySolver("OSQP").settings_refusal(Settings("sojourn"))


def test_wrong_options_of_the_user_are_named_before_any_instance_is_built(tmp_path):
    file = tmp_path / "mine.toml"
    file.write_text("[CLARABEL]\ntol_feaz = 1e-5\n")
    rows = compare(**SMALL, solvers=["CLARABEL"], settings=[file], out=tmp_path / "run")
    with pytest.raises(InputError, match=r"mine\.toml: CLARABEL = .*unrecognized.*'tol_feaz'"):
        next(rows)
    assert not any((tmp_path / "run" / "instances").iterdir())


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"problems": ["mm1"]}, r"^problems\[0\] = 'mm1': is not a problem"),
        ({"sizes": [1]}, r"^sizes\[0\] = 1: is not a size"),
        ({"loads": [0.5, 1.0]}, r"^loads\[1\] = 1.0: is so near to the largest load"),
        ({"formulations": ["cone"]}, r"^formulations\[0\] = 'cone'"),
        ({"solvers": []}, r"^solvers = \[\]: names no solver"),
        ({"solvers": ["GUROBY"]}, r"^solver = 'GUROBY': is not a solver that CVXPY knows"),
        ({"solvers": ["SCS", "SCS"]}, r"has two solvers 'SCS'; name each once"),
        ({"solvers": ["none.py:solve"]}, r"^solvers\[0\] = 'none.py': cannot be imported"),
        ({"solvers": ["json:solve"]}, r"has no function 'solve'; use "),
        ({"solvers": ["no-such {instance} {solution}"]}, r"there is no command 'no-such'"),
        ({"solvers": ["ls {instance}"]}, r"does not say where the command reads"),
        ({"solvers": ["ls {instance} {out}"]}, r"has an unknown placeholder {out}"),
        ({"solvers": ["ls '{instance}"]}, r"is no command: No closing quotation"),
        ({"settings": ["best"]}, r"^settings\[0\] = 'best': is neither a name of settings nor"),
        ({"settings": ["none.toml"]}, r"^settings\[0\] = 'none.toml': cannot be read"),
        ({"settings": ["low", "low"]}, r"names the same settings twice"),
        ({"tolerances": [1e-4, 0.0]}, r"^tolerances\[1\] = 0.0: is not a tolerance"),
        ({"limit": 0.0}, r"^limit = 0.0: is not a time"),
        ({"memory": 0.01}, r"^memory = 0.01: is not an amount of memory"),
        ({"workers": 0}, r"^workers = 0"),
        ({"repeats": 0}, r"^repeats = 0"),
    ],
)
def test_wrong_arguments_are_errors_before_the_run(arguments, message):
    with pytest.raises(InputError, match=message):
        compare(**{"solvers": ["CLARABEL"], **SMALL, **arguments})


def test_solvers_by_name(mine):
    names = [f"{mine}/mine.py:good", f"b={mine}/mine.py:good", "clarabel"]
    assert [one.name for one in as_solvers(names)] == ["mine.good", "b", "CLARABEL"]
    assert "ECOS_BB" not in [one.name for one in as_solvers(None)]


def test_loads_may_be_in_per_cent():
    assert numbers("--loads", "60%,0.6,99.9%,1e-5%") == [0.6, 0.6, 0.999, 1e-7]
    with pytest.raises(InputError, match=r"^--loads = '6%0': is not a list of numbers: '6%0'"):
        numbers("--loads", "6%0")
