"""How a shop does: whether it answers, how long rewards take, what failed, what waits, and when it last spoke to us."""

from datetime import datetime
from typing import Any
from urllib.parse import urlencode

from django.contrib import admin
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.urls import reverse
from django.utils import timezone
from django.utils.html import format_html
from django.utils.safestring import SafeString

from loyalty.common.adminkit import show
from loyalty.hooks.models import InboundWebhook
from loyalty.insights import shop_health
from loyalty.insights.shop_health import Figures, Share, Speed
from platforms import breaker
from platforms.adapter import Outcome
from platforms.models import IncidentKind, StoreConnection
from rewards import filters

PERMISSIONS = ("platforms.view_storeconnection", "rewards.view_redeemedreward")
CONNECT = "platforms.change_storeconnection"
GRID = "admin:rewards_redeemedreward_changelist"
FAILED = "admin:rewards_redeemedreward_failed"
NEWEST_WEBHOOKS = 5_000  # of all shops, among which the last one is looked for
OUTCOMES: dict[str, tuple[str, str]] = {
    Outcome.OK: ("Done", "The shop made the code, or answered the question."),
    Outcome.REJECTED: ("Refused", "The shop said no: nothing was made."),
    Outcome.THROTTLED: ("Told to wait", "The shop throttles us: nothing was made, and it is asked again when it said."),
    Outcome.NOT_SENT: ("Not sent", "The shop was not reached, or is being left alone: nothing was made."),
    Outcome.UNKNOWN: ("No clear answer", "It may have been made: the code is looked up before it is sent again."),
}


def view(request: HttpRequest, pk: int) -> HttpResponse:
    if not request.user.has_perms(PERMISSIONS):
        raise PermissionDenied
    connection = StoreConnection.objects.filter(pk=pk).first()
    if connection is None:
        raise Http404(f"There is no shop {pk}.")
    now = timezone.now()
    figures = shop_health.of(connection=connection, now=now)
    context = {
        **admin.site.each_context(request),
        "title": f"Health of {connection}",
        "shop": connection,
        "shop_url": reverse("admin:platforms_storeconnection_change", args=(pk,)),
        "state": state(figures, now=now),
        "troubles": [each.sentence for each in figures.troubles if each.kind not in SAID_BY_STATE],
        "may_ask": request.user.has_perm(CONNECT),
        "speeds": [speed(each) for each in figures.speeds],
        "attempts": [attempt(each) for each in figures.attempts],
        "failures": [failure(each, connection) for each in figures.failures],
        "capped": figures.capped,
        "most": shop_health,
        "waiting": waiting(figures, now=now),
        "calls": calls(figures),
        "orders": orders(figures),
        "incidents": figures.incidents,
        "zone": show.zone_name(),
    }
    request.current_app = admin.site.name
    return TemplateResponse(request, "admin/insights/shop.html", context)


SAID_BY_STATE = (IncidentKind.UNREACHABLE, IncidentKind.REFUSED)


def state(figures: Figures, *, now: datetime) -> dict[str, Any]:
    """The word, the sentence, and what happens next."""
    health, connection = figures.health, figures.connection
    if health is None or not (health.ok_at or health.failures or health.refusals or health.closed_at):
        return {
            "word": "Not asked yet",
            "tone": "quiet",
            "sentence": "No call has shown yet whether this shop answers.",
        }
    sentence = breaker.trouble(connection=connection, health=health, now=now)
    if health.opened_at is not None:
        next_ = "Meanwhile nothing is sent: customers are told at once, and what waits is made when it is back."
        return {"word": "Not answering", "tone": "bad", "sentence": sentence, "next": next_, "reason": health.failure}
    if sentence:
        return {"word": "Credentials refused", "tone": "bad", "sentence": sentence, "reason": health.refusal}
    if health.failures:
        count = f"{health.failures} call{'s' if health.failures > 1 else ''} in a row had no answer"
        said = f"{count}. After {breaker.MOST_FAILURES} the shop is left alone for a while."
        return {"word": "Unsteady", "tone": "warn", "sentence": said, "reason": health.failure}
    if not connection.enabled:
        return {
            "word": "Off",
            "tone": "quiet",
            "sentence": "The shop is switched off. It answered when it was asked last.",
        }
    return {"word": "Answers", "tone": "good", "sentence": "The last call had an answer."}


