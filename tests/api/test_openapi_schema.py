import io
from contextlib import redirect_stderr

import pytest
from django.http import JsonResponse
from drf_spectacular.validation import validate_schema

from loyalty.api.v1 import outline, schema
from tests.api import contract


@pytest.fixture(scope="module")
def document():
    return outline.document()


def operations(document):
    return [(path, method, each) for path, item in document["paths"].items() for method, each in item.items()]


def test_is_committed_as_the_views_are_now():
    assert schema.generate() == schema.FILE.read_bytes(), "Run manage.py write_api_schema and look at the difference."


def test_is_generated_without_a_warning():
    complaints = io.StringIO()

    with redirect_stderr(complaints):
        schema.generate()

    assert complaints.getvalue() == ""


def test_is_valid_openapi(document):
    assert document["openapi"].startswith("3.1")
    validate_schema(document)


def test_can_be_read_without_a_key(client):
    answer = client.get("/api/v1/schema/")

    assert answer.status_code == 200
    assert answer["Content-Type"].startswith("application/vnd.oai.openapi")
    assert answer.content == schema.FILE.read_bytes()
    assert client.get("/api/v1/schema").content == answer.content


def test_lists_every_operation_once(document):
    assert sorted((path.removeprefix("/api/v1/"), method) for path, method, _ in operations(document)) == [
        ("activities", "get"),
        ("activities", "post"),
        ("campaigns", "get"),
        ("campaigns", "post"),
        ("campaigns/{id}", "get"),
        ("campaigns/{id}/give", "post"),
        ("campaigns/{id}/revert", "post"),
        ("campaigns/{id}/stop", "post"),
        ("code_checks", "post"),
        ("customer_identities/create_or_update", "post"),
        ("customer_merges/{id}/undo", "post"),
        ("customers", "get"),
        ("customers", "post"),
        ("customers/{id}", "get"),
        ("customers/{id}", "post"),
        ("customers/{id}/anonymise", "post"),
        ("customers/{id}/customer_tokens", "post"),
        ("customers/{id}/merge", "post"),
        ("customers/{id}/sign_in_links", "post"),
        ("earning_rules", "get"),
        ("events", "get"),
        ("events", "post"),
        ("exports/customers", "get"),
        ("exports/points_transactions", "get"),
        ("exports/reward_fulfillments", "get"),
        ("jobs", "get"),
        ("jobs/code_import", "post"),
        ("jobs/customers_import", "post"),
        ("jobs/points_import", "post"),
        ("jobs/reward_act", "post"),
        ("jobs/{id}", "get"),
        ("jobs/{id}/apply", "post"),
        ("jobs/{id}/cancel", "post"),
        ("jobs/{id}/result", "get"),
        ("jobs/{id}/rows", "get"),
        ("jobs/{id}/undo", "post"),
        ("points_holds", "get"),
        ("points_holds", "post"),
        ("points_holds/{id}", "get"),
        ("points_holds/{id}/capture", "post"),
        ("points_holds/{id}/release", "post"),
        ("points_products", "get"),
        ("points_products/{id}", "get"),
        ("points_products/{id}/purchase", "post"),
        ("points_products/{id}/simulation", "get"),
        ("points_purchases", "get"),
        ("points_purchases/{id}", "get"),
        ("points_settings", "get"),
        ("points_transactions", "get"),
        ("points_transactions", "post"),
        ("points_transactions/{id}", "get"),
        ("referral_settings", "get"),
        ("referrals", "get"),
        ("referrals/{id}", "get"),
        ("reward_fulfillments", "get"),
        ("reward_fulfillments/{id}", "get"),
        ("reward_fulfillments/{id}/cancel", "post"),
        ("reward_fulfillments/{id}/delivery", "get"),
        ("reward_fulfillments/{id}/delivery/address", "post"),
        ("reward_fulfillments/{id}/delivery/came_back", "post"),
        ("reward_fulfillments/{id}/delivery/cancel", "post"),
        ("reward_fulfillments/{id}/delivery/deliver", "post"),
        ("reward_fulfillments/{id}/delivery/order_again", "post"),
        ("reward_fulfillments/{id}/delivery/ship", "post"),
        ("reward_fulfillments/{id}/mark_unused", "post"),
        ("reward_fulfillments/{id}/mark_used", "post"),
        ("reward_fulfillments/{id}/redeem", "post"),
        ("reward_fulfillments/{id}/reissue", "post"),
        ("reward_fulfillments/{id}/value_code", "get"),
        ("rewards", "get"),
        ("rewards", "post"),
        ("rewards/{id}", "get"),
        ("rewards/{id}", "post"),
        ("segments", "get"),
        ("segments/{id}", "get"),
        ("storefront/balance", "get"),
        ("storefront/offers", "get"),
        ("storefront/offers/{id}/redeem", "post"),
        ("storefront/redeemed_rewards", "get"),
        ("value_code_redemptions", "get"),
        ("value_code_redemptions", "post"),
        ("value_code_redemptions/{id}/reverse", "post"),
        ("vip_tier_changes", "get"),
        ("vip_tier_changes/{id}", "get"),
        ("vip_tiers", "get"),
        ("webhook_deliveries", "get"),
        ("webhook_deliveries/{id}", "get"),
        ("webhook_deliveries/{id}/resend", "post"),
        ("webhook_endpoints", "get"),
        ("webhook_endpoints", "post"),
        ("webhook_endpoints/{id}", "get"),
        ("webhook_endpoints/{id}", "post"),
        ("webhook_endpoints/{id}/remove", "post"),
        ("webhook_endpoints/{id}/resend", "post"),
        ("webhook_endpoints/{id}/rotate_secret", "post"),
        ("webhook_endpoints/{id}/test", "post"),
    ]


