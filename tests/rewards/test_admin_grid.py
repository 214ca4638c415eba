"""The redeemed rewards grid: its columns, its order, its filters, its counts, and what never stands in it."""

import re
from datetime import timedelta
from decimal import Decimal
from html import unescape

import pytest
from django.contrib.admin import site
from django.db import connection as database
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from loyalty.common.adminkit import lists
from rewards import states
from rewards.admin import grid_list, paging
from rewards.models import Cancellation, RedeemedReward
from tests.factories.catalogue import RewardFactory
from tests.factories.people import ConnectionFactory, CustomerFactory
from tests.rewards.admin_rows import (
    AT,
    FAILED,
    GRID,
    VIEW,
    attempt,
    gift_row,
    listed,
    row,
    set_zone,
    sorted_by,
    staff,
    words,
)

pytestmark = pytest.mark.django_db

HEADINGS = [
    "Redeem date and time",
    "Status",
    "Usage date and time",
    "Cost in points",
    "Tax value",
    "E-mail",
    "Phone",
    "Reward",
    "Type",
    "First name",
    "Surname",
    "Active points after",
    "Delivery status",
    "Cashback status",
    "Unused / used",
]
INDEXES = [index for index in RedeemedReward._meta.indexes if str(index.condition) == "(AND: ('on_profile', True))"]
OUR_TABLES = ("rewards_", "customers_", "merchant_", "platforms_", "points_", "events_", "jobs_")


@pytest.fixture
def viewer():
    return staff(VIEW)


def own_queries(captured):
    """Queries on our tables: not those for the session, the person and their rights."""
    return [each["sql"] for each in captured.captured_queries if any(name in each["sql"] for name in OUR_TABLES)]


def test_shows_every_column_in_order(viewer):
    set_zone("Europe/Warsaw")
    customer = CustomerFactory(email="a@example.com", phone="+48600", first_name="Ada", last_name="Byron")
    gift_row(
        customer=customer,
        code="MUG-2345",
        cost_in_points=1200,
        tax_value=Decimal("2.5"),
        balance_after=3400,
        usage_status="used",
        delivery_status="shipped",
    )

    page = words(viewer.get(GRID))

    assert [name for name in HEADINGS if name in page] == HEADINGS
    assert "1 Mar 2026, 13:00 Used 1 Mar 2026, 14:00 1 200 2.50 USD a@example.com +48600 A mug (MUG-2345)" in page
    assert "(MUG-2345) Gift Ada Byron 3 400 Shipped – Used" in page


def test_headings_stand_in_the_order_of_the_columns(viewer):
    row()

    page = words(viewer.get(GRID))

    places = [page.index(f" {name} ", page.index("Redeem date and time") - 1) for name in HEADINGS]
    assert places == sorted(places)


def test_the_view_link_leads_to_the_page_with_the_address(viewer):
    redeemed = row()

    assert f'href="{GRID}{redeemed.pk}/change/#address"' in viewer.get(GRID).content.decode()


def test_newest_first_and_ties_by_number_in_the_same_direction(viewer):
    old, first, second = row(at=AT - timedelta(days=1)), row(), row()

    assert listed(viewer.get(GRID)) == [second.pk, first.pk, old.pk]
    assert sorted_by(viewer, "redeemed") == [old.pk, first.pk, second.pk]


def test_sorts_by_usage_date_with_unused_ones_last_and_the_reverse_of_that(viewer):
    unused = row()
    early = row(usage_status="used", used_at=AT + timedelta(hours=1))
    late = row(usage_status="used", used_at=AT + timedelta(hours=2))

    assert sorted_by(viewer, "used", down=True) == [late.pk, early.pk, unused.pk]
    assert sorted_by(viewer, "used") == [unused.pk, early.pk, late.pk]


def test_sorts_by_delivery_status_and_then_by_redeem_date(viewer):
    ordered_late = gift_row(usage_status="used")
    ordered_early = gift_row(usage_status="used", at=AT - timedelta(days=1))
    shipped = gift_row(usage_status="used", delivery_status="shipped")

    assert sorted_by(viewer, "delivery_word") == [ordered_early.pk, ordered_late.pk, shipped.pk]


