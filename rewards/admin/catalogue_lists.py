"""Lists on the form of a reward, typed as text: the customers it is for, and the categories it stands in."""

from typing import Any

from django import forms

from loyalty.customers.models import Customer
from rewards.models import Reward, RewardAudience

MOST_TYPED = 5_000


class ListFields(forms.ModelForm):
    """`customer_ids` and `category_names` are what was typed, once the form is valid."""

    audience = forms.CharField(
        label="Customers of the list",
        required=False,
        widget=forms.Textarea(attrs={"rows": 5}),
        help_text=f"For a restricted reward: one e-mail address a line, at most {MOST_TYPED:,}.",
    )
    shelves = forms.CharField(
        label="Categories",
        required=False,
        max_length=300,
        help_text="Separated by commas. A new name makes a new category.",
    )

    class Meta:
        model = Reward
        fields: list[str] = []

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.customer_ids: list[int] = []
        if self.instance.pk:
            rows = RewardAudience.objects.filter(reward=self.instance).order_by("customer__email")
            emails = rows.values_list("customer__email", flat=True)[:MOST_TYPED]
            names = self.instance.categories.order_by("position", "name").values_list("name", flat=True)
            self.initial.update(audience="\n".join(filter(None, emails)), shelves=", ".join(names))

    def clean_audience(self) -> str:
        """Every line is a customer of ours; the first ones that are not are named."""
        typed = list(dict.fromkeys(line.strip().lower() for line in self.cleaned_data["audience"].splitlines()))
        emails = [email for email in typed if email]
        if len(emails) > MOST_TYPED:
            raise forms.ValidationError(
                f"That are {len(emails):,} customers; at most {MOST_TYPED:,} can be typed here."
            )
        found = dict(Customer.objects.filter(email__in=emails).values_list("email", "pk"))
        missing = [email for email in emails if email not in found]
        found |= {
            email: pk
            for email in missing
            for pk in Customer.objects.filter(email__iexact=email).values_list("pk", flat=True)
        }
        unknown = [email for email in emails if email not in found]
        if unknown:
            raise forms.ValidationError(f"Nobody has this address: {', '.join(unknown[:5])}. Correct or remove it.")
        self.customer_ids = [found[email] for email in emails]
        return self.cleaned_data["audience"]  # type: ignore[no-any-return]

    def clean_shelves(self) -> str:
        names = [name.strip() for name in self.cleaned_data["shelves"].split(",")]
        if any(len(name) > 60 for name in names):
            raise forms.ValidationError("A category's name has at most 60 characters.")
        return ", ".join(filter(None, names))

    def category_names(self) -> list[str]:
        return [name for name in self.cleaned_data.get("shelves", "").split(", ") if name]
