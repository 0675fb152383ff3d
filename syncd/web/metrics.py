"""`/metrics`: what Prometheus scrapes. Without a token: names of targets and counts, nothing of any task or project."""

from collections.abc import Sequence

from prometheus_client import CollectorRegistry, ProcessCollector, generate_latest
from prometheus_client.exposition import CONTENT_TYPE_LATEST
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from syncd.web import Site
from syncd.web._metrics import Metrics
from syncd.web._openapi import answer, operation

OPEN = True
PATHS = {
    "/metrics": {"get": operation("Metrics", {200: answer("Prometheus' text format", "text/plain")}, guarded=False)}
}


def routes(site: Site) -> Sequence[Route]:
    async def metrics(_: Request) -> Response:
        registry = CollectorRegistry(auto_describe=False)
        ProcessCollector(registry=registry)
        registry.register(Metrics(site.running, await site.status()))
        return Response(generate_latest(registry), headers={"content-type": CONTENT_TYPE_LATEST})

    return [Route("/metrics", metrics)]
