"""The health page of a shop: what each figure counts, where it leads, and what it costs to look."""

from datetime import timedelta

import pytest
from django.db import connection as database
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from loyalty.insights import shop_health
from platforms import breaker
from platforms.models import ShopHealth, ShopIncident
from rewards import shop_troubles
from rewards.models import IssueAttempt, RedeemedReward, RewardCode
from tests.factories.people import ConnectionFactory
from tests.factories.shop import connect
from tests.fakes.sandbox import running_sandbox_shop
from tests.rewards.admin_rows import VIEW, row, staff, words

pytestmark = pytest.mark.django_db

LOOK = ("platforms.view_storeconnection", VIEW)
SECOND, HOUR, DAY = timedelta(seconds=1), timedelta(hours=1), timedelta(days=1)


@pytest.fixture
def now():
    return timezone.now()


@pytest.fixture
def berlin():
    return ConnectionFactory(name="Berlin")


def page(shop, *rights):
    return staff(*(rights or LOOK)).get(f"/admin/platforms/storeconnection/{shop.pk}/health/")


def made(shop, *, at, seconds):
    redeemed = row(at=at, connection=shop, code=f"LOY-{RewardCode.objects.count()}")
    RedeemedReward.objects.filter(pk=redeemed.pk).update(redeemed_at=at, issued_at=at + seconds * SECOND)


def attempt(shop, outcome, *, at):
    IssueAttempt.objects.create(
        redeemed_reward=row(connection=shop, at=at), call="create", outcome=outcome, started_at=at, finished_at=at
    )


def test_how_long_rewards_take(berlin, now):
    for number in range(1, 21):
        made(berlin, at=now - HOUR, seconds=number)
    made(berlin, at=now - 2 * DAY, seconds=500)
    made(berlin, at=now - 8 * DAY, seconds=900)
    made(ConnectionFactory(), at=now - HOUR, seconds=700)

    day, week = shop_health.of(connection=berlin, now=now).speeds

    assert (day.rewards, day.median, day.slow) == (20, 10, 19)
    assert (week.rewards, week.median, week.slow) == (21, 11, 20)


def test_what_the_shop_said_and_what_failed(berlin, now):
    for outcome in ("ok", "ok", "throttled", "unknown"):
        attempt(berlin, outcome, at=now - HOUR)
    attempt(berlin, "throttled", at=now - 3 * DAY)
    attempt(ConnectionFactory(), "not_sent", at=now - HOUR)
    failed = {"connection": berlin, "fulfillment_status": "failed"}
    row(at=now - HOUR, failure_code="unauthorized", origin="staff", **failed)
    row(at=now - 2 * DAY, failure_code="unauthorized", on_profile=False, origin="redemption", **failed)
    row(at=now - 2 * DAY, failure_code="not_sent", on_profile=False, origin="redemption", **failed)

    figures = shop_health.of(connection=berlin, now=now)
    said = words(page(berlin))

    assert [(share.what, share.counts) for share in figures.attempts] == [
        ("ok", (2, 2)),
        ("throttled", (1, 2)),
        ("unknown", (1, 1)),
    ]
    assert [(share.what, share.counts, share.hidden) for share in figures.failures] == [
        ("unauthorized", (1, 2), 1),
        ("not_sent", (0, 1), 1),
    ]
    assert "Told to wait The shop throttles us: nothing was made, and it is asked again when it said. 1 2" in said
    assert "The shop did not let us in Redemptions: 1 · Grants: 1 1 2" in said


def test_what_waits_and_the_longest(berlin, now):
    oldest = row(
        at=now - 3 * HOUR, connection=berlin, fulfillment_status="pending", on_profile=False, origin="redemption"
    )
    row(at=now - HOUR, connection=berlin, fulfillment_status="pending", origin="staff")
    row(at=now - HOUR, connection=berlin)

    shown = page(berlin)

    said = words(shown)
    assert "Pending rewards 1" in said
    assert "Redemptions being checked 1" in said
    assert "Longest 3 h 0 min" in said
    assert f"/admin/rewards/redeemedreward/{oldest.pk}/change/" in shown.content.decode()


