"""Whether a column is one of many values, told to the database as one array.

With a thousand values Django's `__in` makes a thousand placeholders, and building those takes longer than the query.
"""

from collections.abc import Iterable

from django.db.models import BooleanField, Func, Value
from django.db.models.expressions import Combinable


class Among(Func):
    """For `filter`: `Customer.objects.filter(Among("pk", ids))`. The column may be an expression."""

    template = "%(expressions)s)"
    arg_joiner = " = ANY("

    def __init__(self, column: str | Combinable, values: Iterable[int] | Iterable[str]) -> None:
        super().__init__(column, Value(list(values)), output_field=BooleanField())
