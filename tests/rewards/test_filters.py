"""The filter set of redeemed rewards filters what its words say, at both ends, and never ignores what it cannot read."""

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from django.utils import timezone

from rewards import queries
from rewards.filters import RedeemedRewardFilter
from rewards.models import Cancellation
from tests.factories.catalogue import RewardFactory
from tests.factories.people import ConnectionFactory, CustomerFactory
from tests.rewards.admin_rows import AT, gift_row, row

pytestmark = pytest.mark.django_db

NOW = AT + timedelta(days=10)


def found(**data):
    filterset = RedeemedRewardFilter(data=data, queryset=queries.grid(now=NOW))
    assert filterset.is_valid(), filterset.form.errors
    return set(filterset.qs.values_list("pk", flat=True))


def refusal(**data):
    filterset = RedeemedRewardFilter(data=data, queryset=queries.grid(now=NOW))
    assert not filterset.is_valid()
    return str(next(iter(filterset.form.errors.values()))[0])


@pytest.fixture
def warsaw():
    with timezone.override(ZoneInfo("Europe/Warsaw")):
        yield


def test_a_date_as_the_beginning_means_its_first_instant_in_the_programmes_zone(warsaw):
    row(at=datetime(2026, 2, 28, 22, 59, 59, tzinfo=UTC))
    first = row(at=datetime(2026, 2, 28, 23, 0, tzinfo=UTC))

    assert found(redeemed_after="2026-03-01") == {first.pk}


def test_a_date_as_the_end_means_the_whole_day_in_the_programmes_zone(warsaw):
    last = row(at=datetime(2026, 3, 1, 22, 59, 59, tzinfo=UTC))
    row(at=datetime(2026, 3, 1, 23, 0, tzinfo=UTC))

    assert found(redeemed_before="2026-03-01") == {last.pk}


def test_a_whole_day_is_23_hours_when_the_clock_goes_forward(warsaw):
    last = row(at=datetime(2026, 3, 29, 21, 59, 59, tzinfo=UTC))
    row(at=datetime(2026, 3, 29, 22, 0, tzinfo=UTC))

    assert found(redeemed_after="2026-03-29", redeemed_before="2026-03-29") == {last.pk}


@pytest.mark.parametrize(
    "data",
    [
        {"redeemed_after": "2026-03-01 13:00", "redeemed_before": "2026-03-01T13:01"},
        {"redeemed_after": "2026-03-01T12:00:00Z", "redeemed_before": "2026-03-01T12:00:01Z"},
        {
            "redeemed_after_date": "2026-03-01",
            "redeemed_after_time": "13:00",
            "redeemed_before_date": "2026-03-01",
            "redeemed_before_time": "13:01",
        },
    ],
)
def test_a_date_with_a_time_is_that_instant_and_the_end_is_exclusive(warsaw, data):
    inside = row(at=datetime(2026, 3, 1, 12, 0, tzinfo=UTC))
    row(at=datetime(2026, 3, 1, 11, 59, 59, tzinfo=UTC))
    row(at=datetime(2026, 3, 1, 12, 1, tzinfo=UTC))

    assert found(**data) == {inside.pk}


def test_the_usage_range_leaves_out_what_was_not_used():
    row()
    early = row(usage_status="used", used_at=AT + timedelta(days=1))
    late = row(usage_status="used", used_at=AT + timedelta(days=3))

    assert found(used_after="2026-03-03") == {late.pk}
    assert found(used_before="2026-03-02") == {early.pk}
    assert found(used_after="2026-03-02", used_before="2026-03-04") == {early.pk, late.pk}


@pytest.mark.parametrize(
    "text", ["yesterday", "2026-02-30", "01.03.2026", "2026-03-01 25:00", "0001-01-01", "9999-12-31", "13:00"]
)
@pytest.mark.parametrize("name", ["redeemed_after", "redeemed_before", "used_after", "used_before", "updated_at_min"])
def test_refuses_what_is_no_date_and_says_what_to_write(name, text):
    assert refusal(**{name: text}) == (
        f"“{text}” is not a date. Write a date such as 2026-03-01, with a time such as 2026-03-01 14:30 if it matters."
    )


def test_refuses_a_time_without_a_date():
    assert "is not a date" in refusal(redeemed_after_time="13:00")


def test_used_and_unused():
    unused = row()
    used = row(usage_status="used")

    assert found(usage="unused") == {unused.pk}
    assert found(usage="used") == {used.pk}
    assert found(usage=["used", "unused"]) == {used.pk, unused.pk}


