"""Infeasible instances: proofs that they are, what rows and the report say of answers to them."""

import json
import math

import numpy as np
import pytest
from bench_rows import METADATA, failed, row
from chunks import some
from cone_programs import KINDS, random_program

from sojourn.models import InputError
from sojourn.models.benchmarks.solvers.compare import comparison
from sojourn.models.benchmarks.solvers.instances import instance_of, keys, program_of
from sojourn.models.benchmarks.solvers.problem import NO_ANSWER
from sojourn.models.benchmarks.solvers.problems import PROBLEMS
from sojourn.models.benchmarks.solvers.programs import npz
from sojourn.models.benchmarks.solvers.programs.distances import distances
from sojourn.models.benchmarks.solvers.programs.export import check, export
from sojourn.models.benchmarks.solvers.programs.residuals import infeasibility
from sojourn.models.benchmarks.solvers.report import write_report
from sojourn.models.benchmarks.solvers.report.infeasible import (
    divided,
    infeasible_section,
    infeasible_table,
)
from sojourn.models.benchmarks.solvers.report.results import Results
from sojourn.models.benchmarks.solvers.row import INFEASIBLE
from sojourn.models.benchmarks.solvers.run.cvxpy_solver import CvxpySolver
from sojourn.models.benchmarks.solvers.run.solver import Answer
from sojourn.models.benchmarks.solvers.run.work import Build, Built, Cell
from sojourn.models.benchmarks.solvers.settings import Settings
from sojourn.models.benchmarks.solvers.tables import infeasible_table as console_table

ABOVE = keys(sizes=[4], loads=[1.01])
KEY = ABOVE[0]


def block_lengths(cones, s):
    """Return the lengths of the rows of the linear cones and of the other blocks."""
    rows = cones.parts()
    sizes = [*cones.second_order, *cones.triangles, *[3] * (cones.exponential + len(cones.power))]
    ends = np.cumsum(sizes)[:-1] if sizes else []
    blocks = np.split(s[rows["nonnegative"].stop :], ends) if sizes else []
    return [*abs(s[: rows["nonnegative"].stop]), *map(np.linalg.norm, blocks)]


def test_formulations_with_a_largest_load_have_infeasible_instances():
    """Roads, fits, partitions and assignments have none, nor quadratic programs without rates."""
    without = {"roads-optimum", "roads-equilibrium", "measured-fit", "partition", "assignment"}
    assert {key.problem for key in ABOVE} == {problem.name for problem in PROBLEMS} - without
    assert "qp" not in {key.formulation for key in ABOVE}
    feasible = {key[:2] for key in keys(sizes=[4], loads=[0.6]) if key.problem not in without}
    assert feasible - {key[:2] for key in ABOVE} == {("mm1-at-one-distance", "qp")}
    mixed = keys(["mm1-optimum", "partition"], [4], [0.6, 1.01])
    assert [key.load for key in mixed if key.problem == "partition"] == [0.6]
    with pytest.raises(InputError, match=r"load = 1\.01: is above 1: partition\.socp has no inf"):
        instance_of(mixed[-1]._replace(load=1.01))
    with pytest.raises(InputError, match=r"loads = \[1\.01\]: leaves no instance"):
        comparison(problems=["partition"], loads=[1.01])


@pytest.mark.parametrize("key", ABOVE, ids=lambda key: f"{key.problem}.{key.formulation}")
def test_dual_variables_prove_that_programs_are_infeasible(key):
    program, clarabel = program_of(key), CvxpySolver("CLARABEL")
    answer = clarabel.solve(program, {})
    assert answer.status.startswith("infeasible")
    assert answer.x is None
    assert infeasibility(program, answer.y) < 1e-6
    assert math.isnan(program.optimum)


@pytest.mark.ecos
@pytest.mark.exhaustive
@pytest.mark.parametrize("key", keys(sizes=[30], loads=[1.01, 1.1], seeds=[1, 2]), ids=str)
def test_larger_programs_are_proved_to_be_infeasible_or_said_so(key):
    """ECOS, whose proof CVXPY does not hand over, is alone in finding M/G/1 sizes infeasible."""
    program = program_of(key)
    found = [CvxpySolver(name).solve(program, {}) for name in ("CLARABEL", "SCS")]
    proofs = [infeasibility(program, one.y) for one in found if one.y is not None]
    if not min(proofs, default=math.inf) < 1e-3:
        assert key.problem == "mg1-sizes"
        assert CvxpySolver("ECOS").solve(program, {}).status in INFEASIBLE


