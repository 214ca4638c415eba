"""The customers' door at every step of a fault: they redeem, and press again when nothing came. For `prove_faults`."""

from http import HTTPStatus
from urllib.parse import urlsplit
from uuid import uuid4

from django.conf import settings
from django.test import Client
from django.urls import reverse

from loyalty.accounts.models import User
from loyalty.common.crashing import Scenario
from loyalty.common.racing import Scores
from loyalty.customers.models import Customer
from platforms.trial import Scene
from rewards import faults as rewards
from rewards.proving import PRICE, new_product

Subject = dict[str, str | int]


def _visit(scene: Scene) -> Subject:
    """A customer who signed in and looks at the page of a reward."""
    customer_id, key = rewards.member(), str(uuid4())
    user = User.objects.create_user(f"fault{customer_id}@example.com")
    Customer.objects.filter(pk=customer_id).update(user=user)
    client = Client()
    client.force_login(user)
    product = new_product(connection=scene.connection())
    return {
        "customer": customer_id, "product": product.pk, "key": key,
        "session": client.cookies[settings.SESSION_COOKIE_NAME].value,
    }  # fmt: skip


def _redeem(scene: Scene, subject: Subject) -> None:
    client = Client(headers={"host": urlsplit(settings.PUBLIC_URL).netloc})
    client.cookies[settings.SESSION_COOKIE_NAME] = str(subject["session"])
    form = {"key": subject["key"], "price": PRICE}
    answer = client.post(reverse("cockpit:confirm", args=[subject["product"]]), form, secure=True)
    if answer.status_code != HTTPStatus.FOUND:
        raise AssertionError(f"the page answered {answer.status_code}")


def _judge(scene: Scene, subject: Subject, scores: Scores) -> None:
    customer_id = int(subject["customer"])
    key = f"cockpit:{customer_id}:{subject['key']}"
    rewards.judge_redemption(scene, key=key, customer_id=customer_id, scores=scores)


FAULTS: dict[str, Scenario[Scene]] = {
    "a customer redeems": Scenario(prepare=_visit, act=_redeem, again=_redeem, judge=_judge),
}
