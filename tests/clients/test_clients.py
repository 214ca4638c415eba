"""Clients of other people's making, over real HTTP: one generated from the OpenAPI document, one in plain Node."""

import importlib
import itertools
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from django.utils import timezone

from loyalty.api import keys, rate_limit
from loyalty.api.v1 import outline, schema
from tests.factories.catalogue import PointsProductFactory, RewardTextFactory
from tests.factories.people import CustomerFactory
from tests.factories.points import give

HERE = Path(__file__).parent
LONGEST_SECONDS = 600
OLDEST_NODE = 20

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.timeout(LONGEST_SECONDS + 100)]


def node():
    """Where Node is. Missing, it skips aloud; in CI, where it must be there, that is a failure."""
    found = shutil.which("node")
    version = subprocess.run([found, "--version"], capture_output=True, text=True, check=True).stdout if found else ""
    if version and int(version.lstrip("v").split(".")[0]) >= OLDEST_NODE:
        return found
    reason = (
        f"NODE NOT FOUND: version {OLDEST_NODE} or newer is needed, {version or 'none is here'}. It was NOT tested."
    )
    if os.environ.get("CI", "").lower() == "true":
        pytest.fail(f"{reason} With CI=true this is a failure.", pytrace=False)
    pytest.skip(reason)


@pytest.fixture
def anna():
    """A member with 250 points."""
    customer = CustomerFactory(email="anna@example.com")
    give(customer, 250, now=timezone.now())
    return customer


@pytest.fixture
def product():
    """5 off, for 100 points."""
    made = PointsProductFactory()
    RewardTextFactory(reward=made.reward, name="$5 off")
    return made


@pytest.fixture
def secret():
    return keys.create(name="Client", scopes=keys.Scope.values, created_by_id=None, now=timezone.now())[1]


@pytest.fixture
def one_too_many(monkeypatch):
    """The fifth request finds the rate of its second used up, however slow the machine is."""
    numbers = itertools.count(1)
    monkeypatch.setattr(rate_limit, "requests_in", lambda **_: 10_000 if next(numbers) == 5 else 1)


def test_a_client_in_node_does_what_an_integration_does(live_server, one_too_many, anna, product, secret):
    environment = {"PATH": os.environ["PATH"], "DESK_URL": live_server.url, "DESK_KEY": secret}

    done = subprocess.run(
        [node(), HERE / "integration.mjs"],
        env=environment | {"CUSTOMER_EMAIL": anna.email},
        capture_output=True,
        text=True,
        timeout=LONGEST_SECONDS,
        check=False,
    )

    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)
    assert told["found"] == anna.pk
    assert told["nobody"] is None
    assert told["wrapped"]["points_change"] == 300
    assert told["wrapped"]["description"] == "A warm welcome"
    assert told["repeated"] == told["wrapped"]
    assert told["flat"]["points_change"] == -20
    assert (told["negative"]["status"], told["negative"]["code"]) == (422, "insufficient_points")
    assert told["purchase"]["points_spent"] == 100
    assert told["purchase"]["reward_fulfillment"]["code"]
    assert told["changes"] == [-100, -100, -20, 300, 250]
    assert told["fulfillments"] == [told["wrappedPurchase"]["id"], told["purchase"]["id"]]
    assert told["balances"] == [330]
    assert told["waits"] == 1
    assert (told["noKey"]["status"], told["noKey"]["code"]) == (401, "invalid_api_key")


@pytest.fixture(scope="module")
def generated(tmp_path_factory):
    """The folder of a client that was generated from the committed document just now, without a word of complaint."""
    folder = tmp_path_factory.mktemp("generated")
    (folder / "config.yaml").write_text("package_name_override: desk_client\npost_hooks: []\n")
    command = [Path(sys.executable).with_name("openapi-python-client"), "generate", "--meta", "none"]
    done = subprocess.run(
        [
            *command,
            "--path",
            schema.FILE,
            "--config",
            "config.yaml",
            "--output-path",
            "desk_client",
            "--fail-on-warning",
        ],
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=LONGEST_SECONDS,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return folder


@pytest.fixture
def client_of(generated, monkeypatch):
    """Modules of the generated client by their names."""
    monkeypatch.syspath_prepend(generated)
    return lambda name="": importlib.import_module(f"desk_client{name}")


@pytest.fixture
def desk(client_of, live_server, settings, secret):
    """The generated client with a key; an answer that is not documented makes it raise."""
    settings.API_RATE_LIMIT = 10_000
    with client_of().AuthenticatedClient(
        base_url=live_server.url, token=secret, raise_on_unexpected_status=True
    ) as client:
        yield client


def test_a_generated_client_finds_a_customer_changes_points_and_redeems(desk, client_of, anna, product):
    models = client_of(".models")
    adjust = client_of(".api.points_transactions.create_points_transaction").sync
    change = models.NewPointsTransaction(customer_id=anna.pk, points_change=300, description="A warm welcome")

    found = client_of(".api.customers.list_customers").sync(client=desk, email="ANNA@example.com", limit=1)
    flat = adjust(client=desk, body=change, idempotency_key="hello")
    again = adjust(client=desk, body=change, idempotency_key="hello")
    wrapped = adjust(client=desk, body=models.WrappedNewPointsTransaction(points_transaction=change))
    bought = client_of(".api.points_products.create_points_purchase").sync(
        product.pk, client=desk, body=models.NewPointsPurchase(customer_id=anna.pk)
    )
    read = client_of(".api.customers.get_customer").sync(anna.pk, client=desk)

    assert [each.id for each in found.customers] == [anna.pk]
    assert flat.points_transaction.points_change == 300
    assert again == flat
    assert wrapped.points_transaction.id > flat.points_transaction.id
    assert bought.points_purchase.points_spent == 100
    assert bought.points_purchase.reward_fulfillment.code
    assert read.customer.points_balance == 250 + 300 + 300 - 100


def test_a_generated_client_walks_a_list_and_reads_a_refusal(desk, client_of, anna):
    lister = client_of(".api.points_transactions.list_points_transactions")
    for points in (1, 2, 3):
        give(anna, points, now=timezone.now())
    changes, cursor = [], client_of(".types").UNSET

    while cursor is not None:
        page = lister.sync(client=desk, customer_id=anna.pk, limit=2, cursor=cursor)
        changes += [row.points_change for row in page.points_transactions]
        cursor = page.metadata.next_cursor
    refused = client_of(".api.points_transactions.create_points_transaction").sync(
        client=desk, body=client_of(".models").NewPointsTransaction(customer_id=anna.pk, points_change=-1_000_000)
    )

    assert changes == [3, 2, 1, 250]
    assert refused.error.code == "insufficient_points"
    assert refused.error.request_id


def test_the_generated_client_has_a_call_for_every_operation(generated):
    named = {each["operationId"] for item in outline.document()["paths"].values() for each in item.values()}

    assert {file.stem for file in generated.glob("desk_client/api/*/*.py")} - {"__init__"} == named
