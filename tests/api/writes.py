"""Each write of the API: a request that is carried out, and one that is refused with 422. Called again, each is another.

None stands where nothing is refused but a body that makes no sense, or what is not there. The tests that read this table
fail for an address that takes a POST and is not in it.
"""

from collections.abc import Callable

from loyalty.customers.models import CustomerState
from rewards import delivery
from tests.api import asking
from tests.api.asking import NUMBERS, Write
from tests.api.conftest import Integrator
from tests.factories.catalogue import GiftFactory, RewardFactory
from tests.factories.people import CustomerFactory
from tests.rewards.admin_rows import row

Making = Callable[[Integrator], Write]


def someone(**fields: object) -> str:
    return f"/customers/{CustomerFactory(**fields).pk}"


def merged_into_oneself() -> Write:
    one = CustomerFactory()
    return Write(f"/customers/{one.pk}/merge", {"into_customer_id": one.pk})


def undone_before(api: Integrator) -> Write:
    undo = asking.undo_of_merge(api)
    api.post(undo.path)
    return undo


def identity_of_two(api: Integrator) -> Write:
    known = asking.identity()
    known.sent(api)
    return Write(known.path, known.body | {"email": CustomerFactory().email})


CUSTOMERS: dict[str, tuple[Making, Making | None]] = {
    "customers": (
        lambda api: Write("/customers", {"email": f"new{next(NUMBERS)}@example.com"}),
        lambda api: Write("/customers", {"first_name": "Anna"}),
    ),
    "customer": (
        lambda api: Write(someone(), {"first_name": "Berta"}),
        lambda api: Write(someone(), {"email": CustomerFactory().email}),
    ),
    "merge_customer": (lambda api: asking.merge(), lambda api: merged_into_oneself()),
    "undo_customer_merge": (asking.undo_of_merge, undone_before),
    "anonymise_customer": (
        lambda api: Write(f"{someone()}/anonymise"),
        lambda api: Write(f"/customers/{row(fulfillment_status='pending').customer_id}/anonymise"),
    ),
    "sign_in_links": (lambda api: Write(f"{someone()}/sign_in_links"), None),
    "customer_tokens": (
        lambda api: Write(f"{someone()}/customer_tokens"),
        lambda api: Write(f"{someone(state=CustomerState.DISABLED)}/customer_tokens"),
    ),
    "create_or_update_customer_identity": (lambda api: asking.identity(), identity_of_two),
}

POINTS: dict[str, tuple[Making, Making | None]] = {
    "points_transactions": (
        lambda api: Write("/points_transactions", {"customer_id": CustomerFactory().pk, "points_change": 10}),
        lambda api: Write("/points_transactions", {"customer_id": CustomerFactory().pk, "points_change": -10}),
    ),
    "points_holds": (lambda api: asking.hold(), lambda api: asking.hold(251)),
    "capture_points_hold": (
        lambda api: Write(f"{asking.hold().sent(api)}/capture", {"points": 60}),
        lambda api: Write(f"{asking.closed_hold(api, 'release')}/capture"),
    ),
    "release_points_hold": (
        lambda api: Write(f"{asking.hold().sent(api)}/release"),
        lambda api: Write(f"{asking.closed_hold(api, 'capture')}/release"),
    ),
    "points_purchases": (
        lambda api: Write(f"/points_products/{asking.offer()}/purchase", {"customer_id": asking.member(250).pk}),
        lambda api: Write(f"/points_products/{asking.offer()}/purchase", {"customer_id": asking.member(99).pk}),
    ),
    "own_purchases": (
        lambda api: Write(f"/storefront/offers/{asking.offer()}/redeem", of=asking.member(250)),
        lambda api: Write(f"/storefront/offers/{asking.offer()}/redeem", of=asking.member(99)),
    ),
}

