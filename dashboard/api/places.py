"""Find what an address names; a 404 says which part of it does not exist."""

from __future__ import annotations

import re

from django.db.models import Q
from django.http import Http404
from django.utils.translation import gettext as _
from ninja.errors import HttpError

from monitoring.models import Instance, Project, Stage

CONTAINER_ID = re.compile(r"[0-9a-f]{12,64}")


def project_or_404(slug: str) -> Project:
    found = Project.objects.prefetch_related("stages").filter(slug=slug).first()
    if found is None:
        raise Http404(_("There is no project “%(project)s”.") % {"project": slug})
    return found


def stage_or_404(project: str, stage: str) -> Stage:
    found = Stage.objects.select_related("project").filter(project__slug=project, slug=stage).first()
    if found is None:
        project_or_404(project)
        raise Http404(
            _("There is no stage “%(stage)s” in project “%(project)s”.") % {"stage": stage, "project": project}
        )
    return found


def instance_or_404(project: str, stage: str, iid: str) -> Instance:
    """Return the one instance that IID names there: its id, its name, or its container's id (12 characters or more).

    HttpError 409 names the candidates when several hosts have a container of this name.
    """
    inside = Instance.objects.with_latest().filter(stage__project__slug=project, stage__slug=stage)
    found = list(inside.filter(_named(iid)).exclude(state="removed")[:10]) or list(inside.filter(_named(iid))[:10])
    by_id = [row for row in found if iid == str(row.pk)]
    if len(by_id or found) == 1:
        return (by_id or found)[0]
    if found:
        raise HttpError(409, _ambiguous(iid, found))
    stage_or_404(project, stage)
    raise Http404(
        _("There is no instance “%(instance)s” in %(project)s/%(stage)s.")
        % {"instance": iid, "project": project, "stage": stage}
    )


def _named(iid: str) -> Q:
    named = Q(name=iid)
    if iid.isascii() and iid.isdigit() and len(iid) < 19:
        named |= Q(pk=int(iid))
    if CONTAINER_ID.fullmatch(iid):
        named |= Q(container_id__startswith=iid)
    return named


def _ambiguous(iid: str, found: list[Instance]) -> str:
    candidates = ", ".join(f"{row.pk} ({row.host.name})" for row in found)
    return _("“%(instance)s” exists more than once. Use one of these ids: %(candidates)s.") % {
        "instance": iid,
        "candidates": candidates,
    }
