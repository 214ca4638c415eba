"""A table of tracking numbers, as a carrier's program writes it: read, and carried out row by row."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime
from typing import BinaryIO

from django.core.exceptions import ValidationError
from django.core.validators import URLValidator

from loyalty.common.actors import Actor
from loyalty.common.errors import DomainError
from loyalty.jobs import sheets
from rewards import delivery
from rewards.models import Delivery, RedeemedReward

MOST_ROWS = 500
COLUMNS: dict[str, str] = {
    "parcel": "Parcel",
    "carrier": "Carrier",
    "tracking_number": "Tracking number",
    "tracking_url": "Tracking link",
    "comment": "Comment",
}
NEEDED = ("parcel", "tracking_number")
LONGEST = {"carrier": 60, "tracking_number": 80, "tracking_url": 300, "comment": 500}


class TrackingSheetRefused(DomainError):
    """The table as a whole cannot be used; nothing was changed."""

    code = "tracking_sheet_refused"


@dataclass
class Report:
    """What came of each row."""

    done: list[str] = field(default_factory=list)
    unchanged: list[str] = field(default_factory=list)
    refused: list[str] = field(default_factory=list)


def carry_out(*, file: BinaryIO, actor: Actor, now: datetime) -> Report:
    """Ship each parcel of the table with its number. A row that is refused changes nothing and stops no other.

    The same table again changes nothing. Raises UnreadableSheet, TrackingSheetRefused.
    """
    sheet = sheets.Sheet(file)
    places = _places(sheet.header)
    rows = list(_rows(sheet, places))
    report = Report()
    for number, values in rows:
        try:
            _one(number, values, report, actor=actor, now=now)
        except DomainError as refusal:
            report.refused.append(f"Row {number}: {refusal.sentence}")
    return report


def _places(header: list[str]) -> dict[str, int]:
    names = {_plain(label): name for name, label in COLUMNS.items()} | {_plain(name): name for name in COLUMNS}
    places = {names[_plain(cell)]: place for place, cell in enumerate(header) if _plain(cell) in names}
    missing = [COLUMNS[name] for name in NEEDED if name not in places]
    if missing:
        raise TrackingSheetRefused(
            f"The first row names no column {' and no column '.join(f'“{label}”' for label in missing)}. "
            f"It needs: {', '.join(COLUMNS[name] for name in NEEDED)}."
        )
    return places


def _plain(text: str) -> str:
    return text.strip().casefold().replace("_", " ")


def _rows(sheet: sheets.Sheet, places: dict[str, int]) -> Iterator[tuple[int, dict[str, str]]]:
    for count, (number, cells) in enumerate(sheet, start=1):
        if count > MOST_ROWS:
            raise TrackingSheetRefused(f"The table has more than {MOST_ROWS} rows. Split it. Nothing was changed.")
        yield number, {name: cells[place].strip() if place < len(cells) else "" for name, place in places.items()}


def _one(number: int, values: dict[str, str], report: Report, *, actor: Actor, now: datetime) -> None:
    pk = values.pop("parcel").lstrip("#")
    found = None
    if pk.isascii() and pk.isdecimal() and len(pk) < 19:
        found = RedeemedReward.objects.filter(pk=int(pk), on_profile=True).first()
    if found is None:
        raise TrackingSheetRefused(f"there is no parcel {pk[:40]!r}. Its number stands on the packing list.")
    _require_fit(values)
    before = _known(found.pk)
    delivery.set_tracking(redeemed_reward_id=found.pk, actor=actor, now=now, **values)
    same = before is not None and before == _known(found.pk)
    sentence = f"Row {number}: parcel {found.pk}, {found.name}, {values['tracking_number']}"
    (report.unchanged if same else report.done).append(sentence)


def _known(pk: int) -> tuple[str, ...] | None:
    return (
        Delivery.objects.filter(pk=pk, redeemed_reward__delivery_status="shipped")
        .values_list("carrier", "tracking_number", "tracking_url")
        .first()
    )


def _require_fit(values: dict[str, str]) -> None:
    if not values["tracking_number"]:
        raise TrackingSheetRefused("the tracking number is empty.")
    for name, longest in LONGEST.items():
        if len(values.get(name, "")) > longest:
            raise TrackingSheetRefused(f"“{COLUMNS[name]}” is longer than {longest} characters.")
    if values.get("tracking_url"):
        try:
            URLValidator(schemes=["http", "https"])(values["tracking_url"])
        except ValidationError as error:
            raise TrackingSheetRefused("the tracking link is no web address such as https://…") from error
