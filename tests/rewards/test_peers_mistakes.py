"""Mistakes that cost other systems money (races, refunds, repetition, slow lists, time), and where each is kept out.

Here and in `tests/concurrency/test_peers_races.py` and `tests/points/test_peers_mistakes.py` a test carries the number of
the report in its name. Those whose test stood before:

B3 B10 a value is read under the lock or judged again: `concurrency/test_locks.py`, each lock with and without it
B5 one code, two orders that are paid later: `program/test_orders.py::test_a_code_used_by_two_orders_stays_with_the_first`
B6 lock, then look: `concurrency/test_locks.py`. B9 the lock spans deciding and writing: the same
B11 many cancellations at once: `concurrency/test_races.py::test_canceling_many_times_at_once_returns_the_points_once`
B15 `points/test_clawback.py::test_earn_then_refund_is_net_zero_however_often`
B19 B20 any act in any order, any number of times: `test_reward_machine.py`
B24 `points/test_clawback.py::test_uses_the_amount_recorded_then_and_not_the_present_rate`
B31 a claim that ran out is taken over, one under way is not: `test_issuing.py`, `hooks/test_processing.py`
B34 B35 bounded queries and rows, no count of the table: `test_admin_grid.py`, `test_admin_page.py`, `make bench-grid`
B38 many rows are a job at once: `test_bulk.py`. B39 exactly as many codes, after a kill too: `test_pools_making.py`
B53 imports and exports in constant memory: `program/test_import_orders.py`, `test_admin_export.py`, `make bench-export`
B55 (sweeps) told once however often they run: `concurrency/test_peers_races.py`, `points/test_peers_mistakes.py`

Those that cannot happen here, and why:

B17 changing the reward of a confirmed order: no act changes which reward was redeemed; it is canceled and another taken
B21 the money of an order's refund: the desk never pays an order's money back; points go back to their lots, no cash
B23 refunding the purchase of a gift card: gift cards are redeemed for points, not sold; canceling kills them
B28 editing the quantity of a free product: a redeemed reward has no quantity; a price or value that moved is refused
B51 a card made when it is put into a cart: the desk has no cart; nothing is made before points are held
B55 (mails) notices are sent once: belongs to the messages, which are tested where they are
"""

import ast
from contextlib import suppress
from copy import deepcopy
from datetime import UTC, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from django.apps import apps
from django.contrib import admin
from django.contrib.admin.widgets import AutocompleteSelect, ForeignKeyRawIdWidget
from django.db import IntegrityError, connection, models, transaction
from django.forms import ModelChoiceField
from django.test import RequestFactory

from loyalty.common import actors
from loyalty.merchant.models import Programme
from loyalty.points import holds
from loyalty.points import queries as points
from rewards import cancellation, catalogue, code_check, granting, limits, queries, redemption, reissue, usage
from rewards.limits import RewardNotAvailable
from rewards.models import Cancellation, Period, RedeemedReward, Reward, RewardCode
from tests.factories.catalogue import CashbackFactory, GiftFactory, PointsProductFactory, RewardFactory
from tests.factories.people import CustomerFactory, StaffFactory
from tests.factories.points import NOW, give

pytestmark = pytest.mark.django_db

ROOT = Path(__file__).resolve().parents[2]
STAFF = actors.staff(1)
DAY, TICK = timedelta(days=1), timedelta(microseconds=1)
ZONES = ("Etc/GMT+12", "America/New_York", "UTC", "Europe/Warsaw", "Pacific/Kiritimati")


def redeem(customer, product, *, now=NOW):
    return redemption.redeem(customer_id=customer.pk, points_product_id=product.pk, actor=STAFF, now=now)


def grant(customer, reward, *, now=NOW):
    return granting.grant(customer_id=customer.pk, reward_id=reward.pk, actor=STAFF, now=now)


def test_b8_the_database_itself_refuses_the_second_of_what_is_there_once(customer):
    first, second = (redeem(customer, PointsProductFactory(reward=RewardFactory())) for _ in range(2))
    again = {
        "code": lambda: RewardCode.objects.create(
            connection=None, code="x", canonical=first.code.canonical, created_at=NOW
        ),
        "debit": lambda: RedeemedReward.objects.filter(pk=second.pk).update(debit=first.debit_id),
        "hold": lambda: RedeemedReward.objects.filter(pk=second.pk).update(hold=first.hold_id),
        "key": lambda: RedeemedReward.objects.filter(pk__in=[first.pk, second.pk]).update(idempotency_key="same"),
        "cancellation": lambda: [
            Cancellation.objects.create(
                redeemed_reward=first, return_points=True, actor_kind="system", created_at=NOW, due_at=NOW
            )
            for _ in range(2)
        ],
    }

    refused = set()
    for what, write in again.items():
        with suppress(IntegrityError), transaction.atomic():
            write()
            continue
        refused.add(what)

    assert refused == set(again)


