"""How the customers' pages write points, days and addresses."""

from datetime import datetime, timedelta
from decimal import Decimal

from django import template
from django.template.context import Context
from django.utils import formats, timezone
from django.utils.translation import get_language

from loyalty.cockpit import countries
from loyalty.merchant import queries
from loyalty.merchant.models import Programme
from rewards import wording
from rewards.models import RewardType

register = template.Library()


@register.simple_tag
def the_programme() -> Programme:
    """The programme, for pages and mails no view of ours renders."""
    return queries.programme()


@register.filter
def grouped(number: int) -> str:
    """1250 → "1,250", as the language writes it."""
    return str(formats.number_format(number, decimal_pos=0, force_grouping=True))


@register.filter
def signed(number: int) -> str:
    """A change: a plus, or a real minus sign."""
    return f"{'+' if number > 0 else '−'}{grouped(abs(number))}"


@register.simple_tag(takes_context=True)
def points(context: Context, number: int) -> str:
    """A number with the programme's own word: "1,250 stars"."""
    return f"{grouped(number)} {points_word(context, number)}"


@register.simple_tag(takes_context=True)
def points_word(context: Context, number: int) -> str:
    """The programme's own word for that many points."""
    programme: Programme = context.get("programme") or queries.programme()
    return programme.points_label_one if number == 1 else programme.points_label_other


@register.simple_tag
def money(amount: Decimal, currency: str) -> str:
    """$5, 5,50 €: as the page's language writes it."""
    return wording.money(amount, currency, (get_language() or "en").split("-")[0])


@register.filter
def last_day(end: datetime | None) -> str:
    """The last whole day on which something works that ends at this instant, exclusively."""
    if end is None:
        return ""
    return str(formats.date_format(timezone.localtime(end - timedelta(microseconds=1)), "DATE_FORMAT"))


@register.filter
def days_left(end: datetime | None, now: datetime) -> int | None:
    """Whole days until that day is over: 0 means today. None: no end."""
    if end is None:
        return None
    last = timezone.localtime(end - timedelta(microseconds=1)).date()
    return (last - timezone.localtime(now).date()).days


@register.filter
def is_paid(cashback_status: str) -> bool:
    """Whether the provider has said that the money was paid."""
    return cashback_status.startswith("1:")


@register.filter
def country(code: str) -> str:
    """PL → Poland."""
    return countries.name(code)


@register.filter
def web_address(text: str) -> str:
    """The text when it is a link or a picture we may show, else nothing."""
    return text if text.startswith(("https://", "http://")) else ""


@register.filter
def artwork(reward_type: str) -> str:
    """The drawing that stands in for a missing picture."""
    return f"cockpit/art/{reward_type if reward_type in RewardType.values else 'reward'}.svg"
