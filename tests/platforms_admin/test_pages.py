"""Pages to look at: the ledger, orders, webhooks, events; and the programme's one form."""

from datetime import timedelta
from decimal import Decimal

import pytest
from django.db import connection as database
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone

from loyalty.common import actors
from loyalty.events import log
from loyalty.events.models import Event
from loyalty.hooks.models import InboundWebhook
from loyalty.merchant import queries as merchant
from loyalty.points import adjustments
from loyalty.program.models import Order, OrderCode, OrderRefund
from tests.factories.people import ConnectionFactory, CustomerFactory
from tests.factories.points import give

pytestmark = pytest.mark.django_db


@pytest.fixture
def viewer(signed_in):
    return signed_in("viewer")


def rows(client, url: str, **query) -> list:
    answer = client.get(url, query)
    assert answer.status_code == 200
    return list(answer.context["cl"].result_list)


def order(customer, number: int, **fields) -> Order:
    now = timezone.now()
    facts = {"status": "completed", "total": Decimal("49.90"), "currency": "EUR", "placed_at": now}
    return Order.objects.create(
        customer=customer,
        external_id=f"o-{number}",
        number=f"#{number}",
        **{**facts, "changed_at": now, "recorded_at": now, **fields},
    )


def webhook(number: int = 1, **fields) -> InboundWebhook:
    now = timezone.now()
    facts = {"state": "processed", "received_at": now, "body": b'{"email": "anna@example.com"}', "result": "Order #7"}
    return InboundWebhook.objects.create(
        connection=fields.pop("connection", None) or ConnectionFactory(),
        event_id=f"e-{number}",
        topic="order.updated",
        headers={"x-signature": "sig-1234"},
        **{**facts, **fields},
    )


class TestTheLedger:
    URL = "/admin/points/pointstransaction/"

    def test_filters_by_kind_time_and_customer(self, viewer):
        anna, ben = CustomerFactory(first_name="Anna"), CustomerFactory(first_name="Ben", last_name="Kurz")
        earned = give(anna, 50, now=timezone.now())
        adjusted = adjustments.adjust(
            customer_id=ben.pk, points=10, actor=actors.SYSTEM, now=timezone.now()
        ).transaction

        assert rows(viewer, self.URL) == [adjusted, earned]
        assert rows(viewer, self.URL, kind="earning") == [earned]
        assert rows(viewer, self.URL, search="kurz") == [adjusted]
        assert rows(viewer, self.URL, recorded_before="2020-01-01") == []
        assert rows(viewer, self.URL, recorded_after="2020-01-01", kind="adjustment") == [adjusted]

    def test_shows_one_row_whole(self, viewer):
        adjustment = adjustments.adjust(
            customer_id=CustomerFactory().pk,
            points=10,
            actor=actors.staff(7),
            now=timezone.now(),
            internal_note="Ticket 12",
        )

        page = viewer.get(reverse("admin:points_pointstransaction_change", args=(adjustment.transaction_id,)))

        shown = page.content.decode()
        assert f"<h1>{adjustment.transaction}</h1>" in shown
        assert f'href="{self.URL}"' in shown
        assert 'href="/admin/points/"' not in shown  # the list of an app's tables leads nowhere that the menu does not
        assert "Ticket 12" in shown
        assert "staff 7" in shown

    def test_cannot_be_written(self, signed_in):
        row = give(CustomerFactory(), 50, now=timezone.now())
        manager = signed_in("manager")
        url = reverse("admin:points_pointstransaction_change", args=(row.pk,))

        assert manager.post(url, {"points_change": "9"}).status_code == 403
        assert manager.get(f"{self.URL}add/").status_code == 403
        assert manager.post(url.replace("change", "delete"), {"post": "yes"}).status_code == 403


class TestOrders:
    URL = "/admin/program/order/"

    def test_filters_by_status_shop_time_and_customer(self, viewer):
        anna, ben = CustomerFactory(first_name="Anna"), CustomerFactory(first_name="Ben", last_name="Kurz")
        berlin = ConnectionFactory()
        old = order(anna, 1, placed_at=timezone.now() - timedelta(days=400))
        new = order(ben, 2, connection=berlin, status="placed")

        assert rows(viewer, self.URL) == [new, old]
        assert rows(viewer, self.URL, status="placed") == [new]
        assert rows(viewer, self.URL, shop=berlin.pk) == [new]
        assert rows(viewer, self.URL, search="anna") == [old]
        assert rows(viewer, self.URL, placed_before=(timezone.now() - timedelta(days=30)).date().isoformat()) == [old]

    def test_shows_codes_and_refunds(self, viewer):
        seven = order(CustomerFactory(), 7)
        OrderCode.objects.create(order=seven, canonical="SUMMER-7KQ2", discount=Decimal("5.00"))
        OrderRefund.objects.create(order=seven, external_id="r", amount=Decimal("12.50"), refunded_at=timezone.now())

        shown = viewer.get(reverse("admin:program_order_change", args=(seven.pk,))).content.decode()

        assert "SUMMER-7KQ2" in shown
        assert "12.50" in shown


