"""Segments: saved filters over everything the desk knows of a customer, asked anew each time."""

from datetime import UTC, date, datetime, timedelta
from decimal import Decimal

import pytest
from django.db import IntegrityError, connection, transaction
from django.db.models import QuerySet
from django.test.utils import CaptureQueriesContext

from loyalty.common import actors
from loyalty.common.causes import Cause, CauseType
from loyalty.customers.models import Customer, CustomerIdentity, CustomerState, Tier
from loyalty.events.models import Event
from loyalty.merchant import queries as merchant
from loyalty.merchant.models import MailKind, Programme
from loyalty.merging import joining
from loyalty.messages import choices
from loyalty.points import adjustments, ledger
from loyalty.points.models import TransactionKind
from loyalty.program.models import Order
from loyalty.program.referrals.models import Referral
from loyalty.segments import criteria, keeping, queries
from loyalty.segments.criteria import CriteriaRefused
from loyalty.segments.keeping import SegmentRefused
from loyalty.segments.models import Segment
from rewards import cancellation, granting
from tests.factories.catalogue import CustomFactory
from tests.factories.people import ConnectionFactory, CustomerFactory, ShippingAddressFactory
from tests.factories.points import NOW, give

pytestmark = pytest.mark.django_db
STAFF = actors.SYSTEM
DAY = timedelta(days=1)


def who(*, now=NOW, **parameters):
    """The first names of those who fit."""
    given = {
        name: [str(each) for each in (value if isinstance(value, list) else [value])]
        for name, value in parameters.items()
    }
    programme = merchant.programme()
    meant = criteria.read(given, programme=programme)
    found = criteria.of(meant, programme=programme, now=now)
    return "".join(sorted(found.values_list("first_name", flat=True)))


def words(**parameters):
    given = {name: value if isinstance(value, list) else [value] for name, value in parameters.items()}
    return criteria.read(given, programme=merchant.programme()).words


def saved(name="Regulars", **parameters):
    given = {name: value if isinstance(value, list) else [value] for name, value in parameters.items()}
    return keeping.save(segment_id=None, name=name, parameters=given or {"state": ["member"]}, actor=STAFF, now=NOW)


def person(name, *, joined=None, **more):
    made = CustomerFactory(first_name=name, **more)
    if joined is not None:
        Customer.objects.filter(pk=made.pk).update(created_at=joined)
    return made


def order(customer, total=50, *, at=NOW, **more):
    said = {"status": "completed", "currency": merchant.programme().currency, **more}
    number = str(Order.objects.count() + 1)
    return Order.objects.create(
        customer=customer, external_id=number, number=number, total=Decimal(total), placed_at=at, changed_at=at,
        recorded_at=at, **said,
    )  # fmt: skip


def spend(customer, points, *, at=NOW):
    return ledger.debit(
        customer_id=customer.pk, points=points, kind=TransactionKind.REDEMPTION, cause=Cause(CauseType.API, 1),
        actor=STAFF, now=at,
    )  # fmt: skip


def test_narrows_by_who_somebody_is():
    gold = Tier.objects.create(name="Gold", rank=1)
    shop = ConnectionFactory(name="Main shop")
    Programme.objects.update_or_create(pk=1, defaults={"language": "en"})
    a = person("A", tier=gold, language="de", date_of_birth=date(1990, 3, 9))
    b = person("B", state=CustomerState.CANDIDATE, email=None, phone="+48501234567", date_of_birth=date(1004, 5, 1))
    c = person("C", state=CustomerState.DISABLED)
    ShippingAddressFactory(customer=a, country="DE")
    CustomerIdentity.objects.create(customer=b, connection=shop, external_id="7")
    choices.unsubscribe(customer_id=c.pk, kind=MailKind.POINTS_EXPIRING, now=NOW)

    assert who(state=["member", "candidate"]) == "AB"
    assert who(tier=gold.pk) == "A"
    assert who(language="de") == "A"
    assert who(language="en, fr") == "BC"
    assert who(country="de, pl") == "A"
    assert who(birth_month=[3, 5]) == "AB"
    assert who(shop=shop.pk) == "B"
    assert who(has_email="no") == "B"
    assert who(reminders="no") == "C"
    assert who(reminders="yes", state="member") == "A"


