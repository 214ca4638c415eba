import base64

import pytest

from loyalty.api import pagination
from tests.api.conftest import refusal
from tests.factories.people import CustomerFactory

pytestmark = pytest.mark.django_db


@pytest.fixture
def five():
    """Ids of five customers, newest first."""
    return [customer.pk for customer in CustomerFactory.create_batch(5)][::-1]


def ids(answer):
    return [row["id"] for row in answer.json()["customers"]]


def metadata(answer):
    return answer.json()["metadata"]


def test_a_short_list_is_one_page_newest_first(api, five):
    answer = api.get("/customers")

    assert ids(answer) == five
    assert metadata(answer) == {"next_cursor": None, "previous_cursor": None}


def test_an_empty_list_is_a_page(api):
    answer = api.get("/customers")

    assert answer.json() == {"customers": [], "metadata": {"next_cursor": None, "previous_cursor": None}}


def test_walks_forward_and_back_again(api, five):
    first = api.get("/customers", limit=2)
    second = api.get("/customers", limit=2, cursor=metadata(first)["next_cursor"])
    third = api.get("/customers", limit=2, cursor=metadata(second)["next_cursor"])

    assert [ids(first), ids(second), ids(third)] == [five[:2], five[2:4], five[4:]]
    assert metadata(first)["previous_cursor"] is None
    assert metadata(third)["next_cursor"] is None

    back = api.get("/customers", limit=2, cursor=metadata(third)["previous_cursor"])
    start = api.get("/customers", limit=2, cursor=metadata(back)["previous_cursor"])
    assert [ids(back), ids(start)] == [five[2:4], five[:2]]
    assert metadata(start)["previous_cursor"] is None
    assert ids(api.get("/customers", limit=2, cursor=metadata(start)["next_cursor"])) == five[2:4]


def test_a_page_that_is_exactly_full_has_no_next(api, five):
    assert metadata(api.get("/customers", limit=5))["next_cursor"] is None
    assert metadata(api.get("/customers", limit=4))["next_cursor"] is not None


def test_what_is_added_meanwhile_moves_nothing(api, five):
    first = api.get("/customers", limit=2)
    CustomerFactory()

    second = api.get("/customers", limit=2, cursor=metadata(first)["next_cursor"])

    assert ids(second) == five[2:4]


def test_a_cursor_whose_row_is_past_the_end_still_leads_back(api, five):
    beyond = api.get("/customers", cursor=pagination.encode(1, "next"))

    assert ids(beyond) == []
    assert ids(api.get("/customers", cursor=metadata(beyond)["previous_cursor"])) == five


def test_reads_a_cursor_in_the_shape_smile_documents(api, five):
    cursor = base64.b64encode(f"id:{five[1]},direction:next".encode()).decode()

    assert ids(api.get("/customers", cursor=cursor)) == five[2:]


def test_an_empty_cursor_is_none(api, five):
    assert ids(api.get("/customers", cursor="")) == five


@pytest.mark.parametrize(
    "cursor",
    [
        "x",
        "!!!",
        "aWQ6Mg==",
        "żółw",
        base64.b64encode(b"id:-1,direction:next").decode(),
        base64.b64encode(b"id:1,direction:up").decode(),
        base64.b64encode(b"id:" + b"9" * 19 + b",direction:next").decode(),
        base64.b64encode(b"id:1,direction:next\n").decode(),
        "A" * 5000,
    ],
)
def test_a_cursor_that_is_none_of_ours_is_refused(api, cursor):
    assert refusal(api.get("/customers", cursor=cursor)) == (400, "invalid_parameter")


@pytest.mark.parametrize("limit", ["0", "-1", "251", "abc", "1.5", "", " ", "1e2", "9" * 30, "true", "\x00"])
def test_a_limit_outside_1_to_250_is_refused(api, limit):
    assert refusal(api.get("/customers", limit=limit)) == (400, "invalid_parameter")


def test_shows_50_unless_told(api):
    CustomerFactory.create_batch(51)

    assert len(ids(api.get("/customers"))) == 50
    assert len(ids(api.get("/customers", limit=250))) == 51


def test_counts_pages_for_clients_that_do(api, five):
    pages = [api.get("/customers", page=page, page_size=2) for page in (1, 2, 3, 4)]

    assert [ids(page) for page in pages] == [five[:2], five[2:4], five[4:], []]
    assert metadata(pages[0])["next_cursor"] is not None


@pytest.mark.parametrize("page", ["0", "-1", "1001", "x", ""])
def test_a_page_number_that_makes_no_sense_is_refused(api, page):
    assert refusal(api.get("/customers", page=page)) == (400, "invalid_parameter")
    assert refusal(api.get("/points_products", page=page)) == (400, "invalid_parameter")


@pytest.mark.parametrize("path", ["/customers", "/points_transactions", "/reward_fulfillments"])
@pytest.mark.parametrize("repeated", ["limit=1&limit=2", "limit=x&limit=1", "page=1&page=1", "cursor=x&cursor="])
def test_a_parameter_that_is_given_twice_is_refused_and_none_of_its_values_ignored(api, path, repeated):
    answer = api.client.get(f"/api/v1{path}?{repeated}", headers=api.headers)

    assert refusal(answer) == (400, "invalid_parameter")
    assert answer.json()["error"]["message"] == f"{repeated.partition('=')[0]} is given 2 times. Give it once."