def test_its_links_lead_to_lists_that_show_as_many(berlin, now):
    row(at=now - HOUR, connection=berlin, fulfillment_status="pending", on_profile=False, origin="redemption")
    row(at=now - HOUR, connection=berlin, fulfillment_status="pending", origin="staff")
    failed = {"connection": berlin, "fulfillment_status": "failed", "failure_code": "not_sent"}
    row(at=now - HOUR, on_profile=False, origin="redemption", **failed)
    row(at=now - HOUR, on_profile=False, origin="redemption", **(failed | {"connection": ConnectionFactory()}))
    context = page(berlin).context
    client = staff(VIEW)

    urls = [context["waiting"]["shown_url"], context["waiting"]["checked_url"], context["failures"][0]["links"][0][1]]

    assert [client.get(url).context["cl"].result_count for url in urls] == [1, 1, 1]


@pytest.mark.parametrize(
    ("health", "word", "sentence"),
    [
        (None, "Not asked yet", "No call has shown yet"),
        ({"ok_at": "now"}, "Answers", "The last call had an answer."),
        ({"failures": 2, "failing_since": "now"}, "Unsteady", "2 calls in a row had no answer. After 5 the shop"),
        ({"refusals": 3, "refused_since": "now"}, "Credentials refused", "has refused our credentials since"),
        (
            {"failures": 5, "failing_since": "now", "opened_at": "now", "ask_at": "now"},
            "Not answering",
            "The shop “Berlin” has not answered since",
        ),
    ],
)
def test_the_state_in_words(berlin, now, health, word, sentence):
    if health is not None:
        ShopHealth.objects.create(
            connection=berlin, **{name: now if value == "now" else value for name, value in health.items()}
        )

    shown = page(berlin)

    assert shown.context["state"]["word"] == word
    assert sentence in words(shown)


def test_the_first_page_says_which_shop_is_unwell_and_leads_there(berlin, now):
    ShopHealth.objects.create(connection=berlin, refusals=3, refused_since=now)
    ShopIncident.objects.create(connection=berlin, kind="failing", began_at=now, detail="3 of 12 rewards failed.")
    ShopHealth.objects.create(connection=ConnectionFactory(name="Lyon"), ok_at=now)

    notices = staff(*LOOK).get("/admin/").context["notices"]

    assert [notice.text[:40] for notice in notices] == [
        "The shop “Berlin” has refused our creden",
        "3 of 12 rewards failed.",
    ]
    assert {notice.url for notice in notices} == {f"/admin/platforms/storeconnection/{berlin.pk}/health/"}
    assert staff(VIEW).get("/admin/").context["notices"] == []


def test_ask_now_asks_and_comes_back(tmp_path, now):
    with running_sandbox_shop(tmp_path) as shop:
        connection = connect(shop)
        ShopHealth.objects.create(
            connection=connection, failures=5, failing_since=now, opened_at=now, ask_at=now + HOUR, pauses=1
        )
        breaker._known.clear()
        client = staff(*LOOK, "platforms.change_storeconnection")

        answer = client.post(f"/admin/platforms/storeconnection/{connection.pk}/test/", {"back": "health"}, follow=True)

    assert answer.context["state"]["word"] == "Answers"
    assert "Connected to" in words(answer)


def test_is_for_those_who_may_see_shops_and_rewards(berlin):
    assert page(berlin, VIEW).status_code == 403
    assert staff(*LOOK).get("/admin/platforms/storeconnection/999/health/").status_code == 404
    assert "Ask now" not in words(page(berlin))


