"""Every condition that the product reports, once: cloud code, OCI code, HTTP status and message.

Services raise these where the fact is known; `http/errors.py` alone turns one into an answer.

    AppError                    500  InternalError                        UNKNOWN
    ├── InvalidInput            400  InvalidParameter                     UNSUPPORTED
    │   ├── ParameterMissing    400  MissingParameter                     UNSUPPORTED
    │   ├── ParameterUnknown    400  UnknownParameter                     UNSUPPORTED
    │   ├── NameInvalid         400  InvalidParameter.ErrorTcrInvalidParameter NAME_INVALID
    │   │   ├── InstanceNameIllegal 400 InvalidParameter.ErrorNameIllegal NAME_INVALID
    │   │   └── InstanceNameReserved 400 InvalidParameter.ErrorNameReserved NAME_INVALID
    │   ├── DigestInvalid       400  InvalidParameter                     DIGEST_INVALID
    │   ├── SizeInvalid         400  InvalidParameter                     SIZE_INVALID
    │   │   └── BlobTooLarge    413  RequestSizeLimitExceeded             SIZE_INVALID
    │   ├── PolicyInvalid       400  InvalidParameter.PolicyDocumentError UNSUPPORTED
    │   ├── RequestTooLarge     413  RequestSizeLimitExceeded             SIZE_INVALID
    │   ├── OutboundRefused     400  InvalidParameter                     UNSUPPORTED
    │   ├── PageInvalid         400  InvalidParameter                     PAGINATION_NUMBER_INVALID
    │   ├── TooManyTags         400  InvalidParameter.ErrorTagOverLimit   UNSUPPORTED
    │   ├── UploadInvalid       400  InvalidParameter                     BLOB_UPLOAD_INVALID
    │   │   └── RangeInvalid    416  InvalidParameter                     BLOB_UPLOAD_INVALID
    │   ├── ManifestInvalid     400  InvalidParameter                     MANIFEST_INVALID
    │   │   └── ManifestTooLarge 413 RequestSizeLimitExceeded             MANIFEST_INVALID
    │   └── ReferenceUnknown    404  ResourceNotFound.TcrResourceNotFound MANIFEST_BLOB_UNKNOWN
    ├── NotAuthenticated        401  AuthFailure                          UNAUTHORIZED
    │   ├── LoginNeeded         401  AuthFailure                          UNAUTHORIZED
    │   ├── AuthorizationInvalid 401 AuthFailure.InvalidAuthorization     UNAUTHORIZED
    │   ├── KeyUnknown          401  AuthFailure.SecretIdNotFound         UNAUTHORIZED
    │   ├── SignatureWrong      401  AuthFailure.SignatureFailure         UNAUTHORIZED
    │   ├── SignatureExpired    401  AuthFailure.SignatureExpire          UNAUTHORIZED
    │   ├── SessionTokenWrong   401  AuthFailure.TokenFailure             UNAUTHORIZED
    │   ├── EndedToken          401  AuthFailure                          UNAUTHORIZED
    │   └── SecondFactorFailure 401  AuthFailure.MFAFailure               UNAUTHORIZED
    ├── AccessDenied            403  UnauthorizedOperation                DENIED
    │   └── NetworkRefused      403  IpNotInWhitelist                     DENIED
    ├── NotFound                404  ResourceNotFound                     NAME_UNKNOWN
    │   ├── InstanceUnknown
    │   ├── NamespaceUnknown    404  ResourceNotFound.TcrResourceNotFound NAME_UNKNOWN
    │   ├── RepositoryUnknown   404  ResourceNotFound.TcrResourceNotFound NAME_UNKNOWN
    │   ├── CredentialUnknown   404  ResourceNotFound.TcrResourceNotFound NAME_UNKNOWN
    │   ├── ServiceAccountUnknown 404 ResourceNotFound.TcrResourceNotFound NAME_UNKNOWN
    │   ├── PolicyUnknown       404  ResourceNotFound.PolicyIdNotFound    NAME_UNKNOWN
    │   ├── GroupUnknown        404  ResourceNotFound.GroupNotExist       NAME_UNKNOWN
    │   ├── AccountUnknown      404  ResourceNotFound.UserNotExist        NAME_UNKNOWN
    │   ├── ManifestUnknown     404  ResourceNotFound.TcrResourceNotFound MANIFEST_UNKNOWN
    │   ├── OperationUnknown    404  InvalidAction                        NAME_UNKNOWN
    │   ├── ServiceUnknown      404  NoSuchProduct                        NAME_UNKNOWN
    │   ├── VersionUnknown      404  NoSuchVersion                        NAME_UNKNOWN
    │   ├── RegionUnknown       404  UnsupportedRegion                    NAME_UNKNOWN
    │   ├── BlobUnknown         404  ResourceNotFound.TcrResourceNotFound BLOB_UNKNOWN
    │   └── UploadUnknown       404  ResourceNotFound.TcrResourceNotFound BLOB_UPLOAD_UNKNOWN
    ├── Conflict                409  FailedOperation.ErrorTcrResourceConflict DENIED
    │   ├── LimitReached        409  LimitExceeded                        DENIED
    │   ├── AlreadyExists
    │   │   └── InstanceNameTaken 409 InvalidParameter.ErrorNameExists    DENIED
    │   ├── InstanceNotRunning  409  ResourceInsufficient.ErrorInstanceNotRunning DENIED
    │   ├── OperationRefused    409  OperationDenied                      DENIED
    │   │   └── QuotaExceeded   403  OperationDenied.QuotaOverLimit       DENIED
    │   └── NotEmpty            412  FailedOperation.PreconditionFailed   DENIED
    ├── PreconditionFailed      412  FailedOperation.PreconditionFailed   DENIED
    ├── MethodUnsupported       405  UnsupportedOperation                 UNSUPPORTED
    ├── OperationUnsupported    501  UnsupportedOperation                 UNSUPPORTED
    ├── TooManyRequests         429  RequestLimitExceeded                 TOOMANYREQUESTS
    ├── Unavailable             503  ServiceUnavailable                   UNAVAILABLE
    │   └── OutboundFailed      502  ServiceUnavailable                   UNAVAILABLE
    └── StartRefused            the server cannot start: one line on the terminal, exit code 1
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

Detail = Mapping[str, object]


class AppError(Exception):
    """Something failed inside the server.

    Each condition that is foreseen is derived from this one and has its codes for every door. The message says what
    is wrong and what to do.
    """

    cloud: ClassVar[str] = "InternalError"
    oci: ClassVar[str] = "UNKNOWN"
    status: ClassVar[int] = 500
    # Whether the audit knows already that this refused a request.
    audited = False
    # Which of credential, policy, network and limit says no, when it is a refusal.
    gate: ClassVar[str] = ""
    # What whoever meets it can do, unless the detail says it more exactly.
    remedy: ClassVar[str] = "Try again; if it stays, the server's log tells the cause under the request id."

    def __init__(self, message: str, *, detail: Detail | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.detail = detail

    @property
    def reason(self) -> str:
        """The message without the gate that it begins with."""
        gate, colon, rest = self.message.partition(": ")
        return rest if colon and gate in _GATES else self.message


_GATES = {"credential", "policy", "network", "limit", "token"}


class InvalidInput(AppError):
    """The request itself is wrong; sending it again unchanged cannot succeed."""

    cloud, oci, status = "InvalidParameter", "UNSUPPORTED", 400
    remedy = "Change the request as the detail says."


class ParameterMissing(InvalidInput):
    """A required field of an operation's request is missing; the message names it."""

    cloud = "MissingParameter"


