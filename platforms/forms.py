"""The forms of shops and payout accounts: an address, and credentials that go in and never come out."""

import ipaddress
import secrets
from typing import Any, ClassVar
from urllib.parse import urlsplit

from django import forms
from django.conf import settings

from platforms import credentials, registry, storefronts
from platforms.adapter import CredentialField
from platforms.models import PayoutAccount, StoreConnection
from platforms.payouts.provider import PayoutCapabilities

PREFIX = "credential_"
FORGET = "forget_"
WEBHOOK_SECRET, PREVIOUS_WEBHOOK_SECRET = registry.WEBHOOK_SECRET_FIELDS
WEBHOOK_FIELD = CredentialField(
    name=WEBHOOK_SECRET,
    label="Webhook secret",
    help_text="What the shop signs its webhooks with. A new one is taken beside the old one until you change it again.",
    required=False,
)


def credential_fields(platform: str) -> tuple[CredentialField, ...]:
    """What this platform asks for, the webhook secret included where it sends webhooks."""
    adapter = registry.adapter_class(platform)
    return with_webhook_secret(adapter.credential_fields, webhooks=adapter.capabilities.webhooks)


def with_webhook_secret(fields: tuple[CredentialField, ...], *, webhooks: bool) -> tuple[CredentialField, ...]:
    own = tuple(field for field in fields if field.name not in registry.WEBHOOK_SECRET_FIELDS)
    return (*own, WEBHOOK_FIELD) if webhooks else own


def names(asked: tuple[CredentialField, ...], stored: dict[str, str]) -> list[str]:
    """The form's fields for these credentials, in order."""
    found = []
    for field in asked:
        found.append(PREFIX + field.name)
        if forgettable(field, stored):
            found.append(FORGET + field.name)
    return found


def forgettable(field: CredentialField, stored: dict[str, str]) -> bool:
    return field.secret and not field.required and bool(stored.get(field.name))


class AddressField(forms.URLField):
    """An address; https where somebody leaves the beginning out."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**{"assume_scheme": "https", **kwargs})


class StorefrontsField(forms.Field):
    """Origins of a shop's pages, one a line."""

    widget = forms.Textarea(attrs={"rows": 2, "cols": 40, "spellcheck": "false"})

    def prepare_value(self, value: Any) -> Any:
        return "\n".join(value) if isinstance(value, list) else value

    def to_python(self, value: Any) -> list[str]:
        try:
            return storefronts.read("\n".join(value) if isinstance(value, list) else str(value or ""))
        except storefronts.NoOrigin as refusal:
            raise forms.ValidationError(refusal.sentence) from refusal

    def has_changed(self, initial: Any, data: Any) -> bool:
        try:
            return list(initial or []) != self.to_python(data)
        except forms.ValidationError:
            return True


class SecretsForm(forms.ModelForm):
    """Subclasses made by `with_secrets` carry what is asked for, what is stored and the credential fields."""

    asked: ClassVar[tuple[CredentialField, ...]]
    stored: ClassVar[dict[str, str]]

    def clean_base_url(self) -> str:
        address: str = self.cleaned_data["base_url"].rstrip("/")
        problem = problem_of(address)
        if problem:
            raise forms.ValidationError(problem)
        return address

    def clean_currency(self) -> str:
        currency: str = self.cleaned_data["currency"].strip().upper()
        if len(currency) != 3 or not (currency.isascii() and currency.isalpha()):
            raise forms.ValidationError("Write the currency as three letters, such as EUR.")
        return currency

    def changed_credentials(self) -> dict[str, str]:
        """All credentials after this form: what is stored, with what was typed or forgotten."""
        result = dict(self.stored)
        for field in self.asked:
            typed = self.cleaned_data.get(PREFIX + field.name, "").strip()
            if self.cleaned_data.get(FORGET + field.name) or (not field.secret and not typed):
                result.pop(field.name, None)
            elif typed:
                if field.name == WEBHOOK_SECRET and result.get(WEBHOOK_SECRET, typed) != typed:
                    result[PREVIOUS_WEBHOOK_SECRET] = result[WEBHOOK_SECRET]
                result[field.name] = typed
        if WEBHOOK_SECRET not in result:
            result.pop(PREVIOUS_WEBHOOK_SECRET, None)
        return result

    def seal(self, row: StoreConnection | PayoutAccount) -> list[str]:
        """Write the credentials onto the row. Returns the names of those that changed, never a value."""
        after = self.changed_credentials()
        changed = sorted(name for name in after.keys() | self.stored.keys() if after.get(name) != self.stored.get(name))
        if changed:
            row.credentials = credentials.seal(after)
        return changed


