"""The page that plans a campaign: which reward, for whom, and why. Nobody gets anything here; the next page says who would."""

from typing import Any

from django import forms
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import reverse
from django.utils import timezone
from django.views.decorators.csrf import csrf_protect

from loyalty.common import actors
from loyalty.common.adminkit import desk, moments, show
from loyalty.common.errors import DomainError
from loyalty.customers.models import CustomerState, Tier
from loyalty.jobs import sheets
from loyalty.points.import_rows import By
from loyalty.segments import audience as segments
from loyalty.segments.models import Segment
from platforms.models import StoreConnection
from rewards import bulk_codes
from rewards.campaigns import acts, audiences
from rewards.models import AudienceKind, Campaign, Reward

REST_OF_THE_FORM = 64 * 1024  # what a request may hold beside the file
WAYS = [
    (By.EMAIL.value, "E-mail"),
    (By.PHONE.value, "Phone"),
    (By.ID.value, "Customer id"),
    (By.SHOP_ID.value, "Id in a shop"),
]
STATES = [(CustomerState.MEMBER.value, "Members"), (CustomerState.CANDIDATE.value, "Guests")]
PARTS: dict[str, tuple[str, ...]] = {  # the fields of each way to choose customers
    AudienceKind.FILTER: ("states", "tiers", "joined_from", "joined_until"),
    AudienceKind.SEGMENT: ("segment",),
    AudienceKind.LIST: ("list_of",),
    AudienceKind.TABLE: ("file", "by", "shop"),
}


class CampaignForm(forms.Form):
    name = forms.CharField(
        max_length=acts.LONGEST_NAME, help_text="For staff, such as “Spring thank-you 2027”. Each name is used once."
    )
    reward = forms.ModelChoiceField(queryset=Reward.objects.filter(enabled=True).order_by("name", "pk"))
    audience = forms.ChoiceField(
        label="Who gets it",
        choices=[
            (AudienceKind.FILTER.value, "All customers who fit"),
            (AudienceKind.SEGMENT.value, "Those in a segment"),
            (AudienceKind.LIST.value, "Those a reward is for"),
            (AudienceKind.TABLE.value, "Those in a table"),
        ],
        initial=AudienceKind.FILTER.value,
        widget=forms.RadioSelect,
    )
    states = forms.MultipleChoiceField(
        label="State",
        choices=STATES,
        initial=[CustomerState.MEMBER.value],
        required=False,
        widget=forms.CheckboxSelectMultiple,
        help_text="None: both. Excluded customers never get anything.",
    )
    tiers = forms.ModelMultipleChoiceField(
        Tier.objects.order_by("rank"),
        label="VIP tiers",
        required=False,
        widget=forms.CheckboxSelectMultiple,
        help_text="None: whatever their tier.",
    )
    joined_from = moments.MomentField(label="Joined from", required=False)
    joined_until = moments.MomentField(label="Joined until", required=False, end=True)
    segment = forms.ModelChoiceField(
        queryset=Segment.objects.order_by("name", "pk"),
        required=False,
        empty_label="Choose a segment",
        help_text="Who is in it now is written down when you go on; whoever fits later is not among them.",
    )
    list_of = forms.ModelChoiceField(
        label="The list and the tiers of",
        queryset=Reward.objects.filter(restricted=True).order_by("name", "pk"),
        required=False,
        empty_label="The reward chosen above",
        help_text="Rewards that are only for some customers.",
    )
    file = forms.FileField(
        label="Table",
        required=False,
        allow_empty_file=True,
        help_text=f"CSV in UTF-8, or an Excel workbook (.xlsx), up to {sheets.MOST_BYTES // 1024 // 1024} MB and "
        f"{show.points_text(audiences.MOST_CUSTOMERS)} rows. The first row names the columns; those of others are passed "
        "over.",
        widget=forms.FileInput(attrs={"accept": ".csv,.xlsx,.txt,.tsv"}),
    )
    by = forms.ChoiceField(label="Customers are named by", choices=WAYS, initial=By.EMAIL.value, required=False)
    shop = forms.ModelChoiceField(
        queryset=StoreConnection.objects.order_by("name", "pk"),
        required=False,
        empty_label="No shop: ids of our own",
        help_text="Whose ids are meant. Only for ids in a shop.",
    )
    once = forms.BooleanField(
        label="Leave out customers who have had this reward",
        required=False,
        initial=True,
        help_text="Canceled and failed ones do not count.",
    )
    beyond_audience = forms.BooleanField(
        label="Give it also to customers the reward is not offered to",
        required=False,
        help_text="For rewards that are only for some customers.",
    )
    bulk_codes = forms.BooleanField(
        label="Let the shop make the codes in batches of up to 250",
        required=False,
        help_text="Far quicker for thousands. The codes of a batch share one discount in the shop: each is good once, for "
        "whoever has it, and none can be extended alone.",
    )
    internal_note = forms.CharField(
        label="Reason",
        max_length=acts.LONGEST_NOTE,
        widget=forms.Textarea(attrs={"rows": 2}),
        required=False,
        help_text="For staff. It stands on every reward of the campaign.",
    )

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean() or {}
        if cleaned.get("audience") == AudienceKind.TABLE and not cleaned.get("file") and "file" not in self.errors:
            self.add_error("file", "Choose the table in which the customers stand.")
        if cleaned.get("audience") == AudienceKind.SEGMENT and not cleaned.get("segment"):
            self.add_error("segment", "Choose the segment whose customers get it.")
        return cleaned

    def chosen(self) -> audiences.Audience:
        """Who is meant, once the form is valid. Raises NobodyMeant, CriteriaRefused, NoCustomerColumn, UnreadableSheet."""
        said = self.cleaned_data
        if said["audience"] == AudienceKind.SEGMENT:
            return segments.of(segment_id=said["segment"].pk, now=timezone.now())
        if said["audience"] == AudienceKind.LIST:
            return audiences.of_reward(reward_id=(said["list_of"] or said["reward"]).pk)
        if said["audience"] == AudienceKind.TABLE:
            by = By(said["by"] or By.EMAIL)
            shop = said["shop"].pk if said["shop"] and by is By.SHOP_ID else None
            upload = said["file"]
            return audiences.of_table(file=upload.file, file_name=str(upload.name), by=by, connection_id=shop)
        fit = audiences.Fit(
            states=tuple(said["states"]),
            tier_ids=tuple(tier.pk for tier in said["tiers"]),
            joined_from=said["joined_from"],
            joined_until=said["joined_until"],
        )
        return audiences.of_fit(fit=fit, zone=moments.current_zone())


