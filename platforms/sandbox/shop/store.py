"""The shop's memory: one SQLite file that survives restarts, written by one transaction at a time."""

import secrets
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

SCHEMA = """
CREATE TABLE IF NOT EXISTS settings (name TEXT PRIMARY KEY, value TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS counters (name TEXT PRIMARY KEY, value INTEGER NOT NULL);
CREATE TABLE IF NOT EXISTS products (
    id INTEGER PRIMARY KEY, slug TEXT NOT NULL UNIQUE, name TEXT NOT NULL, description TEXT NOT NULL,
    price INTEGER NOT NULL CHECK (price > 0), collection TEXT NOT NULL DEFAULT '');
CREATE TABLE IF NOT EXISTS codes (
    id TEXT PRIMARY KEY, code TEXT NOT NULL, code_key TEXT NOT NULL UNIQUE, kind TEXT NOT NULL,
    title TEXT NOT NULL, reference TEXT NOT NULL, percent TEXT, amount INTEGER, minimum_order INTEGER,
    customer_email TEXT, usage_limit INTEGER, starts_at TEXT, expires_at TEXT,
    enabled INTEGER NOT NULL DEFAULT 1, created_at TEXT NOT NULL, updated_at TEXT NOT NULL, product TEXT,
    collections TEXT NOT NULL DEFAULT '');
CREATE TABLE IF NOT EXISTS carts (
    id TEXT PRIMARY KEY, code_id TEXT REFERENCES codes, created_at TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS cart_lines (
    cart_id TEXT NOT NULL REFERENCES carts ON DELETE CASCADE, product_id INTEGER NOT NULL REFERENCES products,
    quantity INTEGER NOT NULL CHECK (quantity BETWEEN 1 AND 99), PRIMARY KEY (cart_id, product_id));
CREATE TABLE IF NOT EXISTS orders (
    id TEXT PRIMARY KEY, number INTEGER NOT NULL UNIQUE, status TEXT NOT NULL
        CHECK (status IN ('placed', 'completed', 'cancelled')),
    email TEXT NOT NULL, subtotal INTEGER NOT NULL, discount INTEGER NOT NULL, delivery INTEGER NOT NULL,
    total INTEGER NOT NULL CHECK (total >= 0), code_id TEXT REFERENCES codes, code TEXT NOT NULL DEFAULT '',
    placed_at TEXT NOT NULL, updated_at TEXT NOT NULL, completed_at TEXT, cancelled_at TEXT,
    sequence INTEGER NOT NULL UNIQUE);
CREATE INDEX IF NOT EXISTS orders_by_code ON orders (code_id, status);
CREATE TABLE IF NOT EXISTS order_lines (
    order_id TEXT NOT NULL REFERENCES orders, product_id INTEGER NOT NULL, name TEXT NOT NULL,
    quantity INTEGER NOT NULL, unit_price INTEGER NOT NULL, PRIMARY KEY (order_id, product_id));
CREATE TABLE IF NOT EXISTS refunds (
    id TEXT PRIMARY KEY, order_id TEXT NOT NULL REFERENCES orders, amount INTEGER NOT NULL CHECK (amount > 0),
    refunded_at TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS deliveries (
    id INTEGER PRIMARY KEY AUTOINCREMENT, event_id TEXT NOT NULL, topic TEXT NOT NULL, change TEXT NOT NULL,
    order_id TEXT NOT NULL, body TEXT NOT NULL, state TEXT NOT NULL
        CHECK (state IN ('waiting', 'held', 'delivered', 'failed', 'lost')),
    attempts INTEGER NOT NULL DEFAULT 0, next_attempt_at TEXT NOT NULL, last_answer TEXT NOT NULL DEFAULT '',
    created_at TEXT NOT NULL, delivered_at TEXT);
CREATE INDEX IF NOT EXISTS deliveries_due ON deliveries (state, next_attempt_at);
CREATE TABLE IF NOT EXISTS payouts (
    id TEXT PRIMARY KEY, reference TEXT NOT NULL UNIQUE, amount INTEGER NOT NULL CHECK (amount > 0),
    email TEXT NOT NULL, title TEXT NOT NULL, status INTEGER NOT NULL CHECK (status BETWEEN 0 AND 3),
    code TEXT NOT NULL, message TEXT NOT NULL, created_at TEXT NOT NULL, updated_at TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS faults (
    id INTEGER PRIMARY KEY AUTOINCREMENT, operation TEXT NOT NULL, kind TEXT NOT NULL,
    remaining INTEGER NOT NULL CHECK (remaining >= 0), seconds REAL NOT NULL);
"""

