"""How many decimals a currency has, so that no amount is sent that nobody can pay."""

from decimal import Decimal

# ISO 4217 currencies that have no minor unit, and those with three decimals.
WITHOUT_MINOR_UNIT = frozenset(
    {
        "BIF",
        "CLP",
        "DJF",
        "GNF",
        "ISK",
        "JPY",
        "KMF",
        "KRW",
        "PYG",
        "RWF",
        "UGX",
        "UYI",
        "VND",
        "VUV",
        "XAF",
        "XOF",
        "XPF",
    }
)
WITH_THREE_DECIMALS = frozenset({"BHD", "IQD", "JOD", "KWD", "LYD", "OMR", "TND"})


def places(currency: str) -> int:
    """The decimals of a currency: 0, 2 or 3."""
    if currency in WITHOUT_MINOR_UNIT:
        return 0
    return 3 if currency in WITH_THREE_DECIMALS else 2


def fits(amount: Decimal, currency: str) -> bool:
    """Whether the currency has a coin for it."""
    return amount == amount.quantize(Decimal(1).scaleb(-places(currency)))


def written(amount: Decimal, currency: str) -> str:
    """The amount with just the decimals of its currency: 5.00, 500, 5.000. Raises ValueError rather than round."""
    if not fits(amount, currency):
        raise ValueError(f"{amount} {currency} has more decimals than the currency.")
    return f"{amount:.{places(currency)}f}"