LIMITS = {
    "limit_total": (1, "reward_sold_out"),
    "limit_per_customer": (1, "limit_reached"),
    "limit_per_period": (1, "period_limit_reached"),
    "liability_limit": (5, "liability_limit_reached"),
    "daily_limit": (5, "daily_limit_reached"),
}


@pytest.mark.parametrize("act", ["redeem", "grant"])
@pytest.mark.parametrize("field", [field.name for field in Reward._meta.fields if "limit" in field.name])
def test_b12_every_limit_a_reward_can_have_is_enforced(customer, field, act):
    value, code = LIMITS[field]
    factory = CashbackFactory if field == "daily_limit" else RewardFactory
    reward = factory(**{field: value}, **({"period": Period.DAY} if field == "limit_per_period" else {}))
    product = PointsProductFactory(reward=reward)
    if field == "limit_total":
        limits.set_total(reward_id=reward.pk, limit=value, now=NOW)
    grant(customer, reward)

    with pytest.raises(RewardNotAvailable) as refusal:
        redeem(customer, product) if act == "redeem" else grant(customer, reward)

    assert refusal.value.code == code
    assert RedeemedReward.objects.count() == 1
    assert points.balance(customer_id=customer.pk, now=NOW).balance == 250


def test_b18_what_was_had_before_there_was_a_limit_counts_and_what_was_canceled_does_not(customer):
    reward = GiftFactory()
    had = [grant(customer, reward) for _ in range(2)]
    Reward.objects.filter(pk=reward.pk).update(limit_per_customer=2)
    limits.set_total(reward_id=reward.pk, limit=2, now=NOW)

    with pytest.raises(RewardNotAvailable):
        grant(customer, reward)
    cancellation.cancel(redeemed_reward_id=had[0].pk, actor=STAFF, now=NOW)

    assert grant(customer, reward).fulfillment_status == "issued"
    with pytest.raises(RewardNotAvailable):
        grant(CustomerFactory(), reward)


def every_row():
    found = {}
    with connection.cursor() as cursor:
        for table in connection.introspection.table_names(cursor):
            if table.startswith(("rewards_", "points_", "events_", "program_")):
                cursor.execute(f'SELECT * FROM "{table}" ORDER BY 1')
                found[table] = cursor.fetchall()
    return found


def test_b26_plans_and_lists_write_nothing_and_show_nobody_elses_rewards(customer):
    other = CustomerFactory()
    give(other, 100)
    product = PointsProductFactory(reward=RewardFactory(days_valid=1))
    mine, theirs = redeem(customer, product), redeem(other, product)
    late = NOW + 9 * DAY
    before = every_row()

    assert {row.pk for row in queries.for_customer_page(customer_id=customer.pk, now=NOW)} == {mine.pk}
    assert {row.pk for row in queries.for_customer_page(customer_id=other.pk, now=late)} == {theirs.pk}
    cancellation.plan(redeemed_reward_id=mine.pk, now=late)
    reissue.plan(redeemed_reward_id=mine.pk, now=late)
    catalogue.offers(customer_id=customer.pk, now=late, language="en")
    code_check.check(code=mine.code.code, now=late)

    assert every_row() == before


def test_b31_time_alone_never_lets_go_of_points_whose_reward_is_undecided(customer, product, shop):
    shop.fault("create", "drop")
    shop.fault("find", "drop", times=50)
    with pytest.raises(redemption.RedemptionUnresolved):
        redemption.redeem(
            customer_id=customer.pk, points_product_id=product.pk, actor=STAFF, now=NOW, deadline=0.0
        )  # fmt: skip

    holds.sweep(now=NOW + 400 * DAY)

    assert points.balance(customer_id=customer.pk, now=NOW).balance == 150
    assert RedeemedReward.objects.get().hold.state == "open"


def test_b32_no_message_waits_in_the_broker_for_its_time():
    """A broker gives out again what waits longer than it likes: what is due later is a row with a time."""
    late = set()
    for path in (path for folder in ("loyalty", "rewards", "platforms") for path in (ROOT / folder).rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Call):
                late |= {(path.name, word.arg) for word in node.keywords if word.arg in {"eta", "countdown"}}

    assert late == set()


