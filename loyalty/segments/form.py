"""The one form of everything customers are narrowed by: the list of customers, segments, and whoever reads one."""

import re
from collections.abc import Callable, Iterable, Sequence
from typing import Any

from django import forms
from django.core.exceptions import ValidationError
from django.db.models import F, Value
from django.utils.dates import MONTHS

from loyalty.common.adminkit import moments
from loyalty.customers.models import CustomerState, Tier
from loyalty.segments.models import Segment
from platforms.models import StoreConnection
from rewards.models import Reward

MOST = 2**31 - 1
MOST_DAYS = 3_650
TWO_LETTERS = re.compile(r"[a-z]{2}", re.ASCII | re.IGNORECASE)
LANGUAGE = re.compile(r"[a-z]{2,3}(-[a-z]{2,6})?", re.ASCII | re.IGNORECASE)
INVALID_CHOICE = {"invalid_choice": "“%(value)s” is none of them, or none any more. Choose among those there are."}
EITHER = ("", "Either")
SECTIONS: tuple[tuple[str, tuple[str, ...]], ...] = (
    ("Who they are", ("state", "tier", "language", "country", "birth_month", "shop", "has_email", "reminders")),
    ("When they joined", ("created_days", "created_after", "created_before")),
    ("What they hold", ("balance_min", "balance_max", "points_end_days")),
    (
        "Points earned and spent",
        ("earned_min", "earned_max", "spent_min", "spent_max", "points_days", "points_after", "points_before"),
    ),
    (
        "Orders",
        ("orders_min", "orders_max", "amount_min", "amount_max", "orders_days", "orders_after", "orders_before"),
    ),
    ("Last order", ("last_order_days", "no_order_days", "last_order_after", "last_order_before")),
    ("Rewards", ("got", "not_got", "rewards_days", "usable_reward")),
    ("Recommending", ("recommended", "came_by")),
)
RANGES = ("balance", "earned", "spent", "orders", "amount")
# Each window, and what it is the window of.
WINDOWS: dict[str, tuple[str, ...]] = {
    "points": ("earned_min", "earned_max", "spent_min", "spent_max"),
    "orders": ("orders_min", "orders_max", "amount_min", "amount_max"),
}
PERIODS = ("created", *WINDOWS, "last_order")
KINDS: dict[str, Any] = {"tier": Tier, "shop": StoreConnection, "reward": Reward, "segment": Segment}


class Named:
    """Tiers, shops, rewards and segments to choose from: asked for only when needed, once for all forms that share it."""

    def __init__(self) -> None:
        self._found: dict[str, list[tuple[str, str]]] = {}

    def choices(self, what: str) -> list[tuple[str, str]]:
        """Number and name of each, in one query for all kinds."""
        if not self._found:
            rows: Any = [
                model.objects.annotate(what=Value(kind), place=F("rank") if kind == "tier" else Value(0))
                .order_by()
                .values_list("what", "place", "name", "pk")
                for kind, model in KINDS.items()
            ]
            self._found = {kind: [] for kind in KINDS}
            for kind, _, name, pk in rows[0].union(*rows[1:], all=True).order_by("what", "place", "name", "pk"):
                self._found[kind].append((str(pk), name))
        return self._found[what]


class WordsField(forms.CharField):
    """Several short words with commas between; cleans to a list."""

    def __init__(self, *, pattern: re.Pattern[str], shape: Callable[[str], str], example: str, **kwargs: Any) -> None:
        super().__init__(max_length=200, required=False, **kwargs)
        self.pattern, self.shape, self.example = pattern, shape, example

    def clean(self, value: Any) -> list[str]:
        words = [word.strip() for word in super().clean(value).split(",") if word.strip()]
        for word in words:
            if not self.pattern.fullmatch(word):
                raise ValidationError(f"“{word[:20]}” is none. Write such as {self.example}.", code="invalid")
        return [self.shape(word) for word in words]


def _number(label: str, **kwargs: Any) -> forms.IntegerField:
    return forms.IntegerField(label=label, required=False, min_value=0, max_value=MOST, **kwargs)


def _days(label: str, **kwargs: Any) -> forms.IntegerField:
    return forms.IntegerField(label=label, required=False, min_value=1, max_value=MOST_DAYS, **kwargs)


def _money(label: str) -> forms.DecimalField:
    return forms.DecimalField(label=label, required=False, min_value=0, max_digits=12, decimal_places=2)


def _moment(label: str, *, end: bool = False) -> moments.MomentField:
    return moments.MomentField(label=label, required=False, end=end)


def _several(label: str, choices: Iterable[tuple[Any, Any]] = (), **kwargs: Any) -> forms.MultipleChoiceField:
    return forms.MultipleChoiceField(
        label=label,
        choices=choices,
        required=False,
        widget=forms.CheckboxSelectMultiple,
        error_messages=INVALID_CHOICE,
        **kwargs,
    )


def _one(label: str, *choices: tuple[str, str], **kwargs: Any) -> forms.ChoiceField:
    return forms.ChoiceField(
        label=label, choices=[EITHER, *choices], required=False, error_messages=INVALID_CHOICE, **kwargs
    )


