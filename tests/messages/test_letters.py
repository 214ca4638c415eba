"""Letters: what a mail says, in whose words, and what it never says."""

import re
from decimal import Decimal

import pytest

from loyalty.common import actors
from loyalty.common.actors import SYSTEM
from loyalty.customers.models import Customer
from loyalty.events import log
from loyalty.merchant.models import CUSTOMER_MAILS, MailKind, Programme
from loyalty.messages import layout, letters, occasions, wording
from loyalty.messages.editable import TEXTS
from loyalty.messages.models import Mail
from rewards import delivery, usage
from rewards.models import RedeemedReward, Reward
from tests.factories.catalogue import CouponGiftFactory, GiftCardFactory, GiftFactory, RewardFactory
from tests.factories.people import ConnectionFactory
from tests.messages.conftest import NOW, OFFICE, queued, send

pytestmark = pytest.mark.django_db(transaction=True)
STAFF = actors.staff(1)


@pytest.fixture(autouse=True)
def _reached_from_anywhere(settings):
    settings.PUBLIC_URL = "https://rewards.example.com"


@pytest.fixture
def letter(read):
    """The letter of that kind, as it would be sent now."""

    def compose(kind: MailKind) -> layout.Letter:
        read()
        return letters.compose(mail=Mail.objects.filter(kind=kind).latest("pk"), now=NOW)

    return compose


def test_a_confirmation_holds_the_code_the_days_and_the_merchants_words(redeemed, letter):
    reward = redeemed(
        RewardFactory(days_valid=30, minimum_order=Decimal(20)),
        usage_instructions="Type it at the checkout.",
        terms="Once per order.",
    )

    written = letter(MailKind.REDEEMED)

    assert (written.address, written.subject) == ("anna@example.com", "You redeemed: $5 off")
    for body in (written.text, written.html):
        assert reward.code.code in body
        assert "Hello Anna," in body
        assert "26 December 2026" in body
        assert "100 points" in body
        assert "Type it at the checkout." in body
        assert "Once per order." in body
        assert "For orders of $20 or more." in body
        assert f"https://rewards.example.com/my-rewards/{reward.pk}/" in body


def test_what_is_kept_of_a_mail_hides_its_code(redeemed, letter):
    reward = redeemed(GiftCardFactory())

    written = letter(MailKind.REDEEMED)

    assert reward.code.code in written.text
    assert reward.code.code not in written.kept_text + written.kept_html
    assert layout.HIDDEN in written.kept_text


def test_words_are_those_of_the_redemption_and_never_an_internal_note(granted, letter):
    reward = granted(name="A mug, blue")
    RedeemedReward.objects.filter(pk=reward.pk).update(internal_note="He complained a lot")
    Reward.objects.filter(pk=reward.reward_id).update(name="A jug")

    written = letter(MailKind.READY)

    assert "A mug, blue" in written.subject
    assert "complained" not in written.text + written.html
    assert "A jug" not in written.text


@pytest.mark.parametrize(
    ("language", "subject"),
    [
        ("en", "A reward for you: $5 off"),
        ("de", "Eine Prämie für dich: $5 off"),
        ("pl-PL", "Nagroda dla Ciebie: $5 off"),
        ("ja", "特典をお届けします：$5 off"),
        ("xx", "Eine Prämie für dich: $5 off"),
        ("", "Eine Prämie für dich: $5 off"),
    ],
)
def test_speaks_the_customers_language_else_the_programmes(granted, letter, language, subject):
    Programme.objects.update(language="de")
    Customer.objects.update(language=language)
    granted()

    assert letter(MailKind.READY).subject == subject


def test_every_language_has_the_words_of_every_kind_with_the_same_names():
    def names(text: object) -> set[str]:
        return set(re.findall(r"{\w+}", str(text)))

    kinds = set(MailKind) - {MailKind.ALERT}
    for language in wording.LANGUAGES:
        assert set(wording.WORDS[language]) == kinds
        assert set(wording.PARTS[language]) == set(wording.PARTS["en"])
        assert set(TEXTS) >= occasions.TOLD_OF_TROUBLE
        for kind, words in wording.WORDS[language].items():
            assert names(words.subject) == names(wording.WORDS["en"][kind].subject)
            assert names(words.lines) == names(wording.WORDS["en"][kind].lines)
            assert words.button
    for text in TEXTS.values():
        for words in text.ours.values():
            assert names(words.subject) == names(text.ours["en"].subject)
            assert names(words.lines) == names(text.ours["en"].lines)
            assert bool(words.button) == text.has_button


def test_a_shipped_gift_names_its_carrier_and_leads_to_its_parcel(redeemed, letter):
    gift = redeemed(GiftFactory(), name="A mug")
    usage.mark_used(redeemed_reward_id=gift.pk, actor=STAFF, now=NOW)
    tracking = {"carrier": "DHL", "tracking_number": "00340", "tracking_url": "https://dhl.example/00340"}
    delivery.ship(redeemed_reward_id=gift.pk, actor=STAFF, now=NOW, comment="Left it at the back door", **tracking)

    written = letter(MailKind.SHIPPED)

    assert written.subject == "On its way: A mug"
    assert "Carrier: DHL" in written.text
    assert "Tracking number: 00340" in written.text
    assert 'href="https://dhl.example/00340"' in written.html
    assert "back door" not in written.text + written.html