def speed(each: Speed) -> dict[str, Any]:
    return {"rewards": show.points_text(each.rewards), "median": duration(each.median), "slow": duration(each.slow)}


def attempt(share: Share) -> dict[str, Any]:
    word, meaning = OUTCOMES[share.what]
    return {"word": word, "meaning": meaning, "counts": [show.points_text(count) for count in share.counts]}


def failure(share: Share, connection: StoreConnection) -> dict[str, Any]:
    """With the lists that show them: grants stand in the grid, redemptions beside it."""
    word = filters.FAILURES.get(share.what, share.what.replace("_", " ").capitalize() or "No reason was written down")
    parameters = urlencode({"failure": share.what, "shop": connection.pk}) if share.what in filters.FAILURES else ""
    hidden, shown = share.hidden, share.counts[-1] - share.hidden
    links = [
        (count, name, reverse(url)) for count, name, url in ((hidden, "Redemptions", FAILED), (shown, "Grants", GRID))
    ]
    return {
        "word": word,
        "counts": [show.points_text(count) for count in share.counts],
        "links": [(f"{name}: {count}", f"{url}?{parameters}") for count, name, url in links if count and parameters],
    }


def waiting(figures: Figures, *, now: datetime) -> dict[str, Any]:
    found, shop = figures.waiting, figures.connection
    more = "+" if found.capped else ""
    oldest: Any = show.dash()
    if found.oldest_id is not None and found.oldest_at is not None:
        page = reverse("admin:rewards_redeemedreward_change", args=(found.oldest_id,))
        waited = duration((now - found.oldest_at).total_seconds())
        oldest = format_html('<a href="{}">{}</a>, since {}', page, waited, show.instant(found.oldest_at))
    return {
        "shown": show.points_text(found.shown) + more,
        "shown_url": f"{reverse(GRID)}?{urlencode({'status': 'pending', 'shop': shop.pk})}",
        "checked": show.points_text(found.checked) + more,
        "checked_url": f"{reverse(FAILED)}?{urlencode({'status': 'pending', 'shop': shop.pk})}",
        "oldest": oldest,
    }


def calls(figures: Figures) -> list[tuple[str, Any, str]]:
    """When something last came of a call, whoever made it."""
    health = figures.health
    if health is None:
        return []
    return [
        ("Last success", show.instant(health.ok_at), "To some ten seconds; any call counts, polls included."),
        ("Last without an answer", show.instant(health.failed_at), health.failure),
        ("Last told to wait", show.instant(health.throttled_at), "By the shop's limits, to some ten seconds."),
        ("Last refused credentials", show.instant(health.refused_at), health.refusal if health.refused_at else ""),
    ]


def orders(figures: Figures) -> list[tuple[str, Any, str]]:
    """When we last heard of its orders."""
    shop, health = figures.connection, figures.health
    checked = health.webhooks_checked_at if health is not None else None
    problem = health.webhooks_problem if health is not None else ""
    heard, hint = last_webhook(shop)
    return [
        ("Last poll", show.instant(shop.polled_at), shop.poll_error or "Twice a minute; a lost webhook loses nothing."),
        ("Last webhook", heard, hint),
        ("Webhook address checked", show.instant(checked), problem or "Each day, where the shop lets us register it."),
    ]


def last_webhook(shop: StoreConnection) -> tuple[SafeString, str]:
    newest = InboundWebhook.objects.order_by("-received_at", "-pk").values("pk")[:NEWEST_WEBHOOKS]
    of_shop = InboundWebhook.objects.filter(pk__in=newest, connection=shop).order_by("-received_at")
    at = of_shop.values_list("received_at", flat=True).first()
    if at is None:
        return (
            show.dash(),
            f"None among the newest {show.points_text(NEWEST_WEBHOOKS)} of all shops. Polls bring its orders.",
        )
    return show.instant(at), "As it was received."


def duration(seconds: float | None) -> str:
    """Such as 0.4 s, 12 s, 3 min, 2 h 5 min, 3 days."""
    if seconds is None:
        return show.DASH
    if seconds < 9.95:
        return f"{seconds:.1f} s"
    if seconds < 100:
        return f"{seconds:.0f} s"
    minutes = round(seconds / 60)
    if minutes < 120:
        return f"{minutes} min"
    hours = minutes // 60
    return f"{hours} h {minutes % 60} min" if hours < 48 else f"{hours // 24} days"
