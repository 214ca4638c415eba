"""How the customers' pages and the mails look: one page with a preview in both schemes."""

from collections.abc import Mapping
from typing import Any
from urllib.parse import urlencode

from django import forms
from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.loader import render_to_string
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from django.utils import timezone

from loyalty.common import actors
from loyalty.common.adminkit import desk
from loyalty.events import log
from loyalty.merchant import branding, colours, own_words, pictures, queries
from loyalty.merchant.models import Brand, Programme

LONGEST_HOME, LONGEST_LABEL = 400, 30  # letters
OURS = ("point", "points")  # of a new programme: said in each language
PAGE, SHEET = "admin:merchant_brand_changelist", "admin:merchant_brand_preview"


class BrandForm(forms.Form):
    accent = forms.CharField(
        label="Colour",
        required=False,
        max_length=7,
        help_text="Of buttons and links, as #0f5c49. Empty: ours.",
        widget=forms.TextInput(attrs={"spellcheck": "false", "placeholder": "#0f5c49"}),
    )
    accent_dark = forms.CharField(
        label="Colour on dark pages",
        required=False,
        max_length=7,
        help_text="Empty: a lighter one is made from the other.",
        widget=forms.TextInput(attrs={"spellcheck": "false", "placeholder": "#6fdcb6"}),
    )
    logo = forms.FileField(
        required=False,
        help_text=f"PNG, JPEG or WebP, at most {pictures.MOST_BYTES // 1024} kB. Shown 36 pixels high.",
        widget=forms.FileInput(attrs={"accept": "image/png,image/jpeg,image/webp"}),
    )
    remove_logo = forms.BooleanField(label="Take the logo away", required=False)

    def clean_accent(self) -> str:
        return str(self.cleaned_data["accent"]).strip().lower()

    def clean_accent_dark(self) -> str:
        return str(self.cleaned_data["accent_dark"]).strip().lower()

    def clean(self) -> dict[str, Any]:
        chosen = {name: self.cleaned_data.get(name, "") for name in ("accent", "accent_dark")}
        for refusal in branding.require_readable(**chosen):
            self.add_error(refusal.field, refusal.sentence)
        return self.cleaned_data

    def picture(self) -> bytes | None:
        """What was uploaded: b"" to take the logo away, None to leave it."""
        uploaded = self.cleaned_data["logo"]
        if uploaded:
            data: bytes = uploaded.read(pictures.MOST_BYTES + 1)  # one more is too many, however many follow
            return data
        return b"" if self.cleaned_data["remove_logo"] else None


