"""Who may open the admin, and in which role. Nobody gives away, or takes over, what they lack themselves."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

import django_filters
from allauth.account.models import EmailAddress
from allauth.mfa.models import Authenticator
from django import forms
from django.contrib import admin
from django.core.exceptions import PermissionDenied
from django.db import transaction
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.utils import timezone
from django.utils.safestring import SafeString

from loyalty.accounts import roles
from loyalty.accounts.models import User
from loyalty.common import actors
from loyalty.common.actors import Actor
from loyalty.common.adminkit import acts, desk, lists, show
from loyalty.events import log

WHO = {"staff": {"is_staff": True}, "customers": {"is_staff": False}}


class UserFilter(django_filters.FilterSet):
    search = django_filters.CharFilter(label="E-mail or name", help_text="E-mail", method="narrow", max_length=254)
    who = django_filters.ChoiceFilter(
        label="Who",
        choices=[("staff", "Staff"), ("customers", "Customers who sign in")],
        empty_label="Everybody",
        widget=forms.RadioSelect,
        method="choose",
    )

    class Meta:
        model = User
        fields: list[str] = []

    def narrow(self, queryset: QuerySet[User], name: str, value: str) -> QuerySet[User]:
        return queryset.filter(email__icontains=value.strip())

    def choose(self, queryset: QuerySet[User], name: str, value: str) -> QuerySet[User]:
        return queryset.filter(**WHO[value])


class UserForm(forms.ModelForm):
    """A person who signs in. Roles that the editor may not give are neither shown nor taken away."""

    class Meta:
        model = User
        fields = ("email", "name", "is_active", "is_staff", "groups", "is_superuser")
        labels = {"groups": "Roles", "is_superuser": "may do everything"}
        help_texts = {
            "email": "They sign in with it: by password, or by a code we send there.",
            "groups": "Only roles that allow nothing you may not do yourself.",
            "is_staff": "Without it no role has any effect.",
            "is_active": "Take it away instead of deleting the account. It also ends every session.",
        }
        widgets = {"groups": forms.CheckboxSelectMultiple}

    editor: User

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if "groups" in self.fields:
            self.given = {group.pk for group in roles.assignable_by(self.editor)}
            self.fields["groups"].queryset = (  # type: ignore[attr-defined]
                self.fields["groups"].queryset.filter(pk__in=self.given).order_by("name")  # type: ignore[attr-defined]
            )

    def clean_email(self) -> str:
        email: str = self.cleaned_data["email"].strip()
        if User.objects.filter(email__iexact=email).exclude(pk=self.instance.pk).exists():
            raise forms.ValidationError("Somebody signs in with this address already. Open their account instead.")
        return email

    def clean_groups(self) -> list[Any]:
        """The chosen roles, and those that are not the editor's to take away."""
        kept = self.instance.groups.exclude(pk__in=self.given) if self.instance.pk else []
        return [*self.cleaned_data["groups"], *kept]

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean() or {}
        if self.instance.pk == self.editor.pk:
            for name in ("is_active", "is_staff", "is_superuser"):
                if name in self.fields and getattr(self.editor, name) and not cleaned.get(name):
                    self.add_error(name, "You would lock yourself out. Ask somebody else to do it.")
        return cleaned


class ResetSecondFactor(acts.Act):
    slug, label, permission, bulk = "reset-second-factor", "Reset second factor", "accounts.change_user", False
    explain = "For somebody who lost their phone and their recovery codes. Make sure it is really them who asks."

    def preview(self, *, pk: int, now: datetime, data: Mapping[str, Any]) -> acts.Preview:
        user = User.objects.get(pk=pk)
        if not Authenticator.objects.filter(user=user).exists():
            return acts.Preview(title=str(user), refusal="This person has no second factor. There is nothing to reset.")
        return acts.Preview(
            title=str(user),
            effects=["Their app and their recovery codes stop working.", "The admin asks them to set up a new one."],
        )

    @transaction.atomic
    def apply(self, *, pk: int, actor: Actor, now: datetime, token: str, data: Mapping[str, Any]) -> str:
        user = User.objects.get(pk=pk)
        Authenticator.objects.filter(user=user).delete()
        log.record(kind="user.second_factor_reset", subject_type="user", subject_id=pk, actor=actor, now=now)
        return f"The second factor of {user} was reset."


