"""Construction of systems with service modes: rates, canonical form, names, and errors."""

import numpy as np
import pytest

from sojourn.models import DualMode, InputError, LoadError, MultiMode, TunableMode

A = DualMode.canonical(mu0=1.0, K=4.0, f=(0.1, 0.3))


def test_rates_and_canonical_form_are_one_system():
    by_rates = DualMode(local=(10.0, 1 / 0.3), cloud=(4 / 0.9, 4 / 0.7))
    np.testing.assert_allclose(by_rates.rates.rate, A.rates.rate, rtol=1e-15)
    for name in ("mu0", "K", "f1", "f2"):
        assert getattr(by_rates.canonical_form, name) == pytest.approx(
            getattr(A.canonical_form, name), rel=1e-13
        )
    assert by_rates.assignment(4.5).mean_delay == pytest.approx(
        A.assignment(4.5).mean_delay, rel=1e-11
    )


def test_canonical_numbers_are_kept_as_given():
    form = DualMode.canonical(mu0=0.7, K=3.3, f=(0.1, 0.3)).canonical_form
    assert (form.mu0, form.K, form.f1, form.f2) == (0.7, 3.3, 0.1, 0.3)


def test_infinite_rates_are_modes_without_work_at_a_server():
    system = DualMode(local=(np.inf, 1.0), cloud=(4.0, np.inf))
    assert (system.canonical_form.f1, system.canonical_form.f2) == (0, 1)


def test_reprs():
    assert repr(A) == "DualMode(mu0=1, K=4, f=(0.1, 0.3), largest load 5)"
    assert repr(MultiMode([[1.0, 2.0]])) == "MultiMode(1 stage, 2 modes, largest load 2)"
    assert repr(A.tunable) == "TunableMode(mu0=1, K=4)"


def test_largest_load_and_stable_interval():
    assert A.max_load == pytest.approx(5)
    np.testing.assert_allclose(A.stable_interval(4.5), [0.38888889, 0.94444444], atol=1e-8)
    with pytest.raises(LoadError, match="not below the maximum 5"):
        A.stable_interval(6.0)


def test_names_are_shown():
    system = MultiMode([[4.0, 2.0], [3.0, 4.0]], stages=["phone", "cloud"], modes=["thin", "thick"])
    shown = repr(system.partition(1.0, 0.5))
    assert "0.5000 thin, 0.5000 thick" in shown
    assert "phone" in shown
    assert MultiMode([[1.0], [2.0]]).stages == ("stage 1", "stage 2")


@pytest.mark.parametrize(("make", "message"), [
    (lambda: DualMode((1, 2), (4, 3)),
     r"^local = \(1\.0, 2\.0\): the modes are the wrong way round; .* give local=\(2, 1\), "
     r"cloud=\(3, 4\)$"),
    (lambda: DualMode((2, 1), (4, 3)),
     r"mode 1 is at least as fast on both servers: mode 2 is of no use"),
    (lambda: DualMode((1, 2), (3, 4)),
     r"mode 2 is at least as fast on both servers: mode 1 is of no use"),
    (lambda: DualMode((2, 0), (3, 4)), r"^local\[1\] = 0\.0: is not above 0"),
    (lambda: DualMode((2, 1), (3, -4)), r"^cloud\[1\] = -4\.0: is not above 0"),
    (lambda: DualMode((np.inf, np.inf), (3, 4)), r"^local = \[inf, inf\]: no mode uses the stage"),
    (lambda: DualMode((np.inf, 1), (np.inf, 4)),
     r"^rate\[:\]\[0\] = \[inf, inf\]: the mode asks nothing of any stage"),
    (lambda: DualMode("ab", (3, 4)), r"^local = 'ab': is not made of numbers"),
    (lambda: DualMode((2, 1, 3), (3, 4)), r"^local = \(2, 1, 3\): is not a pair of rates"),
    (lambda: DualMode.canonical(mu0=1, K=4, f=(0.3, 0.1)),
     r"^f = \(0\.3, 0\.1\): .* the wrong way round; .* give f = \(0\.1, 0\.3\)$"),
    (lambda: DualMode.canonical(mu0=1, K=4, f=(0.3, 0.3)),
     r"^f = \(0\.3, 0\.3\): the two modes are the same; use the tunable-mode system"),
    (lambda: DualMode.canonical(mu0=1, K=4, f=(-0.1, 0.3)),
     r"^f1 = -0\.1: is not a part of the work; give a number from 0 to 1$"),
    (lambda: DualMode.canonical(mu0=1, K=4, f=(0.1, 1.3)),
     r"^f2 = 1\.3: is not a part of the work"),
    (lambda: DualMode.canonical(mu0=1, K=4, f=0.3), r"^f = 0\.3: is not a pair"),
    (lambda: DualMode.canonical(mu0=1, K=0, f=(0.1, 0.3)),
     r"^K = 0: is not a finite number above 0"),
    (lambda: DualMode.canonical(mu0=-1, K=4, f=(0.1, 0.3)),
     r"^mu0 = -1: is not a finite number above 0"),
    (lambda: DualMode.canonical(mu0="1", K=4, f=(0.1, 0.3)), r"^mu0 = '1': is not made of numbers"),
    (lambda: TunableMode(1.0, np.nan), r"^K = nan: is not a finite number above 0"),
    (lambda: MultiMode([1.0, 2.0]), r"^rate = \[1\.0, 2\.0\]: is not an array of stages by modes"),
    (lambda: MultiMode([[1.0, 2.0], [1.0]]), r"^rate = .*: is not made of numbers"),
    (lambda: MultiMode([[1.0, 2.0]], modes=3), r"^modes = 3: is not a list of 2 names"),
    (lambda: MultiMode([[1.0, 2.0]], modes=["a"]), r"^modes = \['a'\]: is not a list of 2 names"),
    (lambda: MultiMode([[1.0, 2.0]], modes=["a", "a"]),
     r"is modes\[0\] too; give every mode its own name"),
])  # fmt: skip
def test_bad_systems_are_named(make, message):
    with pytest.raises(InputError, match=message):
        make()


# ---- tunable mode


@pytest.mark.parametrize("K", [0.3, 1.0, 1.5, 4.0, 100.0])
def test_tunable_mode_is_theorem_1(K):
    system = TunableMode(mu0=2.0, K=K)
    for part in (0.01, 0.3, 0.6, 0.9, 0.999):
        load = part * system.max_load
        found = system.optimum(load)
        assert found.certified
        assert found.f == pytest.approx(float(system.exact.best_fraction(load)), abs=1e-9)
        assert found.mean_delay == pytest.approx(float(system.exact.least_delay(load)), rel=1e-9)


def test_tunable_mode_takes_the_options_of_parallel_servers():
    found = TunableMode(1.0, 4.0).optimum(3.5, solver="SCS", polish=False)
    assert (found.solver, found.polished, found.names) == ("SCS", 0, ("local", "cloud"))
    with pytest.raises(LoadError, match="not below the maximum 5"):
        TunableMode(1.0, 4.0).optimum(5.0)


def test_proposition_1_the_tunable_mode_is_never_slower():
    for load in (0.5, 2.0, 2.857, 4.0, 4.9):
        assert A.tunable.optimum(load).mean_delay <= A.assignment(load).mean_delay * (1 + 1e-12)