class WordsForm(forms.Form):
    """What customers read in the merchant's words: in the programme's language, and in the others."""

    home_text = forms.CharField(
        required=False,
        max_length=LONGEST_HOME,
        widget=forms.Textarea(attrs={"rows": 3}),
        help_text="Customers read it below their balance. In languages without a text of their own they read this one.",
    )

    def __init__(self, *args: Any, programme: Programme, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.programme = programme
        own = own_words.MAILS.get(own_words.base(programme.language), programme.language)
        self.fields["home_text"].label = f"Text on the first page, in {own}"
        for code, name in own_words.others(programme, own_words.PAGES).items():
            self.fields[f"{own_words.HOME}_{code}"] = forms.CharField(
                label=f"The same in {name}",
                required=False,
                max_length=LONGEST_HOME,
                widget=forms.Textarea(attrs={"rows": 3, "lang": code}),
            )
        for code, name in own_words.others(programme, own_words.MAILS).items():
            for key, label, which in (
                (own_words.ONE, f"One point in {name}", programme.points_label_one),
                (own_words.OTHER, f"Several points in {name}", programme.points_label_other),
            ):
                self.fields[f"{key}_{code}"] = forms.CharField(
                    label=label,
                    required=False,
                    max_length=LONGEST_LABEL,
                    help_text="Empty: our word for it." if which in OURS else f"Empty: “{which}”.",
                    widget=forms.TextInput(attrs={"lang": code}),
                )

    def clean(self) -> dict[str, Any]:
        for code, name in own_words.others(self.programme, own_words.MAILS).items():
            one, other = (self.cleaned_data.get(f"{key}_{code}", "") for key in (own_words.ONE, own_words.OTHER))
            if bool(one) != bool(other):
                missing = own_words.OTHER if one else own_words.ONE
                self.add_error(f"{missing}_{code}", f"Write both words in {name}, or neither.")
        return self.cleaned_data

    def words(self) -> dict[str, dict[str, str]]:
        """Language → name → text, as they are kept."""
        return _by_language(self.programme, self.cleaned_data)


def _by_language(programme: Programme, given: Mapping[str, str]) -> dict[str, dict[str, str]]:
    names = (own_words.HOME, own_words.ONE, own_words.OTHER)
    return {
        code: {name: str(given.get(f"{name}_{code}", "")) for name in names}
        for code in own_words.others(programme, own_words.MAILS)
    }


class BrandAdmin(desk.DeskAdmin):
    """One row, so one page and no list."""

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Brand | None = None) -> bool:
        return False

    def get_urls(self) -> list[URLPattern]:
        view = self.admin_site.admin_view(self.sheet_view)
        return [path("preview.css", view, name="merchant_brand_preview"), *super().get_urls()]

    def sheet_view(self, request: HttpRequest) -> HttpResponse:
        """The colours of the preview, those that cannot be read put right."""
        asked = [request.GET.get(name, "") for name in ("accent", "accent_dark")]
        light, dark = [each if colours.COLOUR.fullmatch(each) else "" for each in asked]
        return HttpResponse(branding.preview_sheet(branding.made(light or "#0f5c49", dark)), content_type="text/css")

    def changelist_view(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> HttpResponse:
        if not self.has_view_permission(request):
            raise PermissionDenied
        programme = queries.programme()
        brand: Brand | None = getattr(programme, "brand", None)
        first = _kept(brand) if brand else {}
        form = BrandForm(request.POST or None, request.FILES or None, initial=first)
        words = WordsForm(request.POST or None, initial=first, programme=programme)
        if brand is None or not brand.logo_digest:
            form.fields["remove_logo"].widget = forms.HiddenInput()
        if request.method == "POST":
            if not self.has_change_permission(request):
                raise PermissionDenied
            fits = form.is_valid() & words.is_valid()  # both, so that everything that is wrong is said at once
            if fits and request.POST.get("act") == "save" and self._saved(request, form, words):
                return HttpResponseRedirect(reverse(PAGE))
        shown = form.data if form.is_bound else first
        context = {
            **self.admin_site.each_context(request),
            "opts": self.opts,
            "title": "Look",
            "form": form,
            "words": words,
            "frame": _frame(shown, brand, programme),
            "may_change": self.has_change_permission(request),
        }
        request.current_app = self.admin_site.name
        return TemplateResponse(request, "admin/merchant/brand.html", context)

    def _saved(self, request: HttpRequest, form: BrandForm, words: WordsForm) -> bool:
        """Whether it was; otherwise the form says why not."""
        now = timezone.now()  # noqa: TID251 (the admin is a door)
        chosen = {name: form.cleaned_data[name] for name in ("accent", "accent_dark")}
        text = words.cleaned_data["home_text"]
        try:
            brand = branding.save(**chosen, home_text=text, logo=form.picture(), words=words.words(), now=now)
        except pictures.PictureRefused as refusal:
            form.add_error("logo", refusal.sentence)
            return False
        log.record(
            kind="brand.changed",
            subject_type="brand",
            subject_id=brand.pk,
            actor=actors.staff(int(str(request.user.pk))),
            now=now,
            fields=sorted({*form.changed_data, *words.changed_data}),
        )
        messages.success(request, "Saved. The customers’ pages and the e-mails look so from now on.")
        return True


def _kept(brand: Brand) -> dict[str, str]:
    """What the forms begin with."""
    kept = {f"{name}_{code}": text for code, said in brand.words.items() for name, text in said.items()}
    return {name: getattr(brand, name) for name in ("accent", "accent_dark", "home_text")} | kept


def _frame(shown: Any, brand: Brand | None, programme: Programme) -> str:
    """The preview as a document of its own: light and dark below each other, each in another of the pages' languages."""
    wanted = {each: str(shown.get(each, "")).strip().lower() for each in ("accent", "accent_dark")}
    logo = {}
    if brand is not None and brand.logo_digest:
        width, height = branding.fitted(brand, width=140, height=36)
        address = reverse("cockpit:brand_logo", args=[brand.logo_digest, brand.logo_kind])
        logo = {"address": address, "width": width, "height": height}
    sheet = f"{reverse(SHEET)}?{urlencode(wanted)}"
    labels = {"points_label_one": programme.points_label_one, "points_label_other": programme.points_label_other}
    trial = Programme(language=programme.language, **labels)
    trial.brand = Brand(home_text=shown.get("home_text", ""), words=_by_language(programme, shown))
    panels = [
        {
            "scheme": scheme,
            "language": code,
            "title": f"{scheme.capitalize()}, {own_words.PAGES[code]}",
            "home": own_words.home_text(programme=trial, language=code),
            "word": own_words.points_label(programme=trial, number=1_250, language=code),
        }
        for scheme, code in zip(("light", "dark"), own_words.PAGES, strict=True)
    ]
    context = {"sheet": sheet, "logo": logo, "name": programme.name, "panels": panels}
    return render_to_string("admin/merchant/brand_preview.html", context)
