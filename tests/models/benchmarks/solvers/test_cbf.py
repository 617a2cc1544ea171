"""Cone programs as files of the Conic Benchmark Format: written, read back, solved."""

from dataclasses import replace

import numpy as np
import pytest
from chunks import some
from cone_programs import KINDS, random_program

from sojourn.models import InputError
from sojourn.models.benchmarks.solvers.instances import accuracy_at, instance_of, keys, program_of
from sojourn.models.benchmarks.solvers.programs import cbf
from sojourn.models.benchmarks.solvers.programs.residuals import residuals
from sojourn.models.benchmarks.solvers.programs.to_cvxpy import as_problem

KEYS = [key for key in keys(loads=[0.6], spreads=[(10.0, 5.0)]) if key.n <= 8]


def solution(program):
    problem, x, _ = as_problem(program)
    problem.solve(solver="CLARABEL")
    return x.value


def random_as_read(kind, seed, path):
    """Write a program; return it with matrices of order 1 as the last nonnegative rows, x and y."""
    program, x, y = random_program(KINDS[kind], np.random.default_rng(seed))
    cbf.save(program, path)
    cones, parts = program.cones, program.cones.parts()
    ends = parts["semidefinite"].start + np.cumsum(cones.triangles)
    ones = [end - 1 for end, k in zip(ends, cones.semidefinite, strict=True) if k == 1]
    order = np.insert(np.delete(np.arange(cones.rows), ones), parts["nonnegative"].stop, ones)
    read = replace(
        cones,
        nonnegative=cones.nonnegative + len(ones),
        semidefinite=tuple(k for k in cones.semidefinite if k > 1),
    )
    return replace(program, A=program.A[order], b=program.b[order], cones=read), x, y[order]


@pytest.mark.parametrize("seed", some(40, quick=2, often=4))
@pytest.mark.parametrize("kind", KINDS)
def test_random_programs_are_read_back(kind, seed, tmp_path):
    program, x, y = random_as_read(kind, seed, tmp_path / "program.cbf")
    again = cbf.load(tmp_path / "program.cbf")
    assert again.cones == program.cones
    assert (again.name, again.constant) == (program.name, program.constant)
    assert again.optimum == program.optimum
    np.testing.assert_array_equal(again.q, program.q)
    plain = np.ones(program.b.size, dtype=bool)
    plain[program.cones.parts()["semidefinite"]] = False
    np.testing.assert_array_equal(again.b[plain], program.b[plain])
    np.testing.assert_allclose(again.b, program.b, rtol=4e-16)
    assert (again.A.toarray()[plain] == program.A.toarray()[plain]).all()
    np.testing.assert_allclose(again.A.toarray(), program.A.toarray(), rtol=4e-16)
    assert max(residuals(again, x, y)) < 1e-13


def rows_in_mosek(path):
    """Return the objective of a file, its constant, and its rows by kind, as MOSEK reads it."""
    mosek = pytest.importorskip("mosek")
    kinds = ("rzero", "rplus", "quadratic_cone", "svec_psd_cone", "primal_exp_cone")
    found = {kind: [] for kind in (*kinds, "primal_power_cone")}
    exponents = []
    with mosek.Task() as task:  # reading needs no licence
        task.readdata(str(path))
        assert (task.getnumcon(), task.getnumbarvar()) == (0, 0)
        assert task.getobjsense() == mosek.objsense.minimize
        n, m = task.getnumvar(), task.getnumafe()
        rows, columns, values = task.getafeftrip()
        F, g = np.zeros((m, n)), np.array(task.getafegslice(0, m))
        np.add.at(F, (rows, columns), values)
        for i in range(task.getnumacc()):
            domain, at = task.getaccdomain(i), np.array(task.getaccafeidxlist(i), dtype=int)
            kind = str(task.getdomaintype(domain)).removeprefix("domaintype.")
            if kind == "primal_exp_cone":
                at = at[::-1]
            if kind == "primal_power_cone":
                exponents.append(task.getpowerdomainalpha(domain)[0])
            found[kind].append((F[at], g[at] - np.array(task.getaccb(i))))
        return np.array(task.getclist(range(n))), task.getcfix(), found, exponents


