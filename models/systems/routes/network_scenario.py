"""Scenario files with a table ``network``: links and demands, or the files of a road network."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import Any

import numpy as np

from ...frontend.fields import (
    Folder,
    ScenarioError,
    at_place,
    check_keys,
    plain,
    read_number,
    read_subtable,
)
from ...frontend.scenario import Described, noted
from ...frontend.servers import banks, servers
from ...frontend.units import Units
from ...latency.base import Latency
from ...latency.bpr import BPR
from .network import Network
from .scenario import described, known, table_of, tables_of

FILES, WRITTEN = ("net", "trips", "nodes"), ("closed", "positions")
FACTORS = ("load_factor", "toll_weight", "length_weight")
DEMAND_KEYS = ("from", "to", "load")


def read(given: Mapping[str, Any], folder: Folder, units: Units) -> Described:
    """Return the system of a scenario file with ``network``.

    The table names the files of a network, or the file has tables ``links`` and ``demands``. The
    parameters are those of `SystemKind.read`.

    Raises
    ------
    ScenarioError
        On a field that does not fit, with its place in the file.
    """
    table = read_subtable(given, "network")
    if "net" in table or "trips" in table:
        return _from_files(given, table, folder, units)
    check_keys(table, WRITTEN, "network.", "net and trips, which name files")
    links = tables_of(given, "links", "from, to and a rate")
    ends = [_ends(link, f"links[{a}].") for a, link in enumerate(links)]
    named = [
        {"name": f"{start} -> {end}", **{k: v for k, v in link.items() if k not in ("from", "to")}}
        for link, (start, end) in zip(links, ends, strict=True)
    ]
    with noted() as notes:
        listed = servers(named, folder, units, "links", "link")
        bank = banks(listed, units)
    if several := next((s for s in listed if s.replicas > 1), None):
        remedy = "write each link as a table of its own"
        raise ScenarioError(
            f"{several.place}replicas", several.replicas, "is no field of a link", remedy
        )
    nodes = dict.fromkeys(node for pair in ends for node in pair)
    with at_place("network"):
        network = Network(
            *bank,
            ends=ends,
            load=_demands(given, nodes),
            names=[s.name for s in listed],
            closed=_closed(table.get("closed", []), nodes),
            positions=_positions(read_subtable(table, "positions"), nodes),
            time_unit=units.time,
        )
    return described(network, notes, given, units, "link")


def _from_files(
    given: Mapping[str, Any], table: Mapping[str, Any], folder: Folder, units: Units
) -> Described:
    """Return the system of TNTP files, whose loads and times are in the units of the file."""
    check_keys(table, (*FILES, *FACTORS), "network.")
    for key in ("links", "demands"):
        if key in given:
            problem = "is given together with files that have them"
            raise ScenarioError(key, given[key], problem, f"leave out {key}, or network.net")
    paths: dict[str, Any] = {}
    for key in FILES:
        if key in table or key != "nodes":
            paths[key] = folder.file(table.get(key), f"network.{key}")
    factors: dict[str, Any] = {
        key: read_number(table[key], f"network.{key}") for key in FACTORS if key in table
    }
    # a weight is the time that one unit of toll or length is worth
    weights = {key: units.from_delay(factors[key]) for key in factors if key != "load_factor"}
    with noted() as notes, at_place("network"):
        network = Network.from_tntp(
            **paths, **factors | weights, latency=partial(_roads, units), time_unit=units.time
        )
    return described(network, notes, given, units, "link")


def _roads(units: Units, links: Mapping[str, Any]) -> Latency:
    """Return the links of a file as a bank, with times in the unit of time of the system."""
    # a link of capacity 0 is kept where it has one travel time, whatever its capacity
    capacity = np.where(links["capacity"] > 0, links["capacity"], 1.0)
    bank = BPR(links["free_flow"], capacity, links["b"], links["power"])
    return bank.scaled(1.0, 1.0 / units.delay_factor)


def _node(value: object, place: str) -> str:
    """Return the name of a node, which may be a number."""
    if isinstance(value, bool) or not isinstance(value, str | int) or not str(value).strip():
        raise ScenarioError(place, value, "is not the name of a node", "give a text or a number")
    return plain(str(value))


def _ends(link: object, place: str) -> tuple[str, str]:
    """Return the first and the last node of a link."""
    if not isinstance(link, dict):
        raise ScenarioError(place[:-1], link, "is not a table", "write it as [[links]]")
    for key in ("from", "to"):
        if key not in link:
            raise ScenarioError(f"{place}{key}", None, "is missing", "give from and to, two nodes")
    start, end = (_node(link[key], f"{place}{key}") for key in ("from", "to"))
    if start == end:
        problem = "is the node that the link starts from"
        raise ScenarioError(f"{place}to", link["to"], problem, "give two different nodes")
    return start, end


def _demands(given: Mapping[str, Any], nodes: Mapping[str, None]) -> dict[tuple[str, str], float]:
    """Return the load from each origin to each destination."""
    out: dict[tuple[str, str], float] = {}
    for i, demand in enumerate(tables_of(given, "demands", "from, to and a load")):
        place = f"demands[{i}]."
        table = table_of(demand, place, DEMAND_KEYS, *DEMAND_KEYS)
        start, end = (
            known(_node(table[key], f"{place}{key}"), f"{place}{key}", "a node of a link", nodes)
            for key in ("from", "to")
        )
        if start == end:
            problem = "is the node that the load comes from"
            raise ScenarioError(f"{place}to", table["to"], problem, "leave that load out")
        if (start, end) in out:
            problem = f"is given twice, from {start}"
            raise ScenarioError(f"{place}to", table["to"], problem, "add both loads to one")
        out[start, end] = read_number(table["load"], f"{place}load", above=True)
    return out


def _closed(given: object, nodes: Mapping[str, None]) -> list[str]:
    """Return the nodes that no route passes."""
    if not isinstance(given, list):
        raise ScenarioError("network.closed", given, "is not a list of nodes", 'give ["a", "b"]')
    places = ((v, f"network.closed[{i}]") for i, v in enumerate(given))
    return [known(_node(v, place), place, "a node of a link", nodes) for v, place in places]


def _positions(
    given: Mapping[str, Any], nodes: Mapping[str, None]
) -> dict[str, tuple[float, float]] | None:
    """Return the coordinates of the nodes; None where the file has none."""
    out = {}
    for name, value in given.items():
        place = f"network.positions.{name}"
        node = known(name, place, "a node of a link", nodes)
        if not isinstance(value, list) or len(value) != 2:
            raise ScenarioError(place, value, "is not a pair of coordinates", "give [x, y]")
        x, y = (read_number(v, f"{place}[{j}]", signed=True) for j, v in enumerate(value))
        out[node] = (x, y)
    if out and (missing := [node for node in nodes if node not in out]):
        problem = f"has no coordinates of {missing[0]}"
        raise ScenarioError("network.positions", list(out), problem, "give those of all nodes")
    return out or None