SORTED = {
    "cost": [{"cost_in_points": 5}, {"cost_in_points": 40}, {"cost_in_points": 300}],
    "tax": [{"tax_value": None}, {"tax_value": Decimal("2.5")}, {"tax_value": Decimal("10")}],
    "email": [{"customer_email": ""}, {"customer_email": "a@example.com"}, {"customer_email": "b@example.com"}],
    "phone": [{"customer_phone": ""}, {"customer_phone": "+48600"}, {"customer_phone": "+48601"}],
    "reward_with_code": [{"name": "Coupon"}, {"name": "Mug"}, {"name": "Ticket"}],
    "kind": [{"type": "discount_code"}, {"type": "free_delivery"}, {"type": "gift"}],
    "first_name": [{"customer_first_name": "Ada"}, {"customer_first_name": "Bo"}, {"customer_first_name": "Cy"}],
    "surname": [{"customer_last_name": "Ash"}, {"customer_last_name": "Birch"}, {"customer_last_name": "Cedar"}],
    "points_after": [{"balance_after": 0}, {"balance_after": 9}, {"balance_after": 10}],
    "used_or_not": [{"usage_status": "untracked"}, {"usage_status": "unused"}, {"usage_status": "used"}],
}


@pytest.mark.parametrize("column", SORTED)
def test_sorts_by_every_column_up_and_down(viewer, column):
    middle, last, first = (row(**SORTED[column][place]) for place in (1, 2, 0))

    assert sorted_by(viewer, column) == [first.pk, middle.pk, last.pk]
    assert sorted_by(viewer, column, down=True) == [last.pk, middle.pk, first.pk]


def test_every_column_but_the_derived_status_has_an_order_and_an_index_that_serves_it(viewer):
    grid = site._registry[RedeemedReward]
    served = [tuple(index.fields) or tuple(part.expression.name for part in index.expressions) for index in INDEXES]

    assert set(grid.list_display) - set(grid.sorts) == {"status_word", "view"}
    assert [fields for fields, _ in grid.sorts.values() if (*fields, "id") not in served] == []


@pytest.mark.parametrize("order", ["status_word", "--cost", "3", "-", "id"])
def test_an_order_it_does_not_have_is_said(viewer, order):
    row()

    page = viewer.get(GRID, {"o": order})

    assert listed(page) == []
    assert f"There is no column “{order}” to sort by." in words(page)


def test_attempts_never_stand_in_the_grid_and_have_a_list_of_their_own(viewer):
    failed = attempt(failure_reason="The shop said no.")
    checking = attempt(fulfillment_status="pending", failure_reason="")
    granted_failure = row(fulfillment_status="failed")

    assert listed(viewer.get(GRID)) == [granted_failure.pk]
    page = viewer.get(FAILED)
    assert listed(page) == [checking.pk, failed.pk]
    assert "The shop said no." in words(page)
    assert "Being checked" in words(page)


@pytest.mark.parametrize("url", [GRID, FAILED])
def test_opens_only_for_those_who_may_see_redeemed_rewards(url):
    assert staff("rewards.view_reward").get(url).status_code == 403
    assert staff(VIEW).get(url).status_code == 200


def test_nobody_adds_changes_or_deletes_rows_by_hand():
    redeemed = row()
    everything = staff(
        VIEW, "rewards.add_redeemedreward", "rewards.change_redeemedreward", "rewards.delete_redeemedreward"
    )

    assert everything.get(f"{GRID}add/").status_code == 403
    assert everything.post(f"{GRID}{redeemed.pk}/delete/", {"post": "yes"}).status_code == 403
    assert everything.post(f"{GRID}{redeemed.pk}/change/", {"name": "x"}).status_code == 405
    assert "delete_selected" not in everything.get(GRID).content.decode()


@pytest.mark.parametrize(
    ("query", "wanted"),
    [
        ({"redeemed_after": "2026-03-02"}, "late"),
        ({"redeemed_before": "2026-03-01"}, "early"),
        ({"used_after": "2026-03-05"}, "late"),
        ({"used_before": "2026-03-05 13:00"}, "none"),
        ({"usage": "unused"}, "early"),
        ({"status": "used"}, "late"),
        ({"type": "gift"}, "late"),
        ({"delivery_status": "ordered"}, "late"),
        ({"search": "kim@example.com"}, "early"),
        ({"search": "LATE-"}, "late"),
        ({"kind": "physical"}, "late"),
        ({"kind": "virtual"}, "early"),
        ({"origin": "api"}, "late"),
        ({"failure": "not_made"}, "late"),
    ],
)
def test_each_filter_filters(viewer, query, wanted):
    rows = {
        "early": row(customer=CustomerFactory(email="kim@example.com")),
        "late": gift_row(
            at=AT + timedelta(days=4), usage_status="used", code="LATE-22222", origin="api", failure_code="not_made"
        ),
    }

    assert listed(viewer.get(GRID, query)) == ([rows[wanted].pk] if wanted in rows else [])