CATALOGUE: dict[str, tuple[Making, Making | None]] = {
    "campaigns": (
        lambda api: asking.campaign(),
        lambda api: Write("/campaigns", asking.campaign().body | {"audience": {"by": "customer_ids"}}),
    ),
    "give_campaign": (
        lambda api: Write(f"{asking.worked_campaign(api, dry_run=True)}/give"),
        lambda api: Write(f"{asking.campaign(dry_run=True).sent(api)}/give"),
    ),
    "stop_campaign": (
        lambda api: Write(f"{asking.campaign().sent(api)}/stop"),
        lambda api: Write(f"{asking.worked_campaign(api)}/stop"),
    ),
    "revert_campaign": (
        lambda api: Write(f"{asking.worked_campaign(api)}/revert"),
        lambda api: Write(f"{asking.campaign().sent(api)}/revert"),
    ),
    "rewards": (
        lambda api: Write("/rewards", {"name": "A mug", "type": "gift", "points_price": 100}),
        lambda api: Write("/rewards", {"name": "Less", "type": "percentage_discount"}),
    ),
    "reward": (
        lambda api: Write(f"/rewards/{GiftFactory().pk}", {"name": "A cup", "points_price": 120}),
        lambda api: Write(f"/rewards/{RewardFactory().pk}", {"amount": None}),
    ),
}

FULFILLMENTS: dict[str, tuple[Making, Making | None]] = {
    "cancel": (
        lambda api: Write(f"{asking.granted()}/cancel"),
        lambda api: Write(f"{asking.granted(used=True)}/cancel"),
    ),
    "reissue": (
        lambda api: Write(f"/reward_fulfillments/{row(fulfillment_status='failed').pk}/reissue"),
        lambda api: Write(f"{asking.granted()}/reissue"),
    ),
    "mark_used": (
        lambda api: Write(f"{asking.granted()}/mark_used", {"order_id": "till-1"}),
        lambda api: Write(f"{asking.granted(cancelled=True)}/mark_used"),
    ),
    "mark_unused": (
        lambda api: Write(f"{asking.granted(used=True)}/mark_unused"),
        lambda api: Write(f"{asking.granted(cancelled=True)}/mark_unused"),
    ),
    "ship_delivery": (
        lambda api: Write(f"{asking.parcel()}/ship", {"carrier": "DHL", "tracking_number": "JD01"}),
        lambda api: Write(f"{asking.parcel(delivery.cancel_delivery)}/ship", {"carrier": "DHL"}),
    ),
    "deliver_delivery": (
        lambda api: Write(f"{asking.parcel(delivery.ship)}/deliver"),
        lambda api: Write(f"{asking.parcel()}/deliver"),
    ),
    "cancel_delivery": (
        lambda api: Write(f"{asking.parcel()}/cancel", {"comment": "Broken."}),
        lambda api: Write(f"{asking.parcel(delivery.ship, delivery.deliver)}/cancel"),
    ),
    "return_delivery": (
        lambda api: Write(f"{asking.parcel(delivery.ship)}/came_back"),
        lambda api: Write(f"{asking.parcel()}/came_back"),
    ),
    "order_delivery_again": (
        lambda api: Write(f"{asking.parcel(delivery.cancel_delivery)}/order_again"),
        lambda api: Write(f"{asking.parcel(delivery.ship)}/order_again"),
    ),
    "correct_delivery_address": (
        lambda api: Write(f"{asking.parcel()}/address", {"address": asking.ADDRESS}),
        lambda api: Write(f"{asking.parcel(delivery.ship)}/address", {"address": asking.ADDRESS}),
    ),
}

CODES: dict[str, tuple[Making, Making | None]] = {
    "redeem_value_code": (lambda api: asking.spent(), lambda api: asking.spent("99.00")),
    "value_code_redemptions": (
        lambda api: Write("/value_code_redemptions", {"code": asking.spelled(), "amount": "7.50", "currency": "USD"}),
        lambda api: Write("/value_code_redemptions", {"code": asking.spelled(), "amount": "99.00", "currency": "USD"}),
    ),
    "reverse_value_code_redemption": (
        asking.given_back,
        lambda api: Write(f"/value_code_redemptions/{reversal(api)}/reverse"),
    ),
    "code_checks": (lambda api: Write("/code_checks", {"code": asking.spelled()}), None),
}