class ConnectionForm(SecretsForm):
    """Of a shop; it also carries the platform."""

    platform: ClassVar[str]
    storefronts = StorefrontsField(
        label="Pages that may show the customers’ pages in a frame",
        required=False,
        help_text="Where the shop’s own pages begin, one a line, as https://shop.example.com. Empty: none.",
    )

    class Meta:
        model = StoreConnection
        fields = ("name", "base_url", "storefronts", "currency", "calls_per_second", "enabled")
        field_classes = {"base_url": AddressField}
        widgets = {"base_url": forms.URLInput(attrs={"class": "vTextField"})}


class AccountForm(SecretsForm):
    """Of a payout account; an address or a shop is asked for where its provider has one."""

    capabilities: ClassVar[PayoutCapabilities]

    class Meta:
        model = PayoutAccount
        fields = ("name", "shop", "base_url", "currency", "enabled")
        field_classes = {"base_url": AddressField}
        widgets = {"base_url": forms.URLInput(attrs={"class": "vTextField"})}

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        able = self.capabilities
        if "base_url" in self.fields:
            self.fields["base_url"].required = True
        if "base_url" in self.fields and able.addresses:
            choices = [(url, f"{label} ({urlsplit(url).netloc})") for url, label in able.addresses]
            present = self.instance.base_url
            if present and present not in dict(choices):
                choices.append((present, present))
            self.fields["base_url"] = forms.ChoiceField(label="Address", choices=choices)
        if "shop" in self.fields:
            shops = StoreConnection.objects.filter(platform=able.uses_shop).order_by("name", "pk")
            self.fields["shop"] = forms.ModelChoiceField(
                shops,
                label="Shop",
                help_text="The connected shop whose credit it gives, with that shop's own credentials. "
                + ("" if shops else "None is connected yet: connect it under Shops first."),
            )
        if "currency" in self.fields and able.currencies is not None:
            self.fields["currency"].help_text = f"One of {', '.join(sorted(able.currencies))}."

    def clean(self) -> dict[str, Any]:
        """What the provider cannot pay is said here, not when the first customer wants their money."""
        given: dict[str, Any] = super().clean() or self.cleaned_data
        currency, shop = given.get("currency"), given.get("shop")
        payable = self.capabilities.currencies
        if currency and payable is not None and currency not in payable:
            self.add_error("currency", f"Nobody can be paid in {currency} here: {', '.join(sorted(payable))}.")
        if currency and shop is not None and shop.currency != currency:
            self.add_error("currency", f"{shop.name} sells in {shop.currency}, and gives its credit in that currency.")
        return given


def problem_of(address: str) -> str:
    """Why this cannot be a shop's address; empty when it can."""
    parts = urlsplit(address)
    if parts.username or parts.password or parts.query or parts.fragment:
        return "Write the address alone, without a password, a question mark or a #."
    if settings.ALLOW_PRIVATE_SHOP_ADDRESSES:
        return ""
    if parts.scheme != "https":
        return "The address must start with https://, for credentials travel over it."
    if parts.hostname == "localhost" or _private(parts.hostname or ""):
        return "This address is inside a private network. A shop needs a public one."
    return ""


def _private(host: str) -> bool:
    try:
        return not ipaddress.ip_address(host).is_global
    except ValueError:
        return False  # a name: what it stands for is checked at each call


def form_for(*, platform: str, stored: dict[str, str], set_on: str) -> type[ConnectionForm]:
    """The form for one platform; `set_on` says when credentials were last changed, in words."""
    asked = credential_fields(platform)
    made = with_secrets(ConnectionForm, asked=asked, stored=stored, set_on=set_on)
    return type("PlatformConnectionForm", (made,), {"platform": platform})


def with_secrets(
    form: type[SecretsForm], *, asked: tuple[CredentialField, ...], stored: dict[str, str], set_on: str
) -> type[Any]:
    """The form with a field for each credential that is asked for."""
    fields: dict[str, Any] = {"asked": asked, "stored": stored}
    for field in asked:
        fields[PREFIX + field.name] = form_field(field, stored=stored.get(field.name, ""), set_on=set_on)
        if forgettable(field, stored):
            fields[FORGET + field.name] = forms.BooleanField(label=f"Forget the {field.label.lower()}", required=False)
    return type("FormWithSecrets", (form,), fields)


def form_field(field: CredentialField, *, stored: str, set_on: str) -> forms.CharField:
    """A secret is never filled in: an empty field keeps what is there."""
    if not field.secret:
        return forms.CharField(
            label=field.label,
            help_text=field.help_text,
            required=field.required,
            initial=stored,
            max_length=500,
            widget=forms.TextInput(attrs={"class": "vTextField"}),
        )
    kept = f"Set{set_on}. Leave empty to keep it." if stored else ""
    hints = [kept, field.help_text]
    if field.name == WEBHOOK_SECRET and not stored:
        hints.append(f"For example {secrets.token_urlsafe(24)}")
    return forms.CharField(
        label=field.label,
        help_text=" ".join(filter(None, hints)),
        required=field.required and not stored,
        max_length=2000,
        widget=forms.PasswordInput(render_value=False, attrs={"autocomplete": "new-password", "class": "vTextField"}),
    )
