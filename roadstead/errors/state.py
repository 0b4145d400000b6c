"""Conditions of what stands: something is missing, in the way, or does not work now."""

from __future__ import annotations

from roadstead.errors.condition import AppError


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


class TriggerUnknown(NotFound):
    """No trigger, or no delivery of it, of that number in the namespace."""

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


class ChartUnknown(NotFound):
    """No such chart, version of it, or file in it."""

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


class UserExists(AlreadyExists):
    """There is a user of that name."""

    cloud = "InvalidParameter.SubUserNameInUse"


class GroupExists(AlreadyExists):
    """There is a group of that name."""

    cloud = "InvalidParameter.GroupNameInUse"


class PolicyExists(AlreadyExists):
    """There is a policy of that name."""

    cloud = "FailedOperation.PolicyNameInUse"


class LimitReached(Conflict):
    """There are as many as there may be; the message says how many that is."""

    cloud = "LimitExceeded"
    remedy = "Delete or disable what is not needed any more."


class ChartExists(AlreadyExists):
    """The chart has that version already, with other content."""

    remedy = "Raise the version, or upload with force."


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
