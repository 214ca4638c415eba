"""A database of ROWS redeemed rewards, filled by COPY; for the benches of the grid and of the export."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlsplit

import bench_import
import psycopg

from loyalty.embedded import home, servers

FILL = Path(__file__).resolve().parent / "grid_fill.sql"
TABLE = "rewards_redeemedreward"
REDEEMED = (
    "id,customer_id,reward_id,connection_id,code_id,origin,on_profile,takes_place,actor_kind,fulfillment_status,"
    "usage_status,delivery_status,failure_code,failure_reason,redeemed_at,issued_at,used_at,used_order_id,"
    "cancelled_at,expires_at,updated_at,name,type,cost_in_points,tax_value,currency,usage_instructions,terms,"
    "image_url,action_text,action_url,balance_after,customer_email,customer_phone,customer_first_name,"
    "customer_last_name,internal_note"
)
COLUMNS = {
    "customers": ("customers_customer", "id,email,phone,first_name,last_name,state,language,created_at,updated_at"),
    "codes": ("rewards_rewardcode", "id,connection_id,code,canonical,remote_id,created_at"),
    "rewards": ("rewards_reward", "id,name,type"),
    "redeemed": (TABLE, REDEEMED),
}
WORTH = {"percentage_discount": {"percent": 10}, "discount_code": {"amount": 5}}


@contextmanager
def server() -> Iterator[None]:
    """A durable server, for all databases of one run."""
    with servers.serving(home.Home(folder=home.data_folder() / "bench"), durable=True) as addresses:
        bench_import.os.environ.update(addresses.variables())
        yield


@contextmanager
def filled(rows: int) -> Iterator[tuple[str, float]]:
    """Its scratch database with the rows but without the grid's indexes; and the seconds it took."""
    with bench_import.scratch("grid") as url:
        without_parallel_hash(url)
        django_on(url)
        began = time.monotonic()
        fill(url, rows=rows)
        yield url, time.monotonic() - began
        close()


def without_parallel_hash(url: str) -> None:
    """Switch off the one kind of plan that ends the stock admin at ten million rows.

    PostgreSQL 18 hashes the rows by the few rewards they are of, splits that into a million batches, and is killed for
    its 20 GB of memory.
    """
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute(f'ALTER DATABASE "{urlsplit(url).path[1:]}" SET enable_parallel_hash = off')  # type: ignore[arg-type]


def django_on(url: str) -> None:
    """Set Django up on the scratch database."""
    import django
    from django.db import connection

    bench_import.os.environ.update(bench_import.environment(url) | {"DJANGO_SETTINGS_MODULE": "loyalty.settings"})
    bench_import.os.environ["LOG_LEVEL"] = "ERROR"
    django.setup()
    connection.close()
    connection.settings_dict["NAME"] = urlsplit(url).path[1:]


def close() -> None:
    from django.db import connection

    connection.close()


def fill(url: str, *, rows: int) -> None:
    from platforms.models import StoreConnection
    from rewards.models import Reward

    for number in (1, 2, 3):
        StoreConnection.objects.create(
            pk=number, name=f"Shop {number}", platform="sandbox", base_url=f"http://127.0.0.1:{8100 + number}"
        )
    selects = sections(rows=rows)
    with psycopg.connect(url, autocommit=True) as reader, psycopg.connect(url, autocommit=True) as writer:
        writer.execute("SET session_replication_role = replica")  # the rows are right; nothing is to be looked up
        kinds = reader.execute(selects["rewards"]).fetchall()
        Reward.objects.bulk_create(
            Reward(pk=pk, name=name, type=kind, **WORTH.get(kind, {})) for pk, name, kind in kinds
        )
        drop_indexes(writer)
        for name in ("customers", "codes", "redeemed"):
            table, columns = COLUMNS[name]
            with (
                reader.cursor().copy(f"COPY ({selects[name]}) TO STDOUT (FORMAT binary)") as source,
                writer.cursor().copy(f"COPY {table} ({columns}) FROM STDIN (FORMAT binary)") as target,
            ):
                for block in source:
                    target.write(block)
        for table, column in (("customers_customer", "id"), ("rewards_rewardcode", "id"), (TABLE, "id")):
            writer.execute(f"SELECT setval(pg_get_serial_sequence('{table}', '{column}'), {rows + 1})")
        writer.execute("VACUUM (ANALYZE) customers_customer, rewards_rewardcode")


def sections(*, rows: int) -> dict[str, str]:
    """The file's statements by the names over them."""
    text = FILL.read_text(encoding="utf-8").format(rows=rows, customers=max(rows // 10, 10))
    parts = [part.partition("\n") for part in text.split("\n-- ")[1:]]
    found = {}
    for name, _, body in parts:
        select = body.strip().rstrip(";")
        found[name.strip()] = typed(select, COLUMNS[name.strip()][1])
    return found


# What binary COPY needs to be exact about: every other column is a text, a flag or an instant already.
EXACT = {
    "id": "bigint",
    "customer_id": "bigint",
    "reward_id": "bigint",
    "connection_id": "bigint",
    "code_id": "bigint",
    "cost_in_points": "int",
    "balance_after": "int",
    "tax_value": "numeric(12,2)",
}


def typed(select: str, columns: str) -> str:
    names = columns.split(",")
    return (
        "SELECT "
        + ", ".join(f"{name}::{EXACT[name]}" if name in EXACT else name for name in names)
        + f" FROM ({select}) made ({columns})"
    )


def drop_indexes(connection: psycopg.Connection) -> None:
    """All but those of constraints: a table is filled first and indexed then."""
    for (name,) in connection.execute(
        "SELECT i.indexrelid::regclass::text FROM pg_index i WHERE i.indrelid = %s::regclass "
        "AND NOT EXISTS (SELECT 1 FROM pg_constraint c WHERE c.conindid = i.indexrelid)",
        [TABLE],
    ).fetchall():
        connection.execute(f"DROP INDEX {name}")


def index_as_django_would(connection: psycopg.Connection) -> float:
    """One index for each foreign key, which is what a plain model gets. Gives the seconds."""
    began = time.monotonic()
    for column in ("customer_id", "reward_id", "connection_id", "points_product_id", "code_id"):
        connection.execute(f"CREATE INDEX plain_{column} ON {TABLE} ({column})")
    connection.execute(f"VACUUM (ANALYZE) {TABLE}")
    return time.monotonic() - began


def index_as_we_do(connection: psycopg.Connection) -> float:
    """The indexes of the model. Gives the seconds."""
    from django.db import connection as database

    from rewards.models import RedeemedReward

    began = time.monotonic()
    for column in ("customer_id", "reward_id", "connection_id", "points_product_id"):
        connection.execute(f"DROP INDEX IF EXISTS plain_{column}")
    with database.cursor() as cursor:
        cursor.execute("SET maintenance_work_mem = '256MB'")
    with database.schema_editor() as editor:
        for index in RedeemedReward._meta.indexes:  # noqa: SLF001 (the documented way to a model's indexes)
            editor.add_index(RedeemedReward, index)
    connection.execute(f"VACUUM (ANALYZE) {TABLE}")
    return time.monotonic() - began


def sizes(connection: psycopg.Connection) -> tuple[int, int]:
    """MB of the table and of its indexes."""
    row = connection.execute(
        f"SELECT pg_table_size('{TABLE}') / 1048576, pg_indexes_size('{TABLE}') / 1048576"
    ).fetchone()
    return int(row[0]), int(row[1])  # type: ignore[index]
