"""Criteria as they are stored and sent, judged by the form that the list of customers has."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.db.models import QuerySet
from django.utils import timezone
from django.utils.datastructures import MultiValueDict

from loyalty.common.errors import DomainError
from loyalty.customers.models import Customer
from loyalty.merchant.models import Programme
from loyalty.segments import narrowing, wording
from loyalty.segments.form import SECTIONS, CriteriaForm, Named


class CriteriaRefused(DomainError):
    """What is to narrow the customers cannot be read. The sentence says which part, and why."""

    code = "criteria_refused"


@dataclass(frozen=True, slots=True, kw_only=True)
class Criteria:
    """What narrows: as it is kept (parameter → texts), as it was read, and in words."""

    kept: Mapping[str, Sequence[str]]
    said: Mapping[str, Any]
    words: str


def read(parameters: Mapping[str, Sequence[str]], *, programme: Programme, named: Named | None = None) -> Criteria:
    """Judge parameters, each with its texts; days are those of the programme's zone. Raises CriteriaRefused."""
    unknown = sorted(set(parameters) - set(CriteriaForm.base_fields))
    if unknown:
        raise CriteriaRefused(f"There is no filter “{unknown[0][:60]}” for customers. Leave it out.")
    with timezone.override(programme.zone):
        form = CriteriaForm(MultiValueDict({name: list(texts) for name, texts in parameters.items()}), named=named)
        if not form.is_valid():
            raise CriteriaRefused(refusal(form))
        kept = form.kept()
    if not kept:
        raise CriteriaRefused("Nothing narrows the customers, so that all of them would be meant. Choose something.")
    return Criteria(kept=kept, said=form.cleaned_data, words=wording.words(form, currency=programme.currency))


def refusal(form: CriteriaForm) -> str:
    """The first thing that is wrong with a form, with the part it is about."""
    name, errors = next(iter(form.errors.items()))
    label = str(form.fields[name].label)
    section = next((title for title, names in SECTIONS if name in names), "")
    return f"{section}, {label[:1].lower()}{label[1:]}: {errors[0]}"


def of(criteria: Criteria, *, programme: Programme, now: datetime) -> QuerySet[Customer]:
    """The customers who fit, as of now. Whoever was merged or forgotten is nobody's customer any more."""
    present = Customer.objects.filter(merged_into__isnull=True, anonymised_at__isnull=True)
    return narrowing.narrow(present, criteria.said, programme=programme, now=now)
