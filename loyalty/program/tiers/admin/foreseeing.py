"""What staff are shown before they save changed tiers or rules: how many customers would go from where to where."""

from typing import Any

from loyalty.common.adminkit import show
from loyalty.program.tiers.models import TierRules
from loyalty.program.tiers.preview import Preview

NO_TIER = "no tier"


def context(shown: Preview, *, rules: TierRules, gives: bool) -> dict[str, Any]:
    """What `admin/program/tiers/preview.html` shows."""
    return {
        "shown": shown,
        "heading": _heading(shown),
        "basis": _basis(shown),
        "rows": [
            {
                "previous": flow.previous or NO_TIER,
                "current": flow.current or NO_TIER,
                "upward": flow.upward,
                "customers": _number(flow.customers, shown),
            }
            for flow in shown.flows
        ],
        "sentences": [*_gifts(shown, gives=gives), *_later(shown, rules), *_off(rules)],
    }


def _heading(shown: Preview) -> str:
    if shown.flows:
        return f"{_people(shown.moving, shown)} would move"
    return "Nobody would move at once" if shown.later else "Nobody would move"


def _basis(shown: Preview) -> str:
    if shown.is_exact:
        return f"Everybody, {_count(shown.customers)}, was judged as of now by what is entered below. Nothing is saved yet."
    return (
        f"{show.points_text(shown.judged)} of {_count(shown.customers)}, picked at random, were judged as of now by what is "
        "entered below: the numbers are what follows from them for all. Nothing is saved yet."
    )


def _gifts(shown: Preview, *, gives: bool) -> list[str]:
    if not any(flow.upward for flow in shown.flows):
        return []
    if not gives:
        return ["Who rises by this is given nothing, as you chose below."]
    if not shown.given:
        return ["Nobody is given anything for it: the tiers they rise into give nothing, or gave it in this period."]
    what = [f"{show.points_text(shown.points)} points"] if shown.points else []
    what += [f"{show.points_text(shown.rewards)} reward{'' if shown.rewards == 1 else 's'}"] if shown.rewards else []
    return [f"{_people(shown.given, shown)} would be given {' and '.join(what)} altogether for entering."]


def _later(shown: Preview, rules: TierRules) -> list[str]:
    days = f"{rules.grace_days} day{'' if rules.grace_days == 1 else 's'} of grace"
    return [
        f"{_people(count, shown)} would leave {name} after {days}, unless they earn more."
        for name, count in shown.later
    ]


def _off(rules: TierRules) -> list[str]:
    return [] if rules.enabled else ["VIP tiers are switched off: all of this happens once they are switched on."]


def _people(count: int, shown: Preview) -> str:
    return f"{'' if shown.is_exact else 'About '}{_count(count)}"


def _number(count: int, shown: Preview) -> str:
    return f"{'' if shown.is_exact else 'about '}{show.points_text(count)}"


def _count(count: int) -> str:
    return f"{show.points_text(count)} customer{'' if count == 1 else 's'}"
