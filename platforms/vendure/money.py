"""Money between the shop's whole numbers and our decimals.

Vendure keeps every amount as a whole number with one fixed count of decimals for all currencies, which the shop itself
tells (`moneyStrategyPrecision`, 2 unless configured). By default 500 yen are therefore stored as 50000.
"""

from decimal import Decimal

from loyalty.common.money import WITHOUT_MINOR_UNIT


class AmountNotExact(ValueError):
    """The amount has more decimals than the shop, or its currency, can hold."""


def to_shop(amount: Decimal, *, currency: str, precision: int) -> int:
    """The shop's whole number for an amount. Raises AmountNotExact rather than round."""
    if currency in WITHOUT_MINOR_UNIT and amount != amount.to_integral_value():
        raise AmountNotExact(f"{amount} {currency} has decimals, and {currency} has none.")
    scaled = amount.scaleb(precision)
    if scaled != scaled.to_integral_value():
        raise AmountNotExact(f"{amount} {currency} has more than the {precision} decimals this shop keeps.")
    return int(scaled)


def from_shop(number: int, *, currency: str, precision: int) -> Decimal:
    """The amount in major units, with as many decimals as the currency shows."""
    amount = Decimal(number).scaleb(-precision)
    if currency in WITHOUT_MINOR_UNIT and amount == amount.to_integral_value():
        return amount.quantize(Decimal(1))
    return amount
