"""The words of the mails: which there are, and one at a time with a preview, a test and the way back to ours."""

import uuid
from typing import Any

from csp.constants import SELF
from csp.decorators import csp_update
from django import forms
from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect, JsonResponse
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from django.utils import timezone

from loyalty.common import actors
from loyalty.common.adminkit import desk
from loyalty.merchant.models import CUSTOMER_MAILS, MailKind
from loyalty.messages import letters, outbox, texts, wording
from loyalty.messages.admin import preview
from loyalty.messages.models import MailText
from loyalty.messages.wording import Words

LANGUAGES = {"en": "English", "de": "German", "pl": "Polish", "ja": "Japanese"}
CHANGE = "messages_out.change_mailtext"


class TextForm(forms.Form):
    """The words of one kind of mail in one language."""

    subject = forms.CharField(strip=False)
    heading = forms.CharField(strip=False)
    body = forms.CharField(
        strip=False, widget=forms.Textarea(attrs={"rows": 6}), label="Text", help_text="A paragraph a line."
    )
    button = forms.CharField(strip=False)

    def __init__(self, data: Any = None, *, kind: MailKind, words: Words) -> None:
        first = {"subject": words.subject, "heading": words.heading, "button": words.button}
        super().__init__(data, initial={**first, "body": "\n".join(words.lines)})
        self.kind = kind
        self.words = words
        for field in self.fields.values():
            field.required = False  # what is missing is said in the words of the domain, with the rest

    def clean(self) -> dict[str, Any]:
        given = {name: str(self.cleaned_data.get(name) or "") for name in self.fields}
        self.words, refused = texts.checked(kind=self.kind, **given)
        for refusal in refused:
            self.add_error(refusal.field, refusal.sentence)
        return self.cleaned_data


@admin.register(MailText)
class MailTextAdmin(desk.DeskAdmin):
    """All pages are our own: a row exists for changed words alone."""

    class Media:
        js = ("desk/mail_texts.js",)

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: MailText | None = None) -> bool:
        return False

    def get_urls(self) -> list[URLPattern]:
        view = self.admin_site.admin_view(self.text_view)
        return [path("<slug:kind>/<slug:language>/", view, name="messages_out_mailtext_one"), *super().get_urls()]

    def changelist_view(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> HttpResponse:
        """Kinds down, languages across."""
        if not self.has_view_permission(request):
            raise PermissionDenied
        own = texts.own()
        rows = [
            (
                kind.label,
                "To customers" if kind in CUSTOMER_MAILS else "To the back office",
                [
                    (address(kind, language), (kind.value, language) in own, name)
                    for language, name in LANGUAGES.items()
                ],
            )
            for kind in texts.EDITABLE
        ]
        context = {"languages": LANGUAGES.values(), "rows": rows, "title": "E-mail texts"}
        return self._page(request, "admin/messages/texts.html", context)

    def text_view(self, request: HttpRequest, kind: str, language: str) -> HttpResponse:
        """GET shows the form and what the mail looks like; POST does what its button says."""
        if not self.has_view_permission(request):
            raise PermissionDenied
        if kind not in texts.EDITABLE or language not in wording.LANGUAGES:
            raise Http404("There are no such words.")
        if request.method == "POST" and not request.user.has_perm(CHANGE):
            raise PermissionDenied
        known = MailKind(kind)
        form = TextForm(request.POST or None, kind=known, words=texts.words(kind=known, language=language))
        act = request.POST.get("act", "")
        done: HttpResponse | None = None
        if act == "reset":
            texts.reset(kind=known, language=language, actor=_staff(request), now=timezone.now())
            messages.success(request, "Our text again: e-mails say it from now on.")
            done = HttpResponseRedirect(address(known, language))
        elif act == "test":
            done = self._test(request, known, language)
        elif act == "check":
            return _checked(form, language)
        elif act == "save" and form.is_valid():
            texts.save(kind=known, language=language, written=form.words, actor=_staff(request), now=timezone.now())
            messages.success(request, "Saved. E-mails say it from now on, those that wait as well.")
            done = HttpResponseRedirect(address(known, language))
        return done or self._shown(request, form, language)

    def _shown(self, request: HttpRequest, form: TextForm, language: str) -> HttpResponse:
        if form.is_bound:
            form.is_valid()
        letter = letters.sample(kind=form.kind, language=language, words=form.words)
        context = {
            "title": f"{form.kind.label}, {LANGUAGES[language]}",
            "form": form,
            "letter": letter,
            "placeholders": [*texts.EXAMPLES[form.kind].items(), ("programme", letter.sender)],
            "is_own": (form.kind.value, language) in texts.own(),
            "own_address": request.user.email,  # type: ignore[union-attr]  # staff have one
            "token": request.POST.get("token") or uuid.uuid4(),
            "may_change": request.user.has_perm(CHANGE),
            "others": [(name, address(form.kind, code), code == language) for code, name in LANGUAGES.items()],
        }
        policy = {"style-src": [SELF, preview.style_source(letter.html)]}
        shown: Any = csp_update(policy)(lambda asked: self._page(asked, "admin/messages/text.html", context))(request)
        return shown  # type: ignore[no-any-return]

    def _test(self, request: HttpRequest, kind: MailKind, language: str) -> HttpResponse:
        """To the person who asks, and to nobody else."""
        try:
            token = uuid.UUID(request.POST.get("token", ""))
        except ValueError as error:
            raise Http404("The form was not ours.") from error
        own = request.user.email  # type: ignore[union-attr]  # staff have one
        outbox.put_test(address=own, token=token, now=timezone.now(), kind=kind, language=language)
        messages.success(
            request, f"A test to {own} will be sent in a moment. It says what is saved, with made-up names."
        )
        return HttpResponseRedirect(address(kind, language))

    def _page(self, request: HttpRequest, template: str, context: dict[str, Any]) -> TemplateResponse:
        request.current_app = self.admin_site.name
        common = {**self.admin_site.each_context(request), "opts": self.opts, "media": self.media}
        return TemplateResponse(request, template, {**common, **context})


def address(kind: MailKind, language: str) -> str:
    """The page of the words of that kind in that language."""
    return reverse("admin:messages_out_mailtext_one", args=(kind.value, language))


def _checked(form: TextForm, language: str) -> JsonResponse:
    """What the page shows while somebody types: the mail, or what is wrong with each field."""
    if not form.is_valid():
        return JsonResponse({"errors": form.errors})
    letter = letters.sample(kind=form.kind, language=language, words=form.words)
    return JsonResponse({"errors": {}, "subject": letter.subject, "html": letter.html, "text": letter.text})


def _staff(request: HttpRequest) -> actors.Actor:
    return actors.staff(int(str(request.user.pk)))