def test_documents_every_status_and_the_bearer_key(document):
    for path, method, operation in operations(document):
        wanted = {"400", "401", "403", "405", "429", "500", "503"}
        wanted |= {"404"} if "{id}" in path else set()
        wanted |= {"409", "411", "413", "415", "422"} if method == "post" else set()
        assert wanted <= operation["responses"].keys(), (path, method)
        scheme = "customer_token" if "/storefront/" in path else "bearer"
        assert operation["security"] == [{scheme: []}], (path, method)
        assert operation["summary"]
    assert document["components"]["securitySchemes"]["bearer"]["scheme"] == "bearer"


def test_every_write_takes_an_idempotency_key(document):
    for path, method, operation in operations(document):
        names = {parameter["name"] for parameter in operation.get("parameters", [])}
        assert ("Idempotency-Key" in names) is (method == "post"), path


@pytest.mark.parametrize(
    ("path", "name", "body"),
    [
        ("/customers", "customer", {"email": "anna@example.com"}),
        ("/points_transactions", "points_transaction", {"customer_id": 1, "points_change": -5, "internal_note": None}),
        ("/points_holds", "points_hold", {"customer_id": 1, "points": 5, "expires_in": 60}),
        ("/points_holds/1/capture", "points_hold", {"points": 5}),
        ("/reward_fulfillments/1/cancel", "reward_fulfillment", {"return_points": False}),
        ("/reward_fulfillments/1/mark_unused", "reward_fulfillment", {"dry_run": True}),
        ("/reward_fulfillments/1/reissue", "reward_fulfillment", {"dry_run": True}),
        ("/reward_fulfillments/1/redeem", "value_code_redemption", {"amount": "5.00", "currency": "EUR"}),
        ("/value_code_redemptions", "value_code_redemption", {"code": "A", "amount": "5.00", "currency": "EUR"}),
        ("/reward_fulfillments/1/delivery/ship", "delivery", {"carrier": "DHL", "tracking_number": "7"}),
        ("/reward_fulfillments/1/delivery/deliver", "delivery", {"comment": "Seen"}),
        ("/reward_fulfillments/1/mark_used", "reward_fulfillment", {"order_id": "1042"}),
    ],
)
def test_takes_a_body_wrapped_or_flat_as_we_do(path, name, body):
    shape = contract.operation("post", path)["requestBody"]["content"]["application/json"]["schema"]

    assert contract.differences(shape, {name: body}, whole=False) == []
    assert contract.differences(shape, body, whole=False) == []
    assert contract.differences(shape, [body], whole=False) != []


def test_says_nothing_that_is_meant_for_who_reads_the_code(document):
    assert "`scopes` names" not in schema.FILE.read_text()
    for name, shape in document["components"]["schemas"].items():
        assert "description" not in shape, name


def test_every_exchange_of_these_tests_is_held_against_it():
    answer = JsonResponse({"customer": {"id": "1", "secret": 2}}, headers={"Retry-After": "1"})

    with pytest.raises(AssertionError, match="secret is not documented"):
        contract.check("get", "/customers/1", answer)
    with pytest.raises(AssertionError, match="'1' is not of type 'integer'"):
        contract.check("get", "/customers/1/", answer)
    with pytest.raises(AssertionError, match="is not documented"):
        contract.check("post", "/customers/1", answer)
