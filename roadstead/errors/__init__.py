"""Every condition that the product reports, once: cloud code, OCI code, HTTP status and message.

Services raise these where the fact is known; `http/errors.py` alone turns one into an answer.

    AppError                    500  InternalError                        UNKNOWN
    ├── InvalidInput            400  InvalidParameter                     UNSUPPORTED
    │   ├── ForwardingInvalid   400  InvalidParameter                     UNSUPPORTED
    │   ├── ParameterMissing    400  MissingParameter                     UNSUPPORTED
    │   ├── ParameterUnknown    400  UnknownParameter                     UNSUPPORTED
    │   ├── NameInvalid         400  InvalidParameter.ErrorTcrInvalidParameter NAME_INVALID
    │   │   ├── InstanceNameIllegal 400 InvalidParameter.ErrorNameIllegal NAME_INVALID
    │   │   └── InstanceNameReserved 400 InvalidParameter.ErrorNameReserved NAME_INVALID
    │   ├── DigestInvalid       400  InvalidParameter                     DIGEST_INVALID
    │   ├── SizeInvalid         400  InvalidParameter                     SIZE_INVALID
    │   │   └── BlobTooLarge    413  RequestSizeLimitExceeded             SIZE_INVALID
    │   ├── RuleInvalid         400  InvalidParameter.ErrorTcrInvalidParameter UNSUPPORTED
    │   │   ├── CertificateInvalid
    │   │   └── PatternInvalid
    │   ├── PolicyInvalid       400  InvalidParameter.PolicyDocumentError UNSUPPORTED
    │   ├── RequestTooLarge     413  RequestSizeLimitExceeded             SIZE_INVALID
    │   ├── OutboundRefused     400  InvalidParameter                     UNSUPPORTED
    │   ├── PageInvalid         400  InvalidParameter                     PAGINATION_NUMBER_INVALID
    │   ├── TooManyTags         400  InvalidParameter.ErrorTagOverLimit   UNSUPPORTED
    │   ├── UploadInvalid       400  InvalidParameter                     BLOB_UPLOAD_INVALID
    │   │   └── RangeInvalid    416  InvalidParameter                     BLOB_UPLOAD_INVALID
    │   ├── ManifestInvalid     400  InvalidParameter                     MANIFEST_INVALID
    │   │   ├── ManifestTooLarge 413 RequestSizeLimitExceeded             MANIFEST_INVALID
    │   │   └── ChartInvalid    400  InvalidParameter.ErrorTcrInvalidParameter MANIFEST_INVALID
    │   │       └── ChartTooLarge 413 RequestSizeLimitExceeded            MANIFEST_INVALID
    │   └── ReferenceUnknown    404  ResourceNotFound.TcrResourceNotFound MANIFEST_BLOB_UNKNOWN
    ├── NotAuthenticated        401  AuthFailure                          UNAUTHORIZED
    │   ├── LoginNeeded         401  AuthFailure                          UNAUTHORIZED
    │   ├── AuthorizationInvalid 401 AuthFailure.InvalidAuthorization     UNAUTHORIZED
    │   ├── KeyUnknown          401  AuthFailure.SecretIdNotFound         UNAUTHORIZED
    │   ├── SignatureWrong      401  AuthFailure.SignatureFailure         UNAUTHORIZED
    │   ├── SignatureExpired    401  AuthFailure.SignatureExpire          UNAUTHORIZED
    │   ├── SessionTokenWrong   401  AuthFailure.TokenFailure             UNAUTHORIZED
    │   ├── EndedToken          401  AuthFailure                          UNAUTHORIZED
    │   ├── SecondFactorFailure 401  AuthFailure.MFAFailure               UNAUTHORIZED
    │   └── PasswordChangeNeeded 401 AuthFailure.PasswordChangeNeeded     UNAUTHORIZED
    ├── AccessDenied            403  UnauthorizedOperation                DENIED
    │   └── NetworkRefused      403  IpNotInWhitelist                     DENIED
    ├── NotFound                404  ResourceNotFound                     NAME_UNKNOWN
    │   ├── InstanceUnknown
    │   ├── NamespaceUnknown    404  ResourceNotFound.TcrResourceNotFound NAME_UNKNOWN
    │   ├── RepositoryUnknown   404  ResourceNotFound.TcrResourceNotFound NAME_UNKNOWN
    │   ├── CredentialUnknown   404  ResourceNotFound.TcrResourceNotFound NAME_UNKNOWN
    │   ├── ServiceAccountUnknown 404 ResourceNotFound.TcrResourceNotFound NAME_UNKNOWN
    │   ├── TriggerUnknown      404  ResourceNotFound.TcrResourceNotFound NAME_UNKNOWN
    │   ├── PolicyUnknown       404  ResourceNotFound.PolicyIdNotFound    NAME_UNKNOWN
    │   ├── GroupUnknown        404  ResourceNotFound.GroupNotExist       NAME_UNKNOWN
    │   ├── AccountUnknown      404  ResourceNotFound.UserNotExist        NAME_UNKNOWN
    │   ├── ChartUnknown        404  ResourceNotFound.TcrResourceNotFound MANIFEST_UNKNOWN
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
    │   │   ├── ChartExists
    │   │   ├── UserExists      409  InvalidParameter.SubUserNameInUse    DENIED
    │   │   ├── GroupExists     409  InvalidParameter.GroupNameInUse      DENIED
    │   │   ├── PolicyExists    409  FailedOperation.PolicyNameInUse      DENIED
    │   │   └── InstanceNameTaken 409 InvalidParameter.ErrorNameExists    DENIED
    │   ├── InstanceNotRunning  409  ResourceInsufficient.ErrorInstanceNotRunning DENIED
    │   ├── OperationRefused    409  OperationDenied                      DENIED
    │   │   └── QuotaExceeded   403  OperationDenied.QuotaOverLimit       DENIED
    │   └── NotEmpty            412  FailedOperation.PreconditionFailed   DENIED
    ├── PreconditionFailed      412  FailedOperation.PreconditionFailed   DENIED
    ├── MethodUnsupported       405  UnsupportedOperation                 UNSUPPORTED
    ├── OperationUnsupported    400  UnsupportedOperation                 UNSUPPORTED
    ├── TooManyRequests         429  RequestLimitExceeded                 TOOMANYREQUESTS
    ├── Unavailable             503  ServiceUnavailable                   UNAVAILABLE
    │   └── OutboundFailed      502  ServiceUnavailable                   UNAVAILABLE
    └── StartRefused            the server cannot start: one line on the terminal, exit code 1
"""

