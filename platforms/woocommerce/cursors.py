"""How WooCommerce is asked for what a cursor stands for. It stamps changes in whole seconds. Pure."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import ClassVar

from platforms import walking
from platforms.walking import Mode


@dataclass(frozen=True, slots=True)
class Cursor(walking.Cursor):
    """Where a reading of the shop's orders stands."""

    tick: ClassVar[timedelta] = timedelta(seconds=1)
    width: ClassVar[timedelta] = timedelta(seconds=1)

    def params(self, *, page_size: int) -> dict[str, str]:
        """What to ask the shop for. It lists what changed after one second and before another."""
        found = {"per_page": str(page_size), "order": "asc", "dates_are_gmt": "true"}
        if self.after is not None:
            found["modified_after"] = _written(self.after)
        if self.mode is Mode.INSTANT and self.before is not None:
            return found | {"modified_before": _written(self.before), "orderby": "id", "offset": str(self.skip)}
        return found | {"orderby": "modified"}


def _written(moment: datetime) -> str:
    return f"{moment.astimezone(UTC).replace(tzinfo=None).isoformat(timespec='seconds')}"