@pytest.mark.parametrize("kind", KINDS)
def test_mosek_reads_the_arrays_of_the_program(kind, tmp_path):
    path = tmp_path / "program.cbf"
    program, *_ = random_as_read(kind, 1, path)
    q, constant, found, exponents = rows_in_mosek(path)
    np.testing.assert_array_equal(q, program.q)
    assert constant == program.constant
    blocks = [block for blocks in found.values() for block in blocks]
    np.testing.assert_allclose(-np.vstack([F for F, _ in blocks]), program.A.toarray(), rtol=4e-16)
    np.testing.assert_allclose(np.concatenate([g for _, g in blocks]), program.b, rtol=4e-16)
    sizes = {kind: tuple(len(g) for _, g in blocks) for kind, blocks in found.items()}
    cones = program.cones
    assert sum(sizes["rzero"]) == cones.zero
    assert sum(sizes["rplus"]) == cones.nonnegative
    assert sizes["quadratic_cone"] == cones.second_order
    assert sizes["svec_psd_cone"] == cones.triangles
    assert sizes["primal_exp_cone"] == (3,) * cones.exponential
    np.testing.assert_allclose(exponents, cones.power, rtol=1e-15)


@pytest.mark.parametrize("kind", KINDS)
def test_a_file_has_the_first_version_that_has_its_cones(kind):
    """Version 2 brings exponential cones, version 3 power cones."""
    program, *_ = random_program(KINDS[kind], np.random.default_rng(0))
    lines = cbf.encode(program).decode().splitlines()
    version = {"exponential": 2, "power": 3, "all": 3}.get(kind, 1)
    assert int(lines[lines.index("VER") + 1]) == version


def test_matrices_of_order_1_are_written_as_nonnegative_rows():
    """MOSEK 11.2.7 mixes up the matrices after such a one, COPT 8.0.7 refuses the file."""
    program, *_ = random_program(KINDS["semidefinite"], np.random.default_rng(0))
    assert program.cones.semidefinite == (3, 1, 2)
    lines = cbf.encode(program).decode().splitlines()
    at = lines.index("PSDCON")
    assert lines[at + 1 : at + 5] == ["2", "3", "2", ""]
    at = lines.index("CON")
    assert lines[at + 1 : at + 5] == ["2 2", "L= 1", "L+ 1", ""]


@pytest.mark.parametrize("key", KEYS, ids=lambda key: key.name)
def test_an_instance_that_is_read_back_has_the_true_answer(key, tmp_path):
    instance = instance_of(key)
    program = program_of(key, instance)
    if program.P.nnz:
        assert "the objective is quadratic" in cbf.refusal(program)
        with pytest.raises(InputError, match=r"the objective is quadratic.*save it by npz\.save"):
            cbf.save(program, tmp_path / "program.cbf")
        assert not list(tmp_path.iterdir())
        return
    assert cbf.refusal(program) == ""
    cbf.save(program, tmp_path / "program.cbf")
    again = cbf.load(tmp_path / "program.cbf")
    accuracy = accuracy_at(instance, program, solution(again))
    assert accuracy.error < 1e-3  # a Beckmann potential has flat flows
    assert accuracy.violation < 1e-6


def test_only_quadratic_problems_are_refused():
    refused = {key.formulation for key in KEYS if cbf.refusal(program_of(key))}
    assert refused == {"qp"}


BY_HAND = """# A power, an exponential and a matrix cone with their optima by hand
VER
3

POWCONES
1 2
2
1.0
3.0

OBJSENSE
MAX

VAR
4 1
F 4

PSDCON
1
2

CON
8 4
@0:POW 3
L- 0
EXP 3
L= 2

OBJACOORD
3
0 1.0
1 1.0
2 1.0

OBJBCOORD
0.5

ACOORD
4
2 0 1.0
5 1 1.0
6 3 1.0
7 3 -1.0

BCOORD
6
0 16.0
1 1.0
3 2.0
4 1.0
6 -4.0
7 4.0

HCOORD
2
0 2 0 1 1.0
0 3 1 1 1.0

DCOORD
1
0 0 0 9.0
"""


def test_a_file_by_hand_has_its_optimum(tmp_path):
    """x0 <= 16^(1/4) = 2, x1 <= log 2, x2^2 <= 9 x3 = 36: the optimum is 2 + log 2 + 6 + 0.5."""
    text = BY_HAND.replace("8 4\n@0", "8 3\n@0").replace("L- 0\n", "")
    (tmp_path / "hand.cbf").write_text(text)
    program = cbf.load(tmp_path / "hand.cbf")
    assert program.name == "hand"
    assert program.cones.power == (0.25,)
    assert program.maximise
    optimum = -program.objective(solution(program))
    assert optimum == pytest.approx(8.5 + np.log(2), rel=1e-7)


