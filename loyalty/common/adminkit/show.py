"""How values look in the admin: one way for each kind, safe to put in any template or list column."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from functools import cache, lru_cache
from typing import Literal

from django.utils import dateformat, timezone
from django.utils.dates import MONTHS_3
from django.utils.html import format_html
from django.utils.safestring import SafeString

Tone = Literal["neutral", "good", "info", "warn", "bad", "quiet"]

DASH = "–"
THIN_SPACE = "\u202f"


@cache
def dash() -> SafeString:
    """Nothing to show, on purpose."""
    return format_html('<span class="desk-quiet">{}</span>', DASH)


@lru_cache(maxsize=256)
def badge(word: str, *, tone: Tone = "neutral") -> SafeString:
    """A word on a tinted ground. The word carries the meaning, the colour repeats it."""
    return format_html('<span class="desk-badge desk-badge--{}">{}</span>', tone, word)


def points_text(points: int) -> str:
    """A whole number with thin spaces between thousands."""
    return f"{points:,}".replace(",", THIN_SPACE)


def points(value: int | None) -> SafeString:
    """Points in a column: digits of one width, aligned by the style sheet."""
    if value is None:
        return dash()
    return format_html('<span class="desk-number">{}</span>', points_text(value))


def signed_points(value: int) -> SafeString:
    """A change: always with its sign."""
    sign, tone = ("+", "plus") if value > 0 else ("−", "minus")
    return format_html('<span class="desk-number desk-number--{}">{}{}</span>', tone, sign, points_text(abs(value)))


def money_text(amount: Decimal | None, currency: str) -> str:
    """Such as 1 250.00 EUR; a dash when there is no amount."""
    if amount is None:
        return DASH
    return f"{amount:,.2f}".replace(",", THIN_SPACE) + f" {currency}"


def money(amount: Decimal | None, currency: str) -> SafeString:
    """An amount with its currency."""
    if amount is None:
        return dash()
    return format_html(
        '<span class="desk-number">{} <span class="desk-unit">{}</span></span>',
        money_text(amount, "").strip(),
        currency,
    )


def instant_text(value: datetime | None) -> str:
    """Date and time in the current zone, as in 1 Mar 2026, 14:02; a dash for none."""
    if value is None:
        return DASH
    here = timezone.localtime(value)
    return f"{here.day} {MONTHS_3[here.month].title()} {here.year}, {here.hour:02}:{here.minute:02}"


def day_text(value: datetime) -> str:
    """The day of an instant in the current zone, as in 1 Mar 2026."""
    return dateformat.format(timezone.localtime(value), "j M Y")


def instant(value: datetime | None) -> SafeString:
    """The same as an element that carries the exact instant in UTC, to the second."""
    if value is None:
        return dash()
    exact = value.astimezone(UTC).isoformat(" ", timespec="seconds").removesuffix("+00:00")
    return format_html(
        '<time datetime="{}+00:00" title="{} UTC">{}</time>', exact.replace(" ", "T"), exact, instant_text(value)
    )


def last_day(expires_at: datetime) -> SafeString:
    """The last day on which something is still good, from the first instant at which it is not."""
    last = timezone.localtime(expires_at - timedelta(microseconds=1))
    return format_html(
        '<time datetime="{}" title="Until {}">{}</time>',
        expires_at.astimezone(timezone.get_fixed_timezone(0)).isoformat(timespec="seconds"),
        exact_text(expires_at),
        dateformat.format(last, "j M Y"),
    )


def exact_text(value: datetime) -> str:
    """An instant as evidence: to the second, in UTC."""
    return value.astimezone(timezone.get_fixed_timezone(0)).strftime("%Y-%m-%d %H:%M:%S UTC")


def zone_name() -> str:
    """The zone in which instants are shown and read now."""
    return timezone.get_current_timezone_name()


def copyable(text: str) -> SafeString:
    """Something to copy, with a button; without JavaScript it is selected whole by one tap."""
    if not text:
        return dash()
    return format_html(
        '<span class="desk-copy"><code>{}</code>'
        '<button type="button" class="desk-copy__button" data-copy="{}" hidden>Copy</button></span>',
        text,
        text,
    )


def link(text: str, url: str) -> SafeString:
    return format_html('<a href="{}">{}</a>', url, text)


def text(value: str) -> SafeString:
    """Text as it is; a dash for none."""
    return format_html("{}", value) if value else dash()


def clipped(value: str, *, wide: bool = False) -> SafeString:
    """Text that may be long: cut by the style sheet, whole in the tooltip."""
    if not value:
        return dash()
    return format_html(
        '<span class="desk-clip{}" title="{}">{}</span>', " desk-clip--wide" if wide else "", value, value
    )
