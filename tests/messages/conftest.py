"""Mails for tests: a mail server that is spoken to over SMTP, a merchant with a back office, people and rewards."""

from collections.abc import Callable, Iterator
from datetime import UTC, datetime

import pytest

from loyalty.common import actors
from loyalty.events.models import EventReader
from loyalty.merchant import queries as merchant
from loyalty.merchant.models import MailKind, Programme
from loyalty.messages import occasions, outbox, sending
from loyalty.messages.models import Mail
from rewards import granting
from rewards.models import RedeemedReward
from rewards.redemption import redeem
from tests.factories.catalogue import PointsProductFactory, RewardFactory, RewardTextFactory
from tests.factories.people import CustomerFactory
from tests.factories.points import give
from tests.fakes.events import settle
from tests.fakes.smtp import MailServer, running_mail_server

NOW = datetime(2026, 11, 26, 12, tzinfo=UTC)
OFFICE = "office@example.com"


@pytest.fixture(scope="session")
def mail_server_process() -> Iterator[MailServer]:
    with running_mail_server() as server:
        yield server


@pytest.fixture
def mail_server(mail_server_process: MailServer, settings) -> MailServer:
    """The mail server, empty and in good mood; Django's own SMTP backend talks to it."""
    settings.EMAIL_BACKEND = "django.core.mail.backends.smtp.EmailBackend"
    settings.EMAIL_HOST, settings.EMAIL_PORT = "127.0.0.1", mail_server_process.port
    settings.EMAIL_HOST_USER = settings.EMAIL_HOST_PASSWORD = ""
    settings.EMAIL_TIMEOUT = 2
    settings.PUBLIC_URL = "https://rewards.example.com"
    mail_server_process.taken.clear()
    mail_server_process.answers.clear()
    mail_server_process.after_taking = ""
    return mail_server_process


@pytest.fixture
def programme(db: None) -> Programme:
    programme = merchant.programme()
    programme.name, programme.office_emails, programme.support_email = "Stars", [OFFICE], "help@example.com"
    programme.save()
    return programme


@pytest.fixture
def anna(db: None):
    anna = CustomerFactory(email="anna@example.com", language="en")
    give(anna, 1_000, now=NOW)
    return anna


@pytest.fixture
def redeemed(anna, programme) -> Callable[..., RedeemedReward]:
    """A reward Anna redeemed: `redeemed(GiftFactory())`."""

    def make(reward=None, name: str = "$5 off", now: datetime = NOW, **texts) -> RedeemedReward:
        product = PointsProductFactory(reward=reward or RewardFactory())
        RewardTextFactory(reward=product.reward, name=name, **texts)
        return redeem(customer_id=anna.pk, points_product_id=product.pk, actor=actors.customer(anna.pk), now=now)

    return make


@pytest.fixture
def granted(anna, programme) -> Callable[..., RedeemedReward]:
    def make(reward=None, name: str = "$5 off", **texts) -> RedeemedReward:
        reward = reward or RewardFactory()
        RewardTextFactory(reward=reward, name=name, **texts)
        return granting.grant(customer_id=anna.pk, reward_id=reward.pk, actor=actors.staff(1), now=NOW)

    return make


@pytest.fixture
def read(transactional_db: None) -> Callable[[], list[tuple[str, str]]]:
    """Reads all that happened; gives back kind and recipient of what stands in the outbox then."""
    EventReader.objects.all().delete()

    def read_all() -> list[tuple[str, str]]:
        settle()
        while occasions.read(now=NOW):
            pass
        return sorted(Mail.objects.values_list("kind", "recipient"))

    return read_all


def queued(kind: MailKind, **fields) -> Mail:
    """One mail that waits."""
    wanted = outbox.Wanted(**{"recipient": OFFICE, "about_type": "programme", "about_id": 1} | fields, kind=kind)
    outbox.put(wanted=[wanted], now=NOW)
    return Mail.objects.latest("pk")


def send(now: datetime = NOW) -> int:
    return sending.send_due(now=now, patience=20)
