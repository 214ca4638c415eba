"""Earning rules for tests."""

from datetime import timedelta
from decimal import Decimal

import factory

from loyalty.program.earning.models import EarningRule
from tests.factories.points import NOW


class RuleFactory(factory.django.DjangoModelFactory):
    """One point for each whole unit of money, on for a year."""

    class Meta:
        model = EarningRule

    name = factory.Sequence(lambda n: f"Rule {n}")
    kind = "per_amount"
    points = 1
    per_amount = factory.LazyAttribute(lambda rule: Decimal(1) if rule.kind == "per_amount" else None)
    enabled = True
    enabled_at = NOW - timedelta(days=365)
