"""Connecting shops: who may reach them, whether they answer, and the address their webhooks go to."""

from typing import Any

from django import forms
from django.conf import settings
from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from django.utils import timezone
from django.utils.safestring import SafeString

from loyalty.common import actors
from loyalty.common.adminkit import desk, show
from loyalty.events import log
from loyalty.events.models import Event
from platforms import breaker, credentials, registry
from platforms import forms as connection_forms
from platforms.adapter import Answer
from platforms.models import Platform, ShopHealth, StoreConnection
from platforms.payouts import admin as payout_accounts

__all__ = ["StoreConnectionAdmin", "payout_accounts"]  # the second is here to be registered

CONNECT = "platforms.change_storeconnection"
SUBJECT = "store_connection"
CREDENTIALS_CHANGED = "shop.credentials_changed"
TEST_SECONDS = 10.0


@admin.register(StoreConnection)
class StoreConnectionAdmin(desk.DeskAdmin):
    list_display = ("name", "platform", "base_url", "currency", "state_badge", "health_link", "polled")
    list_select_related = ("health",)
    list_display_links = ("name",)
    sortable_by = ()
    ordering = ("-id",)
    list_empty = "No shop is connected yet. Until one is, rewards can only be gifts and codes that no shop knows."
    add_form_template = "admin/platforms/connection.html"
    change_form_template = "admin/platforms/connection.html"

    @admin.display(description="State")
    def state_badge(self, connection: StoreConnection) -> SafeString:
        if not connection.enabled:
            return show.badge("Off", tone="quiet")
        health: ShopHealth | None = getattr(connection, "health", None)
        if health is not None and health.opened_at is None and breaker.is_refused(health):
            return show.badge("Credentials refused", tone="bad")
        silent = connection.poll_error or (health is not None and health.opened_at is not None)
        return show.badge("Not answering", tone="bad") if silent else show.badge("On", tone="good")

    @admin.display(description="Health")
    def health_link(self, connection: StoreConnection) -> SafeString:
        return show.link("Look", reverse("insights:shop", args=(connection.pk,)))

    @admin.display(description="Orders last read")
    def polled(self, connection: StoreConnection) -> SafeString:
        return show.instant(connection.polled_at)

    @admin.display(description="Last problem")
    def problem(self, connection: StoreConnection) -> str:
        return connection.poll_error or show.DASH

    @admin.display(description="Webhook address")
    def webhook_address(self, connection: StoreConnection) -> SafeString | str:
        if not registry.adapter_class(connection.platform).capabilities.webhooks:
            return "None: this platform sends no webhooks, and its orders are polled."
        return show.copyable(webhook_url(connection))

    @admin.display(description="Credentials")
    def credentials_state(self, connection: StoreConnection) -> str:
        return f"Set{set_on(connection)}" if connection.credentials else "Not set"

    def has_delete_permission(self, request: HttpRequest, obj: StoreConnection | None = None) -> bool:
        return False

    def get_urls(self) -> list[URLPattern]:
        view = self.admin_site.admin_view
        name = "platforms_storeconnection"
        return [
            path("<int:pk>/test/", view(self.test_view), name=f"{name}_test"),
            path("<int:pk>/register-webhooks/", view(self.register_view), name=f"{name}_register"),
            *super().get_urls(),
        ]

    # The form

    def get_readonly_fields(self, request: HttpRequest, obj: StoreConnection | None = None) -> tuple[str, ...]:
        return ("platform", "webhook_address", "polled", "problem", "credentials_state") if obj else ()

    def get_fieldsets(self, request: HttpRequest, obj: StoreConnection | None = None) -> Any:
        shop = ["name", "base_url", "currency", "storefronts", "calls_per_second", "enabled"]
        if obj is None:
            access = connection_forms.names(connection_forms.credential_fields(platform_of(request)), {})
            return [(None, {"fields": shop}), ("Access", {"fields": access})]
        if self.has_change_permission(request, obj):
            access = connection_forms.names(connection_forms.credential_fields(obj.platform), stored(obj))
        else:
            access = ["credentials_state"]
        return [
            (None, {"fields": ["platform", *shop]}),
            ("Access", {"fields": access}),
            ("Orders", {"fields": ["webhook_address", "polled", "problem"]}),
        ]

    def get_form(
        self,
        request: HttpRequest,
        obj: StoreConnection | None = None,
        change: bool = False,  # noqa: FBT001, FBT002
        **kwargs: Any,
    ) -> type[forms.ModelForm]:
        platform = obj.platform if obj else platform_of(request)
        made = connection_forms.form_for(
            platform=platform, stored=stored(obj) if obj else {}, set_on=set_on(obj) if obj else ""
        )
        editable = obj is None or self.has_change_permission(request, obj)
        fields = ["name", "base_url", "currency", "storefronts", "calls_per_second", "enabled"] if editable else []
        found: type[forms.ModelForm] = super().get_form(request, obj, change=change, form=made, fields=fields)
        return found

    def add_view(self, request: HttpRequest, form_url: str = "", extra_context: Any = None) -> HttpResponse:
        """First which platform, then its form."""
        if not self.has_add_permission(request):
            raise PermissionDenied
        if request.GET.get("platform") not in Platform.values:
            return self.choose_platform(request)
        label = Platform(request.GET["platform"]).label
        answer: HttpResponse = super().add_view(
            request, form_url, {"title": f"Connect a shop: {label}", "show_save_and_add_another": False}
        )
        return answer

    def choose_platform(self, request: HttpRequest) -> HttpResponse:
        context = {
            **self.admin_site.each_context(request),
            "title": "Connect a shop",
            "opts": self.opts,
            "question": "Which software does the shop run on?",
            "name": "platform",
            "choices": Platform.choices,
            "back_url": reverse("admin:platforms_storeconnection_changelist"),
        }
        return TemplateResponse(request, "admin/platforms/choose.html", context)

    def change_view(
        self, request: HttpRequest, object_id: str, form_url: str = "", extra_context: Any = None
    ) -> HttpResponse:
        connection = self.get_object(request, object_id)
        extra: dict[str, Any] = {}
        if connection is not None:
            adapter = registry.adapter_class(connection.platform)
            extra = {
                "title": str(connection),
                "subtitle": None,
                "show_save_and_add_another": False,
                "may_test": request.user.has_perm(CONNECT),
                "may_register": request.user.has_perm(CONNECT) and adapter.capabilities.registers_webhooks,
            }
        answer: HttpResponse = super().change_view(request, object_id, form_url, extra)
        return answer

    def save_model(self, request: HttpRequest, obj: StoreConnection, form: forms.ModelForm, change: bool) -> None:  # noqa: FBT001
        if not isinstance(form, connection_forms.ConnectionForm):
            raise TypeError("A shop is saved by its own form only.")
        obj.platform = form.platform
        sealed = form.seal(obj)
        super().save_model(request, obj, form, change)
        fields = sorted(name for name in form.changed_data if name in self.plain_fields())
        if sealed or "base_url" in fields:
            breaker.ask_soon(connection=obj, now=timezone.now())
        if fields or not change:
            self.record("shop.changed" if change else "shop.connected", request, obj, fields=fields)
        if sealed:
            self.record(CREDENTIALS_CHANGED, request, obj, fields=sealed)

    @staticmethod
    def plain_fields() -> tuple[str, ...]:
        return connection_forms.ConnectionForm.Meta.fields

    def record(self, kind: str, request: HttpRequest, connection: StoreConnection, *, fields: list[str]) -> None:
        log.record(
            kind=kind,
            subject_type=SUBJECT,
            subject_id=connection.pk,
            actor=actors.staff(int(str(request.user.pk))),
            now=timezone.now(),
            fields=fields,
        )

    # Asking the shop

    def asked(self, request: HttpRequest, pk: int) -> StoreConnection:
        if request.method != "POST" or not request.user.has_perm(CONNECT):
            raise PermissionDenied
        connection = StoreConnection.objects.filter(pk=pk).first()
        if connection is None:
            raise Http404(f"There is no shop {pk}.")
        return connection

    def test_view(self, request: HttpRequest, pk: int) -> HttpResponse:
        """Ask the shop who it is, and say what it said."""
        connection = self.asked(request, pk)
        answer = ask(connection, "test_connection")
        if isinstance(answer, str):
            messages.error(request, answer)
        elif not answer.ok or answer.value is None:
            messages.error(request, answer.reason or "The shop did not answer. Check its address and try again.")
        else:
            info = answer.value
            detail = f" {info.detail}" if info.detail else ""
            messages.success(request, f"Connected to {info.name}, which sells in {info.currency}.{detail}")
        back_to_health = request.POST.get("back") == "health"
        return HttpResponseRedirect(reverse("insights:shop", args=(pk,)) if back_to_health else page_url(connection))

    def register_view(self, request: HttpRequest, pk: int) -> HttpResponse:
        """Give the shop our webhook address, where it lets us."""
        connection = self.asked(request, pk)
        answer = ask(connection, "ensure_webhooks", webhook_url(connection))
        if isinstance(answer, str):
            messages.error(request, answer)
        elif answer.ok:
            messages.success(request, "The shop sends its webhooks to us now.")
        else:
            messages.error(request, answer.reason or "The shop did not take our address. Set it up there by hand.")
        return HttpResponseRedirect(page_url(connection))


