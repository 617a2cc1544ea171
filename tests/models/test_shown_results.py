"""Texts and HTML tables of results and banks."""

from functools import partial
from html.parser import HTMLParser

import numpy as np
import pytest

from sojourn import (
    MM1,
    DualMode,
    Function,
    Groups,
    Measured,
    ParallelServers,
    check_latency,
    verify,
)
from sojourn.reference.html_table import MOST

SYSTEM = ParallelServers(MM1([3.0, 2.0]), names=["<b>a</b> & co", "b"])
PAIR = DualMode.canonical(mu0=1, K=4, f=(0.1, 0.3))
REGIONS = Groups(MM1([3.0, 2.0]), load={"north & west": 1.0, "south": 2.0})
RESULTS = {
    "routes": REGIONS.equilibrium,
    "largest multiple": REGIONS.capacity,
    "sites": lambda: REGIONS.size(rate_price=1.0, delay_cost=2.0),
    "solution": lambda: SYSTEM.optimum(2.0),
    "evaluation": lambda: SYSTEM.evaluate(2.0, weights=[1, 1]),
    "sizes": lambda: SYSTEM.size(2.0, rate_price=1.0, delay_cost=3.0),
    "sizes of a day": lambda: SYSTEM.size([1.0, 2.0], rate_price=1.0, delay_cost=3.0),
    "control": lambda: SYSTEM.control(2.0, 0.3),
    "tolls": lambda: SYSTEM.tolls(2.0),
    "worst case": SYSTEM.worst_case,
    "verification": lambda: verify(PAIR, loads=[2.0]),
    "families": lambda: check_latency(MM1([3.0])),
    "operating point": lambda: PAIR.assignment(4.5),
    "largest load": PAIR.capacity,
    "judged point": lambda: PAIR.evaluate(2.0, 0.5, [[0.5, 0.5], [0.5, 0.5]]),
}


class Cells(HTMLParser):
    """The rows of a table, as lists of texts; an error on tags that do not nest."""

    def __init__(self):
        super().__init__()
        self.rows, self.open, self.widths = [], [], []

    def handle_starttag(self, tag, attributes):
        self.open.append(tag)
        if tag in ("tr", "caption"):
            self.rows.append([])
            self.widths.append(0)
        if tag in ("td", "caption"):
            self.rows[-1].append("")
            self.widths[-1] += int(dict(attributes).get("colspan", 1))

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        self.rows[-1][-1] += data


@pytest.mark.parametrize("name", RESULTS)
def test_html_has_the_words_of_the_text(name):
    result = RESULTS[name]()
    cells = Cells()
    cells.feed(result._repr_html_())
    assert not cells.open
    assert [word for row in cells.rows for cell in row for word in cell.split()] == str(
        result
    ).split()
    assert len(set(cells.widths[1:])) <= 1


def test_html_escapes_names():
    html = SYSTEM.optimum(2.0)._repr_html_()
    assert "&lt;b&gt;a&lt;/b&gt; &amp; co" in html
    assert "<b>" not in html


def test_html_of_many_lines_is_cut():
    many = check_latency(MM1([3.0]))
    many = type(many)(many.family, many.checks * MOST)
    rows = Cells()
    rows.feed(many._repr_html_())
    assert rows.rows[-1] == [f"and {len(many.checks) - MOST} more lines"]
    assert len(rows.rows) == MOST + 2


def inverse(load):
    return 1 / (10 - load)


def test_banks_of_functions_and_samples_name_them():
    load = np.linspace(1.0, 8.0, 30)
    assert repr(Measured(load, inverse(load))) == "Measured(samples=[30], last=[8.0], delay=[0.0])"
    measured = Measured([load, load[:20]], [inverse(load), inverse(load[:20])], capacity=9.5)
    assert repr(measured) == "Measured(samples=[30, 20], capacity=[9.5, 9.5], delay=[0.0, 0.0])"
    assert repr(Function(inverse, rate=10.0)) == "Function(inverse, rate=[10.0], delay=[0.0])"
    assert "<lambda>" in repr(Function(lambda x: x**2))
    assert "functools.partial" in repr(Function(partial(np.multiply, 2.0)))
