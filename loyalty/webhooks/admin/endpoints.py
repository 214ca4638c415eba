"""The endpoints of integrators: made, changed, tested, switched on and off; a secret is shown once."""

from typing import Any

from django import forms
from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.db.models import Count, OuterRef, QuerySet, Subquery
from django.db.models.functions import Coalesce
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from django.utils import timezone
from django.utils.safestring import SafeString

from loyalty.common import actors
from loyalty.common.adminkit import acts as desk_acts
from loyalty.common.adminkit import desk, show
from loyalty.common.errors import DomainError
from loyalty.webhooks import endpoints, topics
from loyalty.webhooks.admin import acts
from loyalty.webhooks.models import BodyStyle, DeliveryState, EndpointState, WebhookDelivery, WebhookEndpoint

CHANGE = "webhooks.change_webhookendpoint"
LIST = "admin:webhooks_webhookendpoint_changelist"
LOG = "admin:webhooks_webhookdelivery_changelist"
TONES: dict[str, show.Tone] = {
    EndpointState.ACTIVE: "good",
    EndpointState.OFF: "quiet",
    EndpointState.PAUSED: "bad",
    EndpointState.REMOVED: "quiet",
}
EXPLAIN = (
    "We post a signed message to this address whenever one of the chosen things happens. The secret that signs them is "
    "shown once, right after."
)
MOST_COUNTED = 10_000


class EndpointForm(forms.Form):
    name = forms.CharField(max_length=80, help_text="The system that listens.")
    url = forms.CharField(
        label="Address", max_length=500, help_text="Such as https://example.com/webhooks.", widget=forms.URLInput
    )
    body = forms.ChoiceField(
        label="What it is told",
        choices=BodyStyle.choices,
        help_text="Full messages hold customers’ names and addresses. Thin ones hold numbers, to be looked up in the API.",
    )
    topics = forms.MultipleChoiceField(
        label="Topics",
        choices=[(topic.name, topic.meaning) for topic in topics.ALL],
        widget=forms.CheckboxSelectMultiple,
    )


