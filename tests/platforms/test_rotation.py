"""Rotation of keys: everything moves to the newest one, whenever it is broken off, and nobody's change is lost."""

import threading
from io import StringIO

import pytest
from allauth.mfa.models import Authenticator
from cryptography.fernet import Fernet
from django.core.management import CommandError, call_command
from django.db import connection, transaction

from loyalty.common import sealing
from platforms import credentials, rotation
from platforms.models import StoreConnection
from platforms.rotation import Verdict
from tests.factories.people import ConnectionFactory, PayoutAccountFactory, StaffFactory
from tests.journeys.worker import wait_for

pytestmark = pytest.mark.django_db

OLD, NEW = Fernet.generate_key().decode(), Fernet.generate_key().decode()
SHOPS = rotation.PLACES[0]


@pytest.fixture
def secrets(settings):
    """A shop, a payout account and a second factor from the time of the old key."""
    settings.CREDENTIALS_KEYS = [OLD]
    shop = ConnectionFactory(credentials=credentials.seal({"token": "of the shop"}))
    account = PayoutAccountFactory(credentials=credentials.seal({"token": "of the account"}))
    data = {"seed": sealing.seal("of the factor"), "used_mask": 5, "migrated_codes": [sealing.seal("one")]}
    factor = Authenticator.objects.create(user=StaffFactory(), type=Authenticator.Type.RECOVERY_CODES, data=data)
    settings.CREDENTIALS_KEYS = [NEW, OLD]
    return shop, account, factor


def opened(shop, account, factor) -> list[str]:
    for row in (shop, account, factor):
        row.refresh_from_db()
    assert factor.data["used_mask"] == 5
    return [
        credentials.unseal(shop.credentials)["token"],
        credentials.unseal(account.credentials)["token"],
        sealing.unseal(factor.data["seed"]),
        sealing.unseal(factor.data["migrated_codes"][0]),
    ]


def said(*options) -> str:
    out = StringIO()
    call_command("rotate_credentials", *options, stdout=out, stderr=out)
    return out.getvalue()


def test_the_old_key_can_be_taken_away_afterwards(secrets, settings):
    assert "shops: 1 sealed anew, 0 with the newest key already" in said()

    settings.CREDENTIALS_KEYS = [NEW]

    assert opened(*secrets) == ["of the shop", "of the account", "of the factor", "one"]
    assert "payout accounts: 0 sealed anew, 1 with the newest key already, 0 without secrets, 0 unreadable" in said()


def test_everything_stays_readable_between_two_rows(secrets):
    next(rotation.rotate(SHOPS))  # and broken off there

    assert opened(*secrets) == ["of the shop", "of the account", "of the factor", "one"]


def test_goes_on_where_it_was_broken_off(secrets, settings):
    settings.CREDENTIALS_KEYS = [OLD]
    later = ConnectionFactory(credentials=credentials.seal({"token": "later"}))
    empty = ConnectionFactory()
    settings.CREDENTIALS_KEYS = [NEW, OLD]
    next(rotation.rotate(SHOPS))

    again = dict(rotation.rotate(SHOPS))

    assert again == {secrets[0].pk: Verdict.ALREADY, later.pk: Verdict.MOVED, empty.pk: Verdict.EMPTY}


def test_a_check_changes_nothing_and_says_what_still_needs_the_old_key(secrets):
    before = StoreConnection.objects.get().credentials

    with pytest.raises(CommandError, match="3 still need an older key"):
        said("--check")

    assert StoreConnection.objects.get().credentials == before
    said()
    assert "Everything is sealed with the newest key." in said("--check")


def test_what_no_key_opens_is_named_kept_and_holds_up_nothing(secrets, settings):
    settings.CREDENTIALS_KEYS = [Fernet.generate_key().decode()]
    lost = ConnectionFactory(credentials=credentials.seal({"token": "lost"}))
    kept = lost.credentials
    settings.CREDENTIALS_KEYS = [NEW, OLD]

    out = StringIO()
    with pytest.raises(CommandError, match="1 cannot be opened with any key"):
        call_command("rotate_credentials", stdout=out, stderr=out)

    assert f"shops that cannot be opened, by number: {lost.pk}" in out.getvalue()
    lost.refresh_from_db()
    assert lost.credentials == kept
    settings.CREDENTIALS_KEYS = [NEW]
    assert opened(*secrets)[0] == "of the shop"


def test_says_nothing_of_what_it_moves(secrets):
    text = said()

    assert not {word for word in ("of the shop", "of the account", OLD, NEW) if word in text}


@pytest.mark.django_db(transaction=True)
def test_credentials_entered_at_the_same_moment_are_not_overwritten(secrets):
    shop = secrets[0]
    verdicts: list[Verdict] = []

    def rotate():
        verdicts.extend(verdict for _, verdict in rotation.rotate(SHOPS))
        connection.close()

    with transaction.atomic():
        StoreConnection.objects.filter(pk=shop.pk).update(credentials=credentials.seal({"token": "entered now"}))
        rotating = threading.Thread(target=rotate)
        rotating.start()
        wait_for(somebody_waits, what="the rotation to reach the row")
    rotating.join(timeout=20)

    shop.refresh_from_db()
    assert credentials.unseal(shop.credentials) == {"token": "entered now"}
    assert verdicts == [Verdict.ALREADY]


def somebody_waits() -> bool:
    with connection.cursor() as cursor:
        cursor.execute("SELECT count(*) FROM pg_locks WHERE NOT granted")
        return cursor.fetchone()[0] > 0