class ParameterUnknown(InvalidInput):
    """An operation's request has a field that the operation does not know; the message names those that are near."""

    cloud = "UnknownParameter"


class NameInvalid(InvalidInput):
    """A namespace, repository or tag name breaks the rules of names."""

    cloud = "InvalidParameter.ErrorTcrInvalidParameter"
    oci = "NAME_INVALID"


class InstanceNameIllegal(NameInvalid):
    """The name of an instance breaks the rules of names."""

    cloud = "InvalidParameter.ErrorNameIllegal"


class InstanceNameReserved(NameInvalid):
    """The name of an instance is kept for the product itself."""

    cloud = "InvalidParameter.ErrorNameReserved"


class DigestInvalid(InvalidInput):
    """A digest does not parse, names an unsupported algorithm, or is not that of the content."""

    oci = "DIGEST_INVALID"


class SizeInvalid(InvalidInput):
    """The length announced and the bytes received differ, or are over a limit."""

    oci = "SIZE_INVALID"


class BlobTooLarge(SizeInvalid):
    """The blob is over the setting `limits.blob_bytes`."""

    cloud, status = "RequestSizeLimitExceeded", 413


class RequestTooLarge(InvalidInput):
    """A management request is over the setting `limits.request_body_bytes`."""

    cloud, oci, status = "RequestSizeLimitExceeded", "SIZE_INVALID", 413


class PageInvalid(InvalidInput):
    """The page size `n` is not a number from 0 up."""

    oci = "PAGINATION_NUMBER_INVALID"


class TooManyTags(InvalidInput):
    """A resource would carry more labels than it can."""

    cloud = "InvalidParameter.ErrorTagOverLimit"


class PolicyInvalid(InvalidInput):
    """A policy document cannot be taken as it is; the message says where and what is wrong."""

    cloud = "InvalidParameter.PolicyDocumentError"


