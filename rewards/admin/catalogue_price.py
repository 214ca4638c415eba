"""The cost of a reward on its form: none, so many points, or steps of points that buy steps of value."""

from typing import Any

from django import forms

from rewards import offering
from rewards.models import ExchangeType, PointsProduct, Reward

COSTS = [
    ("", "None: it is only given away"),
    (ExchangeType.FIXED.value, "A fixed number of points"),
    (ExchangeType.VARIABLE.value, "Variable: more points buy more value"),
]
PRICE_FIELDS = (
    "points_price",
    "variable_points_step",
    "variable_points_step_reward_value",
    "variable_points_min",
    "variable_points_max",
)


def _points(name: str) -> forms.IntegerField:
    column: Any = PointsProduct._meta.get_field(name)  # noqa: SLF001 (Django's documented interface)
    return forms.IntegerField(
        label=str(column.verbose_name).capitalize(),
        help_text=column.help_text,
        required=False,
        min_value=0,
        max_value=2**31 - 1,
    )


class PriceFields(forms.ModelForm):
    """Fields of the price among those of the reward. `price` is what they say, once the form is valid."""

    cost = forms.ChoiceField(choices=COSTS, required=False, label="Cost in points")
    points_price = _points("points_price")
    variable_points_step = _points("variable_points_step")
    variable_points_step_reward_value = _points("variable_points_step_reward_value")
    variable_points_min = _points("variable_points_min")
    variable_points_max = _points("variable_points_max")

    class Meta:
        model = Reward
        fields: list[str] = []

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        product = PointsProduct.objects.filter(reward=self.instance.pk).first() if self.instance.pk else None
        if product is not None:
            self.initial.update({name: getattr(product, name) for name in PRICE_FIELDS}, cost=product.exchange_type)

    def price(self) -> PointsProduct | None:
        """The price as it was typed, unsaved; none when the reward is only given away."""
        exchange_type = self.cleaned_data.get("cost")
        if not exchange_type:
            return None
        return PointsProduct(
            exchange_type=exchange_type, **{name: self.cleaned_data.get(name) for name in PRICE_FIELDS}
        )

    def judge_price(self, reward: Reward) -> None:
        """Say beside each field what is wrong with the price of this reward."""
        if "cost" not in self.fields:
            return
        price = self.price()
        if price is None:
            filled = [name for name in PRICE_FIELDS if self.cleaned_data.get(name) is not None]
            found = dict.fromkeys(filled, "Leave this empty, or say above that it has a cost.")
        else:
            found = offering.price_problems(reward=reward, price=price)
        for name, sentence in found.items():
            if name not in self.errors:
                self.add_error(name, sentence)
