"""Conditions of somebody who is not let in: by credential, policy, network or limit."""

from __future__ import annotations

from roadstead.errors.condition import AppError, Detail


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


class PasswordChangeNeeded(NotAuthenticated):
    """The password is right and must be changed before it lets anybody in."""

    cloud = "AuthFailure.PasswordChangeNeeded"
    remedy = "Log in with a new password beside it: the console asks for one; or: roadstead account password NAME."


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


class TooManyRequests(AppError):
    """A limit is reached; `retry_after` says in how many seconds to try again."""

    cloud, oci, status = "RequestLimitExceeded", "TOOMANYREQUESTS", 429
    gate = "limit"
    remedy = "Wait as many seconds as the header Retry-After says."

    def __init__(self, message: str, *, retry_after: int, detail: Detail | None = None) -> None:
        super().__init__(message, detail=detail)
        self.retry_after = retry_after