def test_a_shipped_gift_without_a_link_leads_to_its_page(redeemed, letter):
    gift = redeemed(GiftFactory())
    usage.mark_used(redeemed_reward_id=gift.pk, actor=STAFF, now=NOW)
    delivery.ship(redeemed_reward_id=gift.pk, actor=STAFF, now=NOW)

    assert f"Open your reward:\nhttps://rewards.example.com/my-rewards/{gift.pk}/" in letter(MailKind.SHIPPED).text


def test_a_gift_is_told_to_the_back_office_with_its_page_and_packing_list_and_no_address(redeemed, letter):
    gift = redeemed(GiftFactory(), name="A mug")
    RedeemedReward.objects.update(shipping_address={"line_1": "Secret Street 7", "city": "Warszawa", "country": "PL"})

    written = letter(MailKind.GIFT_REDEEMED)

    assert (written.address, written.subject) == (OFFICE, f"Gift to send: A mug ({gift.pk})")
    assert f"https://rewards.example.com/admin/rewards/redeemedreward/{gift.pk}/change/" in written.text
    assert f"https://rewards.example.com/admin/rewards/redeemedreward/packing-list/?ids={gift.pk}" in written.text
    assert "Anna Nowak" in written.text
    assert "mark it used to order it" in written.text
    assert "Secret Street" not in written.text + written.html


def test_the_code_of_a_printed_coupon_is_in_the_parcel_not_in_the_mail(redeemed, letter):
    gift = redeemed(CouponGiftFactory())

    written = letter(MailKind.REDEEMED)

    assert gift.code.code not in written.text + written.html
    assert "It is ordered already" in letter(MailKind.GIFT_REDEEMED).text


def test_a_low_pool_says_how_many_are_left_and_where_to_mend_it(programme, letter):
    reward = RewardFactory(name="Ten off")
    log.record(
        kind="pool.low", subject_type="reward", subject_id=reward.pk, actor=SYSTEM, now=NOW, free=3, warn_below=9
    )

    written = letter(MailKind.CODES_LOW)

    assert written.subject == "Few codes left: Ten off"
    assert "holds 3 codes" in written.text
    assert f"/admin/rewards/codepool/{reward.pk}/change/" in written.text


def test_an_alert_says_what_happened(granted, letter):
    reward = granted()
    log.record(
        kind="reward.used_twice", subject_type="redeemed_reward", subject_id=reward.pk, customer_id=reward.customer_id,
        actor=SYSTEM, now=NOW, order_id="7",
    )  # fmt: skip

    written = letter(MailKind.ALERT)

    assert written.subject == f"Please look at: $5 off ({reward.pk})"
    assert "Its code was used on a second order." in written.text


def test_an_alert_of_a_shop_says_since_when_and_leads_to_it(programme, letter):
    Programme.objects.update(language="de", time_zone="Europe/Berlin")
    shop = ConnectionFactory(name="Lyon")
    log.record(
        kind="shop.unreachable", subject_type="store_connection", subject_id=shop.pk, actor=SYSTEM, now=NOW,
        since=NOW.isoformat(),
    )  # fmt: skip

    written = letter(MailKind.ALERT)

    assert written.subject == "Bitte den Shop ansehen: Lyon"
    assert "Der Shop antwortet seit 2026-11-26 13:00 nicht." in written.text
    assert f"/{shop.pk}/" in written.text


@pytest.mark.parametrize("broken", ["X\r\nBcc: thief@example.com", "X\nBcc: thief@example.com", "X\u2028Bcc: t@e.com"])
def test_names_begin_no_header_of_their_own(redeemed, read, mail_server, broken):
    Customer.objects.update(first_name=broken, last_name=broken)
    Programme.objects.update(name=broken)
    gift = redeemed(GiftFactory())
    RedeemedReward.objects.filter(pk=gift.pk).update(name=broken, customer_first_name=broken)
    read()

    assert send() == 2

    for taken in mail_server.taken:
        assert taken["Bcc"] is None
        assert len(taken.get_all("To")) == 1
        assert taken["To"] in {"anna@example.com", OFFICE}
        assert "\n" not in taken["Subject"]
        assert "X Bcc: t" in taken["Subject"]


def test_an_address_that_is_none_is_refused_before_the_server_sees_it(programme, mail_server):
    mail = queued(MailKind.TEST, recipient="a@example.com\nBcc: thief@example.com")
    before = mail_server.connections

    send()

    mail.refresh_from_db()
    assert (mail.state, mail_server.taken, mail_server.connections) == ("failed", [], before)
    assert "cannot be written as an e-mail" in mail.reason


def test_markup_in_words_stays_words(granted, letter):
    granted(name="<script>alert(1)</script>")

    written = letter(MailKind.READY)

    assert "<script>" not in written.html
    assert "&lt;script&gt;" in written.html


def test_customers_mails_and_those_of_the_office_say_why_they_come(redeemed, letter):
    redeemed(GiftFactory())

    assert "because you take part in Stars" in letter(MailKind.REDEEMED).text
    assert "your address stands in the settings" in letter(MailKind.GIFT_REDEEMED).text
    assert MailKind.GIFT_REDEEMED not in CUSTOMER_MAILS
