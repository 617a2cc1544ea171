"""Updates of 100 bytes over QUIC on loopback, with a certificate that each run makes anew.

Each connection has one stream in each direction, which is a sequence of updates: QUIC delivers
all of them in order, so that none is lost on a busy machine.
"""

from __future__ import annotations

import asyncio
import datetime
import ipaddress
import struct
import time
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any, NamedTuple

from aioquic.asyncio.protocol import QuicConnectionProtocol
from aioquic.asyncio.server import QuicServer
from aioquic.quic.configuration import QuicConfiguration
from aioquic.quic.connection import QuicConnection
from aioquic.quic.events import ConnectionTerminated, QuicEvent, StreamDataReceived
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

LOOPBACK, PROTOCOL = "127.0.0.1", "sojourn"
SIZE = 100  # bytes of an update, as in Mancuso et al.
IDLE = 3600.0  # s without traffic after which a connection ends; the elements end before
LAYOUT = struct.Struct("<QBBBB")
UPDATE, PROBE, PING = range(3)
"""Kinds of updates: with a random service time, with the mean service time, without service."""
ANY = 255
"""Route of an update that the routing element chooses by the weights."""


class Update(NamedTuple):
    """An update: its number, its client, its route, the servers it has passed, and its kind."""

    number: int
    client: int
    route: int
    hop: int
    kind: int

    def to_bytes(self) -> bytes:
        """Return the update as it is sent: `SIZE` bytes."""
        return LAYOUT.pack(*self).ljust(SIZE, b"\0")

    @classmethod
    def from_bytes(cls, data: bytes) -> Update:
        """Return an update that was received."""
        return cls(*LAYOUT.unpack_from(data))


def certificate() -> dict[str, str]:
    """Return a new key and a certificate of it for loopback, both in PEM; valid for a day."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "sojourn testbed")])
    start = datetime.datetime.now(datetime.UTC) - datetime.timedelta(hours=1)
    address = x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address(LOOPBACK))])
    signed = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(start)
        .not_valid_after(start + datetime.timedelta(days=1))
        .add_extension(address, critical=False)
        .sign(key, hashes.SHA256())
    )
    encoding = serialization.Encoding.PEM
    plain = serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    return {
        "key": key.private_bytes(encoding, *plain).decode(),
        "certificate": signed.public_bytes(encoding).decode(),
    }


class Connection(QuicConnectionProtocol):
    """One end of a connection.

    Parameters
    ----------
    quic : QuicConnection
    receive : callable
        Function of this connection and an update, called for each one.
    """

    def __init__(
        self, quic: QuicConnection, receive: Callable[[Connection, Update], None], **_: Any
    ) -> None:
        super().__init__(quic)
        self.receive, self.ended = receive, False
        self._stream: int | None = None
        self._rest = bytearray()

    def quic_event_received(self, event: QuicEvent) -> None:
        """Pass on the complete updates."""
        if isinstance(event, StreamDataReceived):
            self._stream = event.stream_id
            self._rest += event.data
            while len(self._rest) >= SIZE:
                update = Update.from_bytes(bytes(self._rest[:SIZE]))
                del self._rest[:SIZE]
                self.receive(self, update)
        elif isinstance(event, ConnectionTerminated):
            self.ended = True

    def send(self, update: Update) -> None:
        """Send an update; nothing after the end of the connection."""
        if self.ended:
            return
        if self._stream is None:
            self._stream = self._quic.get_next_available_stream_id()
        self._quic.send_stream_data(self._stream, update.to_bytes())
        self.transmit()


async def listen(
    made: Mapping[str, str], receive: Callable[[Connection, Update], None]
) -> tuple[QuicServer, int]:
    """Listen on a free port of loopback; return the listener and the port."""
    settings = QuicConfiguration(is_client=False, alpn_protocols=[PROTOCOL], idle_timeout=IDLE)
    settings.certificate = x509.load_pem_x509_certificate(made["certificate"].encode())
    settings.private_key = serialization.load_pem_private_key(made["key"].encode(), None)

    def create(quic: QuicConnection, **_: Any) -> Connection:
        return Connection(quic, receive)

    transport, listener = await asyncio.get_running_loop().create_datagram_endpoint(
        lambda: QuicServer(configuration=settings, create_protocol=create),
        local_addr=(LOOPBACK, 0),
    )
    return listener, transport.get_extra_info("sockname")[1]


async def connect(
    port: int, authority: str, receive: Callable[[Connection, Update], None]
) -> Connection:
    """Connect to a port of loopback whose certificate is the given one, in PEM."""
    settings = QuicConfiguration(
        is_client=True, alpn_protocols=[PROTOCOL], idle_timeout=IDLE, server_name=LOOPBACK
    )
    settings.load_verify_locations(cadata=authority.encode())
    _, connection = await asyncio.get_running_loop().create_datagram_endpoint(
        lambda: Connection(QuicConnection(configuration=settings), receive),
        local_addr=(LOOPBACK, 0),
    )
    connection.connect((LOOPBACK, port))
    await connection.wait_connected()
    return connection


def handling_time(updates: int = 200) -> float:
    """Return the time that a processor needs to send an update and to receive it, in s.

    It is measured on a connection between two ends in this process.
    """
    with ThreadPoolExecutor(1) as thread:  # the caller's may run an event loop, as notebooks do
        return thread.submit(asyncio.run, _handling_time(updates)).result()


async def _handling_time(updates: int) -> float:
    made, answers = certificate(), asyncio.Queue[Update]()
    listener, port = await listen(made, lambda connection, update: connection.send(update))
    connection = await connect(port, made["certificate"], lambda _, u: answers.put_nowait(u))
    begun = time.thread_time()
    for number in range(updates):
        connection.send(Update(number, 0, 0, 0, PING))
        await answers.get()
    took = time.thread_time() - begun
    connection.close()
    listener.close()
    return took / (2 * updates)  # one message on each way
