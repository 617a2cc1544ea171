"""Limits in scenario files: their names, units, errors and shadow prices."""

import json

import numpy as np
import pytest

from sojourn.models import (
    MM1,
    Budget,
    GroupShare,
    LateShare,
    LinearLimit,
    MaxShare,
    ParallelServers,
    ServerPercentile,
    register_limit,
)
from sojourn.models.frontend.fields import ScenarioError
from sojourn.models.frontend.loader import parse
from sojourn.models.systems.parallel.limits import REGISTRY

FILE = """
[units]
rate = "1/s"
delay = "ms"
[loads]
at = 190
[[servers]]
name = "edge 1"
rate = 100
delay = 5
[[servers]]
name = "edge 2"
rate = 80
delay = 5
[[servers]]
name = "cloud"
rate = 200
delay = 20
"""
THREE = ParallelServers(MM1([100.0, 80.0, 200.0], [0.005, 0.005, 0.020]))


def read(*tables, file=FILE):
    return parse(file + "".join(f"[[limits]]\n{t}\n" for t in tables), "x")


@pytest.mark.parametrize(("table", "limit"), [
    ('kind = "MaxShare"\nshare = [1, 1, 0.4]', MaxShare([1, 1, 0.4])),
    ('kind = "ServerPercentile"\np = 0.95\nwithin = 60', ServerPercentile(0.95, 0.060)),
    ('kind = "Budget"\nprice = [1, 1, 2]\nat_most = 245', Budget([1, 1, 2], 245)),
    ('kind = "GroupShare"\nservers = ["edge 1", "edge 2"]\nat_most = 0.4', GroupShare([0, 1], 0.4)),
    ('kind = "LateShare"\nwithin = 100\nat_most = 0.003', LateShare(0.1, 0.003)),
    ('kind = "LinearLimit"\nmatrix = [[1, 1, 2], [-1, 0, -1]]\nbound = [250, -150]',
     LinearLimit([[1, 1, 2], [-1, 0, -1]], [250, -150])),
])  # fmt: skip
def test_limits_are_read_in_the_units_of_the_file(table, limit):
    (found,) = read(table).limits
    one, other = (THREE.optimum(190.0, subject_to=[v]) for v in (found, limit))
    assert one.mean_delay == pytest.approx(other.mean_delay, rel=1e-14)
    np.testing.assert_allclose(one.limits[0].price, other.limits[0].price)
    assert one.limits[0].price.any()


def test_what_stands_for_a_row_of_servers_is_repeated_for_its_replicas():
    file = FILE.replace('name = "edge 2"', 'name = "edge 2"\nreplicas = 3')
    share, group = read(
        'kind = "MaxShare"\nshare = [1, 0.1, 1]',
        'kind = "GroupShare"\nservers = ["edge 2"]\nat_most = 0.3',
        file=file,
    ).limits
    assert share.share == [1, 0.1, 0.1, 0.1, 1]
    assert group.servers == [1, 2, 3]


