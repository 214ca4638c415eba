"""What makes a referral suspicious. Each rule looks at facts alone, and is one sentence for staff: `BlockReason`."""

import re
from datetime import datetime, timedelta

from loyalty.customers.models import Customer, ShippingAddress
from loyalty.program.models import Order, OrderStatus
from loyalty.program.referrals.models import BlockReason, Referral, ReferralSettings

WEEK = timedelta(days=7)
SHORTEST_NAME = 4  # letters of an address's name, below which likeness means nothing
GOOGLE = {"gmail.com", "googlemail.com"}
NOT_LETTERS = re.compile(r"[^a-z]")
NOT_WORDS = re.compile(r"[^\w]+")


def at_claim(
    *, sender: Customer, friend: Customer, source: str, rules: ReferralSettings, now: datetime
) -> BlockReason | None:
    """Why a friend who comes is not believed; None when nothing speaks against it."""
    if friend.pk == sender.pk or mailbox(friend.email) == mailbox(sender.email):
        return BlockReason.SAME_PERSON
    if bought_before(friend, now):
        return BlockReason.NOT_FIRST_ORDER
    if rules.block_similar_emails and similar(friend.email, sender.email):
        return BlockReason.SIMILAR_EMAIL
    if rules.most_from_one_address and source:
        came = Referral.objects.filter(source=source, created_at__gt=now - WEEK).count()
        if came >= rules.most_from_one_address:
            return BlockReason.MANY_FROM_ONE_ADDRESS
    return None


def at_order(*, sender: Customer, friend: Customer, since: datetime, rules: ReferralSettings) -> BlockReason | None:
    """Why a friend who bought is not believed. `since` is when they came: what they bought before makes them known."""
    if bought_before(friend, since):
        return BlockReason.NOT_FIRST_ORDER
    if rules.block_same_name and friend.full_name and plain(friend.full_name) == plain(sender.full_name):
        return BlockReason.SAME_NAME
    if rules.block_same_address and (same_phone(friend, sender) or same_address(friend, sender)):
        return BlockReason.SAME_ADDRESS
    return None


def bought_before(friend: Customer, instant: datetime) -> bool:
    return Order.objects.filter(customer=friend, status=OrderStatus.COMPLETED, placed_at__lt=instant).exists()


def mailbox(email: str | None) -> str | None:
    """Where mail to this address ends up, as far as the address tells: what follows a plus is the reader's own."""
    name, _, domain = (email or "").strip().lower().rpartition("@")
    name = name.partition("+")[0]
    if domain in GOOGLE:
        name, domain = name.replace(".", ""), "gmail.com"
    return f"{name}@{domain}" if name else None


def similar(one: str | None, other: str | None) -> bool:
    """Whether two addresses' names are the same but for digits and signs, as in anna.k1@ and annak2@."""
    first, second = (NOT_LETTERS.sub("", (mailbox(email) or "").partition("@")[0]) for email in (one, other))
    return len(first) >= SHORTEST_NAME and first == second


def same_phone(one: Customer, other: Customer) -> bool:
    return bool(one.phone) and one.phone == other.phone


def same_address(one: Customer, other: Customer) -> bool:
    found = ShippingAddress.objects.filter(customer__in=[one, other])
    places = [plain(f"{each.line_1} {each.line_2} {each.postal_code} {each.country}") for each in found]
    return len(places) == 2 and places[0] == places[1]


def plain(text: str) -> str:
    """Without case, spaces and signs."""
    return NOT_WORDS.sub("", text.casefold())