def test_costs_the_same_queries_however_much_there_is(berlin, now):
    def cost():
        client = staff(*LOOK)
        with CaptureQueriesContext(database) as queries:
            assert client.get(f"/admin/platforms/storeconnection/{berlin.pk}/health/").status_code == 200
        return len(queries)

    before = cost()
    for number in range(4):
        made(berlin, at=now - number * HOUR, seconds=number)
        attempt(berlin, "ok", at=now - number * HOUR)
        row(at=now - HOUR, connection=berlin, fulfillment_status="pending", origin="staff")
        row(at=now - HOUR, connection=berlin, fulfillment_status="failed", failure_code="not_sent", origin="staff")

    assert cost() <= before + 1  # the share of failures is counted once something failed
    assert before <= 24


FILL = """
INSERT INTO rewards_redeemedreward SELECT filled.* FROM rewards_redeemedreward AS one,
  generate_series(1, %(rows)s) AS number,
  LATERAL jsonb_populate_record(one, jsonb_build_object(
    'fulfillment_status', CASE number %% 5 WHEN 0 THEN 'pending' WHEN 1 THEN 'failed' ELSE 'issued' END,
    'takes_place', number %% 5 <> 1, 'id', 1000000 + number, 'code_id', null, 'connection_id', %(shop)s + number %% 2, 'redeemed_at',
    now() - number * interval '20 seconds', 'issued_at', now() - number * interval '20 seconds' + interval '1 second')
  ) AS filled WHERE one.id = %(one)s
"""
FILL_ATTEMPTS = """
INSERT INTO rewards_issueattempt (redeemed_reward_id, call, outcome, reason, started_at, finished_at)
SELECT 1000000 + number %% %(rows)s + 1, 'create', 'ok', '', now() - number * interval '10 seconds',
  now() - number * interval '10 seconds' FROM generate_series(1, %(attempts)s) AS number
"""


def test_walks_indexes_and_never_whole_tables(now, monkeypatch):
    monkeypatch.setattr(shop_health, "MOST_REWARDS", 30)  # as few beside the rows as they are beside millions
    monkeypatch.setattr(shop_health, "MOST_ATTEMPTS", 60)
    berlin, lyon = ConnectionFactory(name="Berlin"), ConnectionFactory(name="Lyon")
    assert lyon.pk == berlin.pk + 1
    numbers = {"rows": 3_000, "attempts": 20_000, "shop": berlin.pk, "one": row(connection=berlin).pk}
    with database.cursor() as cursor:
        cursor.execute(FILL, numbers)
        cursor.execute(FILL_ATTEMPTS, numbers)
        cursor.execute("ANALYZE rewards_redeemedreward, rewards_issueattempt")

    with CaptureQueriesContext(database) as queries:
        shop_health.of(connection=berlin, now=now)
    plans = []
    with database.cursor() as cursor:
        for query in queries:
            cursor.execute(f"EXPLAIN {query['sql']}")
            plans.append("\n".join(line for (line,) in cursor.fetchall()))

    big = ("rewards_redeemedreward", "rewards_issueattempt")
    assert [plan for plan in plans if any(f"Seq Scan on {table}" in plan for table in big)] == []
    assert any("issue_attempt_of_shop" in plan for plan in plans)
    assert any("redeemed_pending_in_shop" in plan for plan in plans)
    assert any("redeemed_failed_in_shop" in plan for plan in plans)


def test_says_when_it_counted_only_the_newest(berlin, now, monkeypatch):
    monkeypatch.setattr(shop_health, "MOST_ATTEMPTS", 2)
    monkeypatch.setattr(shop_troubles, "MOST_COUNTED", 1)
    for _ in range(3):
        attempt(berlin, "ok", at=now - HOUR)
    for _ in range(2):
        row(at=now - HOUR, connection=berlin, fulfillment_status="pending", origin="staff")

    said = words(page(berlin))

    assert "Of the newest 2" in said
    assert "Pending rewards 1+" in said


def test_codes_are_what_is_timed(berlin, now):
    made(berlin, at=now - HOUR, seconds=3)
    assert RewardCode.objects.exists()
    gift = row(at=now - HOUR, connection=berlin, code=None)
    RedeemedReward.objects.filter(pk=gift.pk).update(issued_at=gift.redeemed_at)

    assert shop_health.of(connection=berlin, now=now).speeds[0].rewards == 1
