"""The list of customers and the customer page: who somebody is, what they hold, what they got."""

from typing import Any

from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.db import transaction
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseBase, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from django.utils import timezone
from django.utils.html import format_html
from django.utils.http import urlencode
from django.utils.safestring import SafeString

from loyalty.common import actors
from loyalty.common.adminkit import acts, desk, lists, show
from loyalty.common.errors import DomainError
from loyalty.customers import contacts, enrollment, erasure, profile
from loyalty.customers.admin import (
    adjusting,
    export,
    forgetting,
    granting,
    importing,
    merging,
    panels,
    tiering,
    transferring,
)
from loyalty.customers.admin.filters import CHIPS, CustomerFilter, GridForm
from loyalty.customers.admin.forms import ADDRESS_FIELDS, AddressForm, CustomerForm
from loyalty.customers.models import Customer, ShippingAddress
from loyalty.points import queries as points_queries

SEE_ADDRESSES = "rewards.view_address"


class CustomerList(lists.DeskChangeList):
    """Balances of the page's customers are read together, after the page is known."""

    def get_results(self, request: HttpRequest) -> None:
        super().get_results(request)
        self.result_list = list(self.result_list)
        ids = [customer.pk for customer in self.result_list]
        balances = points_queries.balances(customer_ids=ids, now=timezone.now())
        for customer in self.result_list:
            customer.active_points = balances[customer.pk].balance


