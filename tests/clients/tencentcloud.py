"""The cloud's own Python SDK, as users of TCR have it, pointed at a server of ours."""

from __future__ import annotations

from dataclasses import dataclass, replace
from importlib import import_module
from typing import Any

from tencentcloud.common.credential import Credential
from tencentcloud.common.profile.client_profile import ClientProfile
from tencentcloud.common.profile.http_profile import HttpProfile

# The module of each service in the SDK.
_MODULES = {
    "tcr": "tencentcloud.tcr.v20190924",
    "cam": "tencentcloud.cam.v20190116",
    "sts": "tencentcloud.sts.v20180813",
    "tag": "tencentcloud.tag.v20180813",
}


@dataclass(frozen=True)
class Sdk:
    """Clients of all services with one key. Raises TencentCloudSDKException from each call that is refused."""

    # HOST:PORT, or with a scheme, which the SDK then sends in the Host header too.
    endpoint: str
    secret_id: str
    secret_key: str
    token: str | None = None
    region: str = "ap-guangzhou"
    sign_method: str = "TC3-HMAC-SHA256"
    method: str = "POST"
    unsigned_payload: bool = False

    def using(self, **changes: Any) -> Sdk:
        """The same with these changes."""
        return replace(self, **changes)

    def call(self, action: str, parameters: dict[str, Any] | None = None, *, service: str = "tcr") -> Any:
        """The answer, in the SDK's own model."""
        models = import_module(f"{_MODULES[service]}.models")
        request = getattr(models, f"{action}Request")()
        request._deserialize(parameters or {})
        return getattr(self.client(service), action)(request)

    def client(self, service: str) -> Any:
        """The SDK's client of the service."""
        profile = ClientProfile(signMethod=self.sign_method, language="en-US")
        profile.unsignedPayload = self.unsigned_payload
        profile.httpProfile = HttpProfile(
            protocol="http", endpoint=self.endpoint, reqMethod=self.method, reqTimeout=30
        )
        module = import_module(f"{_MODULES[service]}.{service}_client")
        credential = Credential(self.secret_id, self.secret_key, self.token)
        return getattr(module, f"{service.capitalize()}Client")(credential, self.region, profile)
