"""Testing the connection to a Shopify shop: each misconfiguration has a sentence of its own."""

import threading
from collections.abc import Iterator

import pytest

from platforms.adapter import Access, Outcome, Refusal
from platforms.payouts import shopify_credit
from platforms.shopify import sentences
from platforms.shopify.adapter import ShopifyAdapter
from tests.fakes.pacing import Told
from tests.fakes.shopify import checks, prune
from tests.fakes.shopify.server import RESTORE, Shopify, running_shopify
from tests.fakes.shopify.shop import CLIENT_ID, CLIENT_SECRET, PASTED


@pytest.fixture
def fake() -> Iterator[Shopify]:
    with running_shopify() as running:
        yield running


def test_tells_which_shop_it_is(fake: Shopify) -> None:
    fake.adapter().ensure_webhooks("https://desk.example/hooks/1/")
    fake.shop.scopes.add("read_all_orders")

    info = fake.adapter().test_connection().value

    assert info is not None
    assert (info.name, info.currency, info.detail) == ("Lilies", "USD", "Shopify, lilies.myshopify.com.")


def test_tells_what_will_not_work(fake: Shopify) -> None:
    fake.shop.scopes.discard("write_gift_cards")

    info = fake.adapter().test_connection().value

    assert info is not None
    assert "Gift cards cannot be given: the app lacks write_gift_cards." in info.detail
    assert "the last 60 days" in info.detail
    assert "No webhook is registered" in info.detail


@pytest.mark.parametrize("scope", sorted(sentences.SCOPES))
def test_names_the_scope_that_is_missing(fake: Shopify, scope: str) -> None:
    fake.shop.scopes.discard(scope)

    answer = fake.adapter().test_connection()

    assert (answer.outcome, answer.refusal) == (Outcome.REJECTED, Refusal.UNAUTHORIZED)
    assert f"it lacks {scope}. Add it to the app's scopes in Shopify's Dev Dashboard" in answer.reason


def test_says_that_the_currency_is_another(fake: Shopify) -> None:
    answer = fake.adapter(currency="EUR").test_connection()

    assert (answer.outcome, answer.refusal) == (Outcome.REJECTED, Refusal.INVALID)
    assert answer.reason.startswith("The connection is set to EUR, but Lilies sells in USD.")


@pytest.mark.parametrize(
    ("credentials", "sentence"),
    [
        ({}, sentences.NO_CREDENTIALS),
        ({"client_id": CLIENT_ID}, sentences.HALF_A_PAIR),
        ({"client_secret": CLIENT_SECRET, "client_id": " "}, sentences.HALF_A_PAIR),
        ({"token": PASTED, "version": "2019-04"}, sentences.UNKNOWN_VERSION),
        ({"token": "shpat_wrong"}, sentences.REFUSED_ACCESS),
        ({"client_id": CLIENT_ID, "client_secret": "wrong"}, sentences.WRONG_CLIENT),
    ],
)
def test_says_what_is_wrong_with_the_credentials(fake: Shopify, credentials: dict[str, str], sentence: str) -> None:
    answer = fake.adapter(credentials=credentials).test_connection()

    assert (answer.outcome, answer.refusal, answer.reason) == (Outcome.REJECTED, Refusal.UNAUTHORIZED, sentence)


@pytest.mark.parametrize(
    ("operation", "kind", "sentence"),
    [
        ("token", "other_organisation", sentences.OTHER_ORGANISATION),
        ("token", "not_installed", sentences.NOT_INSTALLED),
        ("token", "404", sentences.NO_SUCH_SHOP),
        ("Who", "402", sentences.FROZEN),
        ("Who", "403", sentences.FORBIDDEN),
        ("Who", "404", sentences.NO_SUCH_SHOP),
        ("Who", "423", sentences.LOCKED),
    ],
)
def test_says_why_the_shop_lets_nobody_in(fake: Shopify, operation: str, kind: str, sentence: str) -> None:
    fake.fault(operation, kind)

    answer = fake.adapter().test_connection()

    assert (answer.outcome, answer.reason) == (Outcome.REJECTED, sentence)


def test_says_that_a_fresh_token_is_refused_too(fake: Shopify) -> None:
    fake.fault("Who", "401", times=2)

    answer = fake.adapter().test_connection()

    assert (answer.outcome, answer.reason) == (Outcome.REJECTED, sentences.ACCESS_WENT_BAD)


def test_says_that_it_is_no_shopify_shop(fake: Shopify) -> None:
    fake.fault("Who", "html")

    assert fake.adapter().test_connection().reason == sentences.NOT_SHOPIFY


@pytest.mark.parametrize(
    "address",
    ["https://lilies.example", "https://lilies.myshopify.com.evil.example", "https://evil.example/.myshopify.com"],
)
def test_sends_credentials_to_no_other_address_than_shopifys(address: str) -> None:
    access = Access(base_url=address, credentials={"token": PASTED}, webhook_secrets=(), currency="USD")

    answer = ShopifyAdapter(access).test_connection()

    assert (answer.outcome, answer.reason) == (Outcome.REJECTED, sentences.NOT_MYSHOPIFY)


def test_gives_each_misconfiguration_a_sentence_of_its_own() -> None:
    found = [text for name, text in vars(sentences).items() if name.isupper() and isinstance(text, str) and " " in text]

    assert len(set(found)) == len(found) > 15
    assert all(text.rstrip().endswith((".", ":")) for text in found)


def test_asks_for_one_token_when_many_start_at_once(fake: Shopify) -> None:
    fake.fault("token", "slow_after", times=8, seconds=0.3)
    start = threading.Barrier(8)

    def ask() -> None:
        start.wait()
        assert fake.adapter().test_connection().ok

    threads = [threading.Thread(target=ask) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert fake.asked.count("token") == 1


def test_keeps_secrets_and_tokens_out_of_what_it_says(fake: Shopify) -> None:
    fake.adapter().test_connection()
    granted = next(one for one in fake.shop.tokens if one != PASTED)
    fake.shop.name = f"Lilies {granted} {CLIENT_SECRET}"

    observed = fake.adapter().test_connection().observed

    assert granted not in observed.excerpt
    assert CLIENT_SECRET not in observed.excerpt
    assert "Lilies [hidden]" in observed.excerpt


@pytest.mark.parametrize("version", sentences.VERSIONS)
def test_asks_only_what_each_version_of_the_schema_knows_within_the_scopes_it_lists(version: str) -> None:
    against = checks.version(version)
    held = checks.with_reads({*sentences.SCOPES, sentences.GIFT_CARD_SCOPE, *shopify_credit.SCOPES})
    needed: set[str] = set()

    for document in prune.documents().values():
        parsed = checks.parse(document)
        assert checks.validate(against.schema, parsed) == []
        wanted = checks.wanted_scopes(against, parsed)
        assert all(held.intersection(scopes) for scopes in wanted.values()), wanted
        needed |= {scopes[0] for scopes in wanted.values()}

    assert {*sentences.SCOPES, *shopify_credit.SCOPES[:2]} <= needed


def test_asks_no_faster_than_flows_in_once_half_of_the_bucket_is_spent(fake: Shopify) -> None:
    told = Told()
    adapter = fake.adapter(pace=told)
    adapter.find_code("NOBODY")
    assert told.paces == []

    fake.available = 900
    adapter.find_code("NOBODY")

    ((rate, _seconds),) = told.paces
    assert 0 < rate < RESTORE
