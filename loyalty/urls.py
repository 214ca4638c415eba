"""Every address the project answers."""

from django.contrib import admin
from django.urls import include, path

from loyalty import health

urlpatterns = [
    path("health/live", health.live),
    path("health/ready", health.ready),
    path("admin/", include("loyalty.insights.admin.urls")),
    path("admin/", admin.site.urls),
    path("accounts/", include("allauth.urls")),
    path("api/", include("loyalty.api.urls")),
    path("hooks/", include("loyalty.hooks.urls")),
    path("", include("loyalty.cockpit.urls")),
]
