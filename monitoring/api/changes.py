"""REST doors of staff: who lets a model decide. Everybody else is refused."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

from django.utils import timezone
from drf_spectacular.utils import extend_schema
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from accounts.staff import staff_check
from monitoring.serializers import ModelMoveSerializer, ModelVersionSerializer
from trading.selectors.model_versions import version_get
from trading.services.models.registry import (
    version_promote,
    version_retire,
    version_rollback,
    version_shadow,
)

if TYPE_CHECKING:
    from accounts.models import User


class _ModelMoveApi(APIView):
    """One change of a version's state by a person who may make it."""

    change: Any = None

    @extend_schema(request=ModelMoveSerializer, responses=ModelVersionSerializer)
    def post(self, request: Request, version_id: int) -> Response:
        """Make the change with a reason; 409 says what is missing, again changes nothing."""
        actor = cast("User", request.user)
        staff_check(actor, "trading.change_modelversion", "change models")
        version = version_get(version_id)
        asked = ModelMoveSerializer(data=request.data)
        asked.is_valid(raise_exception=True)
        moved = type(self).change(
            version=version,
            actor=actor,
            reason=asked.validated_data["reason"],
            now=timezone.now(),
        )
        return Response(ModelVersionSerializer(moved).data)


class ModelShadowApi(_ModelMoveApi):
    """Let a candidate predict beside the active version, without a say."""

    change = staticmethod(version_shadow)


class ModelPromoteApi(_ModelMoveApi):
    """Let a shadow that passed its gates decide.

    Where two people are needed, the first answer is the version unchanged.
    """

    change = staticmethod(version_promote)


class ModelRetireApi(_ModelMoveApi):
    """Take a version out of use; without an active one the rules decide alone."""

    change = staticmethod(version_retire)


class ModelRollbackApi(_ModelMoveApi):
    """Give the decision back to the version that decided before."""

    change = staticmethod(version_rollback)