def test_what_is_written_is_what_the_format_asks_for():
    program, *_ = random_program(KINDS["all"], np.random.default_rng(1))
    lines = cbf.encode(program).decode().splitlines()
    keywords = [line for line in lines if line.isalpha() and line.isupper() and line != "MIN"]
    assert keywords == [
        *("VER", "POWCONES", "OBJSENSE", "VAR", "PSDCON", "CON", "OBJACOORD", "OBJBCOORD"),
        *("ACOORD", "HCOORD", "BCOORD", "DCOORD"),
    ]  # fmt: skip
    blocks = lines[lines.index("CON") + 2 :]
    assert blocks[: blocks.index("")] == [
        *("L= 2", "L+ 3", "Q 2", "Q 5", "Q 5", "EXP 3", "EXP 3", "@0:POW 3", "@1:POW 3")
    ]
    counted = {}
    for i, line in enumerate(lines):
        if line.endswith("COORD") and line != "OBJBCOORD":
            rest = lines[i + 2 :]
            end = rest.index("") if "" in rest else len(rest)
            counted[line] = (int(lines[i + 1]), end)
    assert all(said == found for said, found in counted.values()), counted


DAMAGE = {
    "no text": b"\xff\xfe",
    "another version": b"VER\n9\n",
    "integers": b"VER\n3\nINT\n1\n0\n",
    "matrix variables": b"VER\n3\nPSDVAR\n1\n2\n",
    "bounded variables": b"VER\n3\nVAR\n3 1\nL+ 3\n",
    "rotated cones": b"VER\n3\nVAR\n1 1\nF 1\nCON\n3 1\nQR 3\n",
    "a cone of other rows": b"VER\n3\nVAR\n1 1\nF 1\nCON\n4 1\nEXP 4\n",
    "other rows than said": b"VER\n3\nVAR\n1 1\nF 1\nCON\n4 1\nQ 3\n",
    "a power cone without exponents": b"VER\n3\nVAR\n1 1\nF 1\nCON\n3 1\n@0:POW 3\n",
    "a power cone of three weights": b"VER\n3\nPOWCONES\n1 3\n3\n1\n1\n1\n",
    "a row out of range": b"VER\n3\nVAR\n1 1\nF 1\nCON\n1 1\nL+ 1\nBCOORD\n1\n1 2.0\n",
    "a negative row": b"VER\n3\nVAR\n1 1\nF 1\nCON\n1 1\nL+ 1\nBCOORD\n1\n-1 2.0\n",
    "a column out of range": b"VER\n3\nVAR\n1 1\nF 1\nCON\n1 1\nL+ 1\nACOORD\n1\n0 1 2.0\n",
    "a cost out of range": b"VER\n3\nVAR\n1 1\nF 1\nOBJACOORD\n1\n-1 2.0\n",
    "no number": b"VER\n3\nVAR\n1 1\nF 1\nCON\n1 1\nL+ 1\nBCOORD\n1\n0 nan\n",
    "no cost": b"VER\n3\nVAR\n1 1\nF 1\nOBJACOORD\n1\n0 inf\n",
    "an entry out of its matrix": b"VER\n3\nVAR\n1 1\nF 1\nPSDCON\n1\n2\nDCOORD\n1\n0 2 0 1\n",
    "a matrix that is not there": b"VER\n3\nVAR\n1 1\nF 1\nPSDCON\n1\n2\nDCOORD\n1\n-1 0 0 1\n",
    "fewer lines than said": b"VER\n3\nVAR\n1 1\nF 1\nOBJACOORD\n2\n0 1.0\n",
    "no variables": b"VER\n3\n",
}


@pytest.mark.parametrize("name", DAMAGE)
def test_a_file_that_is_wrong_or_beyond_the_reader_is_refused(name, tmp_path):
    (tmp_path / "file.cbf").write_bytes(DAMAGE[name])
    with pytest.raises(InputError, match=r"^path = .*file\.cbf.*: cannot be read: .*; give a file"):
        cbf.load(tmp_path / "file.cbf")


def test_a_missing_file_is_refused(tmp_path):
    with pytest.raises(InputError, match="is not a file"):
        cbf.load(tmp_path / "missing.cbf")


def test_a_program_without_rows_or_costs_is_written_too(tmp_path):
    import scipy.sparse as sp

    from sojourn.models.benchmarks.solvers.programs.cone_program import Cones

    program, *_ = random_program(KINDS["linear"], np.random.default_rng(0))
    empty = replace(
        program,
        q=np.zeros(6),
        A=sp.csc_array((0, 6)),
        b=np.empty(0),
        cones=Cones(),
        constant=0.0,
        optimum=np.nan,
    )
    cbf.save(empty, tmp_path / "empty.cbf")
    again = cbf.load(tmp_path / "empty.cbf")
    assert again.A.shape == (0, 6)
    assert not again.q.any()