from __future__ import annotations

from roadstead.errors.access import (
    AccessDenied,
    AuthorizationInvalid,
    EndedToken,
    KeyUnknown,
    LoginNeeded,
    NetworkRefused,
    NotAuthenticated,
    PasswordChangeNeeded,
    SecondFactorFailure,
    SessionTokenWrong,
    SignatureExpired,
    SignatureWrong,
    TooManyRequests,
)
from roadstead.errors.condition import (
    AppError,
    Detail,
    conditions,
)
from roadstead.errors.requests import (
    BlobTooLarge,
    CertificateInvalid,
    ChartInvalid,
    ChartTooLarge,
    DigestInvalid,
    ForwardingInvalid,
    InstanceNameIllegal,
    InstanceNameReserved,
    InvalidInput,
    ManifestInvalid,
    ManifestTooLarge,
    MethodUnsupported,
    NameInvalid,
    OperationUnsupported,
    OutboundRefused,
    PageInvalid,
    ParameterMissing,
    ParameterUnknown,
    PatternInvalid,
    PolicyInvalid,
    RangeInvalid,
    ReferenceUnknown,
    RequestTooLarge,
    RuleInvalid,
    SizeInvalid,
    TooManyTags,
    UploadInvalid,
)
from roadstead.errors.state import (
    AccountUnknown,
    AlreadyExists,
    BlobUnknown,
    ChartExists,
    ChartUnknown,
    Conflict,
    CredentialUnknown,
    GroupExists,
    GroupUnknown,
    InstanceNameTaken,
    InstanceNotRunning,
    InstanceUnknown,
    LimitReached,
    ManifestUnknown,
    NamespaceUnknown,
    NotEmpty,
    NotFound,
    OperationRefused,
    OperationUnknown,
    OutboundFailed,
    PolicyExists,
    PolicyUnknown,
    PreconditionFailed,
    QuotaExceeded,
    RegionUnknown,
    RepositoryUnknown,
    ServiceAccountUnknown,
    ServiceUnknown,
    StartRefused,
    TriggerUnknown,
    Unavailable,
    UploadUnknown,
    UserExists,
    VersionUnknown,
)

__all__ = [
    "AccessDenied",
    "AccountUnknown",
    "AlreadyExists",
    "AppError",
    "AuthorizationInvalid",
    "BlobTooLarge",
    "BlobUnknown",
    "CertificateInvalid",
    "ChartExists",
    "ChartInvalid",
    "ChartTooLarge",
    "ChartUnknown",
    "Conflict",
    "CredentialUnknown",
    "Detail",
    "DigestInvalid",
    "EndedToken",
    "ForwardingInvalid",
    "GroupExists",
    "GroupUnknown",
    "InstanceNameIllegal",
    "InstanceNameReserved",
    "InstanceNameTaken",
    "InstanceNotRunning",
    "InstanceUnknown",
    "InvalidInput",
    "KeyUnknown",
    "LimitReached",
    "LoginNeeded",
    "ManifestInvalid",
    "ManifestTooLarge",
    "ManifestUnknown",
    "MethodUnsupported",
    "NameInvalid",
    "NamespaceUnknown",
    "NetworkRefused",
    "NotAuthenticated",
    "NotEmpty",
    "NotFound",
    "OperationRefused",
    "OperationUnknown",
    "OperationUnsupported",
    "OutboundFailed",
    "OutboundRefused",
    "PageInvalid",
    "ParameterMissing",
    "ParameterUnknown",
    "PasswordChangeNeeded",
    "PatternInvalid",
    "PolicyExists",
    "PolicyInvalid",
    "PolicyUnknown",
    "PreconditionFailed",
    "QuotaExceeded",
    "RangeInvalid",
    "ReferenceUnknown",
    "RegionUnknown",
    "RepositoryUnknown",
    "RequestTooLarge",
    "RuleInvalid",
    "SecondFactorFailure",
    "ServiceAccountUnknown",
    "ServiceUnknown",
    "SessionTokenWrong",
    "SignatureExpired",
    "SignatureWrong",
    "SizeInvalid",
    "StartRefused",
    "TooManyRequests",
    "TooManyTags",
    "TriggerUnknown",
    "Unavailable",
    "UploadInvalid",
    "UploadUnknown",
    "UserExists",
    "VersionUnknown",
    "conditions",
]
