"""The connection under `platforms.http`: checked addresses, one deadline, and whether anything was sent.

The address that is checked is the address that is connected to, so a name that answers differently the second time
gains nothing. Proxies from the environment are not used: they would resolve names out of our sight.
"""

import ipaddress
import queue
import socket
import ssl
import threading
import time
from collections.abc import Iterable
from functools import cache
from typing import Any
from urllib.parse import urlsplit

import httpcore2

CONNECT_SECONDS = 3.0
READ_SECONDS = 10.0

_NAT64 = ipaddress.ip_network("64:ff9b::/96")


class AddressNotAllowed(Exception):
    """The host stands on an address that shops may not have; nothing was sent. The text says which and why."""


class HostNotFound(Exception):
    """The host's name does not resolve; nothing was sent."""


class OutOfTime(Exception):
    """The deadline of the whole call has passed."""


def fault_of_address(base_url: str, *, allow_private_addresses: bool, who: str = "The shop") -> str:
    """The sentence that says why no shop can have this address; empty when one can. It begins with `who`."""
    try:
        url = urlsplit(base_url)
        usable = url.scheme in {"http", "https"} and bool(url.hostname) and url.port != 0
    except ValueError:
        return f"{who}'s address is not a web address. Correct it in the connection's settings."
    if not usable:
        return f"{who}'s address must start with https:// and name a host. Correct it in the connection's settings."
    if url.username or url.password or url.query or url.fragment:
        return f"{who}'s address must be bare: no user name, no question mark, no #. Correct it."
    if url.scheme == "http" and not allow_private_addresses:
        return f"{who}'s address must start with https://: secrets are not sent over plain http."
    return ""


def is_public(text: str) -> bool:
    """True when `text` is an address of the public internet, seen through IPv6 wrappings of IPv4."""
    address = ipaddress.ip_address(text.split("%", 1)[0])
    if isinstance(address, ipaddress.IPv6Address):
        inner = _wrapped(address)
        if inner is not None:
            return is_public(str(inner))
        if address.is_site_local:
            return False
    return address.is_global and not (address.is_multicast or address.is_reserved or address.is_unspecified)


def _wrapped(address: ipaddress.IPv6Address) -> ipaddress.IPv4Address | None:
    if address.ipv4_mapped is not None:
        return address.ipv4_mapped
    if address.sixtofour is not None:
        return address.sixtofour
    if address.teredo is not None:
        return address.teredo[1]
    if address in _NAT64:
        return ipaddress.IPv4Address(int(address) & 0xFFFFFFFF)
    return None


def resolve(host: str, port: int, *, seconds: float, allow_private_addresses: bool) -> list[str]:
    """The host's addresses, all of them allowed. Raises HostNotFound, AddressNotAllowed or OutOfTime."""
    answers: queue.Queue[list[str]] = queue.Queue()
    # The system's resolver knows no time-out of ours, so it works beside us and is left behind when it is too slow.
    asking = threading.Thread(target=_ask_resolver, args=(host, port, answers), name="resolve", daemon=True)
    asking.start()
    try:
        found = answers.get(timeout=max(seconds, 0.001))
    except queue.Empty:
        raise OutOfTime from None
    if not found:
        raise HostNotFound(host)
    if not allow_private_addresses:
        for address in found:
            if not is_public(address):
                raise AddressNotAllowed(f"{host} is at {address}, which is not on the public internet")
    return found


def _ask_resolver(host: str, port: int, answers: queue.Queue[list[str]]) -> None:
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError):
        found = []
    answers.put(list(dict.fromkeys(str(entry[4][0]) for entry in found)))


class Wire(httpcore2.NetworkBackend):
    """The network of one call at a time. `sent` turns true before the first byte of the request leaves."""

    def __init__(self, *, allow_private_addresses: bool) -> None:
        self.sent = False
        self._ends_at = 0.0
        self._allow_private_addresses = allow_private_addresses
        self._system = httpcore2.SyncBackend()

    def begin(self, *, seconds: float) -> None:
        """A call begins, and has so many seconds: nothing of it was sent yet."""
        self.sent = False
        self._ends_at = time.monotonic() + seconds

    def bound(self, timeout: float | None) -> float:
        """The time-out to use for one step, cut to what is left of the call. Raises OutOfTime."""
        left = self._ends_at - time.monotonic()
        if left <= 0:
            raise OutOfTime
        return left if timeout is None else min(timeout, left)

    def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[Any] | None = None,
    ) -> httpcore2.NetworkStream:
        addresses = resolve(
            host.strip("[]"),
            port,
            seconds=self.bound(CONNECT_SECONDS),
            allow_private_addresses=self._allow_private_addresses,
        )
        failure: Exception = HostNotFound(host)
        for address in addresses:
            try:
                stream = self._system.connect_tcp(
                    address, port, self.bound(timeout), local_address, socket_options or ()
                )
            except (httpcore2.ConnectError, httpcore2.ConnectTimeout) as error:
                failure = error
            else:
                return _Stream(stream, wire=self)
        raise failure


class _Stream(httpcore2.NetworkStream):
    def __init__(self, stream: httpcore2.NetworkStream, *, wire: Wire) -> None:
        self._stream = stream
        self._wire = wire

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        return self._stream.read(max_bytes, self._wire.bound(timeout))

    def write(self, buffer: bytes, timeout: float | None = None) -> None:
        if not buffer:
            return
        bounded = self._wire.bound(timeout)
        self._wire.sent = True
        self._stream.write(buffer, bounded)

    def close(self) -> None:
        self._stream.close()

    def start_tls(
        self, ssl_context: ssl.SSLContext, server_hostname: str | None = None, timeout: float | None = None
    ) -> httpcore2.NetworkStream:
        secured = self._stream.start_tls(ssl_context, server_hostname, self._wire.bound(timeout))
        return _Stream(secured, wire=self._wire)

    def get_extra_info(self, info: str) -> Any:
        return self._stream.get_extra_info(info)


@cache
def tls() -> ssl.SSLContext:
    """What certificates we believe: one context for all, as making it reads files."""
    return httpcore2.default_ssl_context()
