"""The routing element: sends each update along a route, and emulates distances.

A route is a list of servers that an update passes in turn. By the weights each update gets a route
at random, independent of the others, as the models assume; an update may also ask for one.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from itertools import accumulate

from .clock import now
from .element import Sender
from .quic import ANY, Connection, Update, connect, listen


class Router(Sender):
    """The element ``router``."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        super().__init__(loop)
        self.clients: dict[int, Connection] = {}
        self.weights: list[float] = []

    async def do_start(
        self,
        made: Mapping[str, str],
        ports: Sequence[int],
        delays: Sequence[float],
        routes: Sequence[Sequence[int]],
        seed: int,
    ) -> int:
        """Connect to the servers, listen for clients, and return the port.

        Parameters
        ----------
        made : mapping
            Key and certificate.
        ports : sequence of int
            Ports of the servers.
        delays : sequence of float
            Delay of each server, in s: half of it on each way.
        routes : sequence of sequence of int
            Servers of each route.
        seed : int
            Seed of the choices by weights.
        """
        self.routes, self.ways = routes, [delay / 2.0 for delay in delays]
        self.rng.seed(seed)
        self.servers = [
            await connect(port, made["certificate"], self._from_server) for port in ports
        ]
        self.listener, port = await listen(made, self._from_client)
        return port

    async def do_weights(self, weights: Sequence[float]) -> None:
        """Split all further updates over the first routes in proportion to the weights."""
        self.weights = list(accumulate(weights))

    def _from_client(self, connection: Connection, update: Update) -> None:
        self.clients[update.client] = connection
        if update.route == ANY:
            chosen = self.rng.choices(range(len(self.weights)), cum_weights=self.weights)[0]
            update = update._replace(route=chosen)
        self._to_server(update)

    def _to_server(self, update: Update) -> None:
        server = self.routes[update.route][update.hop]
        self._after(self.ways[server], self.servers[server], update)

    def _from_server(self, _: Connection, update: Update) -> None:
        route = self.routes[update.route]
        server, hop = route[update.hop], update.hop + 1
        update = update._replace(hop=hop)
        if hop < len(route):  # the way back from a server is on the way to the next one
            self._after(self.ways[server], None, update)
        else:
            self._after(self.ways[server], self.clients[update.client], update)

    def _after(self, delay: float, connection: Connection | None, update: Update) -> None:
        """Send an update after a delay; without a connection, to the next server of its route."""
        due = now() + delay

        def send() -> None:
            self.lateness.add(now() - due)
            if connection is None:
                self._to_server(update)
            else:
                connection.send(update)

        if delay:
            self.loop.call_later(delay, send)
        else:
            send()