PRODUCTS = (
    ("mug", "Stoneware mug", "Thrown by hand, glazed in oat and slate. Holds a generous morning.", 1800),
    ("tea", "Garden tea", "Mint, lemon balm and chamomile in a tin that keeps its scent.", 1450),
    ("candle", "Beeswax candle", "Forty hours of warm, honeyed light in a clear glass.", 2200),
    ("notebook", "Linen notebook", "Lays flat, takes ink well, and looks better the longer you carry it.", 1600),
    ("tote", "Canvas tote", "Heavy cotton with long handles and a pocket for keys.", 2500),
    ("soap", "Cedar soap", "A slow-cured bar with cedar, bergamot and a little clay.", 900),
    ("blanket", "Wool blanket", "Woven from undyed lambswool, for the good end of the sofa.", 8900),
    ("fern", "Fern in a clay pot", "A Boston fern, potted and watered, happy in soft light.", 3400),
)
# Where each product stands; a code may be good for some of these alone.
COLLECTIONS = {
    "kitchen": ("mug", "tea"),
    "home": ("candle", "blanket", "fern"),
    "desk": ("notebook",),
    "out": ("tote",),
    "bath": ("soap",),
}
DELIVERY_FEE = 490


def instant(moment: datetime) -> str:
    """How instants are stored and sent: UTC, microseconds, so that text order is time order."""
    return moment.astimezone(UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")


def moment(text: str) -> datetime:
    """The reverse of `instant`."""
    return datetime.fromisoformat(text)


class Store:
    """The database file of one shop. A connection lives as long as the `with` block that asked for it."""

    def __init__(self, folder: Path, *, currency: str) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self._path = folder / "shop.sqlite3"
        self.currency = currency
        with self._connection() as connection:
            connection.execute("PRAGMA journal_mode = WAL")
            connection.executescript(SCHEMA)
        with self.writing() as connection:
            self._catch_up(connection)
            self._seed(connection)

    @contextmanager
    def reading(self) -> Iterator[sqlite3.Connection]:
        """One consistent view of the shop."""
        with self._connection() as connection:
            connection.execute("BEGIN")
            yield connection

    @contextmanager
    def writing(self) -> Iterator[sqlite3.Connection]:
        """The only writer until the block ends; an exception undoes everything in it."""
        with self._connection() as connection:
            connection.execute("BEGIN IMMEDIATE")
            yield connection
            connection.execute("COMMIT")

    @contextmanager
    def _connection(self) -> Iterator[sqlite3.Connection]:
        connection = sqlite3.connect(self._path, timeout=20, isolation_level=None)
        connection.row_factory = sqlite3.Row
        connection.execute("PRAGMA foreign_keys = ON")
        connection.execute("PRAGMA synchronous = NORMAL")
        try:
            yield connection
        finally:
            connection.close()  # an open transaction is rolled back

    def _catch_up(self, connection: sqlite3.Connection) -> None:
        """A shop that was opened by an older release gets the columns that came since."""
        if "product" not in {column["name"] for column in connection.execute("PRAGMA table_info(codes)")}:
            connection.execute("ALTER TABLE codes ADD COLUMN product TEXT")
        if "collections" not in {column["name"] for column in connection.execute("PRAGMA table_info(codes)")}:
            connection.execute("ALTER TABLE codes ADD COLUMN collections TEXT NOT NULL DEFAULT ''")
            connection.execute("ALTER TABLE products ADD COLUMN collection TEXT NOT NULL DEFAULT ''")

    def _seed(self, connection: sqlite3.Connection) -> None:
        kept = setting(connection, "currency")
        if kept and kept != self.currency:
            raise ValueError(f"this shop's data is in {kept}; start it with --currency {kept} or another --data folder")
        put_setting(connection, "currency", self.currency)
        connection.execute("INSERT OR IGNORE INTO counters VALUES ('sequence', 0), ('order_number', 1000)")
        connection.executemany(
            "INSERT OR IGNORE INTO products (slug, name, description, price) VALUES (?, ?, ?, ?)", PRODUCTS
        )
        connection.executemany(
            "UPDATE products SET collection = ? WHERE slug = ?",
            [(collection, slug) for collection, slugs in COLLECTIONS.items() for slug in slugs],
        )


def setting(connection: sqlite3.Connection, name: str) -> str:
    row = connection.execute("SELECT value FROM settings WHERE name = ?", (name,)).fetchone()
    return str(row["value"]) if row else ""


def put_setting(connection: sqlite3.Connection, name: str, value: str) -> None:
    connection.execute("INSERT OR REPLACE INTO settings VALUES (?, ?)", (name, value))


def count_up(connection: sqlite3.Connection, name: str) -> int:
    """The next number of a series; within one write transaction numbers and commits have the same order."""
    connection.execute("UPDATE counters SET value = value + 1 WHERE name = ?", (name,))
    return int(connection.execute("SELECT value FROM counters WHERE name = ?", (name,)).fetchone()["value"])


def new_id(prefix: str) -> str:
    return f"{prefix}_{secrets.token_hex(12)}"
