from datetime import UTC, datetime
from decimal import Decimal

import pytest

from platforms.adapter import Access, Adapter, CodeSpec, DiscountKind, Outcome, Refusal, WebhookRejected
from platforms.own_codes import OwnCodesAdapter

ACCESS = Access(base_url="", credentials={}, webhook_secrets=(), currency="EUR")
SPEC = CodeSpec(
    code="GIFT-1", kind=DiscountKind.FIXED_AMOUNT, title="Gift", reference="rr-1", currency="EUR", amount=Decimal(5)
)


def test_answers_without_calling_anybody() -> None:
    adapter: Adapter = OwnCodesAdapter(ACCESS)

    made = adapter.create_code(SPEC)

    assert adapter.capabilities.calls_out is False
    assert made.value is not None
    assert (made.outcome, made.value.code, made.value.alive, made.value.amount) == (
        Outcome.OK,
        "GIFT-1",
        True,
        Decimal(5),
    )


def test_knows_no_shop() -> None:
    adapter = OwnCodesAdapter(ACCESS)

    assert adapter.find_code("GIFT-1").value is None
    assert adapter.disable_code("GIFT-1", "").ok
    assert adapter.extend_code("GIFT-1", "", datetime(2031, 1, 1, tzinfo=UTC)).ok
    listed = adapter.list_codes("").value
    assert listed is not None
    assert (listed.codes, listed.more, adapter.capabilities.lists_codes) == ((), False, False)
    page = adapter.orders_since("").value
    assert page is not None
    assert (page.orders, page.more) == ((), False)
    assert adapter.ensure_webhooks("https://desk.example.com").refusal is Refusal.UNSUPPORTED


def test_refuses_every_webhook() -> None:
    with pytest.raises(WebhookRejected, match="no shop"):
        OwnCodesAdapter(ACCESS).parse_webhook(headers={}, body=b"", now=datetime(2026, 1, 1, tzinfo=UTC))
