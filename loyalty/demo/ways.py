"""Some ways to earn beside buying: two that are on, and two that staff may switch on."""

from datetime import datetime

from django.db import transaction

from loyalty.common.actors import SYSTEM
from loyalty.program.earning import rules
from loyalty.program.earning.models import CapPeriod, EarningRule, RuleKind

ON = {
    "Write a review": {
        "kind": RuleKind.ACTIVITY,
        "token": "review_written",
        "points": 20,
        "most_times": 3,
        "period": CapPeriod.MONTH,
    },
    "Share a photo": {"kind": RuleKind.ACTIVITY, "token": "photo_shared", "points": 30, "most_times_ever": 5},
}
OFF = {
    "Welcome to the club": {"kind": RuleKind.SIGN_UP, "points": 50},
    "Happy birthday": {"kind": RuleKind.BIRTHDAY, "points": 100},
}


@transaction.atomic
def load(*, now: datetime) -> None:
    """They count from now on: nothing of the past earns by them."""
    for name, terms in {**ON, **OFF}.items():
        rule = rules.save(rule=EarningRule(name=name, **terms), on=False, actor=SYSTEM, now=now)
        rules.switch(rule_id=rule.pk, on=name in ON, actor=SYSTEM, now=now)