class OutboundRefused(InvalidInput):
    """This server must not call that address; the message says what would allow it."""

    remedy = "Name a public address, or have the operator list this one in the setting outbound.allow."


class UploadInvalid(InvalidInput):
    """A chunk or a request of an upload session cannot be taken as it is."""

    oci = "BLOB_UPLOAD_INVALID"


class RangeInvalid(UploadInvalid):
    """A chunk does not begin where the session stands (distribution-spec, "Pushing a blob in chunks")."""

    status = 416


class ManifestInvalid(InvalidInput):
    """A manifest cannot be accepted; the message names the field."""

    oci = "MANIFEST_INVALID"


class ManifestTooLarge(ManifestInvalid):
    """A manifest is over the setting `limits.manifest_bytes`."""

    cloud, status = "RequestSizeLimitExceeded", 413


class ReferenceUnknown(InvalidInput):
    """A manifest names blobs or manifests that its repository does not hold."""

    cloud, oci, status = "ResourceNotFound.TcrResourceNotFound", "MANIFEST_BLOB_UNKNOWN", 404


class NotAuthenticated(AppError):
    """No credential, or one that does not hold; the message says which gate refused and why."""

    cloud, oci, status = "AuthFailure", "UNAUTHORIZED", 401
    gate = "credential"
    remedy = "Log in, or send an API key or an access credential that holds."


class LoginNeeded(NotAuthenticated):
    """Nobody is logged in: no credential came with the request, or a token for nobody in particular."""


class AuthorizationInvalid(NotAuthenticated):
    """The signature of a request does not parse; the message names the part."""

    cloud = "AuthFailure.InvalidAuthorization"
    remedy = "Sign the request as the Tencent Cloud API 3.0 has it; the cloud's SDKs do."


class KeyUnknown(NotAuthenticated):
    """No API key of that id, or one that is disabled or has ended."""

    cloud = "AuthFailure.SecretIdNotFound"
    remedy = "Send the SecretId of an enabled API key of this deployment."


class SignatureWrong(NotAuthenticated):
    """The signature was not made with the key over this request, or it was used before."""

    cloud = "AuthFailure.SignatureFailure"
    remedy = "See that the SecretKey is the right one, and that no proxy changes the Host header."


class SignatureExpired(NotAuthenticated):
    """The signature's time is more than five minutes from the server's."""

    cloud = "AuthFailure.SignatureExpire"
    remedy = "Set the client's clock, or sign again."


class SessionTokenWrong(NotAuthenticated):
    """The session token beside a temporary key is missing or not that key's."""

    cloud = "AuthFailure.TokenFailure"
    remedy = "Send the session token that was issued with the temporary key; other keys go without one."


class EndedToken(NotAuthenticated):
    """A token or a login that was good until its time ended."""

    remedy = "Log in again."


class SecondFactorFailure(NotAuthenticated):
    """The password is right, and the code of the second factor is missing or wrong."""

    cloud = "AuthFailure.MFAFailure"
    remedy = "Log in again with the code that the app shows now."


class AccessDenied(AppError):
    """The caller is known and may not do this; `detail` carries action and resource."""

    cloud, oci, status = "UnauthorizedOperation", "DENIED", 403
    gate = "policy"
    remedy = "Ask the owner for a policy that allows this action on this resource."


class NetworkRefused(AccessDenied):
    """The client's address is not admitted at the entry it came through."""

    cloud = "IpNotInWhitelist"
    gate = "network"
    remedy = "Ask the owner of the instance to admit the address."


class NotFound(AppError):
    """A named thing does not exist, or the caller may not know that it does."""

    cloud, oci, status = "ResourceNotFound", "NAME_UNKNOWN", 404
    remedy = "Look at the names; lists show what there is and what you may see of it."


class InstanceUnknown(NotFound):
    """No instance of that id or host name."""


class NamespaceUnknown(NotFound):
    """No namespace of that name in the instance; the message says how to create one."""

    cloud = "ResourceNotFound.TcrResourceNotFound"


class RepositoryUnknown(NotFound):
    """No repository of that name in the instance."""

    cloud = "ResourceNotFound.TcrResourceNotFound"


class CredentialUnknown(NotFound):
    """No long-term credential of that id in the instance."""

    cloud = "ResourceNotFound.TcrResourceNotFound"


class ServiceAccountUnknown(NotFound):
    """No service account of that name in the instance."""

    cloud = "ResourceNotFound.TcrResourceNotFound"


class AccountUnknown(NotFound):
    """No account of that name or number."""

    cloud = "ResourceNotFound.UserNotExist"


class PolicyUnknown(NotFound):
    """No policy, or no version of it, of that number or name."""

    cloud = "ResourceNotFound.PolicyIdNotFound"


