"""How the customer page writes values: as every other page of the admin does."""

from datetime import datetime, timedelta

from django import template
from django.utils import dateformat, timezone
from django.utils.html import format_html
from django.utils.safestring import SafeString

from loyalty.common.adminkit import show

register = template.Library()

register.simple_tag(show.points, name="points")
register.simple_tag(show.instant, name="instant")


@register.simple_tag
def last_day(expires_at: datetime) -> SafeString:
    """The last day on which something is still good, from the first instant at which it is not."""
    last = timezone.localtime(expires_at - timedelta(microseconds=1))
    return format_html('<time datetime="{}">{}</time>', expires_at.isoformat(), dateformat.format(last, "j M Y"))
