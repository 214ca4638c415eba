"""How the customers' pages write points, days and addresses."""

from datetime import datetime
from decimal import Decimal

from django import template
from django.template.context import Context
from django.utils import formats, timezone
from django.utils.translation import get_language, gettext, gettext_noop
from django.utils.translation import gettext_lazy as _

from loyalty.cockpit import countries, ends, look, speech
from loyalty.cockpit.look import Look
from loyalty.merchant import own_words, queries
from loyalty.merchant.models import Programme
from loyalty.program.tiers.progress import Progress
from rewards import wording
from rewards.models import RewardType

register = template.Library()

USUAL = (gettext_noop("point"), gettext_noop("points"))  # of a programme whose points have no name of their own

# What customers call the types; staff have their own words for them.
KINDS = {
    RewardType.PERCENTAGE_DISCOUNT: _("Discount"),
    RewardType.DISCOUNT_CODE: _("Discount code"),
    RewardType.FREE_DELIVERY: _("Free delivery"),
    RewardType.FREE_PRODUCT: _("Free product"),
    RewardType.VALUE_CODE: _("Value code"),
    RewardType.GIFT_CARD: _("Gift card"),
    RewardType.GIFT: _("Gift"),
    RewardType.EVENT_INVITATION: _("Invitation"),
    RewardType.CASHBACK: _("Cashback"),
    RewardType.CUSTOM: _("Something special"),
}


@register.filter
def kind(reward_type: str) -> str:
    """What customers call a reward of this type."""
    return str(KINDS[RewardType(reward_type)])


@register.simple_tag
def the_programme() -> Programme:
    """The programme, for pages and mails no view of ours renders."""
    return queries.programme()


@register.simple_tag
def look_of(programme: Programme) -> Look:
    """Where the merchant's logo and colours are read from."""
    return look.of(programme)


@register.filter
def grouped(number: int) -> str:
    """1250 → "1,250", as the language writes it."""
    return str(formats.number_format(number, decimal_pos=0, force_grouping=True))


@register.filter
def short(number: int) -> str:
    """A number for a narrow column: 12,500, but 125 k."""
    return grouped(number) if number < 100_000 else f"{grouped(round(number / 1000))}\u00a0k"


@register.filter
def spoken(text: str) -> str:
    """A sentence that a lower layer owns, in the page's language; what a person wrote stays as it is."""
    return gettext(text) if text else ""


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
    """The programme's own word for that many points; the words of a new programme are said in the page's language."""
    programme: Programme = context.get("programme") or queries.programme()
    language = get_language() or speech.FALLBACK
    return gettext(own_words.points_label(programme=programme, number=number, language=language))


@register.simple_tag
def languages() -> tuple[tuple[str, str], ...]:
    """The languages the pages speak: code and own name."""
    return speech.LANGUAGES


@register.simple_tag
def money(amount: Decimal, currency: str) -> str:
    """$5, 5,50 €: as the page's language writes it."""
    return wording.money(amount, currency, (get_language() or "en").split("-")[0])


@register.simple_tag(takes_context=True)
def counted(context: Context, amount: Decimal, vip: Progress) -> str:
    """What counts for a tier: points, or money, whole where it is."""
    if vip.in_points:
        return points(context, int(amount))
    return money(amount, vip.currency)


@register.simple_tag
def counted_bare(amount: Decimal, vip: Progress) -> str:
    """The same before an amount that names what is counted: "120" of 500 points."""
    return grouped(int(amount)) if vip.in_points else money(amount, vip.currency)


@register.filter
def last_day(end: datetime | None) -> str:
    """The last whole day on which something works that ends at this instant, exclusively."""
    day = ends.last_day(end)
    return "" if day is None else str(formats.date_format(day, "DATE_FORMAT"))


@register.filter
def last_date(end: datetime | None) -> str:
    """The same day as machines read it: 2031-12-31."""
    day = ends.last_day(end)
    return "" if day is None else day.isoformat()


@register.filter
def days_left(end: datetime | None, now: datetime) -> int | None:
    """Whole days until that day is over: 0 means today. None: no end."""
    last = ends.last_day(end)
    return None if last is None else (last - timezone.localtime(now).date()).days


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