def ask(connection: StoreConnection, question: str, *arguments: str) -> Answer[Any] | str:
    """What the shop answers, or the sentence why it cannot be asked. No transaction is open here."""
    try:
        adapter = registry.adapter_for(connection, timeout=TEST_SECONDS)
    except credentials.CredentialsUnreadable as refusal:
        return refusal.sentence
    answer: Answer[Any] = getattr(adapter, question)(*arguments)
    return answer


def stored(connection: StoreConnection) -> dict[str, str]:
    """The credentials we have; none when the key to them is gone, so that they can be entered again."""
    try:
        return credentials.unseal(connection.credentials)
    except credentials.CredentialsUnreadable:
        return {}


def set_on(connection: StoreConnection) -> str:
    """When the credentials were last changed, as in “ on 1 Mar 2026, 14:02”; empty when that is not known."""
    events = Event.objects.filter(subject_type=SUBJECT, subject_id=connection.pk, kind=CREDENTIALS_CHANGED)
    last = events.order_by("-id").first()
    return f" on {show.instant_text(last.occurred_at)}" if last else ""


def webhook_url(connection: StoreConnection) -> str:
    return str(settings.PUBLIC_URL) + reverse("hooks:webhook", args=(connection.webhook_key,))


def platform_of(request: HttpRequest) -> str:
    """The platform of the shop being connected. `add_view` has checked it."""
    asked = request.GET.get("platform", "")
    return asked if asked in Platform.values else Platform.SANDBOX


def page_url(connection: StoreConnection) -> str:
    return reverse("admin:platforms_storeconnection_change", args=(connection.pk,))
