"""Lists on the form of a reward: the tiers and the customers it is for, and the categories it stands in."""

from typing import Any

from django import forms

from loyalty.customers.models import Customer, Tier
from rewards.models import Combination, Reward, RewardAudience, RewardTier

MOST_TYPED = 5_000
MOST_COLLECTIONS, LONGEST_NAME = 20, 120


class ListFields(forms.ModelForm):
    """`tier_ids`, `customer_ids` and `category_names` are what was chosen, once the form is valid."""

    tiers = forms.ModelMultipleChoiceField(
        Tier.objects.order_by("rank"),
        label="VIP tiers",
        required=False,
        widget=forms.CheckboxSelectMultiple,
        help_text="Customers in any of these tiers, as long as they are in it.",
    )
    audience = forms.CharField(
        label="Customers of the list",
        required=False,
        widget=forms.Textarea(attrs={"rows": 5}),
        help_text=f"One e-mail address a line, at most {MOST_TYPED:,}. They need not be in one of the tiers.",
    )
    collections = forms.CharField(
        label="Only for these collections",
        required=False,
        widget=forms.Textarea(attrs={"rows": 3}),
        help_text="One a line: its id or handle in the shop, “=”, and its name for customers, as in "
        "“kitchen = Kitchen and table”. Empty: the code is good for everything.",
    )
    combines_with = forms.MultipleChoiceField(
        label="May be combined with",
        choices=Combination.choices,
        required=False,
        widget=forms.CheckboxSelectMultiple,
        help_text="Other discounts of the same order. None: the terms say nothing, and the shop decides.",
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
            tiers = RewardTier.objects.filter(reward=self.instance).values_list("tier_id", flat=True)
            collections = "\n".join(f"{reference} = {name}" for reference, name in self.instance.collections)
            self.initial.update(tiers=list(tiers), collections=collections)
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

    def clean_collections(self) -> list[list[str]]:
        """Pairs of the shop's name and the customers'; without the latter, both are the same."""
        lines = [line.strip() for line in self.cleaned_data["collections"].splitlines()]
        pairs = []
        for line in filter(None, lines):
            reference, _, name = (part.strip() for part in line.partition("="))
            if not reference or max(len(reference), len(name)) > LONGEST_NAME:
                raise forms.ValidationError(f"Write the shop's id of the collection first: “{line[:40]}” has none.")
            pairs.append([reference, name or reference])
        if len(pairs) > MOST_COLLECTIONS:
            raise forms.ValidationError(f"At most {MOST_COLLECTIONS} collections can be named.")
        return pairs

    def clean_shelves(self) -> str:
        names = [name.strip() for name in self.cleaned_data["shelves"].split(",")]
        if any(len(name) > 60 for name in names):
            raise forms.ValidationError("A category's name has at most 60 characters.")
        return ", ".join(filter(None, names))

    def tier_ids(self) -> list[int]:
        return [tier.pk for tier in self.cleaned_data.get("tiers", ())]

    def category_names(self) -> list[str]:
        return [name for name in self.cleaned_data.get("shelves", "").split(", ") if name]
