"""E-mails at every step of a fault: written down once for what happened, and sent once. For `prove_faults`."""

from typing import Any
from uuid import uuid4

from loyalty.common.crashing import Scenario
from loyalty.common.racing import Scores
from loyalty.customers.models import Customer
from loyalty.events import reading
from loyalty.merchant.models import MailKind
from loyalty.messages import outbox
from loyalty.messages.models import UNDER_WAY, Mail, MailState
from platforms.trial import Scene
from rewards import faults as rewards

PATIENCE = 20.0  # seconds
WRITTEN_ONCE = "A mail is written down once for what happened"
SENT_ONCE = "A mail goes out once, or may have and a person is told so"


def _test(scene: Scene) -> dict[str, Any]:
    """A mail that is due."""
    token = uuid4()
    mail = outbox.put_test(address=f"{token.hex}@example.com", token=token, now=scene.now())
    return {"mail": mail.pk}


def _judge_sent(scene: Scene, subject: dict[str, Any], scores: Scores) -> None:
    _judge(scene, Mail.objects.get(pk=subject["mail"]), scores)


def _happened(scene: Scene) -> dict[str, Any]:
    """A customer with an address redeemed a reward; nobody has read of it yet, but of all that was before."""
    scene.task("messages.read_events")
    subject = rewards.redeemed(scene)
    reading.wait(seconds=PATIENCE)
    Customer.objects.filter(pk=subject.customer_id).update(email=f"mail{subject.customer_id}@example.com")
    return {"customer": subject.customer_id, "redeemed": subject.redeemed_id}


def _judge_written(scene: Scene, subject: dict[str, Any], scores: Scores) -> None:
    mails = list(Mail.objects.filter(kind=MailKind.REDEEMED, about_id=subject["redeemed"]))
    scores.equal(WRITTEN_ONCE, [mail.recipient for mail in mails], [f"customer:{subject['customer']}"])
    for mail in mails:
        _judge(scene, mail, scores)


def _judge(scene: Scene, mail: Mail, scores: Scores) -> None:
    taken = scene.mail.taken()[mail.message_id]
    fits = {MailState.SENT: taken == 1, MailState.UNKNOWN: taken <= 1 and bool(mail.reason)}
    scores.check(
        SENT_ONCE,
        holds=fits.get(MailState(mail.state), False),
        otherwise=f"mail {mail.pk} is {mail.state}, and the server took it {taken} times",
    )


# In this order: the second writes down a mail for all that other acts did, which the first would send each time.
FAULTS: dict[str, Scenario[Scene]] = {
    "a worker sends an e-mail": Scenario(
        prepare=_test, act=lambda scene, _: scene.task("messages.send"), judge=_judge_sent
    ),
    "a worker writes e-mails down": Scenario(
        prepare=_happened, act=lambda scene, _: scene.task("messages.read_events"), judge=_judge_written
    ),
}


def waiting(scene: Scene) -> dict[str, int]:
    """What is under way, by its name."""
    return {"e-mails": Mail.objects.filter(state__in=UNDER_WAY).count()}


def closing(scene: Scene, scores: Scores) -> None:
    """What holds of all mails when nothing is under way: none went out twice, and none that was not to go at all."""
    taken = scene.mail.taken()
    states = dict(Mail.objects.values_list("message_id", "state"))
    for message_id, times in taken.items():
        state = states.get(message_id, "unknown to us")
        scores.check(
            SENT_ONCE,
            holds=times == 1 and state in {MailState.SENT, MailState.UNKNOWN},
            otherwise=f"{message_id} was taken {times} times, and is {state}",
        )