@admin.register(User)
class UserAdmin(desk.DeskAdmin):
    form = UserForm
    list_display = ("email", "name", "staff_badge", "roles_text", "active_badge", "last_seen")
    list_display_links = ("email",)
    sortable_by = ()
    ordering = ("-is_staff", "-id")
    filterset_class = UserFilter
    chips = (lists.Chip("Who", "who"),)
    empty_value_display = show.DASH
    acts = (ResetSecondFactor(),)
    change_form_template = "admin/accounts/user.html"

    def get_queryset(self, request: HttpRequest) -> QuerySet[User]:
        rows: QuerySet[User] = super().get_queryset(request).prefetch_related("groups")
        return rows

    def has_change_permission(self, request: HttpRequest, obj: User | None = None) -> bool:
        allowed: bool = super().has_change_permission(request, obj)
        return allowed and (obj is None or roles.may_manage(editor(request), obj))

    def has_delete_permission(self, request: HttpRequest, obj: User | None = None) -> bool:
        return False

    def get_fields(self, request: HttpRequest, obj: User | None = None) -> Any:
        shown = ["email", "name", "is_active", "is_staff", "groups"]
        return [*shown, "is_superuser"] if request.user.is_superuser else shown

    def get_form(self, request: HttpRequest, obj: User | None = None, change: bool = False, **kwargs: Any) -> type:  # noqa: FBT001, FBT002
        form = super().get_form(request, obj, change=change, **kwargs)
        return type("UserFormOfEditor", (form,), {"editor": editor(request)})

    def change_view(
        self, request: HttpRequest, object_id: str, form_url: str = "", extra_context: Any = None
    ) -> HttpResponse:
        user = self.get_object(request, object_id)
        may = user is not None and self.has_change_permission(request, user)
        links = self.act_links(request, user.pk) if may and user is not None else []
        extra = {"acts": links, "title": str(user), "subtitle": None, "show_save_and_add_another": False}
        return super().change_view(request, object_id, form_url, {**extra, **(extra_context or {})})

    def act_view(self, request: HttpRequest, pk: int, slug: str) -> HttpResponse:
        user = self.get_object(request, str(pk))
        if user is not None and not roles.may_manage(editor(request), user):
            self.message_user(request, "This person may do more than you. Ask somebody who may do as much.", "error")
            return HttpResponseRedirect(acts.page_of(self, pk))
        return super().act_view(request, pk, slug)

    def save_model(self, request: HttpRequest, obj: User, form: UserForm, change: bool) -> None:  # noqa: FBT001
        if not change:
            obj.set_unusable_password()
        super().save_model(request, obj, form, change)
        if change and "email" in form.changed_data:
            EmailAddress.objects.filter(user=obj).delete()  # the old address opens this account no longer
        if form.changed_data:
            log.record(
                kind="user.changed" if change else "user.added",
                subject_type="user",
                subject_id=obj.pk,
                actor=actors.staff(int(str(request.user.pk))),
                now=timezone.now(),
                fields=sorted(form.changed_data),
                roles=sorted(str(group) for group in form.cleaned_data.get("groups", [])),
            )

    @admin.display(description="Admin")
    def staff_badge(self, user: User) -> SafeString:
        if user.is_superuser:
            return show.badge("Everything", tone="warn")
        return show.badge("Staff", tone="info") if user.is_staff else show.dash()

    @admin.display(description="Roles")
    def roles_text(self, user: User) -> str:
        return ", ".join(sorted(group.name for group in user.groups.all())) or show.DASH

    @admin.display(description="May sign in")
    def active_badge(self, user: User) -> SafeString:
        return show.badge("Yes", tone="good") if user.is_active else show.badge("No", tone="bad")

    @admin.display(description="Last signed in")
    def last_seen(self, user: User) -> SafeString:
        return show.instant(user.last_login)


def editor(request: HttpRequest) -> User:
    """Who is signed in: the admin lets nobody else come this far."""
    if not isinstance(request.user, User):
        raise PermissionDenied
    return request.user
