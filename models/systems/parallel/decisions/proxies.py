"""Whole weights as lines of configurations of proxies: nginx, HAProxy, Envoy, Istio."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

from .....reference.errors import InputError

NOT_OF_HOSTS = re.compile(r"[^A-Za-z0-9_.:-]+")  # in names of hosts, with a port
NOT_OF_LABELS = re.compile(r"[^a-z0-9-]+")  # in names of objects of Kubernetes


class Proxy(NamedTuple):
    """A program that splits load by weights.

    Attributes
    ----------
    lines : callable
        Function from a name of the group and pairs of host and weight to the lines.
    most : int
        Largest weight of a server. The least is 0.
    """

    lines: Callable[[str, Sequence[tuple[str, int]]], list[str]]
    most: int


def nginx(name: str, weights: Sequence[tuple[str, int]]) -> list[str]:
    """Return an ``upstream`` of nginx; its weights are 1 or more, a server with 0 is down."""
    servers = [f"{host} weight={k};" if k else f"{host} down;" for host, k in weights]
    return [f"upstream {name} {{", *(f"    server {server}" for server in servers), "}"]


def haproxy(name: str, weights: Sequence[tuple[str, int]]) -> list[str]:
    """Return a ``backend`` of HAProxy; the weight of a server is from 0 to 256."""
    servers = [f"    server {host.replace(':', '_')} {host} weight {k}" for host, k in weights]
    return [f"backend {name}", "    balance roundrobin", *servers]


def envoy(name: str, weights: Sequence[tuple[str, int]]) -> list[str]:
    """Return the action of a route of Envoy, in YAML: one cluster for each server."""
    clusters = [
        line
        for host, k in weights
        for line in (f"    - name: {json.dumps(host)}", f"      weight: {k}")
    ]
    return ["route:", "  weighted_clusters:", "    clusters:", *clusters]


def istio(name: str, weights: Sequence[tuple[str, int]]) -> list[str]:
    """Return a ``VirtualService`` of Istio, in YAML: one destination for each server."""
    routes = [
        line
        for host, k in weights
        for line in (
            "    - destination:",
            f"        host: {json.dumps(host)}",
            f"      weight: {k}",
        )
    ]
    label = json.dumps(NOT_OF_LABELS.sub("-", name.lower()).strip("-") or "sojourn")
    return [
        "apiVersion: networking.istio.io/v1",
        "kind: VirtualService",
        "metadata:",
        f"  name: {label}",
        "spec:",
        "  hosts:",
        f"  - {label}",
        "  http:",
        "  - route:",
        *routes,
    ]


PROXIES: Mapping[str, Proxy] = {
    "nginx": Proxy(nginx, 2**31 - 1),
    "haproxy": Proxy(haproxy, 256),
    "envoy": Proxy(envoy, 2**32 - 1),
    "istio": Proxy(istio, 2**31 - 1),
}
"""Programs by the name that ``sojourn weights --format`` has for them."""


def stanza(
    program: str, name: str, names: Sequence[str], weights: Sequence[int], comment: str
) -> str:
    """Return the lines of a configuration, with a comment above.

    Parameters
    ----------
    program : str
        A key of `PROXIES`.
    name : str
        Name of the group of servers.
    names : sequence of str
        Names of the servers. Hosts have them with other characters than letters, digits and
        ``_.:-`` replaced.
    weights : sequence of int
        Weight of each server.
    comment : str
        Text of one line.

    Raises
    ------
    InputError
        Where a weight is larger than the program allows.
    """
    proxy, largest = PROXIES[program], max(weights)
    if largest > proxy.most:
        host = names[list(weights).index(largest)]
        total = sum(weights) * proxy.most // largest
        problem = f"allows weights up to {proxy.most}, and {host} has {largest}"
        raise InputError("--format", program, problem, f"try --at-most {total}")
    group = _hosts([name])[0]
    lines = proxy.lines(group, list(zip(_hosts(names), weights, strict=True)))
    return "\n".join([f"# {' '.join(comment.split())}", *lines])


def _hosts(names: Sequence[str]) -> list[str]:
    """Return a name of a host for each server, all different."""
    hosts: dict[str, None] = {}
    for i, name in enumerate(names):
        host = NOT_OF_HOSTS.sub("-", name).strip("-.:") or f"server-{i + 1}"
        while host in hosts:
            host = f"{host}-{i + 1}"
        hosts[host] = None
    return list(hosts)