def test_the_shop_filter_names_the_shops(viewer):
    shop = ConnectionFactory(name="Roastery")
    mine = row(connection=shop)
    row()

    page = viewer.get(GRID, {"shop": shop.pk})

    assert listed(page) == [mine.pk]
    assert "Shop Roastery" in words(page)


def test_the_reward_filter_names_the_rewards(viewer):
    mine = row()
    row()

    page = viewer.get(GRID, {"reward": mine.reward_id})

    assert listed(page) == [mine.pk]
    assert f"Reward {mine.reward.name}" in words(page)


def test_chips_say_what_is_chosen_and_in_which_zone_times_are(viewer):
    set_zone("Asia/Tokyo")

    page = words(viewer.get(GRID, {"redeemed_after": "2026-03-01", "status": ["issued", "used"]}))

    assert "Redeemed from 2026-03-01" in page
    assert "Status Used, Issued" in page or "Status Issued, Used" in page
    assert "Times are in Asia/Tokyo. A date without a time means the whole day." in page
    assert "Clear all" in page


def test_a_filter_without_a_chip_of_its_own_gets_one_when_it_is_in_use(viewer):
    redeemed = row()
    row()

    page = viewer.get(GRID, {"customer_id": redeemed.customer_id})

    assert listed(page) == [redeemed.pk]
    assert f"Customer {redeemed.customer_id}" in words(page)


@pytest.mark.parametrize(
    ("query", "sentence"),
    [
        ({"redeemed_after": "soon"}, "Redeemed from: “soon” is not a date."),
        ({"used_before": "soon"}, "Used until: “soon” is not a date."),
        ({"used_after": "2026-03-02", "used_before": "2026-03-01"}, "Used: it ends before it begins."),
        ({"redeemed_after": "2026-03-02 14:00", "redeemed_before": "2026-03-02 13:59"}, "Redeemed: it ends before it"),
        ({"q": "kim"}, "There is no filter “q” in this list."),
        ({"status": "lost"}, "lost is not one of the available choices"),
        ({"used_at__gte": "2026-01-01"}, "There is no filter “used_at__gte” in this list."),
    ],
)
def test_what_cannot_be_read_is_said_and_shows_no_rows(viewer, query, sentence):
    row()

    page = viewer.get(GRID, query)

    assert page.status_code == 200
    assert listed(page) == []
    assert sentence in words(page)


def test_counts_no_further_than_the_cap(viewer, monkeypatch):
    monkeypatch.setattr(lists, "COUNT_CAP", 2)
    for _ in range(3):
        row()

    assert "More than 2 redeemed rewards" in words(viewer.get(GRID))
    monkeypatch.setattr(lists, "COUNT_CAP", 3)
    assert "3 redeemed rewards" in words(viewer.get(GRID))
    assert "More than" not in words(viewer.get(GRID))


@pytest.mark.parametrize("query", [{}, {"search": "customer", "status": "issued", "redeemed_after": "2026-01-01"}])
def test_takes_as_many_queries_for_a_hundred_rows_as_for_one(viewer, query):
    shop = ConnectionFactory()
    row(connection=shop, code="A-0000000001")
    viewer.get(GRID, query)
    with CaptureQueriesContext(database) as one:
        assert len(listed(viewer.get(GRID, query))) == 1
    for number in range(99):
        row(connection=shop, code=f"B-{number:010d}")

    with CaptureQueriesContext(database) as hundred:
        assert len(listed(viewer.get(GRID, query))) == 50

    assert len(own_queries(hundred)) == len(own_queries(one)) <= 6
    assert len(hundred) == len(one)


@pytest.fixture
def small_pages(monkeypatch):
    monkeypatch.setattr(grid_list, "SIZES", (2, 3))
    monkeypatch.setattr(grid_list, "USUAL_SIZE", 2)