class CriteriaForm(forms.Form):
    """What narrows the customers; what is empty narrows nothing. Dates are read in the current time zone.

    Days are whole ones of the programme's zone and stay relative: “in the last 90” moves on with the calendar.
    """

    state = _several("State", CustomerState.choices)
    tier = _several("Tier")
    language = WordsField(
        label="Language",
        pattern=LANGUAGE,
        shape=str.lower,
        example="de, or en, de",
        help_text="Such as de; several with commas. Who chose none has the programme's.",
    )
    country = WordsField(
        label="Country",
        pattern=TWO_LETTERS,
        shape=str.upper,
        example="PL, or PL, DE",
        help_text="Of the shipping address, such as PL; several with commas.",
    )
    birth_month = _several("Birthday in", [(str(number), str(name)) for number, name in MONTHS.items()])
    shop = _several("Known in shop")
    has_email = _one("E-mail address", ("yes", "Known"), ("no", "Not known"))
    reminders = _one("Reminders", ("yes", "Wants all of them"), ("no", "Unsubscribed from some"))
    created_days = _days("Joined in the last … days")
    created_after = _moment("From")
    created_before = _moment("Until", end=True)

    balance_min = _number("Active points, at least")
    balance_max = _number("Active points, at most")
    points_end_days = _days("Points that end within … days")

    earned_min = _number("Earned, at least", help_text="Less what refunds took back.")
    earned_max = _number("Earned, at most")
    spent_min = _number("Spent, at least", help_text="Less what came back.")
    spent_max = _number("Spent, at most")
    points_days = _days("In the last … days")
    points_after = _moment("From")
    points_before = _moment("Until", end=True)

    orders_min = _number("Orders, at least", help_text="All that are not canceled.")
    orders_max = _number("Orders, at most")
    amount_min = _money("Amount, at least")
    amount_max = _money("Amount, at most")
    orders_days = _days("In the last … days")
    orders_after = _moment("From")
    orders_before = _moment("Until", end=True)

    last_order_days = _days("Within the last … days")
    no_order_days = _days(
        "Longer ago than … days", help_text="Who never ordered is not among them: say at most 0 orders."
    )
    last_order_after = _moment("From")
    last_order_before = _moment("Until", end=True)

    got = _several("Has got")
    not_got = _several("Has not got")
    rewards_days = _days("In the last … days")
    usable_reward = _one("A reward to use", ("yes", "Has one"), ("no", "Has none"))

    recommended = _one(
        "Recommended the shop", ("completed", "And a friend bought"), ("any", "To somebody"), ("no", "To nobody")
    )
    came_by = _one("Came by a recommendation", ("yes", "Yes"), ("no", "No"))

    def __init__(self, *args: Any, named: Named | None = None, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.named = named or Named()
        for name, what in (("tier", "tier"), ("shop", "shop"), ("got", "reward"), ("not_got", "reward")):
            self.choose(name, what)

    def choose(self, name: str, what: str, *first: tuple[str, str]) -> None:
        """Let a field offer all there are of a kind, read when it is drawn or judged."""
        field: Any = self.fields[name]
        field.choices = lambda: [*first, *self.named.choices(what)]

    def clean(self) -> dict[str, Any]:
        said = super().clean() or {}
        self._require_ranges(said)
        self._require_periods(said)
        for window, over in WINDOWS.items():
            given = [name for name in _of_window(window) if said.get(name)]
            if given and all(said.get(name) is None and name not in self.errors for name in over):
                self.add_error(given[0], "A time alone narrows nothing. Say at least or at most how much, too.")
        if said.get("rewards_days") and not (said.get("got") or said.get("not_got") or self.errors):
            self.add_error("rewards_days", "A time alone narrows nothing. Choose a reward, too.")
        return said

    def _require_ranges(self, said: dict[str, Any]) -> None:
        for name in RANGES:
            low, high = said.get(f"{name}_min"), said.get(f"{name}_max")
            if low is not None and high is not None and low > high:
                self.add_error(f"{name}_max", f"It is less than at least {low}. Choose a larger one.")

    def _require_periods(self, said: dict[str, Any]) -> None:
        for name in PERIODS:
            days = said.get(f"{name}_days") or (said.get("no_order_days") if name == "last_order" else None)
            start, end = said.get(f"{name}_after"), said.get(f"{name}_before")
            if days and (start or end):
                self.add_error(f"{name}_days", "Say a number of days or dates, not both.")
            elif start and end and end <= start:
                self.add_error(f"{name}_before", "It ends before it begins. Choose a later end.")
        within, ago = said.get("last_order_days"), said.get("no_order_days")
        if within and ago and ago >= within:
            self.add_error("no_order_days", "Nobody's last order is both. Leave one of them out.")

    def kept(self) -> dict[str, list[str]]:
        """The parameters that were given, in the form in which they are stored and stand in addresses."""
        return {name: values for name in CriteriaForm.base_fields if (values := self._given(name))}

    def _given(self, name: str) -> list[str]:
        value = self[name].data
        values: Sequence[Any] = value if isinstance(value, list | tuple) else [value]
        return [text for each in values if (text := str("" if each is None else each).strip())]

    def labels(self, name: str) -> list[str]:
        """What is chosen in a field of choices, as people read it."""
        field: Any = self.fields[name]
        words = {str(value): str(label) for value, label in field.choices}
        return [words.get(value, value) for value in self._given(name)]


def _of_window(name: str) -> tuple[str, ...]:
    return f"{name}_days", f"{name}_after", f"{name}_before"