class GroupUnknown(NotFound):
    """No group of that number or name."""

    cloud = "ResourceNotFound.GroupNotExist"


class ManifestUnknown(NotFound):
    """No such tag or manifest in the repository."""

    cloud, oci = "ResourceNotFound.TcrResourceNotFound", "MANIFEST_UNKNOWN"


class BlobUnknown(NotFound):
    """No such blob in the repository."""

    cloud, oci = "ResourceNotFound.TcrResourceNotFound", "BLOB_UNKNOWN"


class UploadUnknown(NotFound):
    """No such upload session: finished, cancelled, expired, or never begun."""

    cloud, oci = "ResourceNotFound.TcrResourceNotFound", "BLOB_UPLOAD_UNKNOWN"


class OperationUnknown(NotFound):
    """No operation of that name; the message names those that are near."""

    cloud = "InvalidAction"
    remedy = "Take one of the names that /openapi.json lists."


class ServiceUnknown(NotFound):
    """The signature is for a service that is not offered here."""

    cloud = "NoSuchProduct"


class VersionUnknown(NotFound):
    """The service has no such API version."""

    cloud = "NoSuchVersion"


class RegionUnknown(NotFound):
    """This deployment has several regions, and none of that name."""

    cloud = "UnsupportedRegion"


class Conflict(AppError):
    """The request does not fit what stands; the message names what stands in the way."""

    cloud, oci, status = "FailedOperation.ErrorTcrResourceConflict", "DENIED", 409
    remedy = "Look at what stands in the way, then try again."


class AlreadyExists(Conflict):
    """The name is taken."""

    remedy = "Take another name, or use what is there."


class LimitReached(Conflict):
    """There are as many as there may be; the message says how many that is."""

    cloud = "LimitExceeded"
    remedy = "Delete or disable what is not needed any more."


class InstanceNameTaken(AlreadyExists):
    """Another instance has that name; names of instances are unique over all of them."""

    cloud = "InvalidParameter.ErrorNameExists"


class InstanceNotRunning(Conflict):
    """The instance is still being created, or is being deleted, or could not be created."""

    cloud = "ResourceInsufficient.ErrorInstanceNotRunning"
    remedy = "Wait until the status of the instance is Running."


class OperationRefused(Conflict):
    """What is asked for is refused in the present state; the message says what must change first."""

    cloud = "OperationDenied"


class QuotaExceeded(OperationRefused):
    """The instance's specification allows no more; the message names the limit and what raises it."""

    cloud, status = "OperationDenied.QuotaOverLimit", 403
    gate = "limit"
    remedy = "Delete what is not needed, or give the instance a larger specification."


class NotEmpty(Conflict):
    """What should be deleted still holds things; the message names them."""

    cloud, status = "FailedOperation.PreconditionFailed", 412
    remedy = "Delete what it still holds first."


class PreconditionFailed(AppError):
    """An If-Match or If-None-Match condition does not hold (RFC 9110 section 13.1)."""

    cloud, oci, status = "FailedOperation.PreconditionFailed", "DENIED", 412
    remedy = "Read it again and repeat the request with its present state."


class MethodUnsupported(AppError):
    """The address exists, the method does not."""

    cloud, oci, status = "UnsupportedOperation", "UNSUPPORTED", 405
    remedy = "Use one of the methods that the header Allow names."


class OperationUnsupported(AppError):
    """An operation of the cloud's API that is not offered, or not yet; the message says what there is instead."""

    cloud, oci, status = "UnsupportedOperation", "UNSUPPORTED", 501
    remedy = "Do without it, or ask for it where the project takes wishes."


class TooManyRequests(AppError):
    """A limit is reached; `retry_after` says in how many seconds to try again."""

    cloud, oci, status = "RequestLimitExceeded", "TOOMANYREQUESTS", 429
    gate = "limit"
    remedy = "Wait as many seconds as the header Retry-After says."

    def __init__(self, message: str, *, retry_after: int, detail: Detail | None = None) -> None:
        super().__init__(message, detail=detail)
        self.retry_after = retry_after


class Unavailable(AppError):
    """A part that the answer needs does not work now; trying again later may succeed."""

    cloud, oci, status = "ServiceUnavailable", "UNAVAILABLE", 503
    remedy = "Try again in a moment."


class OutboundFailed(Unavailable):
    """Another host did not answer, or not as its protocol says."""

    status = 502
    remedy = "Look at what the detail says of the other host, and try again."


class StartRefused(AppError):
    """The process cannot start as configured: the message is the one line that the terminal shows."""


def conditions(of: type[AppError] = AppError) -> dict[str, type[AppError]]:
    """The condition and all that are derived from it, by name."""
    found = {of.__name__: of}
    for kind in of.__subclasses__():
        found |= conditions(kind)
    return found
