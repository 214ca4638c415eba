"""What is wrong with a connection to Shopify, one sentence for each misconfiguration: what, where, and what to do."""

VERSIONS = ("2026-10", "2026-07")  # the newest first: it is the default

SCOPES = {
    "write_discounts": "makes and switches off discount codes",
    "read_orders": "sees which codes were used",
    "read_products": "limits codes to collections and gives free products",
    "read_customers": "binds a code to its customer",
}
GIFT_CARD_SCOPE = "write_gift_cards"

WHERE_SCOPES = (
    "Add it to the app's scopes in Shopify's Dev Dashboard (App, Versions), release the version and install it."
)
NO_CREDENTIALS = (
    "The credentials are missing. Enter the client ID and the client secret of your app (Shopify's Dev Dashboard, App, "
    "Settings), or the access token of an app made in the shop's admin."
)
HALF_A_PAIR = (
    "The client ID and the client secret belong together, and one of them is missing. Copy both from Shopify's Dev "
    "Dashboard, App, Settings."
)
NOT_MYSHOPIFY = (
    "This is not the address Shopify itself gave the shop. Enter the one that ends in .myshopify.com, which stands in "
    "the shop's admin under Settings, Domains: credentials are sent to no other."
)
UNKNOWN_VERSION = (
    f"This version of Shopify's API is not one we were tested with. Enter {' or '.join(VERSIONS)}, or leave it empty."
)
NOT_SHOPIFY = (
    "This address answers, but not as a Shopify shop does. Enter the address that ends in .myshopify.com, without "
    "/admin."
)
NO_SUCH_SHOP = (
    "Shopify knows no shop at this address, or no longer the version of its API that we use. Compare the address with "
    "Settings, Domains in the shop's admin, and update this program if it is right."
)
REFUSED_ACCESS = (
    "The shop refused the access token: it was revoked, copied in part, or the app was uninstalled. Enter a new one "
    "from the app's API credentials in the shop's admin."
)
ACCESS_WENT_BAD = (
    "The shop refuses the token it has just given to your app. Look in the shop's admin under Settings, Apps whether "
    "the app is installed, and install it again."
)
FROZEN = "The shop is frozen: its plan has to be paid. Settle that in the shop's admin under Settings, Billing."
LOCKED = "Shopify has locked this shop. Its owner has to ask Shopify's support why."
FORBIDDEN = (
    "Shopify does not let this app into the shop. Look in the shop's admin under Settings, Apps whether the app is "
    "installed and active."
)
TOO_SLOW = "The shop was too slow to be asked everything in time."
NOTHING_GRANTED = "The shop was asked for an access token and gave none, so nothing else was asked. It said: "
WRONG_CLIENT = (
    "Shopify knows no app with this client ID and client secret. Copy both again from Shopify's Dev Dashboard, App, "
    "Settings; after a rotation only the new secret gives tokens."
)
OTHER_ORGANISATION = (
    "The app and the shop belong to different organisations, and Shopify gives tokens only within one. Make the app in "
    "the Dev Dashboard of the organisation that owns this shop."
)
NOT_INSTALLED = (
    "The app is not installed in this shop. Install it from Shopify's Dev Dashboard (App, Home, Install app) and test "
    "again."
)
# What Shopify's token address says in its answer, and what it means.
GRANT_REFUSALS = (
    ("shop_not_permitted", OTHER_ORGANISATION),
    ("app_not_installed", NOT_INSTALLED),
    ("application_cannot_be_found", WRONG_CLIENT),
    ("invalid_client", WRONG_CLIENT),
)
BY_STATUS = {402: FROZEN, 403: FORBIDDEN, 404: NO_SUCH_SHOP, 423: LOCKED}


def missing_scopes(names: list[str]) -> str:
    """Scopes the app was not granted."""
    return f"The app may not do all that is needed: it lacks {', '.join(names)}. {WHERE_SCOPES}"


def no_scope(scope: str, *, what: str) -> str:
    """One optional scope that a reward needs."""
    return f"The app may not {what}: it lacks {scope}. {WHERE_SCOPES}"


def other_currency(*, shop: str, theirs: str, ours: str) -> str:
    return (
        f"The connection is set to {ours}, but {shop} sells in {theirs}. Correct the currency of the connection; the "
        "shop's own stands in its admin under Settings, General."
    )
