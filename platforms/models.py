"""Merchants' access to the shops and payout providers we work through."""

import uuid

from django.contrib.postgres.fields import ArrayField
from django.core.validators import MinValueValidator
from django.db import models


class Platform(models.TextChoices):
    """The store software we have an adapter for; `platforms.registry` maps each to its adapter."""

    SANDBOX = "sandbox", "Sandbox shop"
    VENDURE = "vendure", "Vendure"
    BIGCOMMERCE = "bigcommerce", "BigCommerce"
    WOOCOMMERCE = "woocommerce", "WooCommerce"
    SHOPIFY = "shopify", "Shopify"
    MEDUSA = "medusa", "Medusa"


def platforms() -> list[tuple[str, str]]:
    """The choices of the column: a function, so that a further platform needs no migration."""
    return Platform.choices


MOST_STOREFRONTS = 10


class StoreConnection(models.Model):
    """One merchant's access to one shop. Credentials are encrypted and are never shown again."""

    name = models.CharField(max_length=100)
    platform = models.CharField(max_length=20, choices=platforms)
    base_url = models.URLField("shop address", max_length=300)
    currency = models.CharField(max_length=3, default="USD")
    storefronts = ArrayField(  # origins, as platforms.storefronts reads them
        models.CharField(max_length=270),
        verbose_name="pages that show the customers’ pages",
        default=list,
        db_default=[],
        blank=True,
        size=MOST_STOREFRONTS,
    )
    enabled = models.BooleanField(default=True)
    calls_per_second = models.PositiveSmallIntegerField(
        null=True,
        blank=True,
        validators=[MinValueValidator(1)],
        help_text="How many calls a second the shop bears from us, all workers together. Empty: as many as its answers allow.",
    )
    credentials = models.TextField(blank=True, editable=False)  # sealed by platforms.credentials
    webhook_key = models.UUIDField(default=uuid.uuid4, unique=True, editable=False)  # in the address the shop calls
    orders_cursor = models.CharField(max_length=200, blank=True, editable=False)
    polled_at = models.DateTimeField(null=True, editable=False)
    poll_error = models.CharField(max_length=300, blank=True, editable=False)
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        verbose_name = "shop"
        constraints = [
            models.CheckConstraint(condition=models.Q(currency__regex="^[A-Z]{3}$"), name="connection_currency_code"),
            models.UniqueConstraint(fields=["name"], name="connection_name_unique"),
            models.CheckConstraint(condition=~models.Q(calls_per_second=0), name="connection_asked_at_all"),
        ]

    def __str__(self) -> str:
        return self.name


def _health_holds(prefix: str) -> list[models.BaseConstraint]:
    """What must hold of a row of either table of calls."""
    is_open, nobody = models.Q(opened_at__isnull=False), models.Q(opened_at__isnull=True)
    conditions = {
        "open_says_when_to_ask": models.Q(opened_at__isnull=True, ask_at__isnull=True)
        | models.Q(opened_at__isnull=False, ask_at__isnull=False),
        "probed_only_while_open": models.Q(probe_until__isnull=True) | is_open,
        "failing_since_when": models.Q(failures=0, failing_since__isnull=True)
        | models.Q(failures__gt=0, failing_since__isnull=False),
        "refused_since_when": models.Q(refusals=0, refused_since__isnull=True)
        | models.Q(refusals__gt=0, refused_since__isnull=False),
        "open_has_failures": nobody | models.Q(failures__gt=0),
    }
    return [models.CheckConstraint(condition=holds, name=f"{prefix}_{name}") for name, holds in conditions.items()]


class CallHealth(models.Model):
    """Whether somebody we ask answers, as the calls found it. `platforms.breaker` alone writes these rows.

    No row: nobody has been asked yet.
    """

    ok_at = models.DateTimeField(null=True)  # the last success, to some ten seconds
    throttled_at = models.DateTimeField(null=True)  # when we were last asked to wait, to some ten seconds
    failed_at = models.DateTimeField(null=True)  # the last call without an answer, and why
    failure = models.CharField(max_length=300, blank=True)
    failures = models.PositiveIntegerField(default=0)  # in a row, up to now
    failing_since = models.DateTimeField(null=True)  # the first of them
    # The breaker is open while it has an `ask_at`: until then nobody asks, and afterwards one call does.
    opened_at = models.DateTimeField(null=True)
    ask_at = models.DateTimeField(null=True)
    probe_until = models.DateTimeField(null=True)  # the claim of that one call
    pauses = models.PositiveSmallIntegerField(default=0)
    closed_at = models.DateTimeField(null=True)
    refusals = models.PositiveIntegerField(default=0)  # of our credentials, in a row
    refused_since = models.DateTimeField(null=True)
    refused_at = models.DateTimeField(null=True)  # the last of them
    refusal = models.CharField(max_length=300, blank=True)

    class Meta:
        abstract = True


class ShopHealth(CallHealth):
    """Of a shop."""

    connection = models.OneToOneField(
        StoreConnection, primary_key=True, on_delete=models.CASCADE, related_name="health"
    )
    webhooks_checked_at = models.DateTimeField(null=True)  # whether the shop has our address, and why not
    webhooks_problem = models.CharField(max_length=300, blank=True)

    class Meta:
        verbose_name = "health of a shop"
        constraints = _health_holds("health")

    def __str__(self) -> str:
        return f"Health of {self.connection_id}"


