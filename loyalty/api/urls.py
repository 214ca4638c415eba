"""The API's addresses, to be included below `api/`; whatever is none of them is refused in the API's own words."""

from django.urls import include, path, re_path

from loyalty.api import reference, showroom, views

urlpatterns = [
    path("v1/", include("loyalty.api.v1.urls")),
    path("reference/", reference.index, name="api_reference"),
    path("reference/desk_js/", reference.desk_js, name="api_desk_js"),
    path("reference/<slug:slug>/", reference.resource, name="api_resource"),
    *showroom.ADDRESSES,
    re_path(r"", views.NothingHere.as_view()),
]
