"""REST doors of trainings: asking for one, how far they are, and calling one off."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

from django.utils import timezone
from drf_spectacular.utils import extend_schema
from rest_framework.generics import ListAPIView
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from accounts.staff import staff_check
from elson.common.api import idempotency_header, idempotency_key_of
from elson.common.paging import CursorPagination
from trading.selectors.model_trainings import training_get, training_list
from trading.serializers.trainings import ModelTrainingSerializer, TrainingRequestSerializer
from trading.services.models.training import training_cancel_by, training_request

if TYPE_CHECKING:
    from accounts.models import User


MAY_TRAIN = "trading.add_modeltraining"
IDEMPOTENCY_KEY = idempotency_header(
    "The same key again answers the training it asked for the first time.", required=True
)


class TrainingListApi(ListAPIView[Any]):
    """Trainings of the site, newest first."""

    serializer_class = ModelTrainingSerializer
    pagination_class = CursorPagination

    def get_queryset(self) -> Any:
        """Read all of them."""
        return training_list()

    @extend_schema(
        request=TrainingRequestSerializer,
        responses={202: ModelTrainingSerializer},
        parameters=[IDEMPOTENCY_KEY],
    )
    def post(self, request: Request) -> Response:
        """Ask for a training, for staff who may; a worker takes it up, once per key."""
        person = cast("User", request.user)
        staff_check(person, MAY_TRAIN, "ask for trainings")
        key = idempotency_key_of(request)
        asked = TrainingRequestSerializer(data=request.data)
        asked.is_valid(raise_exception=True)
        training = training_request(
            **asked.validated_data, requested_by=person, client_key=key, now=timezone.now()
        )
        return Response(ModelTrainingSerializer(training).data, status=202)


class TrainingCancelApi(APIView):
    """Call a training off."""

    @extend_schema(request=None, responses={202: ModelTrainingSerializer})
    def post(self, request: Request, training_id: int) -> Response:
        """Cancel it for staff who may and for who asked for it, 403 for others; twice is once."""
        row = training_cancel_by(
            user=cast("User", request.user), training=training_get(training_id), now=timezone.now()
        )
        return Response(ModelTrainingSerializer(row).data, status=202)
