"""What the pages of the points app share: acts as buttons, people by name, and the way back to the customer."""

from collections.abc import Iterable
from typing import Any

from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import reverse
from django.utils.safestring import SafeString

from loyalty.accounts.models import User
from loyalty.common.adminkit import desk, show
from loyalty.customers.models import Customer

FROM, CUSTOMER = "from", "customer"


class PointsPage(desk.ReadOnlyAdmin):
    """A table to read, whose acts stand on the page of a row and lead back to where they were reached from."""

    change_form_template = "admin/points/change_form.html"

    def offered(self, request: HttpRequest, pk: int) -> list[dict[str, str]]:
        """The acts that make sense on this row now, as buttons. The domain decides; this only keeps the page calm."""
        return self.act_links(request, pk)

    def change_view(
        self, request: HttpRequest, object_id: str, form_url: str = "", extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        known = object_id.isdecimal() and len(object_id) < 19 and self.model.objects.filter(pk=object_id).exists()
        acts = self.offered(request, int(object_id)) if known and self.has_view_permission(request) else []
        return super().change_view(request, object_id, form_url, {"acts": acts, **(extra_context or {})})

    def act_view(self, request: HttpRequest, pk: int, slug: str) -> HttpResponse:
        """The stock page of an act; reached from the customer page it leads back there."""
        response = super().act_view(request, pk, slug)
        if request.GET.get(FROM) != CUSTOMER:
            return response
        back = customer_url(self.model.objects.values_list("customer_id", flat=True).get(pk=pk))
        if isinstance(response, HttpResponseRedirect):
            return HttpResponseRedirect(back)
        if isinstance(response, TemplateResponse) and response.context_data is not None:
            response.context_data["back_url"] = back
        return response


def customer_url(customer_id: int) -> str:
    return reverse("admin:customers_customer_change", args=(customer_id,))


def customer_link(customer: Customer) -> SafeString:
    return show.link(str(customer), customer_url(customer.pk))


def names(user_ids: Iterable[int | None]) -> dict[int, str]:
    """Staff by name, in one query."""
    ids = {user_id for user_id in user_ids if user_id is not None}
    return {user.pk: user.get_full_name() for user in User.objects.filter(pk__in=ids)} if ids else {}
