"""What customers fill in."""

from typing import Any

from allauth.account.adapter import get_adapter
from allauth.account.forms import RequestLoginCodeForm, ResetPasswordForm
from allauth.core import context, ratelimit
from django import forms
from django.conf import settings
from django.db import transaction
from django.utils.translation import gettext_lazy as _

from loyalty.accounts import adapter
from loyalty.accounts.models import User
from loyalty.cockpit import countries, linking
from loyalty.common.errors import DomainError
from loyalty.customers import contacts, profile
from loyalty.customers.models import Customer, ShippingAddress


class AskForCodeForm(RequestLoginCodeForm):
    """The one field at the door. Named by the setting ACCOUNT_FORMS["request_login_code"]."""

    def clean_email(self) -> str:
        """Known or new, the address is treated alike; the limit counts per address before anything is made.

        One transaction, so that there is one commit to wait for, whether somebody was made or not.
        """
        email: str = self.cleaned_data["email"]
        with transaction.atomic():
            if free := bool(ratelimit.consume(context.request, action="request_login_code", key=email.lower())):
                self._user = adapter.user_for_code(email=email, new=linking.may_join(email=email))
        if not free:
            raise get_adapter().validation_error("too_many_login_attempts")
        return email


class AskForPasswordForm(ResetPasswordForm):
    """The forgotten password. Named by the setting ACCOUNT_FORMS["reset_password"]."""

    def clean_email(self) -> str:
        email: str = self.cleaned_data["email"]
        user = User.objects.by_email(email)
        self.users = [user] if user is not None and user.is_active else []
        return email


class CustomerForm(forms.Form):
    """A form that leads back to its first wrong field: on a phone the mistake may be far below the top of the page."""

    def full_clean(self) -> None:
        super().full_clean()
        wrong = next((name for name in self.fields if name in self.errors), None)
        if wrong is not None:
            self.fields[wrong].widget.attrs["autofocus"] = True


class ProfileForm(CustomerForm):
    """Who the customer is."""

    first_name = forms.CharField(
        label=_("First name"),
        max_length=80,
        required=False,
        widget=forms.TextInput(attrs={"autocomplete": "given-name"}),
    )
    last_name = forms.CharField(
        label=_("Surname"),
        max_length=80,
        required=False,
        widget=forms.TextInput(attrs={"autocomplete": "family-name"}),
    )
    phone = forms.CharField(
        label=_("Phone"),
        max_length=32,
        required=False,
        help_text=_("With the country in front, such as +48 501 234 567."),
        widget=forms.TextInput(attrs={"autocomplete": "tel", "type": "tel", "inputmode": "tel"}),
    )
    language = forms.ChoiceField(
        label=_("Language"),
        required=False,
        choices=[("", _("As the browser asks")), *settings.LANGUAGES],
        help_text=_("Pages are in English or German. Rewards and e-mails also come in the others."),
    )

    @classmethod
    def of(cls, customer: Customer) -> "ProfileForm":
        """The form, filled with what is known."""
        fields = {name: getattr(customer, name) or "" for name in cls.base_fields}
        return cls(initial=fields)

    def clean_phone(self) -> str:
        try:
            return contacts.phone(self.cleaned_data["phone"]) or ""
        except DomainError as refusal:
            raise forms.ValidationError(refusal.sentence) from refusal


class AddressForm(CustomerForm):
    """Where gifts go."""

    recipient = forms.CharField(
        label=_("Name on the parcel"),
        max_length=160,
        widget=forms.TextInput(attrs={"autocomplete": "shipping name"}),
    )
    line_1 = forms.CharField(
        label=_("Street and number"),
        max_length=200,
        widget=forms.TextInput(attrs={"autocomplete": "shipping address-line1"}),
    )
    line_2 = forms.CharField(
        label=_("Flat, floor, company (optional)"),
        max_length=200,
        required=False,
        widget=forms.TextInput(attrs={"autocomplete": "shipping address-line2"}),
    )
    postal_code = forms.CharField(
        label=_("Postal code"),
        max_length=20,
        required=False,
        widget=forms.TextInput(attrs={"autocomplete": "shipping postal-code"}),
    )
    city = forms.CharField(
        label=_("City"), max_length=100, widget=forms.TextInput(attrs={"autocomplete": "shipping address-level2"})
    )
    region = forms.CharField(
        label=_("State or region (optional)"),
        max_length=100,
        required=False,
        widget=forms.TextInput(attrs={"autocomplete": "shipping address-level1"}),
    )
    country = forms.ChoiceField(
        label=_("Country"),
        choices=countries.choices,
        widget=forms.Select(attrs={"autocomplete": "shipping country"}),
    )

    @classmethod
    def of(cls, customer: Customer, address: ShippingAddress | None, data: Any = None) -> "AddressForm":
        """The form, filled with the address as it is known."""
        initial = address.as_snapshot() if address else {"recipient": customer.full_name}
        return cls(data, initial=initial)

    def address(self) -> profile.Address:
        """What a valid form says."""
        return profile.Address(**self.cleaned_data)