@admin.register(Customer)
class CustomerAdmin(desk.DeskAdmin):
    list_display = ("name", "address", "phone", "state_badge", "tier_name", "active_points", "member_since")
    list_display_links = ("name",)
    list_select_related = ("tier",)
    sortable_by = ()
    ordering = ("-id",)
    acts = (tiering.MoveToTier(), forgetting.Forget())
    filterset_class = CustomerFilter
    chips = CHIPS
    empty_value_display = show.DASH
    list_empty = "No customers yet. They come with their first order, when they sign up, or by “Add customer”."

    class Media:
        css = {"all": ("desk/customer.css",)}

    @admin.display(description="Name")
    def name(self, customer: Customer) -> SafeString:
        return show.clipped(customer.full_name or f"Customer {customer.pk}")

    @admin.display(description="E-mail")
    def address(self, customer: Customer) -> SafeString:
        """Whole for whoever points at it; a very long one is cut to keep the columns in view."""
        if not customer.email:
            return show.dash()
        return format_html('<span class="customer-email" title="{}">{}</span>', customer.email, customer.email)

    @admin.display(description="State")
    def state_badge(self, customer: Customer) -> SafeString:
        return panels.state_badge(customer)

    @admin.display(description="Tier")
    def tier_name(self, customer: Customer) -> SafeString:
        return show.text(str(customer.tier or ""))

    @admin.display(description="Active points")
    def active_points(self, customer: Any) -> SafeString:
        return show.points(customer.active_points)

    @admin.display(description="Member since")
    def member_since(self, customer: Customer) -> SafeString:
        return show.instant(customer.created_at)

    def get_changelist(self, request: HttpRequest, **kwargs: Any) -> type[CustomerList]:
        return CustomerList

    def has_delete_permission(self, request: HttpRequest, obj: Customer | None = None) -> bool:
        return False

    def get_urls(self) -> list[URLPattern]:
        view = self.admin_site.admin_view
        return [
            path("export/", view(self.export_view), name=export.URL_NAME),
            path("import/", view(importing.view_of(self)), name=importing.URL_NAME),
            path("<int:pk>/adjust/", view(self.adjust_view), name="customers_customer_adjust"),
            path(
                "<int:pk>/adjust/<int:request_id>/",
                view(self.adjust_view),
                name="customers_customer_adjust_request",
            ),
            path("<int:pk>/transfer/", view(self.transfer_view), name="customers_customer_transfer"),
            path("<int:pk>/merge/", view(self.merge_view), name="customers_customer_merge"),
            path("<int:pk>/grant/", view(self.grant_view), name="customers_customer_grant"),
            *super().get_urls(),
        ]

    def list_tools(self, request: HttpRequest) -> list[desk.Tool]:
        tools = [desk.Tool("Export CSV", reverse(f"admin:{export.URL_NAME}") + lists.query(request))]
        narrowed = GridForm(request.GET).kept()
        if narrowed and request.user.has_perm("segments.add_segment"):
            address = f"{reverse('admin:segments_segment_add')}?{urlencode(narrowed, doseq=True)}"
            tools.append(desk.Tool("Save as segment", address))
        if importing.may_import(request):
            tools.append(desk.Tool("Import", reverse(f"admin:{importing.URL_NAME}")))
        return tools

    def export_view(self, request: HttpRequest) -> HttpResponseBase:
        return export.view(request, model_admin=self)

    def adjust_view(self, request: HttpRequest, pk: int, request_id: int | None = None) -> HttpResponse:
        customer = self.seen_customer(request, pk)
        return adjusting.view(request, model_admin=self, customer=customer, request_id=request_id)

    def transfer_view(self, request: HttpRequest, pk: int) -> HttpResponse:
        return transferring.view(request, model_admin=self, customer=self.seen_customer(request, pk))

    def merge_view(self, request: HttpRequest, pk: int) -> HttpResponse:
        return merging.view(request, model_admin=self, customer=self.seen_customer(request, pk))

    def grant_view(self, request: HttpRequest, pk: int) -> HttpResponse:
        return granting.view(request, model_admin=self, customer=self.seen_customer(request, pk))

    def seen_customer(self, request: HttpRequest, pk: int | str) -> Customer:
        """A customer this person may look at."""
        if not self.has_view_or_change_permission(request):
            raise PermissionDenied
        customer = self.get_object(request, str(pk))
        if not isinstance(customer, Customer):
            raise Http404(f"There is no customer {pk}.")
        return customer

    def add_view(self, request: HttpRequest, form_url: str = "", extra_context: Any = None) -> HttpResponse:
        if not self.has_add_permission(request):
            raise PermissionDenied
        form = CustomerForm(request.POST or None)
        if request.method == "POST" and form.is_valid():
            try:
                customer = enrollment.enroll(
                    now=timezone.now(), actor=actors.staff(int(str(request.user.pk))), **form.cleaned_data
                )
            except DomainError as refusal:
                form.add_error(field_of(refusal), refusal.sentence)
            else:
                messages.success(request, f"{customer} was added.")
                return HttpResponseRedirect(page_url(customer))
        back = reverse("admin:customers_customer_changelist")
        return acts.form_page(
            request, model_admin=self, form=form, title="Add customer", button="Add customer", back_url=back
        )

    def change_view(
        self, request: HttpRequest, object_id: str, form_url: str = "", extra_context: Any = None
    ) -> HttpResponse:
        customer = self.seen_customer(request, object_id)
        forms = self.forms(request, customer)
        if request.method == "POST":
            if not forms:
                raise PermissionDenied
            if all(form.is_valid() for form in forms.values()) and self.store(request, customer, forms):
                messages.success(request, "Saved.")
                return HttpResponseRedirect(page_url(customer))
        context = {
            **self.admin_site.each_context(request),
            "title": customer.full_name or f"Customer {customer.pk}",
            "opts": self.opts,
            "customer": customer,
            "forms": forms,
            "typed": request.method == "POST",
            "wish": erasure.open_request(customer_id=customer.pk) if customer.anonymised_at is None else None,
            "acts": self.act_links(request, customer.pk, only=(forgetting.Forget.slug,))
            if may_be_written(customer)
            else [],
            **panels.page(request, customer=customer, now=timezone.now()),
        }
        return TemplateResponse(request, "admin/customers/customer.html", context)

    def forms(self, request: HttpRequest, customer: Customer) -> dict[str, Any]:
        """What this person may edit: who somebody is, and the address with a permission of its own."""
        if not self.has_change_permission(request, customer) or not may_be_written(customer):
            return {}
        data = request.POST if request.method == "POST" else None
        forms: dict[str, Any] = {"person": CustomerForm(data, customer=customer)}
        if request.user.has_perm(SEE_ADDRESSES):
            address = ShippingAddress.objects.filter(customer=customer).first()
            known = {name: getattr(address, name) for name in ADDRESS_FIELDS} if address else {}
            forms["address"] = AddressForm(data, initial=known, prefix="address")
        return forms

    def store(self, request: HttpRequest, customer: Customer, forms: dict[str, Any]) -> bool:
        """Both forms or neither; a refusal is shown at its field."""
        actor, now = actors.staff(int(str(request.user.pk))), timezone.now()
        try:
            with transaction.atomic():
                profile.update(customer_id=customer.pk, actor=actor, now=now, **forms["person"].cleaned_data)
                if "address" in forms:
                    address = forms["address"].address()
                    profile.set_address(customer_id=customer.pk, address=address, actor=actor, now=now)
        except DomainError as refusal:
            forms["person"].add_error(field_of(refusal), refusal.sentence)
            return False
        return True


def may_be_written(customer: Customer) -> bool:
    """Whether anything is entered about them: not about who was forgotten, or is another customer now."""
    return customer.anonymised_at is None and customer.merged_into_id is None


def field_of(refusal: DomainError) -> str | None:
    """The field of the form a refusal speaks of."""
    fields: dict[type[DomainError], str] = {
        contacts.InvalidEmail: "email",
        profile.EmailTaken: "email",
        contacts.InvalidPhone: "phone",
        profile.StateRefused: "state",
    }
    return fields.get(type(refusal))


def page_url(customer: Customer) -> str:
    return reverse("admin:customers_customer_change", args=(customer.pk,))
