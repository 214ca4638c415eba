"""Outbox pages: what was sent is seen, safely; what is sent again is confirmed; settings are the merchant's."""

import re
import uuid
from html import unescape

import pytest
from django.contrib.auth.models import Group
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from loyalty.accounts import roles
from loyalty.merchant.models import MailKind, Programme
from loyalty.messages import outbox
from loyalty.messages.models import Mail
from rewards.models import RedeemedReward
from tests.factories.catalogue import GiftFactory
from tests.factories.people import StaffFactory
from tests.messages.conftest import NOW, OFFICE, queued, send

pytestmark = pytest.mark.django_db(transaction=True)
LIST = "admin:messages_out_mail_changelist"


@pytest.fixture
def signed_in(db: None):
    roles.sync()

    def sign_in(role: str) -> Client:
        user = StaffFactory()
        user.groups.add(Group.objects.get(name=role))
        client = Client()
        client.force_login(user)
        return client

    return sign_in


@pytest.fixture
def support(signed_in) -> Client:
    return signed_in("support")


@pytest.fixture
def manager(signed_in) -> Client:
    return signed_in("manager")


@pytest.fixture
def sent(redeemed, read, mail_server) -> Mail:
    """A confirmation that Anna got."""
    redeemed()
    read()
    send()
    return Mail.objects.get(kind="redeemed")


def page(mail: Mail) -> str:
    return reverse("admin:messages_out_mail_change", args=(mail.pk,))


def act(mail: Mail) -> str:
    return reverse("admin:messages_out_mail_act", args=(mail.pk, "send-again"))


def body(response) -> str:
    return response.content.decode()


def test_the_list_is_narrowed_by_state_kind_and_customer(support, redeemed, read, programme):
    redeemed(GiftFactory())
    read()
    skipped = queued(MailKind.TEST)
    outbox.skip(mail=outbox.claim(now=NOW), reason="For a reason", now=NOW)

    def shown(**filters) -> int:
        return support.get(reverse(LIST), filters).context["cl"].result_count

    assert shown() == 3
    assert shown(kind="gift_redeemed") == 1
    assert shown(kind=["gift_redeemed", "test"]) == 2
    assert shown(state="skipped") == 1
    assert shown(search="anna@exa") == 2
    assert shown(search="nobody") == 0
    assert skipped.recipient in body(support.get(reverse(LIST), {"kind": "test"}))


def test_the_list_takes_the_same_queries_however_many_rows_it_has(support, programme, django_assert_max_num_queries):
    for number in range(30):
        queued(MailKind.TEST, window=str(number))

    with django_assert_max_num_queries(8):
        support.get(reverse(LIST))


def test_the_page_shows_the_mail_in_a_frame_that_may_do_nothing(support, sent):
    RedeemedReward.objects.update(name="changed since")
    response = support.get(page(sent))
    text = body(response)

    frame = re.search(r'<iframe class="mails-frame" sandbox title="[^"]+" srcdoc="([^"]*)">', text)
    assert frame
    assert unescape(frame[1]) == sent.html
    assert "$5 off" in frame[1]
    policy = response["Content-Security-Policy"]
    assert "unsafe" not in policy
    assert re.search(r"style-src 'self' 'sha256-[A-Za-z0-9+/=]+'", policy)
    assert RedeemedReward.objects.get().code.code not in text


def test_the_frame_is_styled_and_the_browser_complains_of_nothing(sent, live_server, page, manager):
    page.context.add_cookies(
        [{"name": "sessionid", "value": manager.cookies["sessionid"].value, "url": live_server.url}]
    )
    page.goto(live_server.url + reverse("admin:messages_out_mail_change", args=(sent.pk,)))

    heading = page.frame_locator("iframe.mails-frame").locator("h1")
    assert heading.inner_text() == "$5 off is yours"
    assert heading.evaluate("node => getComputedStyle(node).fontSize") == "22px"
    assert page.complaints == []


def test_what_was_not_sent_is_shown_as_it_would_be_sent_now(support, redeemed, read, anna):
    reward = redeemed()
    read()
    mail = Mail.objects.get()
    assert "What it will say" in body(support.get(page(mail)))
    assert 'srcdoc="&lt;!doctype html&gt;' in body(support.get(page(mail)))
    assert reward.code.code not in body(support.get(page(mail)))

    type(anna).objects.update(email=None)

    assert "It would not be sent: No e-mail address of the customer is known." in body(support.get(page(mail)))


