"""The import page of the component register: choose a file, look what it would do, confirm."""

import base64
import zlib
from typing import Any

from django import forms
from django.contrib import messages
from django.contrib.admin.models import CHANGE, LogEntry
from django.contrib.contenttypes.models import ContentType
from django.core import signing
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.http import require_http_methods

from cases.models import Component
from cases.services.components import Plan, load_components, plan_components
from cityops.accounts.http import UserRequest

MAX_BYTES = 4 * 1024 * 1024  # 30,000 rows take half a minute; larger ones go by the command
SHOWN = 200
_SIGNER = signing.Signer(salt="cases.views.component_import")


class FileForm(forms.Form):
    """A CSV file from this computer."""

    file = forms.FileField(label=gettext_lazy("CSV file"))

    def clean_file(self) -> bytes:
        """Return the bytes of the file."""
        upload = self.cleaned_data["file"]
        if upload.size > MAX_BYTES:
            raise forms.ValidationError(
                _("The file is larger than 4 MB. Load it with the command load_components.")
            )
        return bytes(upload.read())


@require_http_methods(["GET", "HEAD", "POST"])
def import_page(request: UserRequest, context: dict[str, Any]) -> HttpResponse:
    """Show what a file would do; write it once that was seen. `context` is the admin site's."""
    if request.method != "POST":
        return _page(request, context, FileForm())
    if "seen" in request.POST:
        return _confirm(request, context)
    form = FileForm(request.POST, request.FILES)
    if not form.is_valid():
        return _page(request, context, form)
    raw = form.cleaned_data["file"]
    return _preview(request, context, raw, plan_components(raw))


def _confirm(request: UserRequest, context: dict[str, Any]) -> HttpResponse:
    """Load the file whose preview was seen, unless the register has changed since."""
    try:
        seen = _SIGNER.unsign_object(request.POST["seen"])
    except signing.BadSignature:
        messages.error(request, _("Choose the file again."))
        return redirect("admin:cases_component_import")
    raw = zlib.decompress(base64.b64decode(seen["file"]))
    if plan_components(raw).counts != seen["counts"]:
        messages.warning(request, _("The register has changed since. Look again, then confirm."))
        return _preview(request, context, raw, plan_components(raw))
    plan = load_components(raw)
    if plan.faults:
        return _preview(request, context, raw, plan)
    done = _("Imported: %(new)d new, %(changed)d changed, %(unchanged)d unchanged.") % plan.counts
    LogEntry.objects.create(
        user=request.user,
        content_type=ContentType.objects.get_for_model(Component),
        action_flag=CHANGE,
        object_repr=str(Component._meta.verbose_name_plural),
        change_message=done,
    )
    messages.success(request, done)
    return redirect("admin:cases_component_changelist")


def _preview(request: HttpRequest, context: dict[str, Any], raw: bytes, plan: Plan) -> HttpResponse:
    """Show what the file would do. It travels through the page, signed: nothing lies about."""
    kept = base64.b64encode(zlib.compress(raw)).decode()
    shown = {
        "plan": plan,
        "seen": _SIGNER.sign_object({"file": kept, "counts": plan.counts}),
        "faults": plan.faults[:SHOWN],
        "changed": plan.changed[:SHOWN],
        "new": plan.new[:SHOWN],
        "shown": SHOWN,
    }
    return _page(request, {**context, **shown}, FileForm(), status=422 if plan.faults else 200)


def _page(
    request: HttpRequest, context: dict[str, Any], form: FileForm, *, status: int = 0
) -> HttpResponse:
    context = {**context, "form": form, "title": _("Import components")}
    status = status or (422 if form.errors else 200)
    return render(request, "admin/cases/component/import.html", context, status=status)
