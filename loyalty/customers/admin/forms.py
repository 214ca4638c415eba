"""What staff type on the customer page: who somebody is, an adjustment of points, a reward to give."""

import uuid
from collections.abc import Sequence
from datetime import date, datetime, timedelta
from typing import Any

from django import forms
from django.conf import settings

from loyalty.common import clock
from loyalty.common.adminkit import moments
from loyalty.customers import profile
from loyalty.customers.models import Customer, CustomerState
from loyalty.points.errors import MOST_POINTS
from loyalty.points.models import AdjustmentReason, AdjustmentRequest
from loyalty.points.requests import Wish
from rewards import granting, pricing, staff_redemption
from rewards.models import Reward

STATE_HELP = (
    "An excluded customer keeps points and rewards, but cannot redeem and is granted nothing; choose another state to "
    "let them take part again. A member does not become a guest again."
)
STALE = "This form cannot be taken as it is. Nothing was changed. Open the page again and fill it in anew."
POINTS, FREE = "points", "free"
WAYS = {POINTS: "The customer's points pay for it", FREE: "Without points: a present of yours"}
ADDRESS_FIELDS = ("recipient", "line_1", "line_2", "postal_code", "city", "region", "country")
ADDRESS_NEEDS = ("line_1", "city", "country")


class CustomerForm(forms.Form):
    """Who a customer is. Cleaning the contacts is the domain's: its refusals become errors of the field."""

    first_name = forms.CharField(max_length=80, required=False)
    last_name = forms.CharField(label="Surname", max_length=80, required=False)
    email = forms.CharField(label="E-mail", max_length=254, required=False)
    phone = forms.CharField(max_length=32, required=False, help_text="With the country, such as +48 501 234 567.")
    language = forms.ChoiceField(required=False)
    state = forms.ChoiceField(help_text=STATE_HELP)

    def __init__(self, *args: Any, customer: Customer | None = None, **kwargs: Any) -> None:
        kwargs.setdefault("initial", {"state": CustomerState.MEMBER} if customer is None else self.known(customer))
        super().__init__(*args, **kwargs)
        self.is_new = customer is None
        self.fields["language"].choices = [("", "The programme's language"), *settings.LANGUAGES]  # type: ignore[attr-defined]
        allowed = {*profile.TRANSITIONS[customer.state], customer.state} if customer else {*CustomerState.values}
        self.fields["state"].choices = [  # type: ignore[attr-defined]
            (value, label) for value, label in CustomerState.choices if value in allowed
        ]

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean() or {}
        if self.is_new and not self.errors and not (cleaned["email"] or cleaned["phone"]):
            self.add_error("email", "Write an e-mail address or a phone number: by one of them a customer is known.")
        return cleaned

    @staticmethod
    def known(customer: Customer) -> dict[str, Any]:
        names = ("first_name", "last_name", "email", "phone", "language", "state")
        return {name: getattr(customer, name) or "" for name in names}


class AddressForm(forms.Form):
    """Where gifts go. All fields empty: there is no address."""

    recipient = forms.CharField(max_length=160, required=False)
    line_1 = forms.CharField(label="Street", max_length=200, required=False)
    line_2 = forms.CharField(label="Additional line", max_length=200, required=False)
    postal_code = forms.CharField(max_length=20, required=False)
    city = forms.CharField(max_length=100, required=False)
    region = forms.CharField(max_length=100, required=False)
    country = forms.RegexField(
        r"^[A-Z]{2}$",
        required=False,
        strip=True,
        help_text="Two capital letters, such as PL.",
        error_messages={"invalid": "Write the country as two capital letters, such as PL."},
    )

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean() or {}
        if any(cleaned.values()) and not self.errors:
            for name in ADDRESS_NEEDS:
                if not cleaned.get(name):
                    self.add_error(name, "An address needs a street, a city and a country. Fill it in, or empty all.")
        return cleaned

    def address(self) -> profile.Address | None:
        """The address that was typed; None when every field is empty."""
        values = {name: self.cleaned_data[name] for name in ADDRESS_FIELDS}
        return profile.Address(**values) if any(values.values()) else None


class OnceForm(forms.Form):
    """A form that does its work once, however often it is sent: its key is the name of the one intended change."""

    once = forms.UUIDField(widget=forms.HiddenInput, error_messages={"required": STALE, "invalid": STALE})

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.initial.setdefault("once", uuid.uuid4())

    def idempotency_key(self, user_id: int) -> str:
        return f"staff:{user_id}:{self.cleaned_data['once']}"


