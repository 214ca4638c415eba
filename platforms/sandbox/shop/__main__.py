"""Run the sandbox shop: `python -m platforms.sandbox.shop --port 8100 --data DIR`.

SANDBOX_ADMIN_TOKEN opens the API and the staff pages; SANDBOX_WEBHOOK_SECRET signs the webhooks. Both are required,
unless `--insecure-defaults` makes fresh ones and prints them. The shop prints `READY <port>` once it answers, and
stops on SIGINT or SIGTERM. Port 0 takes a free one.
"""

import argparse
import os
import re
import secrets
import signal
import sys
import threading
from pathlib import Path

from platforms.sandbox.shop.exchange import Shop
from platforms.sandbox.shop.server import ShopServer
from platforms.sandbox.shop.store import Store
from platforms.sandbox.shop.webhooks import Courier

SECRETS = ("SANDBOX_ADMIN_TOKEN", "SANDBOX_WEBHOOK_SECRET")
SHORTEST_SECRET = 16


def main() -> int:
    options = _options()
    try:
        token, webhook_secret = (_secret(name, make=options.insecure_defaults) for name in SECRETS)
        shop_store = Store(options.data, currency=options.currency)
    except (ValueError, OSError) as error:
        print(f"The sandbox shop does not start: {error}.", file=sys.stderr, flush=True)
        return 2
    stopping = threading.Event()
    courier = Courier(shop_store, secret=webhook_secret, pause=options.webhook_pause)
    shop = Shop(store=shop_store, name=options.name, token=token, courier=courier, stopping=stopping)
    try:
        server = ShopServer((options.host, options.port), shop)
    except (OSError, OverflowError) as error:
        print(f"The sandbox shop does not start: port {options.port}: {error}.", file=sys.stderr, flush=True)
        return 2
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: stopping.set())
    courier.start()
    serving = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.1}, daemon=True)
    serving.start()
    print(f"READY {server.server_address[1]}", flush=True)
    stopping.wait()
    courier.stop()
    server.shutdown()
    server.server_close()
    courier.join(2)
    return 0


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m platforms.sandbox.shop", description=__doc__)
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--data", type=Path, required=True, help="folder that keeps the shop's data")
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--currency", type=_currency, default="USD", help="three letters; fixed once data exists")
    parser.add_argument("--name", default="Juniper Lane")
    parser.add_argument("--webhook-pause", type=float, default=1.0, help="seconds before the first repeated delivery")
    parser.add_argument("--insecure-defaults", action="store_true", help="make and print the secrets that are missing")
    return parser.parse_args()


def _currency(text: str) -> str:
    if re.fullmatch(r"[A-Z]{3}", text) is None:
        raise argparse.ArgumentTypeError("write three capital letters such as USD")
    return text


def _secret(name: str, *, make: bool) -> str:
    value = os.environ.get(name, "")
    if not value and make:
        value = secrets.token_urlsafe(24)
        print(f"{name}={value}", flush=True)
    if len(value) < SHORTEST_SECRET or not value.isascii() or not value.isprintable() or " " in value:
        raise ValueError(f"set {name} to at least {SHORTEST_SECRET} printable characters without spaces")
    return value


if __name__ == "__main__":
    sys.exit(main())
