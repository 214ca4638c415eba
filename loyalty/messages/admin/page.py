"""The outbox: every e-mail, what became of it, and what it says."""

import uuid
from typing import Any

import django_filters
from csp.constants import SELF
from csp.decorators import csp_update
from django import forms
from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.db.models import QuerySet
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from django.utils import timezone
from django.utils.safestring import SafeString

from loyalty.common.adminkit import acts as desk_acts
from loyalty.common.adminkit import desk, lists, moments, show
from loyalty.customers import queries as customers_queries
from loyalty.merchant import queries as merchant
from loyalty.merchant.models import MailKind
from loyalty.messages import outbox
from loyalty.messages.admin import acts, preview
from loyalty.messages.models import Mail, MailState

EDIT_PROGRAMME = "merchant.change_programme"
ABOUT = {
    "redeemed_reward": "admin:rewards_redeemedreward_change",
    "reward": "admin:rewards_reward_change",
    "store_connection": "admin:platforms_storeconnection_change",
    "payout_account": "admin:platforms_payoutaccount_change",
    "webhook_endpoint": "admin:webhooks_webhookendpoint_change",
}
TONES: dict[str, show.Tone] = {
    MailState.WAITING: "info",
    MailState.SENDING: "info",
    MailState.SENT: "good",
    MailState.UNKNOWN: "warn",
    MailState.FAILED: "bad",
    MailState.SKIPPED: "quiet",
}
NEXT = {
    MailState.WAITING: "It is sent by itself.",
    MailState.SENDING: "A worker is sending it.",
    MailState.SENT: "The mail server has taken it. Whether it reached the recipient, only that server knows.",
    MailState.UNKNOWN: "It is not sent again by itself: the recipient might get it twice.",
    MailState.FAILED: "It is not tried again by itself. Put right what the reason says, then send it again.",
    MailState.SKIPPED: "Nothing more happens.",
}


class MailFilter(django_filters.FilterSet):
    search = django_filters.CharFilter(
        label="Customer", help_text="Customer’s e-mail, phone or name", method="narrow", max_length=200
    )
    state = django_filters.MultipleChoiceFilter(
        label="State", choices=MailState.choices, widget=forms.CheckboxSelectMultiple
    )
    kind = django_filters.MultipleChoiceFilter(
        label="Kind", choices=MailKind.choices, widget=forms.CheckboxSelectMultiple
    )
    created_after = moments.MomentFilter(field_name="created_at", label="From", end=False)
    created_before = moments.MomentFilter(field_name="created_at", label="Until", end=True)

    class Meta:
        model = Mail
        fields: list[str] = []

    def narrow(self, queryset: QuerySet[Mail], name: str, value: str) -> QuerySet[Mail]:
        return queryset.filter(customer_id__in=customers_queries.search(value).values("pk"))


