"""Whom a campaign is for: those a reward is for, all who fit, a segment, or a table. Each as rows of a job."""

from array import array
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import BinaryIO
from zoneinfo import ZoneInfo

from django.db.models import Q, QuerySet

from loyalty.common.errors import DomainError
from loyalty.customers.models import Customer, CustomerState, Tier
from loyalty.jobs import sheets
from loyalty.jobs.models import Job, JobRow
from loyalty.points import import_checks, import_rows
from loyalty.points.import_rows import BadRow, By
from platforms.models import StoreConnection
from rewards.mass_granting import Refusal
from rewards.models import AudienceKind, Reward, RewardAudience, RewardTier

MOST_CUSTOMERS = 500_000
Rows = Iterable[tuple[int, dict[str, str]]]


class NobodyMeant(DomainError):
    """No customer is among those who were chosen, or more are than one campaign takes."""

    code = "nobody_meant"


class NoCustomerColumn(DomainError):
    """The table does not say in which column the customers stand, or of which shop their ids are."""

    code = "no_customer_column"


@dataclass(frozen=True, slots=True, kw_only=True)
class Fit:
    """Customers who fit all of it; what is empty narrows nothing. Excluded customers never fit."""

    states: tuple[str, ...] = ()
    tier_ids: tuple[int, ...] = ()
    joined_from: datetime | None = None
    joined_until: datetime | None = None  # exclusive


@dataclass(frozen=True, slots=True, kw_only=True)
class Audience:
    """Who is meant: in words, and as rows (number, {"customer": name}), streamed once."""

    kind: AudienceKind
    text: str
    rows: Rows
    by: By = By.ID
    connection_id: int | None = None
    digest: str = ""


def of_reward(*, reward_id: int) -> Audience:
    """Those a restricted reward is for: its list, and whoever stands in one of its tiers now. Raises NobodyMeant."""
    reward = Reward.objects.filter(pk=reward_id, restricted=True).first()
    if reward is None:
        raise NobodyMeant("That reward is for everybody: it has no list. Choose one that is only for some customers.")
    listed = RewardAudience.objects.filter(reward=reward).values("customer_id")
    tiers = RewardTier.objects.filter(reward=reward).values("tier_id")
    customers = Customer.objects.filter(Q(pk__in=listed) | Q(tier_id__in=tiers))
    return Audience(
        kind=AudienceKind.LIST, text=f"Those “{reward.name}” is for: its list and its tiers", rows=_numbered(customers)
    )


def of_fit(*, fit: Fit, zone: ZoneInfo) -> Audience:
    """All customers who fit, as of now. Days in the text are those of the zone. Raises NobodyMeant."""
    customers = Customer.objects.exclude(state=CustomerState.DISABLED).filter(anonymised_at__isnull=True)
    if fit.states:
        customers = customers.filter(state__in=fit.states)
    if fit.tier_ids:
        customers = customers.filter(tier_id__in=fit.tier_ids)
    if fit.joined_from is not None:
        customers = customers.filter(created_at__gte=fit.joined_from)
    if fit.joined_until is not None:
        customers = customers.filter(created_at__lt=fit.joined_until)
    return Audience(kind=AudienceKind.FILTER, text=_in_words(fit, zone=zone), rows=_numbered(customers))


def of_segment(*, customers: QuerySet[Customer], text: str) -> Audience:
    """The customers of a segment, read once, now; `text` says which segment, and when. Raises NobodyMeant."""
    return Audience(kind=AudienceKind.SEGMENT, text=text[:500], rows=_numbered(customers))


def of_table(*, file: BinaryIO, file_name: str, by: By, connection_id: int | None = None) -> Audience:
    """The customers that a CSV or XLSX table names in one of its columns; the others are passed over.

    `connection_id` says whose ids are meant by an id in a shop. Raises UnreadableSheet, NoCustomerColumn.
    """
    if connection_id is not None and by is not By.SHOP_ID:
        raise NoCustomerColumn(f"Customers are named by {import_rows.by_words(by)}: leave the shop out.")
    digest = sheets.digest(file)
    sheet = sheets.Sheet(file)
    column = _column(sheet.header, by=by)
    shop = StoreConnection.objects.filter(pk=connection_id or 0).first()
    whose = f" in {shop.name}" if shop is not None else ""
    return Audience(
        kind=AudienceKind.TABLE,
        text=f"Those in {file_name.strip()[-120:] or 'a table'}, by {import_rows.by_words(by)}{whose}",
        rows=_cells(sheet, column),
        by=by,
        connection_id=connection_id,
        digest=digest,
    )


