"""load_demo: what it refuses, and how it goes on after it was killed."""

import io
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from django.core.management import call_command
from django.core.management.base import CommandError

from loyalty.accounts.models import User
from loyalty.customers.models import Customer
from loyalty.merchant.models import Programme
from loyalty.points import audit
from loyalty.program.models import Order
from rewards.models import RedeemedReward
from tests.fakes.sandbox import SandboxShop, running_sandbox_shop

ROOT = Path(__file__).parents[2]


def arguments(shop: SandboxShop, file: Path) -> list[str]:
    return [
        f"--shop-url={shop.url}",
        f"--shop-token={shop.token}",
        f"--webhook-secret={shop.webhook_secret}",
        f"--credentials-file={file}",
    ]


def load(shop, file):
    out = io.StringIO()
    call_command("load_demo", *arguments(shop, file), stdout=out)
    return out.getvalue()


@pytest.mark.django_db
def test_refuses_in_production(settings, tmp_path):
    settings.PRODUCTION = True

    with pytest.raises(CommandError, match="does not run with LOYALTY_ENV=production"):
        load(SandboxShop(tmp_path), tmp_path / "demo.json")

    assert not User.objects.exists()


@pytest.mark.django_db
def test_says_so_when_the_shop_does_not_answer(tmp_path):
    shop = SandboxShop(tmp_path)
    shop.port = 9

    with pytest.raises(CommandError, match=r"The sandbox shop at http://127.0.0.1:9 did not take our address"):
        load(shop, tmp_path / "demo.json")

    assert not Customer.objects.exists()


@pytest.mark.django_db
def test_leaves_a_file_that_it_did_not_write_alone(tmp_path):
    diary = tmp_path / "diary.txt"
    diary.write_text("Dear diary")

    with pytest.raises(CommandError, match="not a file of demo logins"):
        load(SandboxShop(tmp_path), diary)

    assert diary.read_text() == "Dear diary"


@pytest.mark.nightly
@pytest.mark.faults
@pytest.mark.django_db(transaction=True)
@pytest.mark.timeout(300)
def test_goes_on_after_it_was_killed_in_the_middle(tmp_path, process_environment):
    with running_sandbox_shop(tmp_path) as shop:
        command = [sys.executable, "manage.py", "load_demo", *arguments(shop, tmp_path / "demo.json")]
        stages = [
            lambda: User.objects.count() >= 4,  # in the middle of the past
            lambda: RedeemedReward.objects.filter(idempotency_key="demo:live:2").exists(),
            lambda: RedeemedReward.objects.filter(idempotency_key__startswith="demo:waiting").exists(),
        ]
        killed = 0
        for reached in stages:
            process = subprocess.Popen(command, cwd=ROOT, env=process_environment, stdout=-3, stderr=-3)
            until = time.monotonic() + 90
            while not reached() and process.poll() is None:
                assert time.monotonic() < until
                time.sleep(0.01)
            process.kill()  # it may just have ended: the last stage is near the end
            killed += process.wait() == -signal.SIGKILL
        assert killed >= 2

        load(shop, tmp_path / "demo.json")

        assert RedeemedReward.objects.count() == 158
        assert Order.objects.values("external_id").distinct().count() == Order.objects.count()
        assert Programme.objects.get().pending_days == 0
        assert not shop.call("GET", "/api/faults")["faults"]
        assert list(audit.differences()) == []
