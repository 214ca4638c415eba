"""The log of what happened, to look at."""

import json

import django_filters
from django.contrib import admin
from django.utils.html import format_html
from django.utils.safestring import SafeString

from loyalty.common.adminkit import desk, lists, show
from loyalty.events.models import Event


class EventFilter(django_filters.FilterSet):
    """By customer, or by what it happened to: both have an index."""

    customer_id = django_filters.NumberFilter(label="Customer's number", min_value=1, max_value=2**63 - 1)
    subject_type = django_filters.CharFilter(label="Kind of thing, such as redeemed_reward", max_length=40)
    subject_id = django_filters.NumberFilter(label="Its number", min_value=1, max_value=2**63 - 1)

    class Meta:
        model = Event
        fields: list[str] = []


@admin.register(Event)
class EventAdmin(desk.ReadOnlyAdmin):
    list_display = ("occurred", "kind", "subject", "done_by", "customer_number")
    list_display_links = ("occurred",)
    sortable_by = ()
    ordering = ("-id",)
    filterset_class = EventFilter
    chips = (lists.Chip("Customer", "customer_id"), lists.Chip("What it happened to", "subject_type", "subject_id"))
    list_intro = "What happened, when and by whom. Rows are only ever added, and hold numbers, never names."
    list_empty = "Nothing has happened yet."
    fields = ("occurred", "kind", "subject", "done_by", "customer_number", "details")
    readonly_fields = fields

    @admin.display(description="When")
    def occurred(self, event: Event) -> SafeString:
        return show.instant(event.occurred_at)

    @admin.display(description="What it happened to")
    def subject(self, event: Event) -> str:
        return f"{event.subject_type.replace('_', ' ')} {event.subject_id}"

    @admin.display(description="Done by")
    def done_by(self, event: Event) -> str:
        return f"{event.actor_kind.replace('_', ' ')} {event.actor_id or ''}".strip()

    @admin.display(description="Customer")
    def customer_number(self, event: Event) -> str:
        return str(event.customer_id or show.DASH)

    @admin.display(description="Details")
    def details(self, event: Event) -> SafeString:
        text = json.dumps(event.data, indent=2, ensure_ascii=False, sort_keys=True)
        return format_html('<pre class="desk-scroll">{}</pre>', text)