# Foreign keys without an index that begins with them, and why nobody looks rows up by them.
WITHOUT_INDEX = {
    "hooks.PrivacyRequest.customer": "few people ask, and requests are read by their last day",
    "program.EarningAward.reward": "rewards are never removed, and awards are read by customer, order and rule",
    "rewards.CampaignReward.customer": "customers are never removed, and rows are read by their campaign",
    "rewards.CodePool.connection": "a merchant has few pools",
    "rewards.ReconciliationFinding.code": "codes are never removed, and findings are read by their run",
    "rewards.Reward.shared_code": "a merchant has few rewards",
    "rewards.RedeemedReward.points_product": "asked for only when a price is removed: rare, and whoever does it waits",
}


def test_b36_what_rows_are_looked_up_by_is_indexed():
    ours = ("rewards", "points", "program", "customers", "hooks", "jobs", "platforms", "events")
    bare = set()
    with connection.cursor() as cursor:
        for model in apps.get_models():
            if model._meta.app_label not in ours or not model._meta.managed:
                continue
            indexes = connection.introspection.get_constraints(cursor, model._meta.db_table).values()
            first = {index["columns"][0] for index in indexes if index["index"] and index["columns"]}
            first |= {index["columns"][0] for index in indexes if index["unique"] and index["columns"]}
            bare |= {
                f"{model._meta.label}.{field.name}"
                for field in model._meta.fields
                if isinstance(field, models.ForeignKey) and field.column not in first
            }

    assert bare - set(WITHOUT_INDEX) == set()


OWN_FORMS = {"customers.Customer"}  # its page never shows the form Django would make of the model
FEW = {
    *("platforms.StoreConnection", "platforms.PayoutAccount", "rewards.Reward", "rewards.RewardCategory"),
    *("merchant.Programme", "customers.Tier", "auth.Group", "auth.Permission", "webhooks.WebhookEndpoint"),
}


def test_b37_no_page_of_the_admin_lists_every_row_of_a_large_table_in_a_box():
    request = RequestFactory().get("/admin/")
    request.user = StaffFactory(is_superuser=True)
    boxes = set()
    for model, page in admin.site._registry.items():
        writable = page.has_add_permission(request) or page.has_change_permission(request)
        writable = writable and model._meta.label not in OWN_FORMS
        fields = dict(page.get_form(request).base_fields) if writable else {}
        filters = getattr(getattr(page, "filterset_class", None), "base_filters", {})
        fields |= {name: one.field for name, one in deepcopy(filters).items()}  # each keeps its field
        for name, field in fields.items():
            if not isinstance(field, ModelChoiceField):
                continue
            widget = getattr(field.widget, "widget", field.widget)
            if isinstance(widget, AutocompleteSelect | ForeignKeyRawIdWidget):
                continue
            of = field.queryset.model._meta.label
            if of not in FEW:
                boxes.add((model._meta.label, name, of))

    assert boxes == set()


def test_b40_a_code_is_found_by_its_index_however_many_there_are():
    RewardCode.objects.bulk_create(
        RewardCode(code=f"MANY-{number:05}", canonical=f"MANY{number:05}", created_at=NOW) for number in range(20_000)
    )
    with connection.cursor() as cursor:
        cursor.execute("ANALYZE rewards_rewardcode")

    plan = RewardCode.objects.filter(canonical="MANY00042").explain()

    assert "Index" in plan
    assert "Seq Scan" not in plan


@pytest.mark.parametrize("zone", ZONES)
@pytest.mark.parametrize("minutes", [-1, 0, 1])
@pytest.mark.parametrize("day", [datetime(2026, 10, 25), datetime(2027, 3, 14), datetime(2026, 12, 31)])  # noqa: DTZ001
def test_b42_b54_a_reward_is_good_to_the_last_instant_of_its_day_where_the_merchant_lives(customer, zone, minutes, day):
    local = ZoneInfo(zone)
    Programme.objects.update_or_create(pk=1, defaults={"time_zone": zone})
    reward = RewardFactory(days_valid=1)
    moment = day.replace(tzinfo=local).astimezone(UTC) + timedelta(minutes=minutes)

    granted = grant(customer, reward, now=moment)

    end = granted.expires_at
    assert (end - TICK).astimezone(local).date() == moment.astimezone(local).date() + DAY
    assert queries.status_of(redeemed=granted, now=end - TICK) == "issued"
    assert queries.status_of(redeemed=granted, now=end) == "expired"
    with pytest.raises(usage.UsageRefused), transaction.atomic():
        usage.mark_used(redeemed_reward_id=granted.pk, actor=STAFF, now=end)
    assert usage.mark_used(redeemed_reward_id=granted.pk, actor=STAFF, now=end - TICK).usage_status == "used"