class AdjustForm(OnceForm):
    """A change of the balance. Both notes are optional; the reason is picked from a list."""

    points = forms.IntegerField(
        label="Points adjustment",
        min_value=-MOST_POINTS,
        max_value=MOST_POINTS,
        help_text="A whole number: 50 adds points, -50 takes them away, soonest expiring first.",
        error_messages={"invalid": "Write a whole number, such as 50 to add or -50 to take away."},
    )
    reason = forms.ChoiceField(
        choices=[("", "Choose a reason"), *AdjustmentReason.choices],
        error_messages={"required": "Choose why the points change."},
        help_text="For staff and reports. The customer never sees it.",
    )
    last_day = forms.DateField(
        label="Last day of added points",
        required=False,
        widget=forms.DateInput(attrs={"type": "date"}, format="%Y-%m-%d"),
        error_messages={"invalid": "Write the day as 2026-12-31."},
    )
    customer_note = forms.CharField(max_length=500, required=False, widget=forms.Textarea(attrs={"rows": 2}))
    internal_note = forms.CharField(
        max_length=1000,
        required=False,
        widget=forms.Textarea(attrs={"rows": 2}),
        help_text="Only staff read it.",
    )

    def __init__(self, *args: Any, usual_text: str, usual_end: str, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["customer_note"].help_text = f"The customer reads it. Left empty, they read “{usual_text}”."
        self.fields["last_day"].help_text = f"Left empty, {usual_end}."

    def clean_points(self) -> int:
        points: int = self.cleaned_data["points"]
        if points == 0:
            raise forms.ValidationError("0 changes nothing. Write 50 to add points or -50 to take them away.")
        return points

    def clean_last_day(self) -> date | None:
        day: date | None = self.cleaned_data["last_day"]
        if day is not None and day.year > moments.LATEST:
            raise forms.ValidationError(f"Choose a day before the year {moments.LATEST + 1}, or leave it empty.")
        return day

    def wish(self) -> Wish:
        """What was typed, as the domain takes it."""
        day = self.cleaned_data["last_day"]
        return Wish(
            points=self.cleaned_data["points"],
            reason=self.cleaned_data["reason"],
            internal_note=self.cleaned_data["internal_note"],
            description=self.cleaned_data["customer_note"],
            expires_at=clock.midnight(day + timedelta(days=1), moments.current_zone()) if day else None,
        )

    @staticmethod
    def known(row: AdjustmentRequest) -> dict[str, Any]:
        """The fields of a request that is written anew."""
        return {
            "points": row.points,
            "reason": row.reason,
            "last_day": last_day_of(row.expires_at),
            "customer_note": row.description,
            "internal_note": row.internal_note,
        }


def last_day_of(expires_at: datetime | None) -> date | None:
    """The last day in the current zone on which points that end then can be spent."""
    if expires_at is None:
        return None
    return (expires_at - timedelta(microseconds=1)).astimezone(moments.current_zone()).date()


class TransferForm(OnceForm):
    """Points to move to another customer."""

    points = forms.IntegerField(
        label="Points to move",
        min_value=1,
        max_value=MOST_POINTS,
        help_text="Those that expire soonest move first, and keep their last day.",
    )
    internal_note = forms.CharField(
        max_length=1000,
        required=False,
        widget=forms.Textarea(attrs={"rows": 2}),
        help_text="Only staff read it, with both customers.",
    )


class GiveForm(OnceForm):
    """A reward for this customer: which, how many, and whether their points pay."""

    reward = forms.ModelChoiceField(
        Reward.objects.none(), empty_label="Choose a reward", help_text="Only rewards that are switched on."
    )
    way = forms.ChoiceField(label="Points", widget=forms.RadioSelect)
    points_each = forms.IntegerField(
        label="Points for each",
        min_value=1,
        max_value=MOST_POINTS,
        required=False,
        help_text="Only where the cost is variable: so many points buy so much.",
    )
    quantity = forms.IntegerField(
        label="How many", min_value=1, max_value=granting.MOST_AT_ONCE, initial=1, required=False
    )
    internal_note = forms.CharField(
        max_length=1000,
        required=False,
        widget=forms.Textarea(attrs={"rows": 2}),
        help_text="Only staff read it.",
    )

    def __init__(self, *args: Any, ways: Sequence[str], **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        rewards = Reward.objects.filter(enabled=True).order_by("name", "pk")
        self.fields["reward"].queryset = rewards  # type: ignore[attr-defined]
        self.fields["way"].choices = [(way, WAYS[way]) for way in ways]  # type: ignore[attr-defined]
        self.initial.setdefault("way", ways[0])

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean() or {}
        reward = cleaned.get("reward")
        price = getattr(reward, "points_product", None) if reward is not None else None
        steps = pricing.steps_of(price) if price is not None else None
        if cleaned.get("way") == POINTS and steps is not None and not cleaned.get("points_each"):
            self.add_error("points_each", f"Say how many points to spend on each: {pricing.accepted(steps)}.")
        return cleaned

    def wish(self) -> staff_redemption.Wish:
        """What was typed, as the domain takes it."""
        data, with_points = self.cleaned_data, self.cleaned_data["way"] == POINTS
        return staff_redemption.Wish(
            reward_id=data["reward"].pk,
            quantity=data["quantity"] or 1,
            with_points=with_points,
            points_each=data["points_each"] if with_points else None,
            internal_note=data["internal_note"],
        )