class TestForm(forms.Form):
    """Where a test goes: to oneself or to the back office, nowhere else."""

    address = forms.ChoiceField(label="To")
    token = forms.UUIDField(widget=forms.HiddenInput)

    def __init__(self, *args: Any, addresses: list[str], **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["address"] = forms.ChoiceField(label="To", choices=[(each, each) for each in addresses])


@admin.register(Mail)
class MailAdmin(desk.ReadOnlyAdmin):
    acts = (acts.SendAgain(),)
    list_display = ("created", "kind_word", "to", "state_badge", "why")
    list_display_links = ("created",)
    sortable_by = ()
    ordering = ("-id",)
    filterset_class = MailFilter
    chips = (
        lists.Chip("State", "state"),
        lists.Chip("Kind", "kind"),
        lists.Chip("Made", "created_after", "created_before"),
    )
    list_intro = "Every e-mail there was a reason for: sent, still to be sent, or not sent and why."
    list_empty = "There was no reason for an e-mail yet."

    def get_queryset(self, request: HttpRequest) -> QuerySet[Mail]:
        rows: QuerySet[Mail] = super().get_queryset(request)
        return rows.select_related("customer", "again_of")

    def get_list_queryset(self, request: HttpRequest) -> QuerySet[Mail]:
        return self.get_queryset(request).defer("text", "html")

    def list_tools(self, request: HttpRequest) -> list[desk.Tool]:
        if not request.user.has_perm(EDIT_PROGRAMME):
            return []
        return [desk.Tool("Send a test", reverse("admin:messages_out_mail_test"))]

    def get_urls(self) -> list[URLPattern]:
        view = self.admin_site.admin_view(self.test_view)
        return [path("test/", view, name="messages_out_mail_test"), *super().get_urls()]

    def change_view(
        self, request: HttpRequest, object_id: str, form_url: str = "", extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        """One e-mail: what became of it, what it says, and what can be done."""
        if not self.has_view_permission(request):
            raise PermissionDenied
        mail = self.get_object(request, object_id)
        if mail is None:
            raise Http404("There is no such e-mail.")
        seen = preview.of(mail, now=timezone.now())
        policy = {"style-src": [SELF, preview.style_source(seen.html)]}
        shown: Any = csp_update(policy)(lambda asked: self.page_view(asked, mail, seen))(request)
        return shown  # type: ignore[no-any-return]

    def page_view(self, request: HttpRequest, mail: Mail, seen: preview.Preview) -> HttpResponse:
        context = {
            **self.admin_site.each_context(request),
            "opts": self.opts,
            "title": acts.title(mail),
            "mail": mail,
            "state": self.state_badge(mail),
            "next": NEXT[MailState(mail.state)],
            "facts": self.facts(mail),
            "preview": seen,
            "acts": [] if outbox.refusal(mail=mail) else self.act_links(request, mail.pk),
        }
        request.current_app = self.admin_site.name
        return TemplateResponse(request, "admin/messages/mail.html", context)

    def facts(self, mail: Mail) -> list[tuple[str, SafeString]]:
        facts = [
            ("To", self.to(mail)),
            ("Address", show.text(mail.address)),
            ("About", self.about(mail)),
            ("Language", show.text(mail.language)),
            ("Made", show.instant(mail.created_at)),
            ("Sent", show.instant(mail.sent_at)),
            ("Attempts", show.text(str(mail.attempts))),
            ("Next attempt", show.instant(mail.due_at if mail.state == MailState.WAITING else None)),
            ("Tried until", show.instant(mail.deadline_at if mail.due_at else None)),
            ("Sent again from", self.first(mail)),
            ("Message-ID", show.copyable(mail.message_id)),
        ]
        return [(label, value) for label, value in facts if value != show.dash()]

    def test_view(self, request: HttpRequest) -> HttpResponse:
        """GET asks where a test is to go; POST puts it into the outbox."""
        if not request.user.has_perm(EDIT_PROGRAMME) or not self.has_view_permission(request):
            raise PermissionDenied
        own = str(getattr(request.user, "email", ""))
        addresses = list(dict.fromkeys(filter(None, [own, *merchant.programme().office_emails])))
        form = TestForm(request.POST or None, addresses=addresses, initial={"token": uuid.uuid4()})
        if request.method == "POST" and form.is_valid():
            mail = outbox.put_test(now=timezone.now(), **form.cleaned_data)
            messages.success(request, f"A test to {mail.recipient} will be sent in a moment.")
            return HttpResponseRedirect(desk_acts.page_of(self, mail.pk))
        return desk_acts.form_page(
            request,
            model_admin=self,
            form=form,
            title="Send a test",
            button="Send the test",
            explain="To yourself, or to the back office as it stands in the programme's settings.",
            back_url=reverse("admin:messages_out_mail_changelist"),
        )

    @admin.display(description="Made")
    def created(self, mail: Mail) -> SafeString:
        return show.instant(mail.created_at)

    @admin.display(description="Kind")
    def kind_word(self, mail: Mail) -> str:
        return str(mail.get_kind_display())

    @admin.display(description="To")
    def to(self, mail: Mail) -> SafeString:
        name = acts.name_of(mail)
        if mail.customer is None or name == mail.recipient:
            return show.text(name)
        return self.link_to(type(mail.customer), mail.customer.pk, name)

    @admin.display(description="State")
    def state_badge(self, mail: Mail) -> SafeString:
        return show.badge(MailState(mail.state).label, tone=TONES[mail.state])

    @admin.display(description="Why")
    def why(self, mail: Mail) -> SafeString:
        return show.clipped(mail.reason, wide=True)

    def about(self, mail: Mail) -> SafeString:
        words = f"{mail.about_type.replace('_', ' ')} {mail.about_id}"
        name = ABOUT.get(mail.about_type)
        return show.link(words.capitalize(), reverse(name, args=(mail.about_id,))) if name else show.dash()

    def first(self, mail: Mail) -> SafeString:
        if mail.again_of is None:
            return show.dash()
        words = f"the e-mail of {show.instant_text(mail.again_of.created_at)}"
        return show.link(words, desk_acts.page_of(self, mail.again_of.pk))
