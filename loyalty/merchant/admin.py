"""The programme's settings: one row, so one form and no list."""

from typing import Any

from django import forms
from django.contrib import admin
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import reverse
from django.utils import timezone

from loyalty.common import actors
from loyalty.common.adminkit import desk, show
from loyalty.events import log
from loyalty.merchant.brand_admin import BrandAdmin
from loyalty.merchant.models import CUSTOMER_MAILS, MOST_OFFICES, OFFICE_MAILS, Brand, Programme

MAILS = [
    ("To the back office", [(kind.value, kind.label) for kind in OFFICE_MAILS]),
    ("To customers", [(kind.value, kind.label) for kind in CUSTOMER_MAILS]),
]


class AddressesField(forms.Field):
    """E-mail addresses, one a line."""

    widget = forms.Textarea(attrs={"rows": 3, "cols": 40, "spellcheck": "false"})
    address = forms.EmailField()

    def prepare_value(self, value: Any) -> Any:
        return "\n".join(value) if isinstance(value, list) else value

    def to_python(self, value: Any) -> list[str]:
        lines = value if isinstance(value, list) else str(value or "").replace(",", "\n").splitlines()
        return list(dict.fromkeys(self.read(line.strip()) for line in lines if line.strip()))

    def read(self, line: str) -> str:
        """One address. Raises ValidationError, which names it."""
        try:
            return str(self.address.clean(line))
        except forms.ValidationError as error:
            raise forms.ValidationError(f"{line[:100]!r} is no e-mail address. Write one a line.") from error

    def has_changed(self, initial: Any, data: Any) -> bool:
        try:
            return list(initial or []) != self.to_python(data)
        except forms.ValidationError:
            return True

    def validate(self, value: Any) -> None:
        super().validate(value)
        if len(value) > MOST_OFFICES:
            raise forms.ValidationError(f"{len(value)} addresses are too many: at most {MOST_OFFICES} are written to.")


def switched_on(programme: Programme) -> list[str]:
    return [kind for _, kinds in MAILS for kind, _ in kinds if kind not in programme.mails_off]


class ProgrammeForm(forms.ModelForm):
    """The settings in the merchant's words."""

    office_emails = AddressesField(
        label="Back office", required=False, help_text="One address a line. Empty: nobody is written to."
    )
    mails_on = forms.MultipleChoiceField(  # kept the other way round: what a later release adds is sent
        label="E-mails that are sent", required=False, choices=MAILS, widget=forms.CheckboxSelectMultiple
    )

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if "mails_on" in self.fields:  # not for those who only look
            self.fields["mails_on"].initial = switched_on(self.instance)

    def clean(self) -> dict[str, Any] | None:
        cleaned = super().clean()
        if "mails_on" in self.cleaned_data:
            on = self.cleaned_data["mails_on"]
            self.instance.mails_off = [kind for _, kinds in MAILS for kind, _ in kinds if kind not in on]
        return cleaned

    class Meta:
        model = Programme
        fields = (
            "name",
            "support_email",
            "language",
            "time_zone",
            "currency",
            "points_label_one",
            "points_label_other",
            "points_per_unit",
            "point_value",
            "pending_days",
            "expiry_mode",
            "expiry_days",
            "return_policy",
            "grace_days",
            "shortfall_policy",
            "shortfall_blocks",
            "open_to_all",
            "self_cancel_minutes",
            "expiry_notice_days",
            "points_notice_days",
            "adjustment_text",
            "transfers_allowed",
            "office_emails",
            "reply_to",
        )
        labels = {
            "points_label_one": "One of them",
            "points_label_other": "Several of them",
            "points_per_unit": "Points per whole unit of currency",
            "point_value": "What a point is worth",
            "pending_days": "Days before they can be spent",
            "expiry_mode": "When they expire",
            "expiry_days": "Number of days",
            "return_policy": "If their last day has passed meanwhile",
            "grace_days": "Days of grace",
            "shortfall_policy": "What the customer has spent already",
            "shortfall_blocks": "Count it against the balance",
            "transfers_allowed": "Staff may move points between customers",
            "open_to_all": "Anyone may become a member",
            "self_cancel_minutes": "Minutes in which customers may cancel",
            "expiry_notice_days": "Days of notice for a reward",
            "points_notice_days": "Days of notice for points",
            "adjustment_text": "Text of an adjustment",
            "reply_to": "Answers go to",
        }
        help_texts = {
            "points_per_unit": "1 means 1 point for every whole dollar, euro or zloty.",
            "point_value": "In the programme's currency, such as 0.01. What customers hold is shown as money by it, for your "
            "books; customers do not see it. Empty: unknown.",
            "pending_days": "0: at once. 14 waits until the goods can no longer be sent back.",
            "expiry_mode": "Earning, redeeming, an adjustment and a move between customers count as activity.",
            "shortfall_policy": "Nobody falls below zero by a refund: what is missing is owed.",
            "shortfall_blocks": "The balance is shown less what is owed, below zero if need be, and nothing can be "
            "redeemed until nothing is owed.",
            "transfers_allowed": "Points that move keep their last day. Each role needs its permission as well.",
            "open_to_all": "Whoever asks for a sign-in code is a member from then on. Off: only customers a shop, an import "
            "or staff brought; nobody can tell from the answers who that is.",
            "self_cancel_minutes": "30 is a good number. Empty: customers cannot cancel. Only what they redeemed for "
            "points and did not use, and no gift that was ordered.",
            "expiry_notice_days": "7 is a good number. 0: nobody is told ahead.",
            "points_notice_days": "7 is a good number. 0: nobody is told ahead.",
            "adjustment_text": "Customers read it where staff write them no note. Empty: “Points adjusted”.",
        }
        widgets = {"shortfall_policy": forms.RadioSelect, "return_policy": forms.RadioSelect}


