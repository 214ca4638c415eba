"""The admin site: our name on it, sections in the words of the trade, the numbers that matter first."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import wraps
from typing import Any, ClassVar
from zoneinfo import ZoneInfo

from django.contrib.admin import AdminSite
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.urls import reverse
from django.utils import timezone


@dataclass(frozen=True)
class Section:
    """A heading of the menu and the models under it, as `app_label.modelname`, in order."""

    label: str
    models: Sequence[str]


@dataclass(frozen=True)
class Stat:
    """A number on the first page: how many of what, and where to see them."""

    label: str
    value: str
    url: str
    tone: str = "quiet"  # "warn" or "bad" where somebody should look
    hint: str = ""


@dataclass(frozen=True)
class Notice:
    """A sentence above the numbers of the first page: somebody should look."""

    text: str
    url: str


class DeskSite(AdminSite):
    """Subclasses say the zone, the sections, the notices and the numbers."""

    site_header = "Loyalty Desk"
    site_title = "Loyalty Desk"
    index_title = "Today"
    site_url = None
    sections: ClassVar[Sequence[Section]] = ()
    unlisted: ClassVar[frozenset[str]] = frozenset()  # models whose pages exist, but stand in no menu

    def zone(self) -> ZoneInfo:
        """The zone in which every page shows and reads instants."""
        return ZoneInfo("UTC")

    def stats(self, request: HttpRequest) -> list[Stat]:
        """The numbers of the first page that this person may see."""
        return []

    def notices(self, request: HttpRequest) -> list[Notice]:
        """What somebody should look at first, of what this person may see."""
        return []

    def admin_view(self, view: Callable[..., Any], cacheable: bool = False) -> Any:  # noqa: FBT001, FBT002
        """Every page is made in the programme's zone, the rendering included, and leaves no trace of it."""

        @wraps(view)
        def in_zone(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
            with timezone.override(self.zone()):
                response: Any = view(request, *args, **kwargs)
                if hasattr(response, "is_rendered") and not response.is_rendered:
                    response.render()
                return response  # type: ignore[no-any-return]

        return super().admin_view(in_zone, cacheable)

    def get_app_list(self, request: HttpRequest, app_label: str | None = None) -> list[dict[str, Any]]:
        """Our sections in our order; what no section names follows under its app."""
        if app_label is not None:
            return super().get_app_list(request, app_label)
        apps = super().get_app_list(request)
        models = {
            f"{app['app_label']}.{model['object_name'].lower()}": (app, model)
            for app in apps
            for model in app["models"]
        }
        for _, entry in models.values():
            links = getattr(self._registry[entry["model"]], "menu_links", None)
            entry["extra_links"] = links(request) if links else []
        for name in self.unlisted:
            models.pop(name, None)
        drawn: list[dict[str, Any]] = []
        for section in self.sections:
            found = [models.pop(name) for name in section.models if name in models]
            if found:
                app = found[0][0]
                drawn.append({**app, "name": section.label, "models": [model for _, model in found]})
        for app in apps:
            rest = [model for model in app["models"] if f"{app['app_label']}.{model['object_name'].lower()}" in models]
            if rest:
                drawn.append({**app, "models": rest})
        return drawn

    def each_context(self, request: HttpRequest) -> dict[str, Any]:
        return {**super().each_context(request), "home_path": reverse("admin:index", current_app=self.name)}

    def index(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> TemplateResponse:
        return super().index(
            request, {"notices": self.notices(request), "stats": self.stats(request), **(extra_context or {})}
        )