SAME_DAY = [AT, AT, AT - timedelta(days=1), AT - timedelta(days=1), AT - timedelta(days=2), AT - timedelta(days=2), AT]
WALKS = [
    ("-redeemed", {}),
    ("redeemed", {}),
    ("-used", {"usage_status": "used"}),
    ("used", {"usage_status": "used"}),
    ("-tax", {"tax_value": Decimal(3)}),
    ("tax", {"tax_value": Decimal(3)}),
    ("kind", {}),
    ("-email", {}),
    ("-delivery_word", {}),
]


@pytest.mark.usefixtures("small_pages")
@pytest.mark.parametrize(("order", "fields"), WALKS)
def test_pages_by_key_give_the_rows_of_the_whole_list_in_either_direction(viewer, order, fields):
    """With ties, with empty values at one end, from either end: nothing twice, nothing left out."""
    for number, at in enumerate(SAME_DAY):
        row(at=at, **(fields if number % 3 else {}))
    whole = whole_list(order)

    there, back = [], []
    page = viewer.get(GRID, {"o": order})
    there += listed(page)
    while "next" in page.context["cl"].steps:
        page = viewer.get(GRID, {"o": order, "after": there[-1]})
        there += listed(page)
    page = viewer.get(GRID, {"o": order, "before": "end"})
    back = listed(page)
    while page.context["cl"].steps.get("previous") and len(back) < len(whole):
        page = viewer.get(GRID, {"o": order, "before": back[0]})
        back = [pk for pk in listed(page) if pk not in back] + back

    assert there == whole
    assert back == whole


def whole_list(order):
    fields, nullable = site._registry[RedeemedReward].sorts[order.lstrip("-")]
    sort = paging.Sort(fields=fields, descending=order.startswith("-"), nullable=nullable)
    return list(RedeemedReward.objects.order_by(*sort.order()).values_list("pk", flat=True))


@pytest.mark.usefixtures("small_pages")
def test_the_last_page_is_read_from_the_end_and_leads_back(viewer):
    rows = [row(at=AT - timedelta(days=number)) for number in range(5)]

    page = viewer.get(GRID, {"before": "end", "usage": "unused"})

    assert listed(page) == [rows[3].pk, rows[4].pk]
    assert page.context["cl"].steps == {
        "first": "?usage=unused",
        "previous": f"?before={rows[3].pk}&usage=unused",
    }
    assert "2 redeemed rewards at the end" in words(page)


@pytest.mark.usefixtures("small_pages")
def test_the_page_before_the_second_row_is_the_first_page(viewer):
    rows = [row(at=AT - timedelta(days=number)) for number in range(3)]

    page = viewer.get(GRID, {"before": rows[1].pk})

    assert listed(page) == [rows[0].pk, rows[1].pk]


@pytest.mark.usefixtures("small_pages")
def test_beyond_the_last_counted_page_goes_on_by_key(viewer, monkeypatch):
    monkeypatch.setattr(lists, "COUNT_CAP", 4)
    rows = [row(at=AT - timedelta(days=number)) for number in range(6)]

    second = viewer.get(GRID, {"p": "2"})

    assert second.context["cl"].steps["next"] == f"?after={rows[3].pk}"
    assert listed(viewer.get(GRID, {"after": rows[3].pk})) == [rows[4].pk, rows[5].pk]


@pytest.mark.usefixtures("small_pages")
def test_a_page_holds_as_many_rows_as_were_asked_for_of_the_sizes_there_are(viewer):
    for _ in range(4):
        row()

    assert len(listed(viewer.get(GRID))) == 2
    assert len(listed(viewer.get(GRID, {"per": "3"}))) == 3
    assert "A page holds 2, 3 rows, not “1000”." in words(viewer.get(GRID, {"per": "1000"}))


@pytest.mark.parametrize("query", [{"after": "x"}, {"before": "-1"}, {"after": "9" * 30}])
def test_a_place_that_is_none_is_said(viewer, query):
    row()

    assert "is no place in the list" in words(viewer.get(GRID, query))


def test_a_place_whose_row_does_not_exist_shows_the_beginning(viewer):
    redeemed = row()

    assert listed(viewer.get(GRID, {"after": redeemed.pk + 1000})) == [redeemed.pk]


