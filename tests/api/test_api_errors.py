"""Every refusal, however it comes about, has one shape and a status a client can act on."""

import json
import re

import pytest
from django.db import connection

from loyalty.points.models import PointsTransaction
from tests.api.conftest import refusal
from tests.factories.people import CustomerFactory

pytestmark = pytest.mark.django_db

UUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")


def test_names_each_exchange_in_header_and_body(api):
    first, second = api.get("/customers/1"), api.get("/customers/1")

    assert UUID.fullmatch(first["X-Request-Id"])
    assert first.json()["error"]["request_id"] == first["X-Request-Id"] != second["X-Request-Id"]
    assert UUID.fullmatch(api.get("/customers")["X-Request-Id"])


def test_answers_are_json_and_are_not_kept_by_caches(api):
    answer = api.get("/customers")

    assert answer["Content-Type"] == "application/json"
    assert answer["Cache-Control"] == "no-store"


@pytest.mark.parametrize("path", ["", "/", "/nothing", "/customers/1/nothing", "/points_purchase", "/../customers/"])
def test_an_unknown_address_is_not_found_with_or_without_a_key(api, stranger, path):
    assert refusal(api.get(path)) == (404, "not_found")
    assert refusal(stranger.get(path)) == (404, "not_found")
    assert refusal(api.post(path)) == (404, "not_found")


def test_another_version_is_not_found_in_the_same_shape(api):
    assert refusal(api.client.get("/api/v2/customers")) == (404, "not_found")
    assert refusal(api.client.delete("/api/")) == (404, "not_found")


@pytest.mark.parametrize("path", ["/customers", "/points_transactions", "/points_products", "/reward_fulfillments"])
@pytest.mark.parametrize("number", ["abc", "-1", "1.0", "0x1", "١", " 1", "9" * 19, "9" * 400, "1e3", "%00", "null"])
def test_an_id_in_the_path_that_is_none_is_not_found(api, path, number):
    assert refusal(api.get(f"{path}/{number}")) == (404, "not_found")


@pytest.mark.parametrize("method", ["put", "patch", "delete", "options", "trace"])
def test_a_method_we_do_not_take_is_named(api, method):
    answer = getattr(api.client, method)("/api/v1/customers", headers=api.headers)

    assert refusal(answer) == (405, "method_not_allowed")
    assert answer["Allow"] == "GET, HEAD, POST"


def test_redeemed_rewards_are_not_made_by_posting_them(api):
    answer = api.post("/reward_fulfillments", {"reward_fulfillment": {"customer_id": 1}})

    assert refusal(answer) == (405, "method_not_allowed")
    assert answer["Allow"] == "GET, HEAD"


@pytest.mark.parametrize(
    "body",
    [
        "{",
        "",
        " ",
        "{'customer_id': 1}",
        '{"customer_id": 1,}',
        '{"points_change": NaN}',
        '{"points_change": Infinity}',
        '{"points_change": -Infinity}',
        b"\xff\xfe\x00",
        b"\xef\xbb\xbf{}",
        '{"points_change": ' + "9" * 5000 + "}",
        "[" * 90_000,
        '{"a":' * 10_000 + "1" + "}" * 10_000,
    ],
)
def test_a_body_that_is_not_json_is_refused(api, body):
    assert refusal(api.post("/points_transactions", body))[0] == 400
    assert refusal(api.post("/points_transactions", body, key="once"))[0] == 400


@pytest.mark.parametrize("body", [[], [1], "text", 5, True, None, [{"customer_id": 1}]])
def test_a_body_that_is_no_object_is_refused(api, body):
    answer = api.post("/points_transactions", json.dumps(body))

    assert refusal(answer) == (400, "malformed_body")


@pytest.mark.parametrize("nested", [400, 900])
def test_deep_nesting_is_refused_or_read_and_never_breaks(api, nested):
    body = '{"a":' * nested + "1" + "}" * nested

    assert refusal(api.post("/points_transactions", body, key="deep"))[0] == 400


