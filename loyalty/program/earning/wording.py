"""Why something was earned, or was not, in words for staff. English, made from recorded terms and never stored."""

from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from loyalty.program.earning import awarding
from loyalty.program.earning.evaluating import Verdict, WhyNot
from loyalty.program.earning.models import EarningAward, Rounding, RuleKind

PROGRAMME_RATE = "The programme's rate"

WHY_NOT = {
    WhyNot.NOT_ON_THEN: "the rule was not switched on, or had not begun, when this happened",
    WhyNot.OVER: "the rule had ended when this happened",
    WhyNot.OTHER_TIER: "the rule is for other tiers",
    WhyNot.OTHER_CURRENCY: "the rule is for another currency",
    WhyNot.BELOW_MINIMUM: "what counts of the order is below the rule's least amount",
    WhyNot.NOT_FIRST: "it is not the customer's first completed order",
    WhyNot.GIVEN_BEFORE: "the customer got it before, and it is given once",
    WhyNot.CAP_OF_PERIOD: "the customer got it as often as the rule allows in that time",
    WhyNot.CAP_EVER: "the customer got it as often as the rule ever allows",
    WhyNot.POINTS_OF_PERIOD: "the customer got as many points as the rule gives in that time",
    WhyNot.POINTS_EVER: "the customer got as many points as the rule ever gives",
    WhyNot.ITEMS_UNKNOWN: "the shop does not tell what was bought",
    WhyNot.CATEGORIES_UNKNOWN: "the shop does not tell the categories of what was bought: name products instead",
    WhyNot.NO_SUCH_ITEM: "nothing that was bought is among the rule's products or categories",
    WhyNot.NO_POINTS: "it comes to less than one point",
    WhyNot.STOPPED: "a rule before it applied and stops those after it",
}
ROUNDED = {
    Rounding.WHOLE: "",  # said by "each whole"
    Rounding.DOWN: ", rounded down",
    Rounding.NEAREST: ", rounded to the nearest point",
    Rounding.UP: ", rounded up",
}
OF_KIND = {
    RuleKind.PER_ORDER: "for the order",
    RuleKind.FIRST_ORDER: "for the first completed order",
    RuleKind.SIGN_UP: "for becoming a member",
    RuleKind.BIRTHDAY: "for the birthday",
    RuleKind.ANNIVERSARY: "for the day of joining",
    RuleKind.NEWSLETTER: "for the newsletter",
    RuleKind.ACTIVITY: "for the activity",
}


def name(terms: Mapping[str, Any]) -> str:
    """What the rule was called then."""
    return str(terms.get("name") or PROGRAMME_RATE)


def of_award(award: EarningAward) -> str:
    """Why it was given: the terms of then and the numbers they were applied to."""
    return _why(award.terms, what=_what(award.points, award.reward_id))


def of_verdict(verdict: Verdict) -> str:
    """The same of what would be given, or why nothing would."""
    if verdict.why_not is not None:
        return f"Nothing: {WHY_NOT[verdict.why_not]}."
    return _why(awarding.recorded(verdict), what=_what(verdict.points, verdict.reward_id))


def _what(points: int, reward_id: int | None) -> str:
    return "a reward" if reward_id is not None else _points(points)


def _points(number: int) -> str:
    return "1 point" if number == 1 else f"{number:,} points"


def _why(terms: Mapping[str, Any], *, what: str) -> str:
    kind = RuleKind(terms["kind"])
    money = f"{terms.get('amount', '')} {terms.get('currency', '')}".strip()
    if kind == RuleKind.PER_AMOUNT:
        rounding = Rounding(terms["rounding"])
        each = f"each {'whole ' if rounding == Rounding.WHOLE else ''}{_step(terms)}"
        said = f"{what}: {_points(terms['points'])} for {each} of {money}{ROUNDED[rounding]}"
    elif kind == RuleKind.MULTIPLIER:
        said = f"{what} more: {money} of items count {_short(terms['factor'])} times"
    else:
        said = f"{what} {OF_KIND[kind]}"
    return f"{said}{_left_out(terms)}."


def _step(terms: Mapping[str, Any]) -> str:
    """The money that earns once, such as "USD" for one and "10 USD" for ten."""
    amount, currency = _short(terms["per_amount"]), terms.get("currency") or "unit"
    return str(currency) if amount == "1" else f"{amount} {currency}"


def _short(number: Any) -> str:
    """A decimal as people say it: "1" for 1.00 and "2.5" for 2.50."""
    text = f"{Decimal(str(number)):f}"
    return text.rstrip("0").rstrip(".") if "." in text else text


def _left_out(terms: Mapping[str, Any]) -> str:
    parts = []
    if terms.get("excluded"):
        parts.append(f"{terms['excluded']} {terms.get('currency', '')} earns nothing".replace("  ", " "))
    if terms.get("uncut"):
        time = f" in a {terms['period']}" if terms.get("period") else " ever"
        parts.append(f"it would be {terms['uncut']:,}, and a customer gets {terms['most']:,} by this rule{time}")
    if terms.get("unknown"):
        parts.append(f"the shop does not tell {' and '.join(terms['unknown'])}, so nothing was left out for that")
    return f" ({'; '.join(parts)})" if parts else ""