def of_ids(*, customer_ids: Sequence[int]) -> Audience:
    """The customers of these ids; what nobody has, or is named twice, is told row by row. Raises NobodyMeant."""
    if not customer_ids:
        raise NobodyMeant("No customer is named. Send their ids, or choose them otherwise.")
    return Audience(
        kind=AudienceKind.TABLE,
        text=f"{len(customer_ids):,} customers, by id",
        rows=((number, {"customer": str(pk)}) for number, pk in enumerate(customer_ids, start=1)),
    )


def named(job: Job, rows: Sequence[JobRow]) -> dict[int, int | Refusal]:
    """Which customer each row names, by its number; or why it names none."""
    by = By(job.plan["by"])
    found: dict[int, int | Refusal] = {}
    names: dict[int, str] = {}
    for row in rows:
        try:
            names[row.number] = import_rows.name_of(str(row.data.get("customer", "")), by=by)
        except BadRow as refusal:
            found[row.number] = Refusal(refusal.code, refusal.sentence)
    known = import_checks.customers_named(job, set(names.values()))
    for number, name in names.items():
        meant = known.get(name, [])
        if len(meant) == 1:
            found[number] = meant[0].pk
        elif meant:
            ids = ", ".join(str(customer.pk) for customer in meant[:5])
            found[number] = Refusal(
                "ambiguous_customer",
                f"{len(meant)} customers have “{name[:80]}” ({ids}). Name this one by customer id.",
            )
        else:
            found[number] = Refusal("unknown_customer", f"Nobody is known as “{name[:80]}”.")
    return found


def _numbered(customers: QuerySet[Customer]) -> Iterator[tuple[int, dict[str, str]]]:
    """The ids are read before the first row is given out, eight bytes each: rows go into the database as they come."""
    ids = array("q", customers.order_by("pk").values_list("pk", flat=True)[: MOST_CUSTOMERS + 1].iterator())
    if not ids:
        raise NobodyMeant("No customer is among those you chose. Nothing was planned.")
    if len(ids) > MOST_CUSTOMERS:
        raise NobodyMeant(
            f"More than {MOST_CUSTOMERS:,} customers are among those you chose, and one campaign takes at most so many. "
            "Narrow it, and plan several."
        )
    return ((number, {"customer": str(pk)}) for number, pk in enumerate(ids, start=1))


def _column(header: Sequence[str], *, by: By) -> int:
    """The place of the column that names customers. Raises NoCustomerColumn."""
    heads = [head.strip().lower().replace("-", "").replace(" ", "_") for head in header]
    places = [place for place, head in enumerate(heads) if head in import_rows.FITTING[by]]
    if len(places) != 1:
        wanted = " or ".join(f"“{name}”" for name in sorted(import_rows.FITTING[by]))
        problem = "several columns" if places else "no column"
        raise NoCustomerColumn(
            f"The first row of the table has {problem} for the customers. Name one of them {wanted}; the others are "
            "passed over."
        )
    return places[0]


def _cells(sheet: sheets.Sheet, column: int) -> Iterator[tuple[int, dict[str, str]]]:
    for number, cells in sheet:
        yield number, {"customer": cells[column].strip() if column < len(cells) else ""}


def _in_words(fit: Fit, *, zone: ZoneInfo) -> str:
    states = [f"{CustomerState(state).label}s" for state in fit.states] or ["Members", "Guests"]
    text = " and ".join(dict.fromkeys(states))
    if fit.tier_ids:
        tiers = Tier.objects.filter(pk__in=fit.tier_ids).order_by("rank").values_list("name", flat=True)
        text += f" in {' or '.join(tiers)}"
    if fit.joined_from is not None:
        text += f", joined from {fit.joined_from.astimezone(zone):%Y-%m-%d}"
    if fit.joined_until is not None:
        text += f", joined until {fit.joined_until.astimezone(zone) - timedelta(microseconds=1):%Y-%m-%d}"
    return text[:500]
