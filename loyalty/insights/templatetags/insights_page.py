"""How the pages that explain write values: as every other page of the admin does."""

from django import template

from loyalty.common.adminkit import show

register = template.Library()

register.simple_tag(show.points, name="points")
register.simple_tag(show.signed_points, name="signed_points")
register.simple_tag(show.instant, name="instant")
register.simple_tag(show.last_day, name="last_day")
