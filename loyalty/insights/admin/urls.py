"""Pages that explain, beside the admin's own under the same path."""

from django.contrib import admin
from django.urls import path

from loyalty.insights.admin import liability, page, shop

app_name = "insights"
urlpatterns = [
    path("points/outstanding/", admin.site.admin_view(liability.view), name="liability"),
    path("customers/customer/<int:pk>/points/", admin.site.admin_view(page.view), name="points"),
    path("platforms/storeconnection/<int:pk>/health/", admin.site.admin_view(shop.view), name="shop"),
]
