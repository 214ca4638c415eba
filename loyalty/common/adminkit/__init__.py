"""The base of every admin page: lists with filter chips, acts that are confirmed, and the look of values.

No tables here, and no knowledge of any. How an app uses it, in its own `admin` module:

    from loyalty.common.adminkit import acts, desk, lists, show

    @admin.register(Parcel)
    class ParcelAdmin(desk.ReadOnlyAdmin):          # or desk.DeskAdmin, where rows may be edited
        list_display = ("number", "state_badge", "sent")
        list_select_related = ("customer",)
        ordering = ("-sent_at", "-id")               # ends in the primary key, both in one direction
        filterset_class = ParcelFilter               # a django-filter FilterSet; a field `search` becomes the search box
        chips = (lists.Chip("Sent", "sent_after", "sent_before"), lists.Chip("State", "state"))
        acts = (MarkLost(),)                         # see below
        fields = ("number", "sent")                  # or override `change_view` with a page of one's own

        @admin.display(description="State")
        def state_badge(self, parcel: Parcel) -> SafeString:
            return show.badge(parcel.get_state_display(), tone="good")

        @admin.display(description="Sent", ordering="sent_at")
        def sent(self, parcel: Parcel) -> SafeString:
            return show.instant(parcel.sent_at)

        def list_tools(self, request) -> list[desk.Tool]:      # buttons above the list
            return [desk.Tool("Export CSV", "export/" + lists.query(request))]

Rows whose list differs from the table override `get_list_queryset(request)`; it never sees the change view.
Counting stops at `lists.COUNT_CAP`. Instants are shown and typed in the current time zone, which the site sets to the
programme's for each page. Filter fields for instants: `moments.MomentFilter(field_name="sent_at", end=False)`.
A stock `list_filter` works too and is drawn as chips of links; `search_fields` gives a search box named `q`.

An act is a change a person confirms: one class gives the bulk action in the list, the page `…/<id>/act/<slug>/`
(GET shows the preview, POST does it) and the report row by row. It calls the domain once per row:

    class MarkLost(acts.Act):
        slug, label, permission = "mark-lost", "Mark lost", "parcels.mark_lost"
        explain = "The customer is told, and the parcel is no longer waited for."
        form_class = LostForm                         # optional: shown on the confirmation page

        def preview(self, *, pk: int, now: datetime, data: Mapping[str, Any]) -> acts.Preview: ...
        def apply(self, *, pk: int, actor: Actor, now: datetime, token: str, data: Mapping[str, Any]) -> str: ...

`apply` returns the sentence of what was done and lets a DomainError through; its sentence becomes the report.
Buttons for acts on a page of one's own: `{% include "admin/desk/act_buttons.html" with acts=acts %}`, where `acts` is
`self.act_links(request, pk)`. Forms that stand on a plain page: extend `admin/desk/form_page.html` (context: `title`,
`form`, `button`, `explain`, `back_url`), or call `acts.form_page(...)`.

Classes the style sheet knows: `desk-card`, `desk-grid-2` (main column and side column), `desk-facts` (a `<dl>`),
`desk-table` (inside `desk-scroll`), `desk-tabs`, `desk-badge`, `desk-button` (`--primary`, `--danger`, `--quiet`),
`desk-empty`, `desk-quiet`, `desk-number`, `desk-note` (`--warn`, `--bad`), `desk-timeline`, `desk-pager`, `desk-stats`.
No style attribute, inline script or handler anywhere: the policy refuses them.
"""
