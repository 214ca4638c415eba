"""Segments for staff: which there are and how many are in each now; what narrows one; from there to its customers."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from django import forms
from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import reverse
from django.utils import timezone
from django.utils.datastructures import MultiValueDict
from django.utils.http import urlencode
from django.utils.safestring import SafeString

from loyalty.common import actors
from loyalty.common.actors import Actor
from loyalty.common.adminkit import acts, desk, lists, show
from loyalty.common.errors import DomainError
from loyalty.segments import keeping, queries
from loyalty.segments.form import SECTIONS, CriteriaForm
from loyalty.segments.models import Segment
from loyalty.segments.queries import Told

ROWS_OF_A_PAGE = 20  # each is counted


class NameForm(forms.Form):
    name = forms.CharField(
        max_length=keeping.LONGEST_NAME, help_text="For staff, such as “Regulars who stopped buying”."
    )


class Remove(acts.Act):
    slug, label, permission, tone = "remove", "Remove", "segments.delete_segment", "danger"
    explain = "There is no way back. Campaigns that were planned for it keep their customers."
    bulk = False

    def preview(self, *, pk: int, now: datetime, data: Mapping[str, Any]) -> acts.Preview:
        return acts.Preview(title=str(Segment.objects.get(pk=pk)), effects=["The segment is gone; customers stay."])

    def apply(self, *, pk: int, actor: Actor, now: datetime, token: str, data: Mapping[str, Any]) -> str:
        name = str(Segment.objects.get(pk=pk))
        keeping.remove(segment_id=pk, actor=actor, now=now)
        return f"“{name}” was removed."


class SegmentList(lists.DeskChangeList):
    """What the segments of the page mean, and how many are in each, is read together."""

    def get_results(self, request: HttpRequest) -> None:
        super().get_results(request)
        self.result_list = list(self.result_list)
        found = queries.told(segments=self.result_list, now=timezone.now())
        for segment in self.result_list:
            segment.told = found[segment.pk]


@admin.register(Segment)
class SegmentAdmin(desk.DeskAdmin):
    list_display = ("name", "who", "customers", "changed")
    list_display_links = ("name",)
    sortable_by = ()
    ordering = ("name", "id")
    list_per_page = ROWS_OF_A_PAGE
    acts = (Remove(),)
    list_intro = (
        "Saved filters over customers. Who is in a segment is asked anew each time: “in the last 90 days” moves on with "
        "the calendar."
    )
    list_empty = "No segments yet. Add one here, or filter the customers and save that as a segment."

    def get_changelist(self, request: HttpRequest, **kwargs: Any) -> type[SegmentList]:
        return SegmentList

    def has_delete_permission(self, request: HttpRequest, obj: Segment | None = None) -> bool:
        return False

    @admin.display(description="Who is in it")
    def who(self, segment: Any) -> SafeString:
        return show.clipped(segment.told.trouble or segment.told.words, wide=True)

    @admin.display(description="Customers now")
    def customers(self, segment: Any) -> SafeString:
        if segment.told.count is None:
            return show.badge("Cannot be read", tone="warn")
        return show.link(count_text(segment.told), customers_url(segment))

    @admin.display(description="Changed")
    def changed(self, segment: Segment) -> SafeString:
        return show.instant(segment.updated_at)

    def add_view(self, request: HttpRequest, form_url: str = "", extra_context: Any = None) -> HttpResponse:
        if not self.has_add_permission(request):
            raise PermissionDenied
        return self.page(request, segment=None)

    def change_view(
        self, request: HttpRequest, object_id: str, form_url: str = "", extra_context: Any = None
    ) -> HttpResponse:
        if not self.has_view_or_change_permission(request):
            raise PermissionDenied
        segment = self.get_object(request, object_id)
        if not isinstance(segment, Segment):
            raise Http404(f"There is no segment {object_id}.")
        if request.method == "POST" and not self.has_change_permission(request, segment):
            raise PermissionDenied
        return self.page(request, segment=segment)

    def page(self, request: HttpRequest, *, segment: Segment | None) -> HttpResponse:
        """The form, under what the segment is now. A filtered list of customers may have filled it in."""
        posted = request.POST if request.method == "POST" else None
        name = NameForm(posted, initial={"name": segment.name if segment else ""})
        if posted is not None:
            form = CriteriaForm(posted)
        elif segment is not None:
            form = CriteriaForm(multi(segment.criteria))
        else:
            form = CriteriaForm(request.GET or None)
        if posted is not None and name.is_valid() and form.is_valid():
            saved = self.saved(request, segment, name, form)
            if saved is not None:
                return HttpResponseRedirect(reverse("admin:segments_segment_change", args=(saved.pk,)))
        told = queries.told(segments=[segment], now=timezone.now())[segment.pk] if segment else None
        writes = self.has_add_permission(request) if segment is None else self.has_change_permission(request, segment)
        context = {
            **self.admin_site.each_context(request),
            "title": segment.name if segment else "Add segment",
            "opts": self.opts,
            "segment": segment,
            "told": told,
            "count": count_text(told) if told and told.count is not None else "",
            "links": self.links(request, segment) if segment and told and not told.trouble else [],
            "name_form": name,
            "form": form,
            "sections": [(title, [form[field] for field in fields]) for title, fields in SECTIONS],
            "open": {
                title for title, fields in SECTIONS if any(form[field].data or form[field].errors for field in fields)
            },
            "writes": writes,
            "zone": show.zone_name(),
            "acts": self.act_links(request, segment.pk) if segment else [],
            "back_url": reverse("admin:segments_segment_changelist"),
        }
        request.current_app = self.admin_site.name
        return TemplateResponse(request, "admin/segments/segment.html", context)

    def saved(
        self, request: HttpRequest, segment: Segment | None, name: NameForm, form: CriteriaForm
    ) -> Segment | None:
        """The saved segment, or None and a sentence at the name or above the form."""
        try:
            saved = keeping.save(
                segment_id=segment.pk if segment else None,
                name=name.cleaned_data["name"],
                parameters=form.kept(),
                actor=actors.staff(int(str(request.user.pk))),
                now=timezone.now(),
            )
        except keeping.SegmentRefused as refusal:
            name.add_error("name", refusal.sentence)
        except DomainError as refusal:
            form.add_error(None, refusal.sentence)
        else:
            messages.success(request, f"“{saved}” is saved.")
            return saved
        return None

    def links(self, request: HttpRequest, segment: Segment) -> list[desk.Tool]:
        """Where to go with its customers, as far as this person may."""
        found = []
        if request.user.has_perm("customers.view_customer"):
            exported = f"{reverse('admin:customers_customer_export')}?segment={segment.pk}"
            found = [desk.Tool("Show them", customers_url(segment), primary=True), desk.Tool("Export CSV", exported)]
        if request.user.has_perm("rewards.add_campaign"):
            planned = f"{reverse('admin:rewards_campaign_plan')}?segment={segment.pk}"
            found.append(desk.Tool("Give them a reward", planned))
        return found


def multi(criteria: Mapping[str, list[str]]) -> Any:
    """Stored criteria as a form takes them."""
    return MultiValueDict({name: list(texts) for name, texts in criteria.items()})


def count_text(told: Told) -> str:
    """How many, saying so where it is an estimate."""
    number = show.points_text(told.count or 0)
    return number if told.exact else f"about {number}"


def customers_url(segment: Segment) -> str:
    return f"{reverse('admin:customers_customer_changelist')}?{urlencode({'segment': segment.pk})}"
