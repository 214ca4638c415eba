"""Customers: who they are, where gifts go, and under which names the shops know them."""

from datetime import datetime, timedelta

from django.conf import settings
from django.contrib.postgres.indexes import GinIndex
from django.db import models
from django.db.models import F, Q, Value
from django.db.models.functions import Coalesce, Concat, ExtractDay, ExtractMonth, Lower

from platforms.models import StoreConnection


class CustomerState(models.TextChoices):
    CANDIDATE = "candidate", "Guest"
    MEMBER = "member", "Member"
    DISABLED = "disabled", "Excluded"


class Tier(models.Model):
    """A VIP tier a customer can stand in. The programme decides who does and writes it on the customer."""

    name = models.CharField(max_length=60, unique=True)
    rank = models.PositiveSmallIntegerField(unique=True)  # higher is better

    class Meta:
        verbose_name = "VIP tier"
        verbose_name_plural = "VIP tiers"

    def __str__(self) -> str:
        return self.name


class Customer(models.Model):
    """A person who holds points. E-mail and phone may be missing: shops and imports do not always know them."""

    email = models.EmailField("e-mail", null=True, blank=True)  # noqa: DJ001 (absent is not empty: uniqueness needs null)
    phone = models.CharField(max_length=32, null=True, blank=True)  # noqa: DJ001
    first_name = models.CharField(max_length=80, blank=True)
    last_name = models.CharField("surname", max_length=80, blank=True)
    state = models.CharField(max_length=10, choices=CustomerState, default=CustomerState.CANDIDATE)
    language = models.CharField(max_length=10, blank=True, help_text="Empty: the programme's language.")
    date_of_birth = models.DateField(null=True, blank=True, help_text="Year 1004 when only day and month are known.")
    tier = models.ForeignKey(Tier, null=True, blank=True, on_delete=models.PROTECT, editable=False)
    user = models.OneToOneField(
        settings.AUTH_USER_MODEL, null=True, blank=True, on_delete=models.SET_NULL, related_name="customer"
    )
    search = models.GeneratedField(
        expression=Lower(
            Concat(
                Coalesce(F("email"), Value("")),
                Value(" "),
                Coalesce(F("phone"), Value("")),
                Value(" "),
                F("first_name"),
                Value(" "),
                F("last_name"),
            )
        ),
        output_field=models.TextField(),
        db_persist=True,
    )
    merged_into = models.ForeignKey(  # who this person is now: always the last one, never one merged further
        "self", null=True, on_delete=models.PROTECT, related_name="merged", db_index=False, editable=False
    )
    anonymised_at = models.DateTimeField(null=True, editable=False)
    created_at = models.DateTimeField(auto_now_add=True)
    updated_at = models.DateTimeField(auto_now=True)

    class Meta:
        permissions = [("anonymise_customer", "Can forget who a customer is")]
        constraints = [
            models.UniqueConstraint(Lower("email"), name="customer_email_unique_ignoring_case"),
            models.CheckConstraint(condition=~Q(email=""), name="customer_email_absent_not_empty"),
            models.CheckConstraint(condition=~Q(phone=""), name="customer_phone_absent_not_empty"),
            models.CheckConstraint(
                condition=Q(state__in=["candidate", "member", "disabled"]), name="customer_state_known"
            ),
            models.CheckConstraint(
                condition=Q(merged_into__isnull=True) | Q(state="disabled") & ~Q(merged_into=F("id")),
                name="customer_merged_takes_no_part",
            ),
        ]
        indexes = [
            GinIndex(fields=["search"], opclasses=["gin_trgm_ops"], name="customer_search"),
            models.Index(fields=["updated_at", "id"], name="customer_updated"),
            models.Index(fields=["phone"], name="customer_phone"),
            models.Index(fields=["created_at"], name="customer_created"),
            models.Index(fields=["merged_into"], condition=Q(merged_into__isnull=False), name="customer_merged"),
            models.Index(ExtractMonth("date_of_birth"), ExtractDay("date_of_birth"), name="customer_birthday"),
        ]

    def __str__(self) -> str:
        return self.full_name or self.email or self.phone or f"Customer {self.pk}"

    @property
    def full_name(self) -> str:
        return f"{self.first_name} {self.last_name}".strip()