class IncidentKind(models.TextChoices):
    """What can be wrong with a shop for a while; with a payout account, the first two."""

    UNREACHABLE = "unreachable", "Does not answer"
    REFUSED = "refused", "Refuses our credentials"
    WAITING = "waiting", "Rewards wait too long"
    FAILING = "failing", "Many rewards fail"


def _incident_holds(prefix: str, *, of: str, kinds: list[str]) -> list[models.BaseConstraint]:
    """What must hold of a row of either table of incidents."""
    ended = models.Q(ended_at__isnull=True) | models.Q(ended_at__gte=models.F("began_at"))
    is_open = models.Q(ended_at__isnull=True)
    return [
        models.UniqueConstraint(fields=[of, "kind"], condition=is_open, name=f"{prefix}_open_once"),
        models.CheckConstraint(condition=models.Q(kind__in=kinds), name=f"{prefix}_kind_known"),
        models.CheckConstraint(condition=ended, name=f"{prefix}_ends_after_it_began"),
    ]


class Incident(models.Model):
    """One time that something was wrong with somebody we ask, from when staff were told to when it was over.

    `rewards.shop_watch` alone writes these rows, each with its event.
    """

    kind = models.CharField(max_length=12, choices=IncidentKind)
    began_at = models.DateTimeField()
    ended_at = models.DateTimeField(null=True)
    detail = models.CharField(max_length=300)  # a sentence for staff, as of the beginning

    class Meta:
        abstract = True


class ShopIncident(Incident):
    """Of a shop."""

    connection = models.ForeignKey(StoreConnection, on_delete=models.CASCADE, related_name="incidents", db_index=False)

    class Meta:
        verbose_name = "incident of a shop"
        verbose_name_plural = "incidents of shops"
        constraints = _incident_holds(
            "incident", of="connection", kinds=["unreachable", "refused", "waiting", "failing"]
        )
        indexes = [models.Index(fields=["connection", "began_at", "id"], name="incident_of_shop")]

    def __str__(self) -> str:
        return f"{self.get_kind_display()}: {self.connection_id}"


class PayoutProvider(models.TextChoices):
    """Who sends money for us; `platforms.payouts.registry` maps each to what talks to it."""

    BY_HAND = "by_hand", "By hand"
    SANDBOX = "sandbox", "Sandbox"
    PAYPAL = "paypal", "PayPal"
    SHOPIFY_CREDIT = "shopify_credit", "Shopify store credit"
    PAYTM = "paytm", "Paytm wallet"


def payout_providers() -> list[tuple[str, str]]:
    """The choices of the column: a function, so that a further provider needs no migration."""
    return PayoutProvider.choices


class PayoutAccount(models.Model):
    """One merchant's access to one payout provider. Credentials are encrypted and are never shown again.

    A row of its own beside the shops: a provider has no orders to poll and no codes, serves rewards of any shop or of
    none, and one merchant may pay from several accounts in several currencies.
    """

    name = models.CharField(max_length=100)
    provider = models.CharField(max_length=20, choices=payout_providers)
    base_url = models.URLField("address", max_length=300, blank=True)
    shop = models.ForeignKey(
        StoreConnection, on_delete=models.PROTECT, null=True, blank=True, related_name="+"
    )  # the one whose credit it gives
    currency = models.CharField(max_length=3, default="USD")
    enabled = models.BooleanField(
        default=True, help_text="Switched off, nothing new is paid out; what was sent is still asked about."
    )
    credentials = models.TextField(blank=True, editable=False)  # sealed by platforms.credentials
    webhook_key = models.UUIDField(default=uuid.uuid4, unique=True, editable=False)  # in the address it calls
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        verbose_name = "payout account"
        constraints = [
            models.CheckConstraint(condition=models.Q(currency__regex="^[A-Z]{3}$"), name="payout_account_currency"),
            models.UniqueConstraint(fields=["name"], name="payout_account_name_unique"),
            models.CheckConstraint(
                condition=models.Q(provider="shopify_credit", shop__isnull=False)
                | (~models.Q(provider="shopify_credit") & models.Q(shop__isnull=True)),
                name="payout_account_shop_fits",
            ),
        ]

    def __str__(self) -> str:
        return self.name


class PayoutHealth(CallHealth):
    """Of a payout account."""

    account = models.OneToOneField(PayoutAccount, primary_key=True, on_delete=models.CASCADE, related_name="health")

    class Meta:
        verbose_name = "health of a payout account"
        constraints = _health_holds("payout_health")

    def __str__(self) -> str:
        return f"Health of payout account {self.account_id}"


class PayoutIncident(Incident):
    """Of a payout account."""

    account = models.ForeignKey(PayoutAccount, on_delete=models.CASCADE, related_name="incidents", db_index=False)

    class Meta:
        verbose_name = "incident of a payout account"
        verbose_name_plural = "incidents of payout accounts"
        constraints = _incident_holds("payout_incident", of="account", kinds=["unreachable", "refused"])
        indexes = [models.Index(fields=["account", "began_at", "id"], name="incident_of_account")]

    def __str__(self) -> str:
        return f"{self.get_kind_display()}: payout account {self.account_id}"
