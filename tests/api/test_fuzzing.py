"""The API as it runs in production, asked everything its OpenAPI document allows, and what it does not allow."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from django.conf import settings
from django.utils import timezone

from loyalty.api import keys
from loyalty.api.v1 import schema
from loyalty.common.actors import SYSTEM
from loyalty.points import audit
from rewards import redemption
from tests.factories.catalogue import (
    CustomFactory,
    GiftFactory,
    PointsProductFactory,
    RewardTextFactory,
    ValueCodeFactory,
    VariablePriceFactory,
)
from tests.factories.people import CustomerFactory, ShippingAddressFactory
from tests.factories.points import give
from tests.journeys.web import HOST, ROOT, running_web

SEED = "20261127"
# A run of the tests has time for a few examples of each call beside the borders of each value; `make fuzz-api` for many.
EXAMPLES = os.environ.get("FUZZ_EXAMPLES", "1")
LONGEST_SECONDS = int(os.environ.get("FUZZ_SECONDS", "1800"))

pytestmark = [pytest.mark.django_db(transaction=True, reset_sequences=True), pytest.mark.timeout(LONGEST_SECONDS + 300)]


@pytest.fixture
def secret():
    """A key that may do everything, where each kind of thing is there under small ids."""
    now = timezone.now()
    for _ in range(3):
        customer = CustomerFactory()
        ShippingAddressFactory(customer=customer)
        give(customer, 1_000_000, now=now)
        for made in (GiftFactory(), ValueCodeFactory(), CustomFactory()):
            product = PointsProductFactory(reward=made)
            RewardTextFactory(reward=made)
            redemption.redeem(customer_id=customer.pk, points_product_id=product.pk, actor=SYSTEM, now=now)
    VariablePriceFactory()
    return keys.create(name="Fuzzing", scopes=keys.Scope.values, created_by_id=None, now=now)[1]


def command(*, address, secret):
    """What is asked, with all checks on; the same each time."""
    options = {
        "--checks": "all",
        "--mode": "all",
        "--seed": SEED,
        "--max-examples": EXAMPLES,
        "--generation-database": "none",
        "--url": address,
    }
    headers = {"Authorization": f"Bearer {secret}", "Host": HOST, "X-Forwarded-Proto": "https"}
    return [
        Path(sys.executable).with_name("schemathesis"),
        *("--config-file", ROOT / "tests" / "api" / "fuzzing.toml"),
        *("run", schema.FILE, "--no-color", "--no-shrink", "--continue-on-failure"),
        *(word for option in options.items() for word in option),
        *(word for name, value in headers.items() for word in ("--header", f"{name}: {value}")),
    ]


def test_no_request_makes_it_fail_or_answer_what_it_does_not_document(secret, process_environment, tmp_path):
    environment = process_environment | {
        "API_RATE_LIMIT": "10000",
        "CREDENTIALS_KEYS": ",".join(settings.CREDENTIALS_KEYS),
    }

    with running_web(tmp_path, environment, workers=1) as web:
        done = subprocess.run(
            command(address=web.url, secret=secret),
            cwd=tmp_path,
            env=os.environ | {"PYTHONPATH": str(ROOT)},
            capture_output=True,
            text=True,
            timeout=LONGEST_SECONDS,
            check=False,
        )

    assert done.returncode == 0, done.stdout[-8000:] + done.stderr[-2000:]
    assert "API request" not in web.log.read_text(errors="replace")
    assert list(audit.differences()) == []