class ShippingAddress(models.Model):
    """Where gifts go. A redeemed reward keeps its own copy; changing this one never rewrites that."""

    customer = models.OneToOneField(
        Customer, primary_key=True, on_delete=models.CASCADE, related_name="shipping_address"
    )
    recipient = models.CharField(max_length=160, blank=True)
    line_1 = models.CharField("street", max_length=200)
    line_2 = models.CharField("additional line", max_length=200, blank=True)
    postal_code = models.CharField(max_length=20, blank=True)
    city = models.CharField(max_length=100)
    region = models.CharField(max_length=100, blank=True)
    country = models.CharField(max_length=2, help_text="Two letters, such as PL.")

    class Meta:
        verbose_name = "shipping address"
        constraints = [
            models.CheckConstraint(condition=Q(country__regex="^[A-Z]{2}$"), name="address_country_code"),
        ]

    def __str__(self) -> str:
        return ", ".join(part for part in self.as_snapshot().values() if part)

    def as_snapshot(self) -> dict[str, str]:
        """The address as a redeemed reward keeps it."""
        return {
            "recipient": self.recipient,
            "line_1": self.line_1,
            "line_2": self.line_2,
            "postal_code": self.postal_code,
            "city": self.city,
            "region": self.region,
            "country": self.country,
        }


class CustomerIdentity(models.Model):
    """Under which id a shop (or an integrator, without a shop) knows a customer. A customer may have many."""

    customer = models.ForeignKey(Customer, on_delete=models.CASCADE, related_name="identities")
    connection = models.ForeignKey(StoreConnection, null=True, blank=True, on_delete=models.PROTECT)
    external_id = models.CharField(max_length=120)
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        verbose_name = "identity in a shop"
        verbose_name_plural = "identities in shops"
        constraints = [
            models.UniqueConstraint(
                fields=["connection", "external_id"], nulls_distinct=False, name="identity_unique_in_connection"
            ),
            models.CheckConstraint(condition=~Q(external_id=""), name="identity_not_empty"),
        ]

    def __str__(self) -> str:
        return self.external_id


class SignInLink(models.Model):
    """A link by which a shop lets a customer it knows sign in: for one use, within minutes. Only its digest is kept."""

    customer = models.ForeignKey(Customer, on_delete=models.CASCADE, related_name="+")
    digest = models.CharField(max_length=64, unique=True)  # SHA-256 of what stands in the link
    created_at = models.DateTimeField()
    expires_at = models.DateTimeField()
    used_at = models.DateTimeField(null=True)

    class Meta:
        verbose_name = "sign-in link"
        constraints = [
            models.CheckConstraint(condition=Q(expires_at__gt=F("created_at")), name="sign_in_link_lives"),
            models.CheckConstraint(
                condition=Q(used_at__isnull=True) | Q(used_at__gte=F("created_at"), used_at__lt=F("expires_at")),
                name="sign_in_link_used_while_it_lives",
            ),
        ]

    def __str__(self) -> str:
        return f"Sign-in link of customer {self.customer_id}"


TIME_TO_FORGET = timedelta(days=30)


class ErasureRequest(models.Model):
    """A customer asked to be forgotten. At most one is open for each; forgetting the customer ends it."""

    customer = models.ForeignKey(Customer, on_delete=models.PROTECT, related_name="erasure_requests", db_index=False)
    requested_at = models.DateTimeField()
    withdrawn_at = models.DateTimeField(null=True)

    class Meta:
        verbose_name = "request to be forgotten"
        verbose_name_plural = "requests to be forgotten"
        constraints = [
            models.UniqueConstraint(
                fields=["customer"], condition=Q(withdrawn_at__isnull=True), name="erasure_request_open_once"
            ),
            models.CheckConstraint(
                condition=Q(withdrawn_at__isnull=True) | Q(withdrawn_at__gte=F("requested_at")),
                name="erasure_request_withdrawn_afterwards",
            ),
        ]
        indexes = [models.Index(fields=["customer", "id"], name="erasure_request_customer")]

    def __str__(self) -> str:
        return f"Request of customer {self.customer_id}"

    @property
    def due_at(self) -> datetime:
        return self.requested_at + TIME_TO_FORGET