EVENTS: dict[str, tuple[Making, Making | None]] = {
    "events": (lambda api: asking.order(), lambda api: asking.order("order/deleted")),
    "activities": (
        lambda api: Write("/activities", {"token": "review", "customer_id": CustomerFactory().pk}),
        lambda api: Write("/activities", {"token": "review", "customer_id": 999_999}),
    ),
}

JOBS: dict[str, tuple[Making, Making | None]] = {
    "points_import": (
        lambda api: asking.points_import(),
        lambda api: Write("/jobs/points_import", {"mode": "add", "by": "email", "csv": "colour\nred\n"}),
    ),
    "customers_import": (
        lambda api: Write(
            "/jobs/customers_import", {"csv": f"email,first_name\nnew{next(NUMBERS)}@example.com,Nora\n"}
        ),
        lambda api: Write("/jobs/customers_import", {"csv": "first_name\nNora\n"}),
    ),
    "code_import": (
        lambda api: Write("/jobs/code_import", {"reward_id": RewardFactory().pk, "csv": "code\nSPRING\n"}),
        lambda api: Write("/jobs/code_import", {"reward_id": 999_999, "csv": "code\nSPRING\n"}),
    ),
    "reward_act": (lambda api: Write("/jobs/reward_act", {"act": "used", "ids": [row().pk]}), None),
    "apply_job": (
        lambda api: Write(f"{asking.job(api)}/apply"),
        lambda api: Write(f"{asking.job(api, checked=False)}/apply"),
    ),
    "undo_job": (
        lambda api: Write(f"{asking.job(api, 'apply')}/undo"),
        lambda api: Write(f"{asking.job(api)}/undo"),
    ),
    "cancel_job": (
        lambda api: Write(f"{asking.job(api)}/cancel"),
        lambda api: Write(f"{asking.job(api, 'apply', 'undo')}/cancel"),
    ),
}

WEBHOOKS: dict[str, tuple[Making, Making | None]] = {
    "webhook_endpoints": (
        lambda api: Write("/webhook_endpoints", asking.ENDPOINT),
        lambda api: Write("/webhook_endpoints", asking.ENDPOINT | {"topics": []}),
    ),
    "webhook_endpoint": (
        lambda api: Write(asking.endpoint(api), {"name": "Till 2"}),
        lambda api: Write(asking.endpoint(api), {"topics": []}),
    ),
    "rotate_webhook_secret": (lambda api: Write(f"{asking.endpoint(api)}/rotate_secret"), None),
    "test_webhook_endpoint": (
        lambda api: Write(f"{asking.endpoint(api)}/test"),
        lambda api: Write(f"{asking.endpoint(api, off=True)}/test"),
    ),
    "resend_webhooks": (
        lambda api: Write(f"{asking.told(asking.endpoint(api))}/resend", asking.TIMES),
        lambda api: Write(f"{asking.endpoint(api, off=True)}/resend", asking.TIMES),
    ),
    "remove_webhook_endpoint": (lambda api: Write(f"{asking.endpoint(api)}/remove"), None),
    "resend_webhook_delivery": (
        lambda api: Write(f"{asking.message(asking.endpoint(api))}/resend"),
        lambda api: Write(f"{asking.message(asking.endpoint(api, off=True))}/resend"),
    ),
}

ALL = CUSTOMERS | POINTS | CATALOGUE | FULFILLMENTS | CODES | EVENTS | JOBS | WEBHOOKS


def reversal(api: Integrator) -> int:
    """The number of what gave back what was spent."""
    made: int = api.post(asking.given_back(api).path).json()["value_code_redemption"]["id"]
    return made