@pytest.mark.parametrize("seed", some(100, quick=2, often=5))
@pytest.mark.parametrize("kind", KINDS)
def test_no_proof_excludes_a_feasible_point(kind, seed):
    """The sum of |x| and of the lengths of blocks of s is 1 / residual or more."""
    rng = np.random.default_rng([seed, 24])
    program, x, _ = random_program(KINDS[kind], rng)
    s = program.b - program.A @ x
    assert distances(program.cones, s).max() < 1e-12
    size = abs(x).sum() + sum(block_lengths(program.cones, s))
    away = -program.b + 0.3 * rng.normal(size=s.size) * np.linalg.norm(program.b)
    free = away - program.A @ np.linalg.lstsq(program.A.toarray(), away, rcond=None)[0]
    found = [infeasibility(program, y) for y in (away, free, rng.normal(size=s.size))]
    assert all(residual * size >= 1 - 1e-9 for residual in found)
    assert math.isfinite(found[0])


def test_what_is_no_proof_has_an_infinite_residual():
    program = program_of(KEY)
    y = CvxpySolver("CLARABEL").solve(program, {}).y
    residual = infeasibility(program, y)
    assert infeasibility(program, 1e9 * y) == pytest.approx(residual)
    for wrong in (-y, 0 * y, y * np.nan, y * np.inf):
        assert infeasibility(program, wrong) == math.inf
    assert infeasibility(program, y + 1e-3) > residual


@pytest.mark.parametrize(
    ("status", "right", "false_claim"),
    [
        ("infeasible", True, False),
        ("infeasible_inaccurate", True, False),
        ("infeasible_or_unbounded", False, False),
        ("unbounded", False, False),
        ("optimal", False, True),
        ("optimal_inaccurate", False, False),
        ("SolverError: infeasible", False, False),
    ],
)
def test_the_right_answer_is_that_there_is_none(status, right, false_claim):
    found = row(load=1.001, status=status, error=math.inf)
    assert (found.right, found.false_claim) == (right, false_claim)
    assert found.infeasible
    assert found.key.infeasible
    assert not found.denied
    assert not found.false_doubt
    below = row(load=0.999, status=status)
    assert not below.infeasible
    assert below.denied == status.startswith(("infeasible", "unbounded"))


class Says:
    """A solver that says the same of any program."""

    name, version = "says", ""

    def __init__(self, **answer):
        self.answer = answer

    def refusal(self, program):
        return ""

    def settings_refusal(self, settings):
        return ""

    def options(self, settings, seconds):
        return {}

    def solve(self, program, options):
        shapes = {"x": program.q.size, "y": program.b.size}
        zeros = {name: np.zeros(shapes[name]) for name in shapes if self.answer.get(name) == 0}
        return Answer(**{**self.answer, **zeros}, solve_seconds=0.25)


def test_a_cell_keeps_time_and_proof_of_the_word_infeasible(tmp_path):
    def limited(work, *_):
        return work()

    def cell(solver, key=KEY):
        path = tmp_path / f"{key.name}.npz"
        if not path.is_file():
            assert not Build(key, path)(limited).problem
        return Cell(key, path, Built(), solver, Settings("default"), 1, 5.0)(limited)

    says = cell(Says(status="infeasible"))
    assert (says.right, says.solve_seconds, says.error) == (True, 0.25, math.inf)
    assert math.isnan(says.dual_residual)
    assert cell(Says(status="infeasible", y=0)).dual_residual == math.inf
    claims = cell(Says(status="optimal", x=0, y=0))
    assert (claims.false_claim, claims.error, claims.violation) == (True, *NO_ANSWER[::2])
    assert 0 < claims.primal_residual < math.inf
    other = cell(Says(status="user_limit"))
    assert (other.right, other.solve_seconds) == (False, 5.0)
    proved = cell(CvxpySolver("CLARABEL"))
    assert proved.right
    assert proved.dual_residual < 1e-6
    assert 0 < proved.solve_seconds < 5.0
    denied = cell(Says(status="infeasible"), KEY._replace(load=0.6))
    assert (denied.right, denied.denied, denied.solve_seconds) == (False, True, 5.0)