@pytest.mark.parametrize(("table", "message"), [
    ('kind = "MaxShares"\nshare = 1',
     r"^limits\[0\].kind = 'MaxShares': .* did you mean MaxShare\? Known are MinShare, .* module "
     r"is imported"),
    ("share = 1",
     r"^limits\[0\].kind = None: is missing; use one of MinShare, .* and any whose module is "
     r"imported \(--import .*\)$"),
    ('kind = "MaxShare"', r"^limits\[0\].share = None: is missing; MaxShare needs share$"),
    ('kind = "MaxShare"\nshares = 1',
     r"^limits\[0\].shares = 1: is not a known key; did you mean share\?$"),
    ('kind = "MaxShare"\nshare = [1, 1.5, 1]',
     r"^limits\[0\].share\[1\] = 1.5: is not a part of the load; give a number from 0 to 1$"),
    ('kind = "MaxShare"\nshare = 30',
     r"^limits\[0\].share = 30.0: is not a part of the load; write 30 % as 0.3$"),
    ('kind = "MaxShare"\nshare = "30%"',
     r"^limits\[0\].share = '30%': is not a number; write 30 % as 0.3$"),
    ('kind = "MaxShare"\nshare = [1, "30%", 1]',
     r"^limits\[0\].share\[1\] = '30%': is not a number; write 30 % as 0.3$"),
    ('kind = "MaxShare"\nshare = [1, "a", 1]',
     r"^limits\[0\].share\[1\] = 'a': is not a number; give a number$"),
    ('kind = "MaxShare"\nshare = nan',
     r"^limits\[0\].share = nan: is out of range; give a finite number$"),
    ('kind = "GroupShare"\nservers = ["edge"]\nat_most = 0.5',
     r"^limits\[0\].servers\[0\] = 'edge': is not the name of a server"),
    ('kind = "GroupShare"\nservers = []\nat_most = 0.5',
     r"^limits\[0\].servers = \[\]: is not a list of servers; give their names$"),
    ('kind = "LinearLimit"\nmatrix = [1, 2]\nbound = 3',
     r"^limits\[0\].matrix = \[1.0, 2.0\]: is not made of rows of 3 numbers"),
])  # fmt: skip
def test_a_table_without_a_limit_is_named(table, message):
    with pytest.raises(ScenarioError, match=message):
        read(table)
    with pytest.raises(ScenarioError, match=message.replace(r"\[0\]", r"\[1\]", 1)):
        read('kind = "MaxShare"\nshare = 1', table)


def test_limits_that_are_no_tables():
    with pytest.raises(
        ScenarioError,
        match=r"^limits = \{'kind': 'MaxShare'\}: is not a list of tables; write each as "
        r"\[\[limits\]\] with a kind$",
    ):
        parse(FILE + '[limits]\nkind = "MaxShare"\n', "x")


def test_run_answers_the_optimum_within_limits(sojourn, tmp_path):
    path = tmp_path / "own.toml"
    path.write_text(
        FILE
        + '[[limits]]\nkind = "GroupShare"\nservers = ["edge 1", "edge 2"]\nat_most = 0.4\nname = '
        '"edge"\n'
    )
    true, free = THREE.optimum(190.0, subject_to=[GroupShare([0, 1], 0.4)]), THREE.optimum(190.0)
    record = json.loads(sojourn("run", str(path), "--json")[1])
    assert record["optimum"]["mean_delay"] == pytest.approx(1e3 * true.mean_delay, rel=1e-9)
    (limit,) = record["optimum"]["limits"]
    assert limit == {
        "limit": "edge",
        "bound": [0.4],
        "value": [pytest.approx(0.4)],
        "price": [pytest.approx(1e3 * float(true.limits[0].price))],
    }
    assert record["equilibrium"]["limits"] == []
    assert record["price_of_anarchy"] == pytest.approx(
        THREE.equilibrium(190.0).mean_delay / free.mean_delay, rel=1e-9
    )
    status, out, _ = sojourn("run", str(path))
    assert status == 0
    flat = " ".join(out.split())
    assert (
        f"limit edge: binds at 0.4, shadow price {1e3 * float(true.limits[0].price):.4g} ms a unit"
        in flat
    )
    assert (
        "the equilibrium, the price of anarchy, the variants and the curve are without them" in flat
    )


@pytest.mark.usefixtures("names")
def test_limits_of_others_have_names():
    class Half(MaxShare):
        pass

    assert register_limit("half", Half) is Half
    (limit,) = read('kind = "half"\nshare = 0.5').limits
    assert type(limit) is Half


def test_entry_point_of_a_package_is_a_limit(package):
    package(
        "sojourn.limits",
        "from sojourn.models import Budget\nclass Carbon(Budget):\n    pass\n",
        "Carbon = other_package:Carbon\n",
    )
    assert "Carbon" in REGISTRY.names()
    (limit,) = read('kind = "Carbon"\nprice = [1, 1, 4]\nat_most = 400').limits
    assert type(limit).__module__ == "other_package"
