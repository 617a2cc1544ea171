"""`check_latency` names a wrong number of a cone, with the cone and the remedy."""

import cvxpy as cp
import numpy as np
import pytest
from every_family import FAMILIES

from sojourn.models import BPR, MM1, Cone, LatencyCheckError, Polynomial, Tandem, check_latency
from sojourn.models.latency import MixedLatency
from sojourn.models.latency.check_cone_numbers import numbers

RATE, DELAY = [10.0, 0.5], [0.5, 0.25]


class Own(MM1):
    """M/M/1 with numbers of its own, of which each subclass has one error."""

    def cone_numbers(self):
        return {**super().cone_numbers(), "delay": self.delay}


class Missing(Own):
    def cone_numbers(self):
        given = super().cone_numbers()
        return {name: given[name] for name in given if name != "root_rate"}


class NotOfTheBank(Own):
    def cone_numbers(self):
        return {**super().cone_numbers(), "fixed": np.full(len(self), 0.3)}


class OneForAll(Own):
    def cone_numbers(self):
        return {**super().cone_numbers(), "k": 1.0}


class NotDeclared(Own):
    signed_cone_numbers = ("fixed",)


class OwnTotal(Own):
    """The same with a cone of its own."""

    def cone_numbers(self):
        return super().cone_numbers()

    def total_cone(self, flow, form=None):
        value = self.value(flow, self.numbers_in_cones())
        return Cone(value, super().total_cone(flow, form).constraints, frozenset({"SOC"}))


class Product(OwnTotal):
    def value(self, flow, numbers):
        congestion = cp.multiply(numbers["rate"], cp.inv_pos(numbers["rate"] - flow)) - 1
        return cp.multiply(numbers["delay"], flow) + congestion


class OfTwo(OwnTotal):
    def value(self, flow, numbers):
        return cp.multiply(cp.multiply(numbers["delay"], numbers["rate"]), flow)


class EitherSign(OwnTotal):
    signed_cone_numbers = ("fixed", "k_log_rate", "delay")

    def value(self, flow, numbers):
        return cp.multiply(numbers["delay"], cp.square(flow))


class NegativeFactor(OwnTotal):
    """A concave term times a number that is negative at all servers, which no name declares."""

    def cone_numbers(self):
        return {**super().cone_numbers(), "minus_k": -self.k}

    def value(self, flow, numbers):
        return cp.multiply(numbers["minus_k"], -cp.inv_pos(numbers["rate"] - flow))


class BakedIn(OwnTotal):
    def value(self, flow, numbers):
        return cp.multiply(self.delay, flow) + cp.inv_pos(numbers["rate"] - flow)


class WithoutEffect(OwnTotal):
    def value(self, flow, numbers):
        return cp.inv_pos(numbers["rate"] - flow) + cp.multiply(0.0 * numbers["delay"], flow)


class OfAnyDegree(Polynomial):
    cone_structure = ()


class OfSome(Own):
    def cone_numbers(self):
        given = super().cone_numbers()
        return given if np.ptp(self.delay) else {**given, "k": given["k"][:1]}


TOTAL = r"total_cone\('inv_pos'\), "
WRONG = {
    Missing: TOTAL + r"cone_numbers\['root_rate'\] = None: is not given by Missing; add it to "
    r"cone_numbers, or use rate, k, fixed, idle_latency, k_per_rate, k_log_rate, delay",
    OneForAll: TOTAL + r"cone_numbers\['k'\] = 1.0: is not one finite number a server; give 2 "
    r"numbers to every bank",
    OfSome: TOTAL + r"cone_numbers\['k'\] = \[1.0\]: is not one finite number a server; give 2 ",
    NotDeclared: r"potential_cone, cone_numbers\['k_log_rate'\]\[1\] = -0.69\d*: is negative; "
    r"name it in signed_cone_numbers",
    Product: TOTAL + r"cone_numbers = 'rate': is not DPP: two terms with numbers are multiplied; "
    r"give the product of both numbers as one number, or rewrite one of the terms",
    OfTwo: TOTAL + r"cone_numbers = 'delay, rate': is not DPP: two terms with numbers are ",
    EitherSign: TOTAL + r"cone_numbers = 'delay': is not DPP: a number of either sign multiplies a "
    r"convex term; leave it out of signed_cone_numbers",
    NegativeFactor: TOTAL + r"cone_numbers\['minus_k'\]\[0\] = -1.0: is negative; name it in ",
    BakedIn: TOTAL + r"A\[\d, \d\] = 0.\d*: of the program with parameters is not 0.\d*, as with "
    r"the numbers of that bank written in; take every number from numbers_in_cones\(\), and give",
    WithoutEffect: TOTAL + r"cone_numbers\['delay'\] = \[0.5, 0.25\]: does not change the "
    r"program; leave it out of the cone",
}


@pytest.mark.parametrize("wrong", WRONG, ids=lambda wrong: wrong.__name__)
def test_a_wrong_number_is_named_with_its_cone(wrong):
    with pytest.raises(LatencyCheckError, match="^numbers of cones: " + WRONG[wrong]) as caught:
        check_latency(wrong(RATE, DELAY))
    assert caught.value.name == "numbers of cones"


def test_numbers_of_no_bank_have_the_wrong_value():
    with pytest.raises(LatencyCheckError, match=r"^cone values: total_cone\('inv_pos'\)\[\d\] = "):
        check_latency(NotOfTheBank(RATE, DELAY))


def test_banks_of_one_structure_with_different_programs_are_named():
    message = (
        r"^numbers of cones: total_cone, cone_structure = '\(\)': is that of two banks whose "
        r"programs differ in size; add all that the cones depend on beside cone_numbers"
    )
    with pytest.raises(LatencyCheckError, match=message):
        check_latency(OfAnyDegree([[1.0, 2.0, 0.0], [1.0, 0.0, 3.0]]))


def test_correct_numbers_pass_and_are_listed():
    assert check_latency(Own(RATE, DELAY)).passed
    listed = numbers(MixedLatency([Own(RATE, DELAY), FAMILIES["polynomial"]]), np.zeros(5))
    assert listed.startswith("total_cone c_1, c_2, c_3, fixed, idle_latency, k, rate, root_rate; ")
    assert numbers(BPR([1.0, 2.0], 1.0, b=0.0), np.zeros(2)).startswith(
        "total_cone idle_latency, rise_times_capacity; "
    )
    assert "none" in numbers(FAMILIES["M/M/c"], np.zeros(3))


@pytest.mark.parametrize("composed", [MixedLatency, lambda banks: Tandem(*banks)])
def test_a_wrong_part_of_a_composed_bank_is_named(composed):
    with pytest.raises(
        LatencyCheckError, match=r"total_cone.*, " + WRONG[Missing].removeprefix(TOTAL)
    ):
        check_latency(composed([MM1(RATE, DELAY), Missing(RATE, DELAY)]))