def test_files_of_infeasible_instances_have_no_true_value(tmp_path):
    manifest = export(tmp_path, [KEY])
    entry = json.loads((tmp_path / "manifest.json").read_text())["instances"][KEY.name]
    assert (entry["true_value"], entry["optimum"]) == (None, None)
    assert not manifest["standard"]
    file = tmp_path / f"{KEY.name}.npz"
    assert npz.read(file).truth is None
    np.savez(tmp_path / "answer.npz", x=np.zeros(npz.load(file).q.size))
    with pytest.raises(InputError, match=r"is infeasible: no x is an answer to it"):
        check(file, tmp_path / "answer.npz")


def test_a_run_has_them_beside_the_standard_set_by_default():
    default = {key for key in comparison(solvers=["CLARABEL"]).keys if key.infeasible}
    assert {key[:2] for key in default} == {key[:2] for key in ABOVE}
    assert {key.load for key in default} == {1.01, 1.001}
    assert len({(key.problem, key.n) for key in default}) == len({key.problem for key in default})
    for chosen in ({"smoke": True}, {"problems": ["mm1-optimum"]}, {"sizes": [3]}):
        assert not any(key.infeasible for key in comparison(solvers=["CLARABEL"], **chosen).keys)
    seeds = comparison(problems=["mm1-players"], loads=[0.5, 1.01], seeds=[3, 1])
    assert seeds.metadata()["seeds"] == [1, 3]
    assert len(seeds.keys) == 2 * 2 * 2


def rows_of_both():
    said = {"infeasible": 1.01, "infeasible_inaccurate": 1.001, "optimal": 1.0001}
    lines = [
        failed(load=load, status=status, failure="", solve_seconds=0.002, dual_residual=math.nan)
        for status, load in said.items()
    ]
    lines[0] = failed(load=1.01, status="infeasible", failure="", dual_residual=3e-9)
    lines += [failed(load=load, solver="SCS", status="optimal") for load in said.values()]
    lines += [failed(load=1.01, solver="OSQP", skipped="does not take SOC")]
    return [row(), row(solver="SCS", error=1e-3), *lines]


def test_tables_say_what_solvers_said_and_from_which_excess_on():
    feasible, infeasible = divided(rows_of_both())
    assert [r.load for r in feasible] == [0.9, 0.9]
    table = infeasible_table(Results(infeasible, 5.0))
    assert [line[:9] for line in table.rows] == [
        ("CLARABEL", "default", "3", "1", "1", "1", "0", "0.1 %", "0.1 %"),
        ("SCS", "default", "3", "0", "0", "3", "0", "-", "-"),
    ]
    assert table.rows[0][9] == "3e-9"
    section = infeasible_section(Results(infeasible, 5.0))
    claims = section.blocks[-1]
    assert claims.caption == "4 infeasible cells with the status optimal: all"
    assert [line[1] for line in claims.rows] == ["SCS", "SCS", "CLARABEL", "SCS"]
    missed = [r for r in infeasible if r.status != "optimal"]
    missed += [failed(load=1.02, status="optimal")]
    line = infeasible_table(Results(missed, 5.0)).rows[0]
    assert line[7:9] == ("0.1 %", "-")
    assert [*console_table(infeasible).columns[0].cells] == ["CLARABEL", "SCS"]


def test_the_report_of_infeasible_instances_alone(tmp_path):
    _, infeasible = divided(rows_of_both())
    write_report(infeasible, METADATA, tmp_path)
    text = (tmp_path / "report.md").read_text()
    assert text.index("## Infeasible instances") < text.index("## Machine, versions and settings")
    assert "Main findings" not in text
    assert len((tmp_path / "rows.csv").read_text().splitlines()) == 1 + len(infeasible)
