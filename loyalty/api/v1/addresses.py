"""An address, as the wire has it."""

from typing import Any

from rest_framework import serializers

from loyalty.api import fields
from loyalty.customers.profile import Address


class AddressSerializer(serializers.Serializer):
    recipient = serializers.CharField(required=False, allow_blank=True, max_length=160, default="")
    line_1 = fields.TrimmedTextField(max_length=200)
    line_2 = serializers.CharField(required=False, allow_blank=True, max_length=200, default="")
    postal_code = serializers.CharField(required=False, allow_blank=True, max_length=20, default="")
    city = fields.TrimmedTextField(max_length=100)
    region = serializers.CharField(required=False, allow_blank=True, max_length=100, default="")
    country = serializers.RegexField(
        r"^[A-Z]{2}$",
        help_text="Two capital letters, such as PL.",
        error_messages={"invalid": "Write the country as two capital letters, such as PL."},
    )


def address_of(given: dict[str, Any]) -> Address:
    """The domain's address from what the serializer took."""
    return Address(**given)
