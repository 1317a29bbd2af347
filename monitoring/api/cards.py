"""REST door of a model's card: what it learned from, was tested on, and who let it decide."""

from __future__ import annotations

from drf_spectacular.utils import extend_schema
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from monitoring.serializers import (
    ArtifactSerializer,
    ModelCardSerializer,
    ModelVersionSerializer,
)
from trading.engine.learning.features import MEANINGS
from trading.engine.strategies import STRATEGIES
from trading.selectors.model_versions import artifact_list, version_before, version_get


class ModelCardApi(APIView):
    """The card of one version."""

    @extend_schema(responses=ModelCardSerializer)
    def get(self, request: Request, version_id: int) -> Response:
        """Answer figures of its own walk-forward test, the version before it, and its hashes."""
        version = version_get(version_id)
        before, spec = version_before(version), STRATEGIES.get(version.strategy_key)
        answer = ModelVersionSerializer(version).data | {
            "when_it_fails": spec.when_it_fails if spec else "",
            "features": [
                {"name": name, "meaning": MEANINGS.get(name, name)} for name in version.features
            ],
            "by_regime": version.metrics.get("regimes") or {},
            "by_year": version.metrics.get("by_year") or {},
            "before": ModelVersionSerializer(before).data if before else None,
            "artifacts": ArtifactSerializer(artifact_list(version), many=True).data,
        }
        return Response(answer)
