"""REST doors of trainings: how far they are, and calling one off."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

from django.utils import timezone
from drf_spectacular.utils import extend_schema
from rest_framework.generics import ListAPIView
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from trading.selectors.model_trainings import training_get, training_list
from trading.serializers.trainings import ModelTrainingSerializer
from trading.services.models.training import training_cancel_by

if TYPE_CHECKING:
    from accounts.models import User


class TrainingListApi(ListAPIView[Any]):
    """Trainings of the site, newest first."""

    serializer_class = ModelTrainingSerializer

    def get_queryset(self) -> Any:
        """Read all of them."""
        return training_list()


class TrainingCancelApi(APIView):
    """Call a training off."""

    @extend_schema(request=None, responses={202: ModelTrainingSerializer})
    def post(self, request: Request, training_id: int) -> Response:
        """Cancel it for staff and for who asked for it, others get 403; twice is once."""
        row = training_cancel_by(
            user=cast("User", request.user), training=training_get(training_id), now=timezone.now()
        )
        return Response(ModelTrainingSerializer(row).data, status=202)
