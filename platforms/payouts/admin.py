"""Payout accounts: who sends money for us, whether they answer, and the address their callbacks go to."""

from typing import Any

from django import forms
from django.conf import settings
from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.loader import render_to_string
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from django.utils import timezone
from django.utils.html import format_html
from django.utils.safestring import SafeString

from loyalty.common import actors
from loyalty.common.adminkit import desk, show
from loyalty.events import log
from loyalty.events.models import Event
from platforms import breaker, credentials
from platforms import forms as secret_forms
from platforms.adapter import CredentialField
from platforms.models import PayoutAccount, PayoutProvider
from platforms.payouts import registry
from platforms.payouts.provider import Provider

CONNECT = "platforms.change_payoutaccount"
SUBJECT = "payout_account"
CREDENTIALS_CHANGED = "payouts.credentials_changed"
TEST_SECONDS = 10.0
MOST_INCIDENTS = 10
HEALTH = ("last_success", "last_failure", "incidents")


@admin.register(PayoutAccount)
class PayoutAccountAdmin(desk.DeskAdmin):
    list_display = ("name", "sender", "address", "currency", "state_badge")
    list_display_links = ("name",)
    list_select_related = ("shop", "health")
    sortable_by = ()
    ordering = ("-id",)
    list_empty = "There is no payout account yet. Until there is one, no reward can be a cashback."
    add_form_template = "admin/platforms/account.html"
    change_form_template = "admin/platforms/account.html"

    @admin.display(description="Provider")
    def sender(self, account: PayoutAccount) -> str:
        return account.get_provider_display()

    @admin.display(description="Address")
    def address(self, account: PayoutAccount) -> SafeString:
        return show.text(account.shop.name if account.shop is not None else account.base_url)

    @admin.display(description="State")
    def state_badge(self, account: PayoutAccount) -> SafeString:
        if not account.enabled:
            return show.badge("Off", tone="quiet")
        health = getattr(account, "health", None)
        if health is not None and health.opened_at is not None:
            return show.badge("Does not answer", tone="bad")
        if health is not None and breaker.is_refused(health):
            return show.badge("Refuses us", tone="bad")
        return show.badge("On", tone="good")

    @admin.display(description="State")
    def state_sentence(self, account: PayoutAccount) -> SafeString:
        """The badge, and while it does not answer or refuses us since when, and when it is asked again."""
        health = getattr(account, "health", None)
        said = breaker.trouble(connection=account, health=health, now=timezone.now()) if health is not None else ""
        return format_html("{} {}", self.state_badge(account), said)

    @admin.display(description="Last success")
    def last_success(self, account: PayoutAccount) -> SafeString:
        return show.instant(account.health.ok_at if hasattr(account, "health") else None)

    @admin.display(description="Last without an answer")
    def last_failure(self, account: PayoutAccount) -> SafeString:
        health = getattr(account, "health", None)
        if health is None or health.failed_at is None:
            return show.dash()
        return format_html("{}: {}", show.instant(health.failed_at), health.failure)

    @admin.display(description="Incidents")
    def incidents(self, account: PayoutAccount) -> SafeString:
        """The newest, each of which was told to the back office by e-mail, once."""
        rows = list(account.incidents.order_by("-began_at", "-pk")[:MOST_INCIDENTS])
        return render_to_string("admin/platforms/incidents.html", {"incidents": rows})

    @admin.display(description="Callback address")
    def webhook_address(self, account: PayoutAccount) -> SafeString:
        return show.copyable(str(settings.PUBLIC_URL) + reverse("hooks:payout_webhook", args=(account.webhook_key,)))

    @admin.display(description="Credentials")
    def credentials_state(self, account: PayoutAccount) -> str:
        return f"Set{set_on(account)}" if account.credentials else "Not set"

    def has_delete_permission(self, request: HttpRequest, obj: PayoutAccount | None = None) -> bool:
        return False

    def get_urls(self) -> list[URLPattern]:
        view = self.admin_site.admin_view
        own = [path("<int:pk>/test/", view(self.test_view), name="platforms_payoutaccount_test")]
        return [*own, *super().get_urls()]

    # The form

    def get_readonly_fields(self, request: HttpRequest, obj: PayoutAccount | None = None) -> tuple[str, ...]:
        return ("sender", "state_sentence", *HEALTH, "webhook_address", "credentials_state") if obj else ()

    def get_fieldsets(self, request: HttpRequest, obj: PayoutAccount | None = None) -> Any:
        provider = registry.provider_class(obj.provider if obj else provider_of(request))
        own = list(plain_fields(provider))
        if obj is not None and not self.has_change_permission(request, obj):
            access = ["credentials_state"] if asked_of(provider) else []
        else:
            access = secret_forms.names(asked_of(provider), stored(obj) if obj else {})
        sets: list[tuple[str | None, dict[str, Any]]] = [
            (None, {"fields": (["sender", "state_sentence"] if obj else []) + own})
        ]
        if obj is not None and provider.capabilities.calls_out:
            sets.append(("Health", {"fields": HEALTH}))
        if access:
            title = "Access" if any(field.secret for field in asked_of(provider)) else "Credit"
            sets.append((title, {"fields": access}))
        if obj is not None and provider.capabilities.webhooks:
            sets.append(
                ("Callbacks", {"fields": ["webhook_address"], "description": provider.capabilities.webhook_help})
            )
        return sets

    def get_form(
        self,
        request: HttpRequest,
        obj: PayoutAccount | None = None,
        change: bool = False,  # noqa: FBT001, FBT002
        **kwargs: Any,
    ) -> type[forms.ModelForm]:
        provider = registry.provider_class(obj.provider if obj else provider_of(request))
        made = secret_forms.with_secrets(
            secret_forms.AccountForm,
            asked=asked_of(provider),
            stored=stored(obj) if obj else {},
            set_on=set_on(obj) if obj else "",
        )
        made = type("ProviderAccountForm", (made,), {"capabilities": provider.capabilities})
        editable = obj is None or self.has_change_permission(request, obj)
        fields = list(plain_fields(provider)) if editable else []
        found: type[forms.ModelForm] = super().get_form(request, obj, change=change, form=made, fields=fields)
        return found

    def add_view(self, request: HttpRequest, form_url: str = "", extra_context: Any = None) -> HttpResponse:
        """First which provider, then its form."""
        if not self.has_add_permission(request):
            raise PermissionDenied
        if request.GET.get("provider") not in PayoutProvider.values:
            context = {
                **self.admin_site.each_context(request),
                "title": "Add a payout account",
                "opts": self.opts,
                "question": "Who sends the money?",
                "name": "provider",
                "choices": PayoutProvider.choices,
                "back_url": reverse("admin:platforms_payoutaccount_changelist"),
            }
            return TemplateResponse(request, "admin/platforms/choose.html", context)
        label = PayoutProvider(request.GET["provider"]).label
        extra = {"title": f"Add a payout account: {label}", "show_save_and_add_another": False}
        answer: HttpResponse = super().add_view(request, form_url, extra)
        return answer

    def change_view(
        self, request: HttpRequest, object_id: str, form_url: str = "", extra_context: Any = None
    ) -> HttpResponse:
        account = self.get_object(request, object_id)
        extra: dict[str, Any] = {}
        if account is not None:
            calls = registry.provider_class(account.provider).capabilities.calls_out
            extra = {
                "title": str(account),
                "subtitle": None,
                "show_save_and_add_another": False,
                "may_test": calls and request.user.has_perm(CONNECT),
            }
        answer: HttpResponse = super().change_view(request, object_id, form_url, extra)
        return answer

    def save_model(self, request: HttpRequest, obj: PayoutAccount, form: forms.ModelForm, change: bool) -> None:  # noqa: FBT001
        if not isinstance(form, secret_forms.AccountForm):
            raise TypeError("A payout account is saved by its own form only.")
        if not change:
            obj.provider = provider_of(request)
        sealed = form.seal(obj)
        super().save_model(request, obj, form, change)
        fields = sorted(name for name in form.changed_data if name in secret_forms.AccountForm.Meta.fields)
        if fields or not change:
            self.record("payouts.account_changed" if change else "payouts.account_added", request, obj, fields=fields)
        if change and (fields or sealed):
            breaker.ask_soon(connection=obj, now=timezone.now())
        if sealed:
            self.record(CREDENTIALS_CHANGED, request, obj, fields=sealed)

    def record(self, kind: str, request: HttpRequest, account: PayoutAccount, *, fields: list[str]) -> None:
        log.record(
            kind=kind,
            subject_type=SUBJECT,
            subject_id=account.pk,
            actor=actors.staff(int(str(request.user.pk))),
            now=timezone.now(),
            fields=fields,
        )

    def test_view(self, request: HttpRequest, pk: int) -> HttpResponse:
        """Ask the provider whose account it is, and say what it said. No transaction is open here."""
        if request.method != "POST" or not request.user.has_perm(CONNECT):
            raise PermissionDenied
        account = PayoutAccount.objects.filter(pk=pk).first()
        if account is None:
            raise Http404(f"There is no payout account {pk}.")
        try:
            answer = registry.provider_for(account, timeout=TEST_SECONDS).test_connection()
        except credentials.CredentialsUnreadable as refusal:
            messages.error(request, refusal.sentence)
        else:
            if answer.value is None:
                messages.error(request, answer.reason or "The provider did not answer. Check the address.")
            else:
                info = answer.value
                detail = f" {info.detail}" if info.detail else ""
                messages.success(request, f"Connected to {info.name}, which pays in {info.currency}.{detail}")
        return HttpResponseRedirect(reverse("admin:platforms_payoutaccount_change", args=(account.pk,)))


