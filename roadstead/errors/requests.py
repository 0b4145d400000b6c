"""Conditions of a request that is wrong in itself: sending it again unchanged cannot succeed."""

from __future__ import annotations

from roadstead.errors.condition import AppError


class InvalidInput(AppError):
    """The request itself is wrong; sending it again unchanged cannot succeed."""

    cloud, oci, status = "InvalidParameter", "UNSUPPORTED", 400
    remedy = "Change the request as the detail says."


class ForwardingInvalid(InvalidInput):
    """A named proxy tells of its client in a way that means nothing; the message names proxy and part."""

    remedy = "Look at the proxy's configuration."


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


class RuleInvalid(InvalidInput):
    """A field of a trigger or another rule does not fit; the message names it and says what would."""

    cloud = "InvalidParameter.ErrorTcrInvalidParameter"


class CertificateInvalid(RuleInvalid):
    """A certificate or its private key cannot be used; the message says what does not fit."""


class PatternInvalid(RuleInvalid):
    """A pattern of repositories or tags cannot be understood; the message says where."""


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


class ChartInvalid(ManifestInvalid):
    """A chart cannot be accepted: its archive, its Chart.yaml, or its name or version; the message says what."""

    cloud = "InvalidParameter.ErrorTcrInvalidParameter"


class ChartTooLarge(ChartInvalid):
    """A chart is over a limit: its archive, what it unpacks to, or one of its files."""

    cloud, status = "RequestSizeLimitExceeded", 413


class ReferenceUnknown(InvalidInput):
    """A manifest names blobs or manifests that its repository does not hold."""

    cloud, oci, status = "ResourceNotFound.TcrResourceNotFound", "MANIFEST_BLOB_UNKNOWN", 404


class MethodUnsupported(AppError):
    """The address exists, the method does not."""

    cloud, oci, status = "UnsupportedOperation", "UNSUPPORTED", 405
    remedy = "Use one of the methods that the header Allow names."


class OperationUnsupported(AppError):
    """An operation of the cloud's API that is not offered, or not yet; the message says what there is instead."""

    cloud, oci, status = "UnsupportedOperation", "UNSUPPORTED", 400
    remedy = "Do without it, or ask for it where the project takes wishes."
