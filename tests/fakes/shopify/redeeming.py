"""Codes under the fake shop's discounts, and what it does with them only after it has answered.

`fake.bulk.seconds` says how much later codes are added (`math.inf`: never), `fake.bulk.looks` how many looks are told that
it is under way although it may be done, and `fake.bulk.removes_late` how much later codes are taken out.
"""

import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from tests.fakes.shopify.goods import gid

if TYPE_CHECKING:
    from tests.fakes.shopify.shop import Shop

MOST = 250
LONGEST_CODE = 255


@dataclass(slots=True, kw_only=True)
class RedeemCode:
    """One code of a discount. A discount's limits of uses hold for each of its codes."""

    number: int
    code: str
    uses: int = 0  # the truth, at the checkout
    counted: int = 0  # what Shopify's counter says so far
    users: set[str] = field(default_factory=set)


@dataclass(slots=True, kw_only=True)
class Creation:
    """Codes that are to be added to a discount, and what became of each."""

    number: int
    discount: int
    wanted: list[str]
    due: float  # on the monotonic clock
    looks: int  # that are still told that it is under way
    results: list[dict[str, Any]] = field(default_factory=list)
    has_run: bool = False

    def shown(self) -> dict[str, Any]:
        made = sum(one["discountRedeemCode"] is not None for one in self.results)
        done = self.has_run and self.looks <= 0
        return {
            "id": gid("DiscountRedeemCodeBulkCreation", self.number),
            "done": done,
            "codesCount": len(self.wanted),
            "importedCount": made if done else 0,
            "failedCount": len(self.results) - made if done else 0,
            "codes": lambda _, **page: self._page(**page),
        }

    def _page(self, *, first: int, after: str | None = None, **_: Any) -> dict[str, Any]:
        start = int(after or 0)
        info = {"hasNextPage": len(self.results) > start + first, "endCursor": str(start + first)}
        return {"nodes": self.results[start : start + first], "pageInfo": info | {"hasPreviousPage": start > 0}}


class Bulk:
    """The shop's queue of such work; `work` does what is due, before each question is answered."""

    def __init__(self) -> None:
        self.seconds = 0.0
        self.looks = 1
        self.removes_late = 0.0
        self.refusals: list[dict[str, Any]] = []  # errors with which it refuses to add anything
        self.creations: dict[int, Creation] = {}
        self.removals: dict[int, tuple[float, int, str]] = {}  # job → when it is due, discount, id of the code

    def add(self, shop: "Shop", number: int, wanted: list[str]) -> tuple[Creation | None, list[dict[str, Any]]]:
        if number not in shop.discounts:
            return None, [problem(["discountId"], "INVALID", "Discount does not exist.")]
        if len(wanted) > MOST:
            return None, [problem(["codes"], "EXCEEDED_MAX", f"Maximum number of codes is {MOST}.")]
        if not wanted:
            return None, [problem(["codes"], "BLANK", "Codes can't be blank.")]
        if self.refusals:
            return None, self.refusals
        due = time.monotonic() + self.seconds
        made = Creation(number=shop.number(), discount=number, wanted=wanted, due=due, looks=self.looks)
        self.creations[made.number] = made
        return made, []

    def look(self, number: int) -> dict[str, Any] | None:
        found = self.creations.get(number)
        if found is None:
            return None
        told = found.shown()
        found.looks -= 1
        return told

    def remove(self, shop: "Shop", number: int, ids: list[str]) -> tuple[int | None, list[dict[str, Any]]]:
        """The job that takes a code out of a discount. The fake takes one at a time, by its id alone."""
        assert len(ids) == 1, "one code is taken out at a time"
        if number not in shop.discounts:
            return None, [problem(["discountId"], "INVALID", "Discount does not exist.")]
        job = shop.number()
        self.removals[job] = (time.monotonic() + self.removes_late, number, ids[0])
        return job, []

    def work(self, shop: "Shop") -> None:
        now = time.monotonic()
        for creation in self.creations.values():
            if not creation.has_run and creation.due <= now:
                creation.results = [_make(shop, creation.discount, code) for code in creation.wanted]
                creation.has_run = True
        for job, (due, number, wanted) in list(self.removals.items()):
            if due <= now:
                del self.removals[job]
                _take_out(shop, number, wanted)


def _make(shop: "Shop", number: int, code: str) -> dict[str, Any]:
    wrong = None
    if not code:
        wrong = problem(["code"], "BLANK", "Code can't be blank")
    elif len(code) > LONGEST_CODE:
        wrong = problem(["code"], "TOO_LONG", "Code is too long")
    elif shop.by_code(code) is not None:
        wrong = problem(["code"], "TAKEN", "must be unique. Please try a different code.")
    if wrong is not None or number not in shop.discounts:
        return {"code": code, "discountRedeemCode": None, "errors": [wrong] if wrong else []}
    made = RedeemCode(number=shop.number(), code=code)
    shop.discounts[number].codes.append(made)
    return {"code": code, "discountRedeemCode": {"id": gid("DiscountRedeemCode", made.number)}, "errors": []}


def _take_out(shop: "Shop", number: int, wanted: str) -> None:
    found = shop.discounts.get(number)
    if found is not None:
        out = [one for one in found.codes if gid("DiscountRedeemCode", one.number) == wanted]
        found.gone += sum(one.counted for one in out)
        found.codes = [one for one in found.codes if one not in out]


def problem(path: list[str], code: str, message: str) -> dict[str, Any]:
    return {"field": path, "code": code, "message": message, "extraInfo": None}


def roots(shop: "Shop", bulk: Bulk) -> dict[str, Any]:
    """The resolvers, by field."""

    def added(_: Any, **given: Any) -> Any:
        codes = [one["code"] for one in given["codes"]]
        made, errors = bulk.add(shop, _number(given["discountId"]), codes)
        return {"bulkCreation": made.shown() if made is not None else None, "userErrors": errors}

    def removed(_: Any, **given: Any) -> Any:
        job, errors = bulk.remove(shop, _number(given["discountId"]), given["ids"])
        return {"job": {"id": gid("Job", job), "done": False} if job else None, "userErrors": errors}

    def job(_: Any, **given: Any) -> Any:
        return {"id": given["id"], "done": _number(given["id"]) not in bulk.removals}

    return {
        "discountRedeemCodeBulkAdd": added,
        "discountRedeemCodeBulkCreation": lambda _, **given: bulk.look(_number(given["id"])),
        "discountCodeRedeemCodeBulkDelete": removed,
        "job": job,
    }


def _number(global_id: str) -> int:
    return int(global_id.rpartition("/")[2])
