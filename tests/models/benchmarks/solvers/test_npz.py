"""Cone programs as archives: read back exactly, without pickle; damage is an InputError."""

import json
import math

import numpy as np
import pytest
from cone_programs import KINDS, random_program

from sojourn.models import InputError
from sojourn.models.benchmarks.solvers.instances import instance_of, keys, program_of
from sojourn.models.benchmarks.solvers.programs import npz
from sojourn.models.benchmarks.solvers.programs.residuals import residuals
from sojourn.models.benchmarks.solvers.programs.to_cvxpy import as_problem


def assert_equal(one, other):
    for name in ("name", "cones", "constant", "maximise"):
        assert getattr(one, name) == getattr(other, name), name
    assert one.optimum == other.optimum or (math.isnan(one.optimum) and math.isnan(other.optimum))
    for name in ("q", "b"):
        np.testing.assert_array_equal(getattr(one, name), getattr(other, name))
    for name in ("P", "A"):
        assert (getattr(one, name) != getattr(other, name)).nnz == 0
    assert one.variables.keys() == other.variables.keys()
    for name, (matrix, shape) in one.variables.items():
        assert shape == other.variables[name][1]
        assert (matrix != other.variables[name][0]).nnz == 0


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("quadratic", [False, True])
def test_random_programs_are_read_back_exactly(kind, quadratic, tmp_path):
    rng = np.random.default_rng(4)
    program, x, y = random_program(KINDS[kind], rng, quadratic=quadratic)
    npz.save(program, tmp_path / "program.npz")
    again = npz.load(tmp_path / "program.npz")
    assert_equal(program, again)
    assert max(residuals(again, x, y)) < 1e-13


@pytest.mark.parametrize("name", ["assignment", "mm1-equilibrium", "mm1-at-one-distance"])
def test_instances_are_read_back_with_key_truth_and_variables(name, tmp_path):
    for key in keys([name], sizes=[3], loads=[1 - 1e-6]):
        instance = instance_of(key)
        program = program_of(key, instance)
        npz.save(program, tmp_path / "instance.npz", key, instance.truth)
        stored = npz.read(tmp_path / "instance.npz")
        assert_equal(program, stored.program)
        assert stored.key == key
        assert stored.truth.value == instance.truth.value
        np.testing.assert_array_equal(stored.truth.answer, instance.truth.answer)
        for one, other in zip(as_problem(program)[2], as_problem(stored.program)[2], strict=True):
            assert type(one) is type(other)


def test_the_documented_arrays_solve_without_this_library(tmp_path):
    """An archive in the hands of an author: NumPy, SciPy and the solver alone."""
    import scipy.sparse as sp
    import scs

    (key,) = keys(["partition"], sizes=[3], loads=[0.6])
    instance = instance_of(key)
    file = tmp_path / "instance.npz"
    npz.save(program_of(key, instance), file, key, instance.truth)
    with np.load(file) as held:
        header = json.loads(str(held["header"]))
        n, m = held["q"].size, held["b"].size

        def matrix(name, rows):
            return sp.csc_matrix(
                (held[f"{name}_data"], held[f"{name}_indices"], held[f"{name}_indptr"]), (rows, n)
            )

        cones = header["cones"]
        assert not cones["semidefinite"]
        answer = scs.solve(
            {"A": matrix("A", m), "b": held["b"], "c": held["q"]},
            {"z": cones["zero"], "l": cones["nonnegative"], "q": cones["second_order"]},
            verbose=False,
            eps_abs=1e-9,
            eps_rel=1e-9,
        )
        share = matrix("answer_spare_share", 6) @ answer["x"]
        np.testing.assert_allclose(
            share.reshape(header["shapes"]["spare_share"], order="F").ravel(),
            held["true_answer"],
            rtol=1e-4,
        )
        assert header["key"] == key._asdict()
        assert header["true_value"] == instance.truth.value


def test_bytes_depend_on_the_program_alone():
    program, *_ = random_program(KINDS["all"], np.random.default_rng(0))
    from dataclasses import replace

    later = replace(program, build_seconds=2.0, compile_seconds=3.0)
    assert npz.encode(program, None, None) == npz.encode(later, None, None)


def damaged(path, change):
    with np.load(path) as held:
        arrays = {name: held[name] for name in held.files}
    change(arrays)
    np.savez(path, **arrays)


