"""From a reward to the customer who is to get it: their page then previews and does it."""

from django import forms
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import reverse

from loyalty.common.adminkit import acts, desk
from loyalty.customers.models import Customer
from rewards.models import Reward

URL_NAME = "rewards_reward_give"
RIGHTS = ("rewards.grant_reward", "rewards.redeem_for_customer")
EXPLAIN = "With the customer's points or without them. The next page says what would happen; nothing happens before."


class WhoForm(forms.Form):
    email = forms.EmailField(label="E-mail of the customer", max_length=254)

    def clean_email(self) -> Customer:
        found = Customer.objects.filter(email__iexact=self.cleaned_data["email"]).first()
        if found is None:
            raise forms.ValidationError("No customer has this address. Correct it, or add the customer first.")
        return found


def may_give(request: HttpRequest) -> bool:
    return any(request.user.has_perm(right) for right in RIGHTS) and request.user.has_perm("customers.view_customer")


def view(request: HttpRequest, *, model_admin: desk.DeskAdmin, reward: Reward) -> HttpResponse:
    if not may_give(request):
        raise PermissionDenied
    form = WhoForm(request.POST if request.method == "POST" else None)
    if request.method == "POST" and form.is_valid():
        address = reverse("admin:customers_customer_grant", args=(form.cleaned_data["email"].pk,))
        return HttpResponseRedirect(f"{address}?reward={reward.pk}")
    return acts.form_page(
        request,
        model_admin=model_admin,
        form=form,
        title=f"Give “{reward.name}” to a customer",
        button="Go on",
        explain=EXPLAIN,
        back_url=reverse("admin:rewards_reward_change", args=(reward.pk,)),
    )
