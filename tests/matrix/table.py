"""The fault matrix: its scenarios, their parts, and what cannot exist in which shop.

A cell is one scenario in one shop. It runs each of its parts, of which this table may say that a shop cannot have it; a
part that does not run for any other reason fails the cell.
"""

from collections.abc import Callable
from dataclasses import dataclass

from tests.matrix.stage import Stage

SCENARIOS = {
    1: "The answer comes too late, and the code was made",
    2: "A gateway fails after or before the code was made, or nobody is there",
    3: "The code is absent when it is looked up, and there five seconds later",
    4: "Somebody else has a code of that name",
    5: "Two workers make the same reward at once",
    6: "The shop asks to wait, and a token ends on the way",
    7: "A reward is canceled: unused, used, counted late, at a checkout",
    8: "Webhooks: good, forged, repeated, out of order, too large, no webhooks at all",
    9: "Orders with two codes, of guests, for tests, for nothing, in other letters",
    10: "An order is canceled or refunded after the use",
    11: "The webhook never comes, or comes and is polled as well",
    12: "The shop forgets our webhooks",
    13: "The merchant deletes or changes a code by hand",
    14: "Every query fits the shop's own schema, in every version",
    15: "Nothing deletes all codes of the shop",
    16: "A payment is taken on, and the answer is lost",
}
Act = Callable[[Stage], object]


@dataclass(frozen=True, slots=True)
class Part:
    scenario: int
    name: str
    act: Act


class Parts(list[Part]):
    """The parts of one module, in their order."""

    def of(self, scenario: int, name: str) -> Callable[[Act], Act]:
        def keep(act: Act) -> Act:
            self.append(Part(scenario, name, act))
            return act

        return keep


NO_TEST_ORDERS = "its orders do not say that they were placed as a test"
NO_SCHEMA = "it is spoken to by REST, and its fake refuses every field and parameter that the shop does not know"
NO_DELETE_ALL = "none of its calls deletes more than the one code it names"
NO_TOKEN = "its key does not end"
BOUND = "a code is bound to its customer's address there, and its checkout takes it from no other"
COUNTS_AT_ONCE = "it counts a use with the order"
NO_PAYMENTS = "it pays no money to customers"
NO_REGISTRATION = "a person enters our address there: it has no call to register or to look at it"

NO_BULK = "each code there has a discount of its own"

NO_WEBHOOKS = "it sends no webhooks: its orders are polled"

TOLD = ("good, and again", "out of order", "forged", "the secret before", "told and polled")

BULK = (
    "many, too late", "many, 504 after", "many, 502 before", "many, one of them foreign", "many, two workers at once",
    "many, one takes over from another", "many, asked to wait", "one of many, unused", "one of many, used",
    "one of many, a count that lags", "one of many, at a checkout", "one of many, deleted by hand",
)  # fmt: skip
HAVE_NO_BULK = dict.fromkeys(("vendure", "woocommerce", "medusa"), NO_BULK)

# Part → shop → why it cannot be there.
CANNOT: dict[str, dict[str, str]] = {
    **dict.fromkeys(BULK, HAVE_NO_BULK),
    "one of many, a count that lags": HAVE_NO_BULK | dict.fromkeys(("sandbox", "bigcommerce"), COUNTS_AT_ONCE),
    "many, one of them foreign": HAVE_NO_BULK | {"bigcommerce": "the texts of such codes are its own choice"},
    "a token that ends": dict.fromkeys(("sandbox", "vendure", "bigcommerce", "woocommerce", "medusa"), NO_TOKEN),
    "a count that lags": {
        "sandbox": COUNTS_AT_ONCE,
        "vendure": "it keeps no count: a use is an order, which is there at once",
        "bigcommerce": COUNTS_AT_ONCE,
        "woocommerce": COUNTS_AT_ONCE,
        "medusa": COUNTS_AT_ONCE,
    },
    **{name: {"medusa": NO_WEBHOOKS} for name in TOLD},
    "two codes": {"sandbox": "its cart takes one code"},
    "a guest with another address": dict.fromkeys(("sandbox", "woocommerce", "medusa"), BOUND),
    "other letters": {"medusa": "its checkout tells small letters from capitals, and refuses what is typed otherwise"},
    "a test order": dict.fromkeys(("sandbox", "vendure", "bigcommerce", "woocommerce", "medusa"), NO_TEST_ORDERS),
    "a lost subscription": {"vendure": NO_REGISTRATION, "medusa": NO_WEBHOOKS},
    "every version of the schema": {
        "sandbox": NO_SCHEMA,
        "vendure": "its schema comes with the shop: `make e2e-shop` asks the real one",
        "bigcommerce": NO_SCHEMA,
        "woocommerce": NO_SCHEMA,
        "medusa": NO_SCHEMA,
    },
    "deleting everything": dict.fromkeys(("sandbox", "vendure", "woocommerce", "medusa", "shopify"), NO_DELETE_ALL),
    "a payment": {
        "vendure": NO_PAYMENTS,
        "bigcommerce": NO_PAYMENTS,
        "woocommerce": NO_PAYMENTS,
        "medusa": NO_PAYMENTS,
        "shopify": "store credit is paid through a payout account, and its answers are lost in the tests of payouts",
    },
}
