"""Which customers are told that points of theirs end soon: once for each end, whatever of it is left."""

from datetime import UTC, datetime, timedelta

from django.db import transaction
from django.db.models import CharField, Exists, F, Func, OuterRef, Value
from django.db.models.functions import Cast, Concat

from loyalty.common import queue
from loyalty.customers.models import CustomerState
from loyalty.merchant import queries as merchant
from loyalty.merchant.models import MailKind
from loyalty.messages import outbox
from loyalty.messages.models import Mail
from loyalty.messages.outbox import Wanted
from loyalty.points import queries
from loyalty.points.models import PointsLot

BATCH = 1_000
ABOUT = "customer"


def sweep(*, now: datetime, batches: int = 10, size: int = BATCH) -> int:
    """Write down what is to be told of points that end soon; gives back how many mails. The rest is the next sweep's."""
    told = 0
    for _ in range(batches):
        done = tell(now=now, limit=size)
        told += done
        if done < size:
            break
    return told


@transaction.atomic
def tell(*, now: datetime, limit: int = BATCH) -> int:
    """One batch. Two at once write the same rows, of which the outbox keeps one each."""
    programme = merchant.programme()
    if not programme.points_notice_days or MailKind.POINTS_EXPIRING in programme.mails_off:
        return 0
    ends = untold(now=now, until=now + timedelta(days=programme.points_notice_days))[:limit]
    wanted = [
        Wanted(
            kind=MailKind.POINTS_EXPIRING,
            recipient=f"customer:{customer_id}",
            about_type=ABOUT,
            about_id=customer_id,
            window=window(end),
            customer_id=customer_id,
        )
        for customer_id, end in ends
    ]
    if wanted:
        outbox.put(wanted=wanted, now=now)
        queue.enqueue("messages.send")
    return len(wanted)


def untold(*, now: datetime, until: datetime):  # type: ignore[no-untyped-def]  # a values list that can be sliced
    """Customer and end of active points of members that nobody was told of, soonest first."""
    told = Mail.objects.filter(
        kind=MailKind.POINTS_EXPIRING,
        recipient=Concat(Value("customer:"), Cast(OuterRef("customer_id"), CharField())),
        about_type=ABOUT,
        about_id=OuterRef("customer_id"),
        window=Func(OuterRef("expires_at"), function="to_char", template=_WRITTEN, output_field=CharField()),
    )
    lots = PointsLot.objects.filter(
        open=True,
        available_at__lte=now,
        expires_at__gt=now,
        expires_at__lte=until,
        customer__state=CustomerState.MEMBER,
    )
    return (
        lots.filter(~Exists(told))
        .order_by("expires_at", "customer_id")
        .values_list("customer_id", F("expires_at"))
        .distinct()
    )


_WRITTEN = "%(function)s(%(expressions)s AT TIME ZONE 'UTC', 'YYYY-MM-DD\"T\"HH24:MI:SS.US')"


def window(end: datetime) -> str:
    """An end as the outbox writes it, and PostgreSQL too."""
    return end.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%f")


def end_of(mail: Mail) -> datetime:
    """The end a mail is about; a mail that is sent again has a number behind it."""
    return datetime.fromisoformat(mail.window.partition("#")[0]).replace(tzinfo=UTC)


def left(*, mail: Mail, now: datetime) -> int:
    """How many active points still end then."""
    end = end_of(mail)
    found = queries.expiring(customer_id=mail.about_id, now=now)
    return sum(group.points for group in found if group.expires_at == end and end > now)