@admin.register(WebhookEndpoint)
class WebhookEndpointAdmin(desk.DeskAdmin):
    list_display = ("name", "url_text", "state_badge", "topics_text", "body_word", "waiting_count", "secret_rotated")
    list_display_links = ("name",)
    sortable_by = ()
    ordering = ("-id",)
    acts = acts.ENDPOINT_ACTS
    list_intro = "Systems of yours that are told what happens here, by signed messages."
    list_empty = "No endpoints yet. Add one for each system that wants to be told."

    def get_list_queryset(self, request: HttpRequest) -> QuerySet[WebhookEndpoint]:
        waiting = WebhookDelivery.objects.filter(endpoint=OuterRef("pk"), state=DeliveryState.WAITING)
        number = waiting.order_by().values("endpoint").annotate(number=Count("pk")).values("number")
        rows: QuerySet[WebhookEndpoint] = self.get_queryset(request)
        return rows.exclude(state=EndpointState.REMOVED).annotate(waiting=Coalesce(Subquery(number), 0))

    def list_tools(self, request: HttpRequest) -> list[desk.Tool]:
        return [desk.Tool("What was sent", reverse(LOG))]

    def has_delete_permission(self, request: HttpRequest, obj: WebhookEndpoint | None = None) -> bool:
        return False

    def get_urls(self) -> list[URLPattern]:
        view = self.admin_site.admin_view
        own = [
            path("<int:pk>/edit/", view(self.edit_view), name="webhooks_webhookendpoint_edit"),
            path("<int:pk>/secret/", view(self.secret_view), name="webhooks_webhookendpoint_secret"),
        ]
        return [*own, *super().get_urls()]

    def add_view(self, request: HttpRequest, form_url: str = "", extra_context: Any = None) -> HttpResponse:
        if not self.has_add_permission(request):
            raise PermissionDenied
        form = EndpointForm(request.POST if request.method == "POST" else None, initial={"body": BodyStyle.THIN})
        if request.method == "POST" and form.is_valid():
            try:
                endpoint, secret = endpoints.create(**_given(form, request))
            except DomainError as refusal:
                _refuse(form, refusal)
            else:
                return self.show_once(request, endpoint, secret, title=f"Secret of {endpoint}")
        return self.form_page(
            request, form, title="Add webhook endpoint", button="Add the endpoint", back=reverse(LIST)
        )

    def edit_view(self, request: HttpRequest, pk: int) -> HttpResponse:
        """GET shows what it hears and where, POST changes it."""
        endpoint = self.existing(request, pk)
        before = {
            "name": endpoint.name, "url": endpoint.url, "body": endpoint.body, "topics": endpoint.topics,
        }  # fmt: skip
        form = EndpointForm(request.POST if request.method == "POST" else None, initial=before)
        back = desk_acts.page_of(self, pk)
        if request.method == "POST" and form.is_valid():
            try:
                endpoints.change(endpoint_id=pk, **_given(form, request))
            except DomainError as refusal:
                _refuse(form, refusal)
            else:
                messages.success(request, f"{form.cleaned_data['name']} was changed.")
                return HttpResponseRedirect(back)
        return self.form_page(request, form, title=f"Change {endpoint}", button="Save", back=back)

    def secret_view(self, request: HttpRequest, pk: int) -> HttpResponse:
        """GET asks whether a new secret is wanted, POST makes it and shows it once."""
        endpoint = self.existing(request, pk)
        if request.method == "POST":
            try:
                secret = endpoints.rotate_secret(
                    endpoint_id=pk, actor=actors.staff(int(str(request.user.pk))), now=timezone.now()
                )
            except DomainError as refusal:
                messages.error(request, refusal.sentence)
                return HttpResponseRedirect(desk_acts.page_of(self, pk))
            return self.show_once(request, endpoint, secret, title=f"New secret of {endpoint}")
        return desk_acts.form_page(
            request,
            model_admin=self,
            form=forms.Form(),
            title=f"New secret for {endpoint}",
            button="Make a new secret",
            explain="For 24 hours each message carries two signatures, one by the old secret and one by the new. Put the new "
            "one into the system that listens before they are over.",
            back_url=desk_acts.page_of(self, pk),
        )

    def change_view(
        self, request: HttpRequest, object_id: str, form_url: str = "", extra_context: Any = None
    ) -> HttpResponse:
        """One endpoint: how it does, what it hears, and what can be done."""
        if not self.has_view_or_change_permission(request):
            raise PermissionDenied
        endpoint = self.get_object(request, object_id)
        if endpoint is None:
            raise Http404("There is no such endpoint.")
        context = {
            **self.admin_site.each_context(request),
            "opts": self.opts,
            "title": str(endpoint),
            "endpoint": endpoint,
            "state": self.state_badge(endpoint),
            "next": acts.NEXT[EndpointState(endpoint.state)],
            "facts": self.facts(endpoint),
            "topics": [topics.BY_NAME[name] for name in endpoint.topics if name in topics.BY_NAME],
            "acts": self.act_links(request, endpoint.pk, only=acts.possible(endpoint)),
            "tools": self.page_tools(request, endpoint),
        }
        request.current_app = self.admin_site.name
        return TemplateResponse(request, "admin/webhooks/endpoint.html", context)

    def page_tools(self, request: HttpRequest, endpoint: WebhookEndpoint) -> list[desk.Tool]:
        tools = [desk.Tool("What was sent", f"{reverse(LOG)}?endpoint={endpoint.pk}")]
        if request.user.has_perm(CHANGE) and endpoint.state != EndpointState.REMOVED:
            tools.append(desk.Tool("Change", reverse("admin:webhooks_webhookendpoint_edit", args=(endpoint.pk,))))
            tools.append(desk.Tool("New secret", reverse("admin:webhooks_webhookendpoint_secret", args=(endpoint.pk,))))
        return tools

    def facts(self, endpoint: WebhookEndpoint) -> list[tuple[str, SafeString]]:
        waiting = WebhookDelivery.objects.filter(endpoint=endpoint, state=DeliveryState.WAITING)
        last = WebhookDelivery.objects.filter(endpoint=endpoint, state=DeliveryState.DELIVERED).order_by("-id").first()
        until = (
            endpoint.previous_until if endpoint.previous_until and endpoint.previous_until > timezone.now() else None
        )
        facts = [
            ("Address", show.copyable(endpoint.url)),
            ("What it is told", show.text(endpoint.get_body_display())),
            ("Waiting", show.text(show.points_text(waiting[:MOST_COUNTED].count()))),
            ("Newest that arrived", show.instant(last.closed_at if last else None)),
            ("Failing since", show.instant(endpoint.failing_since)),
            ("Tried again", show.instant(endpoint.held_until)),
            ("Paused", show.instant(endpoint.paused_at)),
            ("Old secret works until", show.instant(until)),
            ("Made", show.instant(endpoint.created_at)),
        ]
        return [(label, value) for label, value in facts if value != show.dash()]

    def existing(self, request: HttpRequest, pk: int) -> WebhookEndpoint:
        """Raises PermissionDenied, Http404."""
        if not request.user.has_perm(CHANGE):
            raise PermissionDenied
        endpoint = WebhookEndpoint.objects.filter(pk=pk).exclude(state=EndpointState.REMOVED).first()
        if endpoint is None:
            raise Http404("There is no such endpoint.")
        return endpoint

    def form_page(
        self, request: HttpRequest, form: EndpointForm, *, title: str, button: str, back: str
    ) -> TemplateResponse:
        context = {
            **self.admin_site.each_context(request),
            "title": title,
            "opts": self.opts,
            "form": form,
            "button": button,
            "explain": EXPLAIN if button != "Save" else "",
            "back_url": back,
        }
        return TemplateResponse(request, "admin/webhooks/endpoint_form.html", context)

    def show_once(self, request: HttpRequest, endpoint: WebhookEndpoint, secret: str, *, title: str) -> HttpResponse:
        """The only page that ever carries the secret, kept by no cache."""
        context = {
            **self.admin_site.each_context(request),
            "title": title,
            "opts": self.opts,
            "secret": show.copyable(secret),
            "back_url": desk_acts.page_of(self, endpoint.pk),
        }
        response = TemplateResponse(request, "admin/webhooks/secret.html", context)
        response["Cache-Control"] = "no-store"
        return response

    @admin.display(description="Address")
    def url_text(self, endpoint: WebhookEndpoint) -> SafeString:
        return show.clipped(endpoint.url)

    @admin.display(description="State")
    def state_badge(self, endpoint: WebhookEndpoint) -> SafeString:
        if endpoint.state == EndpointState.ACTIVE and endpoint.failing_since is not None:
            return show.badge("Failing", tone="warn")
        return show.badge(EndpointState(endpoint.state).label, tone=TONES[endpoint.state])

    @admin.display(description="Topics")
    def topics_text(self, endpoint: WebhookEndpoint) -> str:
        return "All" if len(endpoint.topics) == len(topics.ALL) else f"{len(endpoint.topics)} of {len(topics.ALL)}"

    @admin.display(description="Told")
    def body_word(self, endpoint: WebhookEndpoint) -> str:
        return str(BodyStyle(endpoint.body).label).partition(":")[0]

    @admin.display(description="Waiting")
    def waiting_count(self, endpoint: WebhookEndpoint) -> SafeString:
        return show.points(getattr(endpoint, "waiting", 0))

    @admin.display(description="Changed")
    def secret_rotated(self, endpoint: WebhookEndpoint) -> SafeString:
        return show.instant(endpoint.updated_at)


def _given(form: EndpointForm, request: HttpRequest) -> dict[str, Any]:
    given = form.cleaned_data
    return {
        "name": given["name"],
        "url": given["url"],
        "chosen": given["topics"],
        "body": given["body"],
        "actor": actors.staff(int(str(request.user.pk))),
        "now": timezone.now(),
    }


def _refuse(form: EndpointForm, refusal: DomainError) -> None:
    form.add_error(refusal.field if refusal.field in form.fields else None, refusal.sentence)