def view(request: HttpRequest, *, model_admin: desk.DeskAdmin) -> HttpResponse:
    """Looks at the size of a request before anything of it is read; only then at its token."""
    if not request.user.has_perm(acts.PERMISSION):
        raise PermissionDenied
    length = str(request.META.get("CONTENT_LENGTH") or "0")
    size = int(length) if length.isascii() and length.isdigit() else 0
    if size > sheets.MOST_BYTES + REST_OF_THE_FORM:
        form = CampaignForm()
        return page(request, model_admin=model_admin, form=form, refusal=sheets.too_large(size), status=413)
    answer: HttpResponse = csrf_protect(send)(request, model_admin=model_admin)
    return answer


def send(request: HttpRequest, *, model_admin: desk.DeskAdmin) -> HttpResponse:
    form = CampaignForm(request.POST or None, request.FILES or None, initial=first(request))
    if request.method == "POST" and form.is_valid():
        campaign = planned(request, form)
        if campaign is not None:
            return HttpResponseRedirect(reverse("admin:rewards_campaign_change", args=(campaign.pk,)))
    return page(request, model_admin=model_admin, form=form)


def planned(request: HttpRequest, form: CampaignForm) -> Campaign | None:
    """The campaign, or None and a sentence at the field."""
    said = form.cleaned_data
    try:
        return acts.plan(
            name=said["name"],
            reward_id=said["reward"].pk,
            audience=form.chosen(),
            actor=actors.staff(int(str(request.user.pk))),
            now=timezone.now(),
            beyond_audience=said["beyond_audience"],
            once=said["once"],
            bulk=said["bulk_codes"],
            internal_note=said["internal_note"],
        )
    except acts.CampaignRefused as refusal:
        form.add_error("bulk_codes" if refusal.code == "no_bulk_codes" else "name", refusal.sentence)
    except DomainError as refusal:
        places = {AudienceKind.TABLE.value: "file", AudienceKind.SEGMENT.value: "segment"}
        form.add_error(places.get(said["audience"], "audience"), refusal.sentence)
    return None


def first(request: HttpRequest) -> dict[str, str]:
    """The reward or the segment whose page one comes from."""
    given = {name: request.GET.get(name, "") for name in ("reward", "segment")}
    found = {name: pk for name, pk in given.items() if pk.isascii() and pk.isdecimal() and len(pk) < 19}
    return found | ({"audience": AudienceKind.SEGMENT.value} if "segment" in found else {})


def page(
    request: HttpRequest, *, model_admin: desk.DeskAdmin, form: CampaignForm, refusal: str = "", status: int = 200
) -> TemplateResponse:
    context: dict[str, Any] = {
        **model_admin.admin_site.each_context(request),
        "title": "Plan a campaign",
        "opts": model_admin.opts,
        "form": form,
        "what": [form[name] for name in ("name", "reward", "internal_note")],
        "parts": [(kind, [form[name] for name in names]) for kind, names in PARTS.items()],
        "whom": [
            form[name] for name in ("once", "beyond_audience", *(["bulk_codes"] if bulk_codes.any_shop() else []))
        ],
        "refusal": refusal,
        "back_url": reverse("admin:rewards_campaign_changelist"),
    }
    request.current_app = model_admin.admin_site.name
    return TemplateResponse(request, "admin/rewards/campaign/add.html", context, status=status)