def plain_fields(provider: type[Provider]) -> tuple[str, ...]:
    able = provider.capabilities
    missing = {name for name, there in (("base_url", able.needs_address), ("shop", able.uses_shop)) if not there}
    return tuple(name for name in secret_forms.AccountForm.Meta.fields if name not in missing)


def asked_of(provider: type[Provider]) -> tuple[CredentialField, ...]:
    """What this provider asks for, the webhook secret included where it sends callbacks."""
    able = provider.capabilities
    return secret_forms.with_webhook_secret(provider.credential_fields, webhooks=able.webhooks and able.webhook_secret)


def stored(account: PayoutAccount) -> dict[str, str]:
    """The credentials we have; none when the key to them is gone, so that they can be entered again."""
    try:
        return credentials.unseal(account.credentials)
    except credentials.CredentialsUnreadable:
        return {}


def set_on(account: PayoutAccount) -> str:
    """When the credentials were last changed, as in “ on 1 Mar 2026, 14:02”; empty when that is not known."""
    events = Event.objects.filter(subject_type=SUBJECT, subject_id=account.pk, kind=CREDENTIALS_CHANGED)
    last = events.order_by("-id").first()
    return f" on {show.instant_text(last.occurred_at)}" if last else ""


def provider_of(request: HttpRequest) -> str:
    """The provider of the account being added. `add_view` has checked it."""
    asked = request.GET.get("provider", "")
    return asked if asked in PayoutProvider.values else PayoutProvider.BY_HAND
