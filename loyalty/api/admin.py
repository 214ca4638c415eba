"""API keys: made, shown once, and revoked."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from django import forms
from django.contrib import admin
from django.core.exceptions import PermissionDenied
from django.db import transaction
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.urls import reverse
from django.utils import timezone
from django.utils.safestring import SafeString

from loyalty.api import keys
from loyalty.api.models import ApiKey
from loyalty.common import actors
from loyalty.common.actors import Actor
from loyalty.common.adminkit import acts, desk, moments, show
from loyalty.common.errors import DomainError
from loyalty.events import log

EXPLAIN = "Give each system a key of its own, with no more scopes than it needs. The key is shown once, right after."


class ApiKeyForm(forms.Form):
    name = forms.CharField(max_length=80, help_text="The system that will use it.")
    scopes = forms.MultipleChoiceField(choices=keys.Scope.choices, widget=forms.CheckboxSelectMultiple)
    expires_at = moments.MomentField(label="Expires", required=False, end=True, help_text="Empty: never.")


class Revoke(acts.Act):
    slug, label, permission, tone = "revoke", "Revoke", "api.change_apikey", "danger"
    explain = "A revoked key is refused from the next request on. This cannot be undone: make a new key instead."

    def preview(self, *, pk: int, now: datetime, data: Mapping[str, Any]) -> acts.Preview:
        key = ApiKey.objects.get(pk=pk)
        if key.revoked_at is not None:
            return acts.Preview(title=str(key), refusal="This key was revoked before. There is nothing left to do.")
        return acts.Preview(title=str(key), effects=["Whoever uses this key loses access at once."])

    @transaction.atomic
    def apply(self, *, pk: int, actor: Actor, now: datetime, token: str, data: Mapping[str, Any]) -> str:
        key = ApiKey.objects.get(pk=pk)
        if key.revoked_at is None:
            keys.revoke(key_id=pk, now=now)
            log.record(kind="api_key.revoked", subject_type="api_key", subject_id=pk, actor=actor, now=now)
        return f"{key} was revoked."


@admin.register(ApiKey)
class ApiKeyAdmin(desk.DeskAdmin):
    list_display = ("name", "prefix_text", "state_badge", "scopes_text", "created", "last_used")
    list_display_links = ("name",)
    sortable_by = ()
    ordering = ("-id",)
    acts = (Revoke(),)
    list_empty = "No API keys yet. A system that calls the API needs one."
    fields = ("name", "prefix_text", "state_badge", "scopes_text", "made_by", "created", "expires", "last_used")
    readonly_fields = fields
    list_select_related = ("created_by",)
    change_form_template = "admin/api/key_page.html"

    def has_change_permission(self, request: HttpRequest, obj: ApiKey | None = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: ApiKey | None = None) -> bool:
        return False

    def change_view(
        self, request: HttpRequest, object_id: str, form_url: str = "", extra_context: Any = None
    ) -> HttpResponse:
        key = self.get_object(request, object_id)
        links = self.act_links(request, key.pk) if key is not None and key.revoked_at is None else []
        extra = {"acts": links, "title": str(key), "subtitle": None}
        return super().change_view(request, object_id, form_url, {**extra, **(extra_context or {})})

    def add_view(self, request: HttpRequest, form_url: str = "", extra_context: Any = None) -> HttpResponse:
        if not self.has_add_permission(request):
            raise PermissionDenied
        form = ApiKeyForm(request.POST if request.method == "POST" else None)
        if request.method == "POST" and form.is_valid():
            secret = make(request, form)
            if secret is not None:
                return self.show_once(request, name=form.cleaned_data["name"], secret=secret)
        context = {
            **self.admin_site.each_context(request),
            "title": "Add API key",
            "opts": self.opts,
            "form": form,
            "explain": EXPLAIN,
            "back_url": reverse("admin:api_apikey_changelist"),
        }
        return TemplateResponse(request, "admin/api/add_key.html", context)

    def show_once(self, request: HttpRequest, *, name: str, secret: str) -> HttpResponse:
        """The only page that ever carries the key, kept by no cache."""
        context = {
            **self.admin_site.each_context(request),
            "title": f"API key for {name}",
            "opts": self.opts,
            "secret": show.copyable(secret),
            "back_url": reverse("admin:api_apikey_changelist"),
        }
        response = TemplateResponse(request, "admin/api/key_made.html", context)
        response["Cache-Control"] = "no-store"
        return response

    @admin.display(description="Begins with")
    def prefix_text(self, key: ApiKey) -> str:
        return f"{key.prefix}…"

    @admin.display(description="State")
    def state_badge(self, key: ApiKey) -> SafeString:
        if key.revoked_at is not None:
            return show.badge("Revoked", tone="quiet")
        if key.expires_at is not None and key.expires_at <= timezone.now():
            return show.badge("Expired", tone="quiet")
        return show.badge("Active", tone="good")

    @admin.display(description="Scopes")
    def scopes_text(self, key: ApiKey) -> str:
        return ", ".join(key.scopes)

    @admin.display(description="Made by")
    def made_by(self, key: ApiKey) -> str:
        return str(key.created_by or show.DASH)

    @admin.display(description="Made")
    def created(self, key: ApiKey) -> SafeString:
        return show.instant(key.created_at)

    @admin.display(description="Expires")
    def expires(self, key: ApiKey) -> SafeString:
        return show.instant(key.expires_at)

    @admin.display(description="Last used")
    def last_used(self, key: ApiKey) -> SafeString:
        return show.instant(key.last_used_at)


@transaction.atomic
def make(request: HttpRequest, form: ApiKeyForm) -> str | None:
    """The new key, or None and a sentence at the form."""
    user_id, now = int(str(request.user.pk)), timezone.now()
    try:
        key, secret = keys.create(**form.cleaned_data, created_by_id=user_id, now=now)
    except DomainError as refusal:
        form.add_error(None, refusal.sentence)
        return None
    log.record(
        kind="api_key.made",
        subject_type="api_key",
        subject_id=key.pk,
        actor=actors.staff(user_id),
        now=now,
        scopes=key.scopes,
    )
    return secret
