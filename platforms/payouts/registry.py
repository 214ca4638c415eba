"""Payout provider's key → the class that talks to it. The only file that names one."""

from django.conf import settings

from platforms import credentials
from platforms.adapter import Access
from platforms.models import PayoutAccount, PayoutProvider
from platforms.payouts.by_hand import ByHand
from platforms.payouts.guarded import GuardedProvider
from platforms.payouts.paypal.provider import PayPalPayouts
from platforms.payouts.paytm.provider import PaytmPayouts
from platforms.payouts.provider import Provider
from platforms.payouts.sandbox import SandboxPayouts
from platforms.payouts.shopify_credit import ShopifyCredit
from platforms.registry import WEBHOOK_SECRET_FIELDS

PROVIDERS: dict[str, type[Provider]] = {
    PayoutProvider.BY_HAND: ByHand,
    PayoutProvider.SANDBOX: SandboxPayouts,
    PayoutProvider.PAYPAL: PayPalPayouts,
    PayoutProvider.SHOPIFY_CREDIT: ShopifyCredit,
    PayoutProvider.PAYTM: PaytmPayouts,
}


def provider_class(provider: str) -> type[Provider]:
    return PROVIDERS[provider]


def provider_for(account: PayoutAccount, *, timeout: float = 20.0) -> Provider:
    """What talks to this account through its breaker, with the credentials of its shop where it has one.

    Raises CredentialsUnreadable.
    """
    shop = account.shop
    opened = credentials.unseal(account.credentials)
    if shop is not None:
        opened = credentials.unseal(shop.credentials) | opened
    provider = PROVIDERS[account.provider](
        Access(
            base_url=shop.base_url if shop is not None else account.base_url,
            credentials={name: value for name, value in opened.items() if name not in WEBHOOK_SECRET_FIELDS},
            webhook_secrets=tuple(opened[name] for name in WEBHOOK_SECRET_FIELDS if opened.get(name)),
            currency=account.currency,
            allow_private_addresses=settings.ALLOW_PRIVATE_SHOP_ADDRESSES,
            timeout=timeout,
        )
    )
    return GuardedProvider(provider, account) if provider.capabilities.calls_out else provider


def ask_again(account: PayoutAccount, *, timeout: float = 20.0) -> None:
    """Ask an account that fell silent whether it answers, when its breaker says so. Raises CredentialsUnreadable."""
    provider = provider_for(account, timeout=timeout)
    if isinstance(provider, GuardedProvider):
        provider.ask_again()