def test_sorting_and_filtering_begin_at_the_first_page(viewer):
    redeemed = row()

    page = viewer.get(GRID, {"before": "end", "usage": "unused"})

    assert listed(page) == [redeemed.pk]
    assert all("before" not in head["url"] for head in page.context["cl"].heads)


KINDS_OF_REQUEST = [
    {},
    {"p": "2"},
    {"before": "end"},
    {"search": "customer"},
    {"search": "B-0000000001"},
    {"search": "nobody at all"},
    {"o": "-used", "usage": "used"},
    {"o": "email"},
    {"status": "issued", "kind": "virtual", "redeemed_after": "2026-01-01", "origin": "staff"},
    {"search": "customer", "shop": "SHOP", "reward": "REWARD", "before": "ROW"},
    {"failure": "not_made", "delivery_status": "ordered", "type": "gift"},
]


@pytest.mark.parametrize("query", KINDS_OF_REQUEST)
def test_takes_at_most_six_queries_and_counts_no_further_than_the_cap(viewer, query):
    shop = ConnectionFactory()
    reward = RewardFactory()
    made = [row(connection=shop, reward=reward, code=f"B-{number:010d}") for number in range(60)]
    real = {"SHOP": shop.pk, "REWARD": made[0].reward_id, "ROW": made[5].pk}
    query = {name: real.get(value, value) for name, value in query.items()}
    viewer.get(GRID, query)

    with CaptureQueriesContext(database) as captured:
        response = viewer.get(GRID, query)

    assert response.context["cl"].problems == []
    own = own_queries(captured)
    assert len(own) <= 6
    assert all("LIMIT 10001" in sql for sql in own if "COUNT(" in sql)


@pytest.mark.parametrize(("page", "shown"), [("2", 1), ("99", 1), ("0", 50), ("x", 50)])
def test_a_page_that_is_not_there_shows_the_nearest_and_keeps_the_filters(viewer, page, shown):
    for _ in range(51):
        row()

    assert len(listed(viewer.get(GRID, {"usage": "unused", "p": page}))) == shown


def test_never_counts_the_whole_table(viewer):
    row()

    with CaptureQueriesContext(database) as captured:
        viewer.get(GRID)

    counts = [sql for sql in own_queries(captured) if "COUNT(" in sql]
    assert len(counts) == 1
    assert "LIMIT 10001" in counts[0]


def test_the_first_page_counts_what_waits_and_links_to_it(viewer):
    now = timezone.now()
    pending = row(fulfillment_status="pending")
    today = attempt(at=now)
    attempt(at=now - timedelta(days=2))
    cancelling = row()
    Cancellation.objects.create(
        redeemed_reward=cancelling, return_points=True, actor_kind="staff", created_at=now, due_at=now
    )
    parcel = gift_row(usage_status="used")
    gift_row(usage_status="used", delivery_status="shipped")

    stats = viewer.get("/admin/").context["stats"]

    assert [(each.label, each.value) for each in stats] == [
        ("Waiting for a shop", "1"),
        ("Failed redemptions today", "1"),
        ("Cancellations not done", "1"),
        ("Gifts to ship", "1"),
    ]
    assert [listed(viewer.get(each.url)) for each in stats] == [[pending.pk], [today.pk], [cancelling.pk], [parcel.pk]]


def test_the_first_page_tells_no_numbers_to_those_who_may_not_see_them():
    assert staff("rewards.view_reward").get("/admin/").context["stats"] == []


def test_the_status_filter_says_what_each_word_means_and_whether_the_customer_sees_it():
    row()
    page = staff(VIEW).get(GRID).content.decode()

    for number, status in enumerate(states.Status.values):
        box = re.search(
            rf'<input type="checkbox" name="status" value="{status}" id="(\w+)" aria-describedby="(\w+)">', page
        )
        assert (box[1], box[2]) == (f"id_status_{number}", f"id_status_{number}_hint")
        hint = unescape(re.search(rf'<p class="desk-told__hint" id="{box[2]}">(.*?)</p>', page)[1])
        meant = [each for each in states.TABLE if each.status == status and each.key not in ("attempt", "checking")]
        assert all(each.meaning in hint for each in meant)
        assert hint.endswith(f"Visible to the customer: {'yes' if meant[0].visible else 'no'}.")
    assert "No points were spent." not in page
