"""Type or scan a code, and see what it is. Only the whole code finds anything; it is sent in a body, not an address."""

from typing import Any

from django import forms
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.urls import reverse
from django.utils import timezone

from loyalty.common.adminkit import desk, show
from rewards import code_check
from rewards.admin import words
from rewards.code_check import CodeState, Found

PERMISSION = "rewards.view_rewardcode"
URL_NAME = "rewards_code_check"
TONES: dict[CodeState, show.Tone] = {
    CodeState.IN_POOL: "info",
    CodeState.NOT_YET: "quiet",
    CodeState.OVER_IN_POOL: "quiet",
    CodeState.NOBODYS: "quiet",
    CodeState.SHARED: "info",
    **{CodeState(status): tone for status, tone in words.TONES.items()},
}


class CheckForm(forms.Form):
    code = forms.CharField(
        max_length=60,
        strip=True,
        help_text="The whole code. Capitals or not, and spaces around it, do not count. A scanner types it and sends it.",
        widget=forms.TextInput(
            attrs={"autofocus": True, "autocomplete": "off", "autocapitalize": "characters", "spellcheck": "false"}
        ),
    )


def menu_links(request: HttpRequest) -> list[desk.Tool]:
    return [desk.Tool("Check a code", reverse(f"admin:{URL_NAME}"))] if request.user.has_perm(PERMISSION) else []


def view(request: HttpRequest, *, model_admin: desk.DeskAdmin) -> HttpResponse:
    if not request.user.has_perm(PERMISSION):
        raise PermissionDenied
    given = CheckForm(request.POST or None)
    typed = given.cleaned_data["code"] if request.method == "POST" and given.is_valid() else None
    found = code_check.check(code=typed, now=timezone.now()) if typed is not None else []
    context: dict[str, Any] = {
        **model_admin.admin_site.each_context(request),
        "title": "Check a code",
        "opts": model_admin.opts,
        "form": given if given.errors else CheckForm(),  # empty again, for the next code
        "typed": typed,
        "found": [drawn(each) for each in found],
    }
    request.current_app = model_admin.admin_site.name
    return TemplateResponse(request, "admin/rewards/codepool/check.html", context)


def drawn(found: Found) -> dict[str, Any]:
    """One answer, as the page shows it."""
    holder, code = found.holder, found.code
    facts: list[tuple[str, Any]] = [
        ("Code", show.copyable(code.code)),
        ("Reward", show.text(found.reward_name)),
        ("Shop", code.connection.name if code.connection is not None else "None: no shop knows it"),
        ("Good from", show.instant(code.starts_at)),
        ("Good until", show.instant(holder.expires_at if holder is not None else code.ends_at)),
    ]
    if holder is not None:
        url = reverse("admin:rewards_redeemedreward_change", args=(holder.pk,))
        facts.insert(0, ("Whose", show.link(words.title(holder), url)))
    return {
        "word": found.state.label,
        "tone": TONES[found.state],
        "sentence": found.sentence,
        "since": show.instant(found.since),
        "facts": facts,
    }