admin.site.register(Brand, BrandAdmin)


@admin.register(Programme)
class ProgrammeAdmin(desk.DeskAdmin):
    form = ProgrammeForm

    class Media:
        css = {"all": ("desk/programme.css",)}

    fieldsets = (
        (None, {"fields": ("name", "support_email", "language", "time_zone", "currency")}),
        ("What points are called", {"fields": ("points_label_one", "points_label_other")}),
        (
            "Earning and expiry",
            {
                "fields": ("points_per_unit", "point_value", "pending_days", "expiry_mode", "expiry_days"),
                "description": "Changes concern points earned from now on. Points that customers hold keep their day.",
            },
        ),
        (
            "When points come back",
            {
                "fields": ("return_policy", "grace_days"),
                "description": "For a reward that is canceled after the points it cost would have expired.",
            },
        ),
        (
            "When an order is refunded",
            {
                "fields": ("shortfall_policy", "shortfall_blocks"),
                "description": "A refund takes back the points its order earned, in proportion to what was refunded.",
            },
        ),
        ("Joining", {"fields": ("open_to_all",)}),
        (
            "When customers change their mind",
            {
                "fields": ("self_cancel_minutes",),
                "description": "Customers may cancel a reward by themselves for so long after they got it: the code is "
                "killed in the shop and the points go back.",
            },
        ),
        (
            "Before something expires",
            {
                "fields": ("expiry_notice_days", "points_notice_days"),
                "description": "So many days before its last day an unused reward is told of, once; if it is extended, "
                "once more before its new last day. Points that end together are told of together, once.",
            },
        ),
        (
            "What staff do by hand",
            {
                "fields": ("adjustment_text", "transfers_allowed"),
                "description": "Adjustments of a balance, and points moved from one customer to another. How many "
                "points each role may adjust alone is set under “Adjustment ceilings” in the menu.",
            },
        ),
        (
            "E-mails",
            {
                "fields": ("office_emails", "mails_on", "reply_to"),
                "description": "What was sent, what was not, and why, stands under “E-mails” in the menu. A test can be sent "
                "from there.",
            },
        ),
    )

    def menu_links(self, request: HttpRequest) -> list[desk.Tool]:
        """Named, not imported: the page stands in a layer above."""
        if not request.user.has_perm("points.view_adjustmentceiling"):
            return []
        return [desk.Tool("Adjustment ceilings", reverse("admin:points_adjustmentceiling_changelist"))]

    @admin.display(description="E-mails that are sent")
    def mails_on(self, programme: Programme) -> str:
        """For those who only look."""
        labels = dict(choice for _, kinds in MAILS for choice in kinds)
        return ", ".join(labels[kind] for kind in switched_on(programme)) or show.DASH

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Programme | None = None) -> bool:
        return False

    def changelist_view(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> HttpResponse:
        return HttpResponseRedirect(reverse("admin:merchant_programme_change", args=(1,)))

    def change_view(
        self, request: HttpRequest, object_id: str, form_url: str = "", extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        extra = {"title": "Programme", "subtitle": None, "show_save_and_continue": False}
        return super().change_view(request, object_id, form_url, {**extra, **(extra_context or {})})

    def response_post_save_change(self, request: HttpRequest, obj: Programme) -> HttpResponseRedirect:
        return HttpResponseRedirect(reverse("admin:merchant_programme_change", args=(1,)))

    def save_model(self, request: HttpRequest, obj: Programme, form: forms.ModelForm, change: bool) -> None:  # noqa: FBT001
        super().save_model(request, obj, form, change)
        if form.changed_data:
            log.record(
                kind="programme.changed",
                subject_type="programme",
                subject_id=obj.pk,
                actor=actors.staff(int(str(request.user.pk))),
                now=timezone.now(),
                fields=sorted(form.changed_data),
            )
