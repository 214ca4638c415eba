"""How customers can earn, in their words, made from the rules that are on for them."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from decimal import Decimal

from django.db.models import Q
from django.utils import formats, timezone
from django.utils.translation import get_language, gettext, gettext_lazy, gettext_noop, ngettext
from django.utils.translation import gettext as _

from loyalty.cockpit.access import Visit
from loyalty.merchant import own_words
from loyalty.program.earning.models import CapPeriod, EarningRule, RuleKind
from rewards import catalogue, wording
from rewards.models import Reward

# %(what)s is a number of points in the programme's own words, or the name of a reward.
SENTENCES = {
    RuleKind.PER_ORDER: gettext_lazy("%(what)s with each order"),
    RuleKind.FIRST_ORDER: gettext_lazy("%(what)s for your first order"),
    RuleKind.SIGN_UP: gettext_lazy("%(what)s for becoming a member"),
    RuleKind.BIRTHDAY: gettext_lazy("%(what)s on your birthday"),
    RuleKind.ANNIVERSARY: gettext_lazy("%(what)s each year on the day you joined"),
    RuleKind.NEWSLETTER: gettext_lazy("%(what)s for subscribing to the newsletter"),
    RuleKind.ACTIVITY: gettext_lazy("%(what)s each time"),
}
OFTEN = {
    CapPeriod.DAY: (gettext_noop("Once a day"), gettext_noop("Up to %(count)s times a day")),
    CapPeriod.WEEK: (gettext_noop("Once a week"), gettext_noop("Up to %(count)s times a week")),
    CapPeriod.MONTH: (gettext_noop("Once a month"), gettext_noop("Up to %(count)s times a month")),
    CapPeriod.YEAR: (gettext_noop("Once a year"), gettext_noop("Up to %(count)s times a year")),
}
AT_MOST = {
    CapPeriod.DAY: gettext_noop("Up to %(what)s a day"),
    CapPeriod.WEEK: gettext_noop("Up to %(what)s a week"),
    CapPeriod.MONTH: gettext_noop("Up to %(what)s a month"),
    CapPeriod.YEAR: gettext_noop("Up to %(what)s a year"),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Way:
    """One way to earn: the merchant's name for it, what it gives, and on what terms."""

    name: str
    sentence: str
    terms: tuple[str, ...] = ()
    action_text: str = ""
    action_url: str = ""


def ways(visit: Visit) -> list[Way]:
    """Those open to this customer now, in the order in which they are judged; the programme's own rate last."""
    tier = Q(tier_ids=[]) | Q(tier_ids__contains=[visit.customer.tier_id or 0])
    begun = Q(starts_at__isnull=True) | Q(starts_at__lte=visit.now)
    lasts = Q(ends_at__isnull=True) | Q(ends_at__gt=visit.now)
    rules = list(
        EarningRule.objects.filter(tier, begun, lasts, enabled=True).select_related("reward").order_by("priority", "pk")
    )
    names = _names([rule.reward for rule in rules if rule.reward is not None], visit.language)
    found = [_way(rule, visit, names) for rule in rules]
    if visit.programme.points_per_unit:
        sentence = _per_amount(visit.programme.points_per_unit, Decimal(1), visit)
        found.append(Way(name=_("Every purchase"), sentence=sentence))
    return found


def _names(rewards: list[Reward], language: str) -> Mapping[int, str]:
    words = catalogue.words(rewards=rewards, language=language) if rewards else {}
    return {pk: text.name for pk, text in words.items()}


def _way(rule: EarningRule, visit: Visit, names: Mapping[int, str]) -> Way:
    return Way(
        name=rule.name,
        sentence=_sentence(rule, visit, names),
        terms=tuple(_terms(rule, visit)),
        action_text=rule.action_text or _("Have a look"),
        action_url=rule.action_url,
    )


def _sentence(rule: EarningRule, visit: Visit, names: Mapping[int, str]) -> str:
    if rule.kind == RuleKind.PER_AMOUNT:
        return _per_amount(rule.points or 0, rule.per_amount or Decimal(1), visit)
    if rule.kind == RuleKind.MULTIPLIER:
        factor = formats.number_format((rule.factor or Decimal(1)).normalize())
        names_of = ", ".join([*rule.products, *rule.categories])
        return _("%(factor)s times the points for: %(names)s") % {"factor": factor, "names": names_of}
    what = _points(rule.points or 0, visit) if rule.reward_id is None else names[rule.reward_id]
    return str(SENTENCES[RuleKind(rule.kind)]) % {"what": what}


def _per_amount(points: int, amount: Decimal, visit: Visit) -> str:
    return _("%(what)s for every %(money)s you spend") % {
        "what": _points(points, visit),
        "money": _money(amount, visit),
    }


def _terms(rule: EarningRule, visit: Visit) -> Iterator[str]:
    if rule.minimum is not None:
        yield _("For orders of %(money)s and more") % {"money": _money(rule.minimum, visit)}
    if rule.most_times is not None:
        once, often = OFTEN[CapPeriod(rule.period)]
        yield gettext(once if rule.most_times == 1 else often) % {"count": rule.most_times}
    if rule.most_times_ever is not None:
        count = rule.most_times_ever
        yield ngettext("Once in all", "Up to %(count)s times in all", count) % {"count": count}
    if rule.most_points is not None:
        yield gettext(AT_MOST[CapPeriod(rule.period)]) % {"what": _points(rule.most_points, visit)}
    if rule.most_points_ever is not None:
        yield _("Up to %(what)s in all") % {"what": _points(rule.most_points_ever, visit)}
    if rule.delay_days:
        days = rule.delay_days
        yield ngettext("Usable after %(days)s day", "Usable after %(days)s days", days) % {"days": days}
    if rule.ends_at is not None:
        yield _("Until %(day)s") % {"day": formats.date_format(timezone.localtime(rule.ends_at), "DATETIME_FORMAT")}


def _points(number: int, visit: Visit) -> str:
    label = own_words.points_label(programme=visit.programme, number=number, language=get_language() or "en")
    return f"{formats.number_format(number, decimal_pos=0, force_grouping=True)} {gettext(label)}"


def _money(amount: Decimal, visit: Visit) -> str:
    return wording.money(amount, visit.programme.currency, (get_language() or "en").split("-")[0])
