from django.contrib.admin.apps import AdminConfig


class DeskAdminConfig(AdminConfig):
    """Django's admin with our site as the default one. Stands in INSTALLED_APPS instead of `django.contrib.admin`."""

    default = False
    default_site = "loyalty.admin_site.LoyaltyDeskSite"
