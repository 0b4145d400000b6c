"""The cloud API's two ways to a chart's archive: an address that opens it, and temporary credentials for it.

Both carry a token that pulls this one chart and nothing else, in the name of whoever asked, as long as that account
may. There is no bucket to hand credentials out for, so those of DownloadHelmChart open the chart repository.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated
from urllib.parse import quote

import msgspec
from msgspec import Meta

from roadstead.domain.identity import CredentialKind
from roadstead.domain.policy import Action
from roadstead.domain.scope import Scope
from roadstead.errors import AccessDenied, ChartUnknown
from roadstead.metadata.charts import ChartVersion
from roadstead.services.charts import CHART, ChartName, ChartVersionText, found_version
from roadstead.services.fields import NamespaceName, RegistryId
from roadstead.services.operations import Call, Wire, operation
from roadstead.services.triggering import host

# Long enough to hand an address to whatever downloads it.
_ADDRESS_SECONDS = 600


class DescribeChartDownloadInfo(Wire, frozen=True, kw_only=True):
    """Which version of which chart."""

    registry_id: RegistryId
    namespace_name: NamespaceName
    chart_name: ChartName
    chart_version: ChartVersionText


class ChartDownloadInfo(Wire, frozen=True, kw_only=True):
    """Where a chart can be downloaded for a few minutes without logging in."""

    pre_signed_download_url: Annotated[
        str, Meta(description="Address of the archive; it opens this chart alone, for ten minutes.")
    ] = msgspec.field(name="PreSignedDownloadURL")


class DownloadHelmChart(Wire, frozen=True, kw_only=True):
    """Which version of which chart."""

    registry_id: RegistryId
    namespace_name: NamespaceName
    chart_name: ChartName
    chart_version: ChartVersionText


class ChartCredentials(Wire, frozen=True, kw_only=True):
    """What opens a chart in the chart repository for a while."""

    tmp_secret_id: Annotated[str, Meta(description="Username.")]
    tmp_secret_key: Annotated[str, Meta(description="Password; it opens this chart alone.", extra={"secret": True})]
    tmp_token: Annotated[str, Meta(description="The same right as a bearer token.", extra={"secret": True})]
    bucket: Annotated[str, Meta(description="Address of the chart repository, in place of a bucket.")]
    region: Annotated[str, Meta(description="Region of the instance.")]
    path: Annotated[str, Meta(description="Path of the archive, `namespace/chart-version.tgz`.")]
    start_time: Annotated[int, Meta(description="From when it opens, in seconds since 1970.")]
    expired_time: Annotated[int, Meta(description="Until when it opens, in seconds since 1970.")]


@dataclass(frozen=True, slots=True)
class _Place:
    """Where a version lies: its repository, and the folder whose chart repository lists it."""

    row: ChartVersion
    repository: str

    @property
    def folder(self) -> str:
        return self.repository.rpartition("/")[0]


async def _place(call: Call, namespace: str, chart: str, version: str) -> _Place:
    """Where the version lies; raises AccessDenied when the caller may not pull it."""
    name = f"{namespace}/{chart}"
    path = f"repository/{call.here.registry_id}/{name}"
    if not any(call.may(action, path).allowed for action in (Action.CHART_PULL, Action.PULL)):
        call.require(Action.CHART_PULL, path)
    if call.caller.account_id is None:
        raise AccessDenied("credential: log in first")
    return _Place(await found_version(call, namespace, chart, version), name)


def _token(call: Call, place: _Place, kind: str, seconds: int) -> str:
    """A token that pulls the chart in the caller's name."""
    return call.ctx.keys.sign(
        issuer=call.here.registry_id,
        uin=call.caller.uin,
        kind=kind,
        seconds=seconds,
        scopes=(Scope("repository", place.repository, ("pull",)),),
    )


def _address(call: Call, place: _Place) -> str:
    scheme = call.ctx.settings.network.scheme or "http"
    return f"{scheme}://{host(call.ctx, call.here.name)}/chartrepo/{place.folder}"


@operation(resource=CHART, changes=False, raises=(ChartUnknown,))
async def describe_chart_download_info(call: Call, request: DescribeChartDownloadInfo) -> ChartDownloadInfo:
    """Give an address that downloads a chart for ten minutes without a login."""
    place = await _place(call, request.namespace_name, request.chart_name, request.chart_version)
    token = _token(call, place, "access", _ADDRESS_SECONDS)
    file = quote(place.row.file, safe="+")
    return ChartDownloadInfo(pre_signed_download_url=f"{_address(call, place)}/charts/{file}?token={token}")


@operation(resource=CHART, changes=True, raises=(ChartUnknown,))
async def download_helm_chart(call: Call, request: DownloadHelmChart) -> ChartCredentials:
    """Give temporary credentials with which a chart can be downloaded from the chart repository."""
    place = await _place(call, request.namespace_name, request.chart_name, request.chart_version)
    seconds = call.ctx.settings.tokens.temporary_seconds
    start = int(call.now.timestamp())
    return ChartCredentials(
        tmp_secret_id=call.caller.uin,
        tmp_secret_key=_token(call, place, CredentialKind.TEMPORARY, seconds),
        tmp_token=_token(call, place, "access", seconds),
        bucket=_address(call, place),
        region=call.here.region,
        path=f"{place.folder}/{place.row.file}",
        start_time=start,
        expired_time=start + seconds,
    )