def test_each_status_finds_its_own_rows_and_no_others():
    cancelling = row()
    Cancellation.objects.create(
        redeemed_reward=cancelling, return_points=True, actor_kind="staff", created_at=NOW, due_at=NOW
    )
    rows = {
        "pending": row(fulfillment_status="pending"),
        "failed": row(fulfillment_status="failed"),
        "issued": row(expires_at=NOW + timedelta(seconds=1)),
        "used": row(usage_status="used", expires_at=NOW - timedelta(days=1)),
        "cancelling": cancelling,
        "cancelled": row(fulfillment_status="cancelled"),
        "expired": row(expires_at=NOW),
    }

    assert {status: found(status=status) for status in rows} == {status: {each.pk} for status, each in rows.items()}
    assert found(status=["used", "expired"]) == {rows["used"].pk, rows["expired"].pk}


def test_a_pending_reward_that_is_being_cancelled_is_found_as_cancelling():
    pending = row(fulfillment_status="pending")
    Cancellation.objects.create(
        redeemed_reward=pending, return_points=True, actor_kind="staff", created_at=NOW, due_at=NOW
    )

    assert found(status="cancelling") == {pending.pk}
    assert found(status="pending") == set()


def test_type_delivery_status_and_shop():
    shop, other = ConnectionFactory(), ConnectionFactory()
    gift = gift_row(usage_status="used")
    shipped = gift_row(usage_status="used", delivery_status="shipped")
    here = row(connection=shop)
    there = row(connection=other, reward=RewardFactory(type="free_delivery", amount=None))

    assert found(type="gift") == {gift.pk, shipped.pk}
    assert found(type=["free_delivery", "discount_code"]) == {here.pk, there.pk}
    assert found(delivery_status="shipped") == {shipped.pk}
    assert found(shop=str(shop.pk)) == {here.pk}
    assert found(shop="") == {gift.pk, shipped.pk, here.pk, there.pk}


@pytest.mark.parametrize("name", ["usage", "status", "type", "delivery_status", "shop", "fulfillment_status"])
def test_refuses_a_word_it_does_not_know(name):
    assert "nonsense is not one of the available choices" in refusal(**{name: "nonsense"})


def test_customer_and_axes_and_changes_as_integrators_ask_for_them():
    customer = CustomerFactory()
    mine = row(customer=customer, updated_at=NOW)
    cancelled = row(fulfillment_status="cancelled")

    assert found(customer_id=str(customer.pk)) == {mine.pk}
    assert found(fulfillment_status="cancelled") == {cancelled.pk}
    assert found(usage_status="unused", updated_at_min=NOW.isoformat()) == {mine.pk}
    assert refusal(customer_id="-1") == "Ensure this value is greater than or equal to 1."
    assert refusal(customer_id="9" * 30) == f"Ensure this value is less than or equal to {2**63 - 1}."


@pytest.fixture
def people():
    anna = CustomerFactory(email="Anna.N@example.com", phone="+48600123456", first_name="Anna", last_name="Nowak")
    other = CustomerFactory(email="o@example.com", phone=None, first_name="Óscar", last_name="Nowakowski")
    return row(customer=anna, code="SUMMER-7KQ2M9XWPB").pk, row(customer=other, code="ANNA-2222222222").pk


@pytest.mark.parametrize(
    "text", ["anna.n@EXAMPLE.com", "600 123-456", "+48 600 123 456", "nowak anna", "  Anna  Nowak "]
)
def test_search_finds_customers_by_e_mail_phone_and_words(people, text):
    assert found(search=text) == {people[0]}


@pytest.mark.parametrize("text", ["SUMMER-7KQ2M9XWPB", "summer-7kq", " Summer "])
def test_search_finds_codes_by_how_they_begin(people, text):
    assert found(search=text) == {people[0]}


def test_search_finds_customers_and_codes_together(people):
    assert found(search="anna") == set(people)


def test_search_matches_part_of_a_name_but_only_the_beginning_of_a_code(people):
    assert found(search="nowak") == set(people)
    assert found(search="óscar") == {people[1]}
    assert found(search="7KQ2M9XWPB") == set()
    assert found(search="%") == set()
    assert found(search="   ") == set(people)


def test_search_takes_many_codes_and_many_customers_too(people, monkeypatch):
    monkeypatch.setattr("rewards.filters.FEW_CODES", 0)
    monkeypatch.setattr("rewards.filters.FEW_CUSTOMERS", 0)

    assert found(search="anna") == set(people)
    assert found(search="summer") == {people[0]}
    assert found(search="óscar") == {people[1]}