class TestWebhooks:
    URL = "/admin/hooks/inboundwebhook/"

    def test_filters_by_state(self, viewer):
        done = webhook(1)
        failed = webhook(2, state="failed")

        assert rows(viewer, self.URL, state="failed") == [failed]
        assert rows(viewer, self.URL) == [failed, done]

    def test_keeps_the_body_from_whoever_may_not_see_it(self, viewer, signed_in):
        url = reverse("admin:hooks_inboundwebhook_change", args=(webhook().pk,))

        without, with_it = viewer.get(url), signed_in("manager").get(url)

        assert without.status_code == 200
        assert b"anna@example.com" not in without.content
        assert b"anna@example.com" in with_it.content
        for page in (without, with_it):
            assert b"sig-1234" not in page.content

    @pytest.mark.parametrize("body", [b"\xff\xfe not json", b"", b"<script>x</script>", b"9" * 5_000_000])
    def test_shows_any_body_safely(self, signed_in, body):
        url = reverse("admin:hooks_inboundwebhook_change", args=(webhook(body=body).pk,))

        page = signed_in("manager").get(url)

        assert page.status_code == 200
        assert b"<script>x" not in page.content
        assert len(page.content) < 100_000


class TestEvents:
    URL = "/admin/events/event/"

    def test_filters_by_customer_and_by_what_it_happened_to(self, viewer):
        for number in (1, 2):
            log.record(
                kind="reward.issued",
                subject_type="redeemed_reward",
                subject_id=number,
                customer_id=10 + number,
                actor=actors.SYSTEM,
                now=timezone.now(),
            )
        first, second = Event.objects.order_by("id")

        assert rows(viewer, self.URL) == [second, first]
        assert rows(viewer, self.URL, customer_id=11) == [first]
        assert rows(viewer, self.URL, subject_type="redeemed_reward", subject_id=2) == [second]

    def test_shows_one_event_whole(self, viewer):
        event = log.record(
            kind="points.adjusted", subject_type="x", subject_id=1, actor=actors.SYSTEM, now=timezone.now(), points=42
        )

        assert b"42" in viewer.get(reverse("admin:events_event_change", args=(event.pk,))).content


class TestTheProgramme:
    URL = "/admin/merchant/programme/1/change/"

    def fields(self, client) -> dict[str, object]:
        form = client.get(self.URL).context["adminform"].form
        values = {name: form[name].value() for name in form.fields if form[name].value() is not None}
        return values | {"office_emails": "\n".join(values["office_emails"])}

    def test_is_one_form(self, signed_in):
        manager = signed_in("manager")

        assert manager.get("/admin/merchant/programme/")["Location"] == self.URL
        answer = manager.post(self.URL, {**self.fields(manager), "time_zone": "Europe/Warsaw"})

        assert answer["Location"] == self.URL
        assert merchant.programme().time_zone == "Europe/Warsaw"
        assert Event.objects.get(kind="programme.changed").data == {"fields": ["time_zone"]}

    @pytest.mark.parametrize(
        ("field", "value"),
        [
            ("time_zone", "Mars/Base"),
            ("currency", "euro"),
            ("currency", "eur"),
            ("expiry_days", "0"),
            ("grace_days", "-1"),
        ],
    )
    def test_refuses_what_makes_no_sense(self, signed_in, field, value):
        manager = signed_in("manager")

        answer = manager.post(self.URL, {**self.fields(manager), field: value})

        assert answer.status_code == 200
        assert answer.context["adminform"].form.errors
        assert not Event.objects.filter(kind="programme.changed").exists()

    def test_cannot_be_added_or_deleted(self, signed_in):
        manager = signed_in("manager")

        assert manager.get("/admin/merchant/programme/add/").status_code == 403
        assert manager.post("/admin/merchant/programme/1/delete/", {"post": "yes"}).status_code == 403


@pytest.mark.parametrize(
    ("url", "searched"),
    [
        ("/admin/points/pointstransaction/", True),
        ("/admin/events/event/", False),
        ("/admin/platforms/storeconnection/", False),
    ],
)
def test_only_a_list_that_can_be_searched_has_a_button_for_it(viewer, url, searched):
    assert ("desk-filters__apply" in viewer.get(url).content.decode()) is searched


@pytest.mark.parametrize(
    "url",
    [
        "/admin/points/pointstransaction/",
        "/admin/program/order/",
        "/admin/hooks/inboundwebhook/",
        "/admin/events/event/",
    ],
)
def test_a_list_needs_as_many_queries_for_forty_rows_as_for_one(viewer, url):
    def fill(times: int, start: int) -> None:
        for number in range(start, start + times):
            customer = CustomerFactory()
            shop = ConnectionFactory()
            give(customer, 5, now=timezone.now())
            order(customer, number, connection=shop)
            webhook(number, connection=shop)
            log.record(kind="k", subject_type="s", subject_id=number, actor=actors.SYSTEM, now=timezone.now())

    def queries() -> int:
        with CaptureQueriesContext(database) as captured:
            viewer.get(url)
        return len(captured)

    fill(1, 0)
    queries()  # the first page of all makes the programme's row
    one = queries()
    fill(40, 1)

    assert queries() == one
    assert one <= 9