def test_days_are_whole_ones_of_the_programmes_calendar_and_move_on_with_it():
    Programme.objects.update_or_create(pk=1, defaults={"time_zone": "Europe/Warsaw"})
    midnight = datetime(2026, 11, 18, 23, tzinfo=UTC)  # of 19 November in Warsaw
    person("A", joined=midnight)
    person("B", joined=midnight - timedelta(seconds=1))

    assert who(created_days=2) == "A"
    assert who(created_days=3) == "AB"
    assert who(created_days=2, now=NOW + DAY) == ""
    assert who(created_after="2026-11-19") == "A"
    assert who(created_before="2026-11-18") == "B"
    assert who(created_after="2026-11-18", created_before="2026-11-19") == "AB"


def test_narrows_by_what_somebody_holds_as_of_now():
    a, b, _ = person("A"), person("B"), person("C")
    give(a, 100, expires_at=NOW + 5 * DAY)
    give(b, 200)

    assert who(balance_min=100) == "AB"
    assert who(balance_min=101) == "B"
    assert who(balance_max=100) == "AC"
    assert who(balance_min=0, balance_max=0) == "C"
    assert who(balance_min=100, now=NOW + 6 * DAY) == "B"
    assert who(points_end_days=5) == "A"
    assert who(points_end_days=4) == ""


def test_narrows_by_points_earned_and_spent_within_a_window():
    a, b, _ = person("A"), person("B"), person("C")
    give(a, 300, now=NOW - 40 * DAY)
    give(b, 500, now=NOW - 5 * DAY)
    adjustments.adjust(customer_id=a.pk, points=900, actor=STAFF, now=NOW)
    spend(b, 120)

    assert who(earned_min=300) == "AB"
    assert who(earned_min=1, points_days=30) == "B"
    assert who(earned_max=0, points_days=30) == "AC"
    assert who(earned_min=300, earned_max=499) == "A"
    assert who(spent_min=120, points_days=1) == "B"
    assert who(spent_max=119) == "AC"
    assert who(earned_min=1, points_after="2026-10-01", points_before="2026-10-31") == "A"


def test_points_that_came_back_were_not_spent():
    a = person("A")
    give(a, 200)
    debit = spend(a, 120)

    ledger.reverse(transaction_id=debit.pk, cause=Cause(CauseType.API, 1), actor=STAFF, now=NOW)

    assert who(spent_min=1) == ""
    assert who(spent_max=0) == "A"


def test_narrows_by_orders_their_amount_and_the_last_one():
    a, b, c, _ = person("A"), person("B"), person("C"), person("D")
    order(a, 100, at=NOW - 200 * DAY)
    order(a, 80, at=NOW - 100 * DAY, refunded=Decimal(30))
    order(b, 40, at=NOW - 5 * DAY)
    order(b, 999, at=NOW - 5 * DAY, status="placed")
    order(c, 70, at=NOW - DAY, status="cancelled")
    order(c, 70, at=NOW - 300 * DAY, currency="XXX")

    assert who(orders_min=2) == "AB"
    assert who(orders_min=1, orders_days=150) == "AB"
    assert who(orders_max=0) == "D"
    assert who(orders_max=0, orders_days=30) == "ACD"
    assert who(amount_min="150") == "A"
    assert who(amount_min="0.01", amount_max="149.99") == "B"
    assert who(amount_max="0") == "CD"
    assert who(last_order_days=10) == "B"
    assert who(no_order_days=90) == "AC"
    assert who(last_order_days=150, no_order_days=90) == "A"
    assert who(last_order_after="2026-11-01") == "B"
    assert who(last_order_before="2026-02-28") == "C"


def test_narrows_by_rewards_somebody_has_got_and_can_use():
    mug, pen = CustomFactory(name="Mug"), CustomFactory(name="Pen")
    a, b, c = person("A"), person("B"), person("C")

    def grant(customer, reward, now):
        return granting.grant(customer_id=customer.pk, reward_id=reward.pk, actor=STAFF, now=now)

    grant(a, mug, NOW - 60 * DAY)
    grant(b, pen, NOW)
    cancellation.cancel(redeemed_reward_id=grant(c, mug, NOW).pk, actor=STAFF, now=NOW)

    assert who(got=mug.pk) == "A"
    assert who(got=[mug.pk, pen.pk]) == "AB"
    assert who(got=[mug.pk, pen.pk], rewards_days=30) == "B"
    assert who(not_got=mug.pk) == "BC"
    assert who(not_got=mug.pk, rewards_days=30) == "ABC"
    assert who(usable_reward="yes") == "AB"
    assert who(usable_reward="no") == "C"


