"""How customers come into tiers: one row, so one form and no list."""

from typing import Any

from django import forms
from django.contrib import admin
from django.contrib.admin import helpers
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import reverse
from django.utils import timezone

from loyalty.common import actors
from loyalty.common.adminkit import desk
from loyalty.program.tiers import preview, setting
from loyalty.program.tiers.admin import foreseeing
from loyalty.program.tiers.models import TierRules

GIVES = "Whoever rises by this change gets what the tier gives"
GIVES_HELP = (
    "Everybody is judged anew once this is saved, within a minute. Unticked, that gives nobody a reward; who rises later "
    "gets it in any case."
)


class RulesForm(forms.ModelForm):
    gives = forms.BooleanField(label=GIVES, required=False, help_text=GIVES_HELP)

    class Meta:
        model = TierRules
        fields = ("enabled", "basis", "period", "rolling_days", "kept_next_year", "starts_on", "grace_days")
        labels = {
            "enabled": "VIP tiers are on",
            "basis": "What counts",
            "period": "Over which time",
            "rolling_days": "Number of days",
            "kept_next_year": "A tier lasts until the end of the next year",
            "starts_on": "First day that counts",
            "grace_days": "Days of grace",
        }
        help_texts = {
            "basis": "Points: what was earned or adjusted, less what refunds took back. Spending and expiry take nothing "
            "away, and what tiers give does not count. Amounts: completed orders in the programme's currency, less refunds.",
            "rolling_days": "For “the last days”, today among them.",
            "kept_next_year": "For the calendar year. Unticked, everybody begins anew on 1 January.",
            "starts_on": "Empty: everything we know of counts.",
            "grace_days": "So many days a tier is kept once it is no longer reached. 0: it ends at once.",
        }
        widgets = {
            "basis": forms.RadioSelect,
            "period": forms.RadioSelect,
            "starts_on": forms.DateInput(attrs={"type": "date"}),
        }


@admin.register(TierRules)
class TierRulesAdmin(desk.DeskAdmin):
    form = RulesForm
    change_form_template = "admin/program/tiers/rules.html"
    fieldsets = (
        (None, {"fields": ("enabled", "basis", "starts_on")}),
        ("How long a tier lasts", {"fields": ("period", "rolling_days", "kept_next_year", "grace_days")}),
        ("This change", {"fields": ("gives",)}),
    )

    class Media:
        css = {"all": ("desk/programme.css",)}

    def get_fieldsets(self, request: HttpRequest, obj: TierRules | None = None) -> Any:
        """Who may only look is asked nothing."""
        return self.fieldsets if self.has_change_permission(request, obj) else self.fieldsets[:2]

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: TierRules | None = None) -> bool:
        return False

    def changelist_view(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> HttpResponse:
        TierRules.objects.get_or_create(pk=1)
        return HttpResponseRedirect(reverse("admin:program_tierrules_change", args=(1,)))

    def change_view(
        self, request: HttpRequest, object_id: str, form_url: str = "", extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        extra = {"title": "VIP rules", "subtitle": None, "show_save_and_continue": False}
        if request.method == "POST" and "preview" in request.POST:
            return self.preview_view(request, extra)
        return super().change_view(request, object_id, form_url, {**extra, **(extra_context or {})})

    def preview_view(self, request: HttpRequest, extra: dict[str, Any]) -> HttpResponse:
        """The form as it was sent, with who would move by it. Saves nothing."""
        rules = TierRules.objects.get(pk=1)
        if not self.has_change_permission(request, rules):
            raise PermissionDenied
        form = self.get_form(request, rules, change=True)(request.POST, instance=rules)
        if form.is_valid():
            gives = form.cleaned_data["gives"]
            wanted = preview.with_rules(rules=form.instance, gives=gives)
            shown = preview.of(wanted=wanted, now=timezone.now())
            extra = {**extra, **foreseeing.context(shown, rules=form.instance, gives=gives)}
        fields = helpers.AdminForm(form, list(self.get_fieldsets(request, rules)), {}, model_admin=self)
        context = {
            **self.admin_site.each_context(request),
            "adminform": fields,
            "object_id": "1",
            "original": rules,
            "is_popup": False,
            "media": self.media + fields.media,
            "inline_admin_formsets": [],
            "errors": helpers.AdminErrorList(form, []),
            "preserved_filters": self.get_preserved_filters(request),
            **extra,
        }
        return self.render_change_form(request, context, change=True, obj=rules)

    def response_post_save_change(self, request: HttpRequest, obj: TierRules) -> HttpResponseRedirect:
        return HttpResponseRedirect(reverse("admin:program_tierrules_change", args=(1,)))

    def save_model(self, request: HttpRequest, obj: TierRules, form: forms.ModelForm, change: bool) -> None:  # noqa: FBT001
        changed = [name for name in form.changed_data if name != "gives"]
        if changed:
            setting.save_rules(
                rules=obj,
                gives=form.cleaned_data["gives"],
                actor=actors.staff(int(str(request.user.pk))),
                now=timezone.now(),
                fields=changed,
            )
