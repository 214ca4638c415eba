"""Awards with their reasons, as a part of other pages."""

from collections.abc import Iterable

from django.urls import reverse
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString

from loyalty.common.adminkit import show
from loyalty.points.models import PointsTransaction
from loyalty.program.earning import orders, wording
from loyalty.program.earning.models import AwardState, EarningAward
from loyalty.program.models import Order

TONES: dict[str, show.Tone] = {
    AwardState.GIVEN: "good",
    AwardState.WAITING: "info",
    AwardState.REFUSED: "bad",
    AwardState.UNDONE: "quiet",
    AwardState.STANDS: "warn",
}


def told(awards: Iterable[EarningAward]) -> SafeString:
    """Each with the rule's name as of then, why, and what became of it; a dash for none."""
    return format_html_join("", "<div>{}: {} {}</div>", (_parts(award) for award in awards)) or show.dash()


def told_of_order(order: Order) -> SafeString:
    """The same for an order; of one that was imported, or earned before awards were kept, what the ledger says."""
    found = list(order.awards.order_by("pk"))
    if found:
        return told(found)
    entry = PointsTransaction.objects.filter(idempotency_key=orders.key(order)).first()
    if entry is None:
        return show.dash()
    return format_html("{}: {} points, as it was then.", wording.PROGRAMME_RATE, show.points(entry.points_change))


def _parts(award: EarningAward) -> tuple[SafeString | str, str, SafeString]:
    name: SafeString | str = wording.name(award.terms)
    if award.rule_id is not None:
        name = show.link(str(name), reverse("admin:program_earningrule_change", args=(award.rule_id,)))
    badge = show.badge(AwardState(award.state).label, tone=TONES[award.state])
    if award.redeemed_reward_id is not None:
        page = reverse("admin:rewards_redeemedreward_change", args=(award.redeemed_reward_id,))
        badge = format_html("{} {}", badge, show.link("See the reward", page))
    if award.outcome:
        badge = format_html('{} <span class="desk-quiet">{}</span>', badge, award.outcome.replace("_", " "))
    return name, wording.of_award(award), badge