@pytest.mark.parametrize("kind", ["application/x-www-form-urlencoded", "text/plain", "multipart/form-data", "x"])
def test_another_type_of_body_is_refused(api, kind):
    answer = api.post("/points_transactions", '{"customer_id": 1}', content_type=kind)

    assert refusal(answer) == (415, "unsupported_media_type")


def test_a_body_without_a_type_is_refused(api):
    answer = api.post("/points_transactions", '{"customer_id": 1}', content_type="")

    assert refusal(answer) == (400, "malformed_body")
    assert "Content-Type" in answer.json()["error"]["message"]


def test_json_with_a_charset_is_taken(api):
    customer = CustomerFactory()
    body = {"customer_id": customer.pk, "points_change": 5}

    answer = api.post("/points_transactions", body, content_type="application/json; charset=utf-8")

    assert answer.status_code == 201


@pytest.mark.parametrize("accept", ["text/html", "application/xml", "nonsense", "*/*", ""])
def test_whatever_is_accepted_the_answer_is_json(api, accept):
    api.headers["Accept"] = accept

    assert api.get("/customers", format="xml").status_code == 200


def test_a_large_body_is_refused_before_it_is_read(api):
    body = json.dumps({"customer_id": 1, "points_change": 1, "description": "x" * 100_000})

    assert refusal(api.post("/points_transactions", body)) == (413, "body_too_large")
    assert refusal(api.post("/points_transactions", "x" * 5_000_000)) == (413, "body_too_large")
    assert not PointsTransaction.objects.exists()


def test_a_failure_of_ours_says_nothing_of_itself_and_is_logged(api, monkeypatch, caplog):
    def broken(**_):
        raise RuntimeError("the secret reason")

    monkeypatch.setattr("loyalty.points.queries.balances", broken)
    CustomerFactory()

    answer = api.get("/customers")

    assert refusal(answer) == (500, "internal_error")
    assert "secret reason" not in answer.content.decode()
    assert "the secret reason" in caplog.text
    assert answer["X-Request-Id"] in caplog.text


def test_a_question_that_takes_too_long_is_ended_and_may_be_asked_again(api, monkeypatch):
    def slow(**_):
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_sleep(5)")

    CustomerFactory()
    monkeypatch.setattr("loyalty.points.queries.balances", slow)
    with connection.cursor() as cursor:
        cursor.execute("SET LOCAL statement_timeout = 200")  # as DATABASE_STATEMENT_SECONDS sets it for each connection

    answer = api.get("/customers")

    assert refusal(answer) == (503, "unavailable")
    assert answer["Retry-After"] == "5"


def test_speaks_english_and_utc_whatever_the_browser_prefers(api):
    api.headers["Accept-Language"] = "de"

    answer = api.post("/customers", {"email": "anna@example.com", "first_name": "x" * 81})

    assert answer.json()["error"]["message"] == "first_name: Ensure this field has no more than 80 characters."


def test_too_many_query_parameters_are_refused(api):
    answer = api.client.get("/api/v1/customers?" + "&".join(f"a{n}=1" for n in range(2001)), headers=api.headers)

    assert refusal(answer) == (400, "bad_request")


@pytest.mark.parametrize("length", ["-5", "abc", "1.0", "١"])
def test_a_length_that_is_none_is_refused(api, length):
    assert refusal(api.post("/points_transactions", {}, CONTENT_LENGTH=length)) == (400, "malformed_body")


def test_a_body_in_chunks_is_refused_and_never_read_as_none(api):
    customer = CustomerFactory()
    body = {"customer_id": customer.pk, "points_change": 1}

    answer = api.post("/points_transactions", body, CONTENT_LENGTH="", HTTP_TRANSFER_ENCODING="chunked")

    assert refusal(answer) == (411, "length_required")
    assert not PointsTransaction.objects.exists()
