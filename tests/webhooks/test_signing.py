"""Signing as Standard Webhooks has it: held against the official library, and against the page that describes it."""

import base64
import json
from datetime import UTC, datetime, timedelta

import pytest
from standardwebhooks import Webhook, WebhookVerificationError

from loyalty.common import actors
from loyalty.webhooks import endpoints, signing
from tests.webhooks.conftest import NOW, send, waiting

pytestmark = pytest.mark.django_db(transaction=True)


def test_makes_secrets_of_32_bytes_that_differ():
    secret = signing.new_secret()

    assert secret.startswith("whsec_")
    assert len(base64.b64decode(secret.removeprefix("whsec_"))) == 32
    assert secret != signing.new_secret()


def test_signs_as_the_known_example_of_the_standard_does():
    headers = signing.headers(
        message_id="msg_p5jXN8AQM9LWM0D4loKWxJek",
        body=b'{"test": 2432232314}',
        by=["whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"],
        now=datetime.fromtimestamp(1614265330, UTC),
    )

    assert headers["webhook-signature"] == "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="


def test_is_verified_by_the_official_library_and_a_changed_body_is_not(endpoint, receiver):
    waiting(endpoint)
    secret = endpoints.secrets(endpoint=endpoint, now=NOW)[0]

    send(datetime.now(UTC))

    (came,) = receiver.deliveries
    assert Webhook(secret).verify(came.body, came.headers) == json.loads(came.body)
    with pytest.raises(WebhookVerificationError):
        Webhook(secret).verify(came.body + b" ", came.headers)
    with pytest.raises(WebhookVerificationError):
        Webhook(signing.new_secret()).verify(came.body, came.headers)


def test_signs_with_both_secrets_for_a_day_after_one_was_rotated(endpoint, receiver):
    now = datetime.now(UTC)
    old = endpoints.secrets(endpoint=endpoint, now=now)[0]

    new = endpoints.rotate_secret(endpoint_id=endpoint.pk, actor=actors.staff(1), now=now)
    waiting(endpoint)
    send(now)

    (came,) = receiver.deliveries
    assert len(came.headers["webhook-signature"].split()) == 2
    for secret in (old, new):
        Webhook(secret).verify(came.body, came.headers)
    endpoint.refresh_from_db()
    assert endpoints.secrets(endpoint=endpoint, now=now + timedelta(hours=24)) == [new]


def test_keeps_no_secret_in_plain_words(endpoint):
    secret = endpoints.secrets(endpoint=endpoint, now=NOW)[0]

    assert secret not in str(type(endpoint).objects.values().get())