def test_narrows_by_who_recommended_whom():
    a, b, c, d = person("A"), person("B"), person("C"), person("D")
    common = {"created_at": NOW, "updated_at": NOW}
    Referral.objects.create(sender=a, friend=b, state="completed", completed_at=NOW, order=order(b), **common)
    Referral.objects.create(sender=c, friend=d, state="pending", **common)
    Referral.objects.create(sender=d, friend=a, state="blocked", block_reason="same_name", **common)

    assert who(recommended="completed") == "A"
    assert who(recommended="any") == "AC"
    assert who(recommended="no") == "BD"
    assert who(came_by="yes") == "ABD"
    assert who(came_by="no") == "C"


def test_all_of_it_must_fit():
    a, b = person("A"), person("B")
    give(a, 100)
    give(b, 100)
    order(b)

    assert who(balance_min=100, orders_min=1, state="member") == "B"


def test_what_somebody_did_before_they_were_merged_counts_for_who_they_are_now():
    mug = CustomFactory(name="Mug")
    old, new = person("O"), person("N")
    give(old, 300, now=NOW - 3 * DAY)
    granting.grant(customer_id=old.pk, reward_id=mug.pk, actor=STAFF, now=NOW)
    order(old)

    joining.merge(source_id=old.pk, survivor_id=new.pk, actor=STAFF, now=NOW)

    assert who(earned_min=300) == "N"
    assert who(got=mug.pk) == "N"
    assert who(orders_min=1) == "N"
    assert who(balance_min=300) == "N"
    assert who(state=["disabled", "member", "candidate"]) == "N"


def test_forgotten_customers_are_in_none():
    person("A", email=None, phone="+48501234567")
    Customer.objects.update(anonymised_at=NOW)

    assert who(has_email="no") == ""


@pytest.mark.parametrize(
    ("parameters", "sentence"),
    [
        ({"shoe_size": "39"}, "There is no filter “shoe_size” for customers. Leave it out."),
        ({}, "Nothing narrows the customers, so that all of them would be meant. Choose something."),
        ({"state": ["member", "king"]}, "Who they are, state: “king” is none of them, or none any more."),
        ({"tier": "4711"}, "Who they are, tier: “4711” is none of them"),
        ({"balance_min": "many"}, "What they hold, active points, at least: Enter a whole number."),
        ({"earned_min": "5", "earned_max": "4"}, "earned, at most: It is less than at least 5. Choose a larger one."),
        ({"orders_days": "30"}, "Orders, in the last … days: A time alone narrows nothing."),
        ({"rewards_days": "30"}, "Rewards, in the last … days: A time alone narrows nothing. Choose a reward, too."),
        ({"created_days": "3", "created_after": "2026-01-01"}, "Say a number of days or dates, not both."),
        ({"created_after": "2026-02-01", "created_before": "2026-01-01"}, "It ends before it begins."),
        ({"created_after": "yesterday"}, "“yesterday” is not a date."),
        ({"last_order_days": "10", "no_order_days": "10"}, "Nobody's last order is both."),
        ({"country": "Poland"}, "Who they are, country: “Poland” is none. Write such as PL, or PL, DE."),
    ],
)
def test_refuses_what_cannot_be_meant_in_a_sentence(parameters, sentence):
    with pytest.raises(CriteriaRefused) as refused:
        words(**parameters)

    assert sentence in refused.value.sentence


def test_says_in_words_what_it_means():
    Programme.objects.update_or_create(pk=1, defaults={"currency": "EUR"})
    gold, mug = Tier.objects.create(name="Gold", rank=1), CustomFactory(name="Mug")

    assert words(state=["member", "candidate"], tier=str(gold.pk), orders_min="3", orders_days="90") == (
        "Member or Guest · in Gold · 3 or more orders in the last 90 days"
    )
    assert words(amount_min="10", amount_max="99.50", orders_after="2026-01-01") == (
        "10 to 99.50 EUR of orders from 2026-01-01"
    )
    assert words(orders_max="0", no_order_days="1", not_got=[str(mug.pk)], came_by="no") == (
        "No orders · last order longer ago than 1 day · has not got “Mug” · who came without a recommendation"
    )


