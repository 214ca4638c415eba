"""API keys: made, shown once, and revoked."""

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

from django import forms
from django.contrib import admin
from django.core.exceptions import PermissionDenied
from django.db import transaction
from django.http import Http404, HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from django.utils import timezone
from django.utils.safestring import SafeString

from loyalty.api import keys
from loyalty.api.models import ApiKey
from loyalty.common import actors
from loyalty.common.actors import Actor
from loyalty.common.adminkit import acts, desk, moments, show
from loyalty.common.errors import DomainError
from loyalty.events import log

ROTATE_URL_NAME = "api_apikey_rotate"
ROTATE_EXPLAIN = (
    "A new key with the same name, scopes and addresses takes the place of this one. A request that is repeated under the "
    "new key is the same request: nothing is done twice."
)
EXPLAIN = "Give each system a key of its own, with no more scopes than it needs. The key is shown once, right after."


class ApiKeyForm(forms.Form):
    name = forms.CharField(max_length=80, help_text="The system that will use it.")
    scopes = forms.MultipleChoiceField(choices=keys.Scope.choices, widget=forms.CheckboxSelectMultiple)
    expires_at = moments.MomentField(label="Expires", required=False, end=True, help_text="Empty: never.")
    networks = forms.CharField(
        label="Addresses",
        required=False,
        max_length=3000,
        widget=forms.Textarea(attrs={"rows": 3}),
        help_text="Where it is taken from, one in a line, such as 192.0.2.7 or 192.0.2.0/24. Empty: from everywhere.",
    )

    def clean_networks(self) -> list[str]:
        return [line.strip() for line in self.cleaned_data["networks"].splitlines() if line.strip()]


class RotateForm(forms.Form):
    hours = forms.IntegerField(
        label="Hours in which both keys work",
        min_value=0,
        max_value=keys.LONGEST_OVERLAP.days * 24,
        initial=24,
        help_text="Long enough to put the new key in place. 0: the old key ends at once.",
    )


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
    fields = (
        "name",
        "prefix_text",
        "state_badge",
        "scopes_text",
        "networks_text",
        "rotation",
        "made_by",
        "created",
        "expires",
        "last_used",
    )
    readonly_fields = fields
    list_select_related = ("created_by", "replaces", "replaced_by")
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
        if key is not None and not rotation_refusal(key) and self.has_add_permission(request):
            extra["rotate_url"] = reverse(f"admin:{ROTATE_URL_NAME}", args=(key.pk,))
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
            "button": "Make the key",
        }
        return TemplateResponse(request, "admin/api/add_key.html", context)

    def get_urls(self) -> list[URLPattern]:
        own = path("<int:pk>/rotate/", self.admin_site.admin_view(self.rotate_view), name=ROTATE_URL_NAME)
        return [own, *super().get_urls()]

    def rotate_view(self, request: HttpRequest, pk: int) -> HttpResponse:
        """A new key in place of another, shown once; the other one works on for some hours."""
        if not (self.has_add_permission(request) and request.user.has_perm(Revoke.permission)):
            raise PermissionDenied
        key = self.get_object(request, str(pk))
        if key is None:
            raise Http404
        form = RotateForm(request.POST if request.method == "POST" else None)
        if request.method == "POST" and form.is_valid():
            secret = replace(request, form, key_id=pk)
            if secret is not None:
                return self.show_once(request, name=key.name, secret=secret)
        context = {
            **self.admin_site.each_context(request),
            "title": f"Rotate {key}",
            "opts": self.opts,
            "form": form,
            "explain": ROTATE_EXPLAIN,
            "refusal": rotation_refusal(key),
            "back_url": reverse("admin:api_apikey_change", args=(pk,)),
            "button": "Make the new key",
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

    @admin.display(description="Taken from")
    def networks_text(self, key: ApiKey) -> str:
        return ", ".join(key.networks) or "Everywhere"

    @admin.display(description="Rotation")
    def rotation(self, key: ApiKey) -> str:
        before = f"In place of {key.replaces}" if key.replaces else ""
        after: ApiKey | None = getattr(key, "replaced_by", None)
        return " · ".join(part for part in (before, f"replaced by {after}" if after else "") if part) or show.DASH

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
        networks=key.networks,
    )
    return secret


@transaction.atomic
def replace(request: HttpRequest, form: RotateForm, *, key_id: int) -> str | None:
    """The key that takes the place of another, or None and a sentence at the form."""
    user_id, now = int(str(request.user.pk)), timezone.now()
    overlap = timedelta(hours=form.cleaned_data["hours"])
    try:
        key, secret = keys.rotate(key_id=key_id, overlap=overlap, created_by_id=user_id, now=now)
    except DomainError as refusal:
        form.add_error(None, refusal.sentence)
        return None
    log.record(
        kind="api_key.rotated",
        subject_type="api_key",
        subject_id=key.pk,
        actor=actors.staff(user_id),
        now=now,
        replaces=key_id,
        hours=form.cleaned_data["hours"],
    )
    return secret


def rotation_refusal(key: ApiKey) -> str:
    """Why it cannot be rotated; empty when it can."""
    if key.revoked_at is not None or (key.expires_at is not None and key.expires_at <= timezone.now()):
        return "This key has ended already: nobody can be using it. Make a new key."
    if getattr(key, "replaced_by", None) is not None:
        return "This key was replaced before. Rotate the key that took its place."
    return ""
