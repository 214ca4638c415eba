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
from loyalty.merchant import own_words
from loyalty.messages import letters, outbox, texts
from loyalty.messages.admin import preview
from loyalty.messages.editable import TEXTS, Audience, Text
from loyalty.messages.models import MailText
from loyalty.messages.wording import Words

CHANGE = "messages_out.change_mailtext"


class TextForm(forms.Form):
    """The words of one kind of mail in one language."""

    subject = forms.CharField(strip=False)
    heading = forms.CharField(strip=False)
    body = forms.CharField(
        strip=False, widget=forms.Textarea(attrs={"rows": 6}), label="Text", help_text="A paragraph a line."
    )
    button = forms.CharField(strip=False)

    def __init__(self, data: Any = None, *, kind: str, words: Words) -> None:
        first = {"subject": words.subject, "heading": words.heading, "button": words.button}
        super().__init__(data, initial={**first, "body": "\n".join(words.lines)})
        self.kind = kind
        text = TEXTS[kind]
        if not text.has_button:
            del self.fields["button"]
        if text.key:
            self.fields["body"].help_text = f"A paragraph a line. {{{text.key}}} stands alone on its line."
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
        return [path("<str:kind>/<slug:language>/", view, name="messages_out_mailtext_one"), *super().get_urls()]

    def changelist_view(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> HttpResponse:
        """Kinds down, languages across."""
        if not self.has_view_permission(request):
            raise PermissionDenied
        own = texts.own()
        groups = [
            (audience.value, [(text.label, _cells(text, own)) for text in TEXTS.values() if text.audience is audience])
            for audience in Audience
        ]
        context = {"languages": own_words.MAILS.values(), "groups": groups, "title": "E-mail texts"}
        return self._page(request, "admin/messages/texts.html", context)

    def text_view(self, request: HttpRequest, kind: str, language: str) -> HttpResponse:
        """GET shows the form and what the mail looks like; POST does what its button says."""
        if not self.has_view_permission(request):
            raise PermissionDenied
        if kind not in TEXTS or language not in TEXTS[kind].ours:
            raise Http404("There are no such words.")
        if request.method == "POST" and not request.user.has_perm(CHANGE):
            raise PermissionDenied
        own, broken = texts.written(kind=kind, language=language)
        form = TextForm(request.POST or None, kind=kind, words=own or TEXTS[kind].ours[language])
        act = request.POST.get("act", "")
        done: HttpResponse | None = None
        if act == "reset":
            texts.reset(kind=kind, language=language, actor=_staff(request), now=timezone.now())
            messages.success(request, "Our text again: e-mails say it from now on.")
            done = HttpResponseRedirect(address(kind, language))
        elif act == "test":
            done = self._test(request, kind, language)
        elif act == "check":
            return _checked(form, language)
        elif act == "save" and form.is_valid():
            texts.save(kind=kind, language=language, written=form.words, actor=_staff(request), now=timezone.now())
            messages.success(request, "Saved. E-mails say it from now on, those that wait as well.")
            done = HttpResponseRedirect(address(kind, language))
        return done or self._shown(request, form, language, is_own=own is not None, broken=broken)

    def _shown(
        self, request: HttpRequest, form: TextForm, language: str, *, is_own: bool, broken: list[texts.TextRefused]
    ) -> HttpResponse:
        if form.is_bound:
            form.is_valid()
        text = TEXTS[form.kind]
        usable = text.ours[language] if broken and not form.is_bound else form.words
        letter = letters.sample(kind=form.kind, language=language, words=usable)
        context = {
            "title": f"{text.label}, {own_words.MAILS[language]}",
            "form": form,
            "letter": letter,
            "placeholders": [*text.examples.items(), ("programme", letter.sender)],
            "is_own": is_own,
            "broken": [] if form.is_bound else broken,
            "own_address": request.user.email,  # type: ignore[union-attr]  # staff have one
            "token": request.POST.get("token") or uuid.uuid4(),
            "may_change": request.user.has_perm(CHANGE),
            "others": [(own_words.MAILS[code], address(form.kind, code), code == language) for code in text.ours],
        }
        policy = {"style-src": [SELF, preview.style_source(letter.html)]}
        shown: Any = csp_update(policy)(lambda asked: self._page(asked, "admin/messages/text.html", context))(request)
        return shown  # type: ignore[no-any-return]

    def _test(self, request: HttpRequest, kind: str, language: str) -> HttpResponse:
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


def address(kind: str, language: str) -> str:
    """The page of the words of that kind in that language."""
    return reverse("admin:messages_out_mailtext_one", args=(kind, language))


def _cells(text: Text, own: set[tuple[str, str]]) -> list[tuple[str, bool, str]]:
    """For each language of ours: the page, whether staff wrote it, and the language; no page where it is not spoken."""
    return [
        (address(text.name, language) if language in text.ours else "", (text.name, language) in own, name)
        for language, name in own_words.MAILS.items()
    ]


def _checked(form: TextForm, language: str) -> JsonResponse:
    """What the page shows while somebody types: the mail, or what is wrong with each field."""
    if not form.is_valid():
        return JsonResponse({"errors": form.errors})
    letter = letters.sample(kind=form.kind, language=language, words=form.words)
    return JsonResponse({"errors": {}, "subject": letter.subject, "html": letter.html, "text": letter.text})


def _staff(request: HttpRequest) -> actors.Actor:
    return actors.staff(int(str(request.user.pk)))