def test_is_saved_changed_and_removed_by_somebody_who_is_written_down():
    segment = saved(" Regulars ", orders_min="3", orders_days="90", tier=[], country="")

    assert (segment.name, segment.criteria) == ("Regulars", {"orders_min": ["3"], "orders_days": ["90"]})

    changed = keeping.save(
        segment_id=segment.pk, name="Guests", parameters={"state": ["candidate"]}, actor=STAFF, now=NOW + DAY
    )
    keeping.remove(segment_id=segment.pk, actor=STAFF, now=NOW + DAY)
    keeping.remove(segment_id=segment.pk, actor=STAFF, now=NOW + DAY)

    assert (changed.pk, changed.created_at, changed.updated_at) == (segment.pk, NOW, NOW + DAY)
    assert not Segment.objects.exists()
    kinds = Event.objects.filter(subject_type="segment").order_by("pk").values_list("kind", flat=True)
    assert list(kinds) == ["segment.added", "segment.changed", "segment.removed"]


def test_refuses_a_name_twice_none_and_one_that_was_removed(monkeypatch):
    saved("Regulars")

    for name, segment_id, sentence in (
        ("regulars", None, "There is a segment “regulars” already."),
        ("  ", None, "A segment has a name of up to 80 characters."),
        ("x" * 81, None, "A segment has a name of up to 80 characters."),
        ("Others", 999_999, "There is no segment 999999 any more."),
    ):
        with pytest.raises(SegmentRefused, match=sentence):
            keeping.save(segment_id=segment_id, name=name, parameters={"state": ["member"]}, actor=STAFF, now=NOW)
    monkeypatch.setattr(keeping, "MOST_SEGMENTS", 1)
    with pytest.raises(SegmentRefused, match="There are 1 segments already"):
        saved("Others")
    assert [segment.name for segment in Segment.objects.all()] == ["Regulars"]


def test_the_database_keeps_no_segment_that_narrows_nothing():
    with pytest.raises(IntegrityError, match="segment_narrows"), transaction.atomic():
        Segment.objects.create(name="All", criteria={}, actor_kind="system", created_at=NOW, updated_at=NOW)


def test_is_counted_as_of_now_with_as_many_queries_whatever_the_customers():
    person("A")
    segments = [saved("Members", state="member"), saved("Buyers", orders_min="1")]

    def told():
        with CaptureQueriesContext(connection) as captured:
            found = queries.told(segments=segments, now=NOW)
        return [(found[each.pk].count, found[each.pk].exact) for each in segments], len(captured)

    few, at_first = told()
    for number in range(20):
        order(person(str(number)))
    many, later = told()

    assert few == [(1, True), (0, True)]
    assert many == [(21, True), (20, True)]
    assert at_first == later
    assert later <= 2 + 6 * len(segments)


def test_is_estimated_and_says_so_when_counting_takes_too_long(monkeypatch):
    segment = saved("Members", state="member")
    with connection.cursor() as cursor:
        cursor.execute("SHOW statement_timeout")
        before = cursor.fetchone()

    counted = queries.told(segments=[segment], now=NOW)[segment.pk]
    told = queries.told(segments=[segment], now=NOW, patience=0)[segment.pk]
    with connection.cursor() as cursor:
        cursor.execute("SHOW statement_timeout")
        assert cursor.fetchone() == before
    monkeypatch.setattr(QuerySet, "count", lambda rows: slow())
    count, exact = queries.counted(queries.customers(segment=segment, now=NOW), seconds=0.05)

    assert (counted.exact, told.exact, exact) == (True, False, False)
    assert told.count is not None
    assert count == told.count
    with connection.cursor() as cursor:
        cursor.execute("SHOW statement_timeout")
        assert cursor.fetchone() == before


def slow():
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_sleep(5)")
    return 0


def test_says_what_it_cannot_read_any_more_and_counts_nobody():
    gold = Tier.objects.create(name="Gold", rank=1)
    segment = saved("Gold", tier=str(gold.pk))
    gold.delete()

    told = queries.told(segments=[segment], now=NOW)[segment.pk]

    assert (told.count, told.words) == (None, "")
    assert "is none of them, or none any more" in told.trouble
    with pytest.raises(CriteriaRefused):
        queries.customers(segment=segment, now=NOW)
