"""The form of an earning rule: it says in sentences, beside the field, what the database would refuse."""

from typing import Any, ClassVar

from django import forms

from loyalty.common.adminkit import show
from loyalty.customers.models import Tier
from loyalty.program.earning import rules
from loyalty.program.earning.models import EarningRule


class NamesField(forms.Field):
    """Products or categories as the shop names them, with commas or line ends between."""

    widget = forms.Textarea(attrs={"rows": 2, "cols": 60, "spellcheck": "false"})

    def prepare_value(self, value: Any) -> Any:
        return ", ".join(value) if isinstance(value, list) else value

    def to_python(self, value: Any) -> list[str]:
        parts = value if isinstance(value, list) else str(value or "").replace("\n", ",").split(",")
        found = list(dict.fromkeys(part.strip() for part in parts if part.strip()))
        if any(len(name) > rules.LONGEST_NAME for name in found):
            raise forms.ValidationError(
                f"A name is longer than {rules.LONGEST_NAME} characters. Put commas between names."
            )
        return found

    def has_changed(self, initial: Any, data: Any) -> bool:
        return list(initial or []) != self.to_python(data)


class RuleForm(forms.ModelForm):
    """One rule in the merchant's words."""

    excluded_products = NamesField(required=False, label="Products that earn nothing")
    excluded_categories = NamesField(required=False, label="Categories that earn nothing")
    products = NamesField(required=False, help_text="For “more points for some products”, as the shop names them.")
    categories = NamesField(required=False, help_text="An item of any of these products or categories counts.")
    tiers = forms.ModelMultipleChoiceField(
        Tier.objects.order_by("rank"),
        label="VIP tiers",
        required=False,
        widget=forms.CheckboxSelectMultiple,
        help_text="None: customers of every tier, and those without one.",
    )

    class Meta:
        model = EarningRule
        exclude: ClassVar[tuple[str, ...]] = ("enabled_at", "created_at", "updated_at", "tier_ids")

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if self.instance.pk:
            self.initial["tiers"] = self.instance.tier_ids
        if "ends_at" in self.fields:
            self.fields["ends_at"].help_text = f"Exclusive; both in {show.zone_name()}."

    def clean_currency(self) -> str:
        currency: str = self.cleaned_data["currency"].strip().upper()
        if currency and not (len(currency) == 3 and currency.isascii() and currency.isalpha()):
            raise forms.ValidationError("Write the three letters of a currency, such as EUR, or leave it empty.")
        return currency

    def clean(self) -> dict[str, Any]:
        data: dict[str, Any] = super().clean() or self.cleaned_data
        for name, sentence in rules.problems(data).items():
            if name in self.fields and name not in self.errors:
                self.add_error(name, sentence)
        self.instance.tier_ids = sorted(tier.pk for tier in data.get("tiers") or ())
        return data