def with_header(**changes):
    def change(arrays):
        header = json.loads(str(arrays["header"])) | changes
        arrays["header"] = np.array(json.dumps(header))

    return change


DAMAGE = {
    "another format": with_header(format="something"),
    "another version": with_header(version=2),
    "other cones": with_header(cones=dict.fromkeys(KINDS["all"].__dataclass_fields__, 1)),
    "fewer cones": with_header(cones={"zero": 2}),
    "other shapes": with_header(shapes={"flow": [3]}),
    "no header": lambda arrays: arrays.pop("header"),
    "no header text": lambda arrays: arrays.update(header=np.array("{")),
    "no b": lambda arrays: arrays.pop("b"),
    "b not finite": lambda arrays: arrays.update(b=arrays["b"] * np.inf),
    "b of text": lambda arrays: arrays.update(b=arrays["b"].astype(str)),
    "A not finite": lambda arrays: arrays.update(A_data=arrays["A_data"] * np.nan),
    "A with rows out of range": lambda arrays: arrays.update(A_indices=arrays["A_indices"] + 99),
    "A with negative rows": lambda arrays: arrays.update(A_indices=arrays["A_indices"] - 1),
    "A shorter": lambda arrays: arrays.update(A_data=arrays["A_data"][1:]),
    "P shorter": lambda arrays: arrays.update(P_indptr=arrays["P_indptr"][1:]),
    "q longer": lambda arrays: arrays.update(q=np.append(arrays["q"], 1.0)),
    "pickle": lambda arrays: arrays.update(b=np.array([None, {}], dtype=object)),
}


@pytest.mark.parametrize("name", DAMAGE)
def test_a_file_that_is_wrong_is_refused(name, tmp_path):
    program, *_ = random_program(KINDS["all"], np.random.default_rng(0), quadratic=True)
    npz.save(program, tmp_path / "file.npz")
    damaged(tmp_path / "file.npz", DAMAGE[name])
    with pytest.raises(InputError, match=r"^path = .*cannot be read: .*; give a whole NumPy"):
        npz.load(tmp_path / "file.npz")


def test_a_file_that_is_torn_is_refused_at_any_length(tmp_path):
    program, *_ = random_program(KINDS["all"], np.random.default_rng(0))
    content = npz.encode(program, None, None)
    for length in [*range(0, len(content), 97), len(content) - 1]:
        (tmp_path / "torn.npz").write_bytes(content[:length])
        with pytest.raises(InputError, match=r"^path = "):
            npz.load(tmp_path / "torn.npz")


def test_places_that_cannot_be_used_are_refused(tmp_path):
    program, *_ = random_program(KINDS["linear"], np.random.default_rng(0))
    with pytest.raises(InputError, match=r"is not a file"):
        npz.load(tmp_path / "missing.npz")
    with pytest.raises(InputError, match=r"is not a file"):
        npz.load(tmp_path)
    with pytest.raises(InputError, match=r"path = "):
        npz.save(program, tmp_path / "missing" / "file.npz")
    with pytest.raises(InputError, match=r"is not a path"):
        npz.load(3)


@pytest.mark.parametrize(
    ("arrays", "message"),
    [
        ({"y": np.ones(7)}, "has no array x"),
        ({"x": np.ones(5)}, r"solution_file\.x = \(5,\): has another shape; give 6 numbers"),
        ({"x": np.ones((6, 1))}, r"solution_file\.x"),
        ({"x": np.ones(6), "y": np.ones(6)}, r"solution_file\.y"),
        ({"x": np.full(6, "1")}, r"solution_file\.x"),
    ],
)
def test_solutions_of_another_shape_are_refused(arrays, message, tmp_path):
    program, *_ = random_program(KINDS["linear"], np.random.default_rng(0))
    np.savez(tmp_path / "solution.npz", **arrays)
    with pytest.raises(InputError, match=message):
        npz.load_solution(tmp_path / "solution.npz", program)


def test_a_solution_without_a_dual_variable_has_none(tmp_path):
    program, x, y = random_program(KINDS["linear"], np.random.default_rng(0))
    np.savez(tmp_path / "x.npz", x=x)
    found, dual = npz.load_solution(tmp_path / "x.npz", program)
    np.testing.assert_array_equal(found, x)
    assert dual is None
    np.savez(tmp_path / "xy.npz", x=x, y=y)
    np.testing.assert_array_equal(npz.load_solution(tmp_path / "xy.npz", program)[1], y)