def test_sending_again_is_confirmed_and_two_clicks_are_one(support, sent, mail_server):
    asked = support.get(act(sent))
    assert "the recipient gets it a second time" in body(asked)
    token = re.search(rf'name="token_{sent.pk}" value="([^"]+)"', body(asked))[1]
    confirmed = {"confirmed": "yes", "shown": "", f"token_{sent.pk}": token}

    for _ in range(2):
        support.post(act(sent), confirmed)
    send(timezone.now())

    assert len(mail_server.taken) == 2
    assert Mail.objects.filter(again_of=sent).count() == 1


def test_sending_again_needs_its_permission(signed_in, sent):
    viewer = signed_in("viewer")

    assert act(sent) not in body(viewer.get(page(sent)))
    assert viewer.post(act(sent), {"confirmed": "yes"}).status_code == 403
    assert Mail.objects.count() == 1


def test_a_mail_under_way_has_no_button(support, programme):
    mail = queued(MailKind.TEST)

    assert act(mail) not in body(support.get(page(mail)))


def test_a_test_goes_to_oneself_or_to_the_office_and_once_for_two_clicks(manager, programme, mail_server):
    address = reverse("admin:messages_out_mail_test")
    asked = {"address": OFFICE, "token": str(uuid.uuid4())}

    answers = [manager.post(address, asked) for _ in range(2)]
    elsewhere = manager.post(address, {**asked, "address": "anybody@example.com"})
    send(timezone.now())

    assert {answer.status_code for answer in answers} == {302}
    assert elsewhere.status_code == 200
    assert [taken["To"] for taken in mail_server.taken] == [OFFICE]


def test_no_mail_is_changed_or_deleted_by_hand(manager, sent):
    assert manager.post(page(sent), {"state": "waiting"}).status_code in {200, 403, 405}
    assert manager.post(reverse("admin:messages_out_mail_delete", args=(sent.pk,)), {"post": "yes"}).status_code == 403
    assert Mail.objects.get().state == "sent"


def settings_of(client: Client) -> dict[str, object]:
    form = client.get(reverse("admin:merchant_programme_change", args=(1,))).context["adminform"].form
    return {name: form.get_initial_for_field(field, name) for name, field in form.fields.items()}


def saved(client: Client, **changes: object):
    values = {name: value for name, value in settings_of(client).items() if value is not None and value is not False}
    values["office_emails"] = "\n".join(values["office_emails"])
    return client.post(reverse("admin:merchant_programme_change", args=(1,)), {**values, **changes})


def test_the_settings_say_who_the_back_office_is_and_which_mails_are_sent(manager, programme):
    answer = saved(manager, office_emails="a@example.com\n b@example.com \n", mails_on=["redeemed", "shipped"])

    programme.refresh_from_db()
    assert answer.status_code == 302
    assert programme.office_emails == ["a@example.com", "b@example.com"]
    assert sorted(programme.mails_off) == [
        "alert",
        "codes_low",
        "expiring",
        "gift_redeemed",
        "points_adjusted",
        "points_expiring",
        "ready",
    ]
    assert settings_of(manager)["mails_on"] == ["redeemed", "shipped"]


@pytest.mark.parametrize(
    ("typed", "sentence"),
    [
        ("office@example.com\nnot an address", "is no e-mail address. Write one a line."),
        ("\n".join(f"a{number}@example.com" for number in range(11)), "11 addresses are too many"),
    ],
)
def test_bad_addresses_of_the_back_office_are_refused_by_name(manager, programme, typed, sentence):
    answer = saved(manager, office_emails=typed)

    assert sentence in body(answer)
    assert Programme.objects.get().office_emails == [OFFICE]


def test_those_who_only_look_see_which_mails_are_sent(signed_in, programme):
    programme.mails_off = ["expiring"]
    programme.save()

    text = body(signed_in("viewer").get(reverse("admin:merchant_programme_change", args=(1,))))

    assert "Reward redeemed" in text
    assert "Reward expires soon" not in text
    assert OFFICE in text
