"""Codes and gifts that no shop knows: they are checked and used through our own API, so there is nobody to ask."""

from collections.abc import Mapping
from datetime import datetime
from typing import ClassVar

from platforms.adapter import (
    DISCOUNTS,
    Access,
    Answer,
    Capabilities,
    CodePage,
    CodeSpec,
    CredentialField,
    DiscountKind,
    OrderPage,
    Outcome,
    PlatformCode,
    Refusal,
    ShopInfo,
    ShopOrder,
    WebhookMessage,
    WebhookRejected,
)

NO_SHOP = "Own codes have no shop behind them, so there are no webhooks. Connect a shop to receive its orders."


class OwnCodesAdapter:
    """Answers at once and calls nobody. Our own rows are the only record of these codes."""

    key: ClassVar[str] = "own_codes"
    label: ClassVar[str] = "Own codes"
    capabilities: ClassVar[Capabilities] = Capabilities(
        calls_out=False,
        kinds=frozenset(DiscountKind) - {DiscountKind.FREE_PRODUCT},  # there is no shop to have products
        collections=DISCOUNTS,  # whoever takes the code reads its terms
        combinations=True,
        binds_customer=True,
        extends=True,
        refuses_duplicates=False,  # our own unique key does
        webhooks=False,
        lists_codes=False,  # our own rows are the list
    )
    code_page: ClassVar[str] = ""
    credential_fields: ClassVar[tuple[CredentialField, ...]] = ()

    def __init__(self, access: Access) -> None:
        self._access = access

    def create_code(self, spec: CodeSpec) -> Answer[PlatformCode]:
        code = PlatformCode(
            code=spec.code,
            remote_id="",
            alive=True,
            reference=spec.reference,
            percent=spec.percent,
            amount=spec.amount,
            minimum_order=spec.minimum_order,
            collections=spec.collections,
            expires_at=spec.expires_at,
        )
        return Answer(outcome=Outcome.OK, value=code)

    def find_code(self, code: str) -> Answer[PlatformCode | None]:
        """OK with None: it is true that no shop has the code."""
        return Answer(outcome=Outcome.OK, value=None)

    def list_codes(self, cursor: str) -> Answer[CodePage]:
        """OK with nothing: it is true that no shop has any."""
        return Answer(outcome=Outcome.OK, value=CodePage(codes=(), cursor=cursor, more=False))

    def disable_code(self, code: str, remote_id: str) -> Answer[PlatformCode | None]:
        return Answer(outcome=Outcome.OK, value=None)

    def extend_code(self, code: str, remote_id: str, expires_at: datetime) -> Answer[PlatformCode | None]:
        return Answer(outcome=Outcome.OK, value=None)

    def read_order(self, external_id: str) -> Answer[ShopOrder | None]:
        return Answer(outcome=Outcome.OK, value=None)

    def orders_since(self, cursor: str) -> Answer[OrderPage]:
        return Answer(outcome=Outcome.OK, value=OrderPage(orders=(), cursor=cursor, more=False))

    def parse_webhook(self, *, headers: Mapping[str, str], body: bytes, now: datetime) -> WebhookMessage:
        raise WebhookRejected(NO_SHOP, code="malformed")

    def test_connection(self) -> Answer[ShopInfo]:
        return Answer(
            outcome=Outcome.OK,
            value=ShopInfo(name="Own codes", currency=self._access.currency, detail="No shop is asked."),
        )

    def ensure_webhooks(self, url: str) -> Answer[None]:
        return Answer(outcome=Outcome.REJECTED, refusal=Refusal.UNSUPPORTED, reason=NO_SHOP)
