"""What is believed of an identity provider's answers, and all that is not."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any
from urllib.parse import parse_qs

import pytest

from roadstead.clients.oidc import OidcClient, Proof
from roadstead.clients.outbound import Outbound
from roadstead.config import Oidc
from roadstead.errors import NotAuthenticated, OutboundFailed
from roadstead.services.single_sign_on import challenge
from tests.clients.web import says
from tests.factories.providers import CLIENT, SECRET, Provider, another, elliptic, provider, shared
from tests.jobs.bench import FakeClock

PROOF = Proof("the-nonce", "the-verifier", "http://here.test/callback")


@dataclass
class Bench:
    """A provider, and a client of it."""

    provider: Provider
    client: OidcClient
    clock: FakeClock

    async def identify(self, issuer: str | None = None, proof: Proof = PROOF) -> Mapping[str, Any]:
        query = parse_qs(self.provider.login(await self.client.login_url("s", PROOF, challenge(PROOF.verifier))))
        return await self.client.identify(query["code"][0], proof, issuer)

    async def refused(self, says: str, **fields: Any) -> None:
        with pytest.raises(NotAuthenticated, match=says) as caught:
            await self.identify(**fields)
        assert caught.value.detail is not None and caught.value.detail["gate"] == "credential"


@pytest.fixture
async def bench() -> AsyncIterator[Bench]:
    clock = FakeClock()
    async with provider(lambda: clock().timestamp()) as found:
        outbound = Outbound(found.outbound())
        yield Bench(found, OidcClient(outbound, found.rules(), SECRET, clock), clock)
        await outbound.close()


async def test_who_logs_in_is_known_by_signed_claims(bench: Bench) -> None:
    claims = await bench.identify()
    assert (claims["sub"], claims["preferred_username"], claims["groups"]) == ("alice-1", "alice", ["dev", "admins"])
    assert bench.provider.asked_for("/me") == 0
    await bench.identify(issuer=bench.provider.issuer)
    assert bench.provider.asked_for("/.well-known/openid-configuration") == bench.provider.asked_for("/keys") == 1


async def test_the_secret_goes_in_a_header_encoded_as_forms_are(bench: Bench) -> None:
    await bench.identify()
    (asked,) = [request for request in bench.provider.site.asked if request.target == "/token"]
    assert asked.headers["authorization"] == "Basic cmVnaXN0cnk6Y2xpZW50K3NlY3JldCslMkIrJTJGKyUyNQ=="
    assert b"client_secret" not in asked.body


async def test_the_secret_goes_in_the_form_where_that_is_asked(bench: Bench) -> None:
    bench.provider.bend_document = lambda found: found.update(
        token_endpoint_auth_methods_supported=["client_secret_post"]
    )
    await bench.identify()
    (asked,) = [request for request in bench.provider.site.asked if request.target == "/token"]
    assert "authorization" not in asked.headers and parse_qs(asked.body.decode())["client_secret"] == [SECRET]


@pytest.mark.parametrize(
    ("claims", "says"),
    [
        ({"nonce": "another"}, "nonce"),
        ({"nonce": ""}, "nonce"),
        ({"nonce": None}, "nonce"),
        ({"aud": "somebody-else"}, "audience"),
        ({"aud": []}, "audience"),
        ({"aud": None}, "audience"),
        ({"aud": [CLIENT, "somebody-else"]}, "party"),
        ({"azp": "somebody-else"}, "party"),
        ({"iss": "https://another.test"}, "issuer"),
        ({"iss": None}, "issuer"),
        ({"exp": 0}, "expired"),
        ({"exp": "tomorrow"}, "expired"),
        ({"exp": None}, "expired"),
        ({"exp": True}, "expired"),
        ({"iat": 1 << 40}, "future"),
        ({"iat": None}, "future"),
        ({"sub": ""}, "subject"),
        ({"sub": 7}, "subject"),
        ({"sub": None}, "subject"),
        ({"sub": "x" * 201}, "subject"),
    ],
)
async def test_claims_that_are_not_believed(bench: Bench, claims: dict[str, Any], says: str) -> None:
    bench.provider.claims = claims
    await bench.refused(says)


@pytest.mark.parametrize("claim", ["nonce", "aud", "iss", "exp", "iat", "sub"])
async def test_claims_that_are_missing(bench: Bench, claim: str) -> None:
    def without(claims: dict[str, Any]) -> None:
        del claims[claim]

    bench.provider.bend_claims = without
    await bench.refused("credential: ")


async def test_a_token_holds_a_minute_beyond_its_end(bench: Bench) -> None:
    now = int(bench.clock().timestamp())
    bench.provider.claims = {"exp": now - 59, "iat": now + 59}
    assert await bench.identify()
    bench.provider.claims = {"exp": now - 61}
    await bench.refused("expired")


async def test_a_token_for_several_that_was_issued_to_us(bench: Bench) -> None:
    bench.provider.claims = {"aud": [CLIENT, "somebody-else"], "azp": CLIENT}
    assert await bench.identify()


async def test_a_token_that_nobody_has_signed(bench: Bench) -> None:
    bench.provider.header = {"alg": "none"}
    await bench.refused("signature")


@pytest.mark.parametrize("secret", ["client", "public key"])
async def test_a_token_signed_with_what_others_know(bench: Bench, secret: str) -> None:
    known = SECRET.encode() if secret == "client" else bench.provider.keys[0].as_dict(private=False)["n"].encode()
    bench.provider.signed_with = shared(known)
    bench.provider.header = {"alg": "HS256", "kid": "first"}
    await bench.refused("signature")


async def test_a_token_signed_by_somebody_else(bench: Bench) -> None:
    bench.provider.signed_with = another()
    await bench.refused("signature")


async def test_a_token_that_carries_its_own_key(bench: Bench) -> None:
    forger = another("forged")
    bench.provider.signed_with = forger
    bench.provider.header = {"jwk": forger.as_dict(private=False)}
    await bench.refused("signature")


@pytest.mark.parametrize("token", ["", "a.b", "a.b.c", "ä.b.c", "..", "e30.e30.e30"])
async def test_a_token_that_is_none(bench: Bench, token: str) -> None:
    bench.provider.bend_tokens = lambda tokens: tokens.update(id_token=token)
    await bench.refused("signature")


async def test_keys_that_rotate_are_read_again(bench: Bench) -> None:
    await bench.identify()
    bench.clock.now += timedelta(minutes=1)
    bench.provider.keys = [elliptic("second")]
    bench.provider.header = {"alg": "ES256"}
    assert await bench.identify()
    assert bench.provider.asked_for("/keys") == 2


async def test_a_key_that_was_withdrawn_signs_nothing_any_more(bench: Bench) -> None:
    old = bench.provider.keys[0]
    await bench.identify()
    bench.provider.keys = [another("second")]
    bench.clock.now += timedelta(hours=2)
    bench.provider.signed_with = old
    await bench.refused("signature")


async def test_made_up_tokens_do_not_make_us_ask_for_keys_for_ever(bench: Bench) -> None:
    bench.provider.signed_with = another("forged")
    for _ in range(5):
        await bench.refused("signature")
    assert bench.provider.asked_for("/keys") == 1
    bench.clock.now += timedelta(minutes=1)
    await bench.refused("signature")
    assert bench.provider.asked_for("/keys") == 2


async def test_keys_of_other_kinds_are_passed_over(bench: Bench) -> None:
    async def key_set(asked: Any, writer: Any) -> None:
        import json

        known = bench.provider.keys[0].as_dict(private=False)
        strange = [
            {"kty": "XYZ", "kid": "x"},
            {"kty": "oct", "k": "c2VjcmV0"},
            "text",
            {**known, "use": "enc", "kid": "e"},
        ]
        await says(200, json.dumps({"keys": [*strange, known]}).encode())(asked, writer)

    bench.provider.site.handlers["/keys"] = key_set
    assert await bench.identify()


async def test_a_code_that_the_provider_does_not_take(bench: Bench) -> None:
    await bench.refused("no such code", proof=Proof(PROOF.nonce, "another verifier", PROOF.redirect_uri))


async def test_an_answer_of_another_provider(bench: Bench) -> None:
    await bench.refused("another identity provider", issuer="https://another.test")
    assert bench.provider.asked_for("/token") == 0


async def test_an_answer_that_should_name_its_provider(bench: Bench) -> None:
    bench.provider.bend_document = lambda found: found.update(authorization_response_iss_parameter_supported=True)
    await bench.refused("does not say which")
    assert await bench.identify(issuer=bench.provider.issuer)


async def test_claims_that_only_the_userinfo_endpoint_tells(bench: Bench) -> None:
    def without(claims: dict[str, Any]) -> None:
        del claims["groups"]

    bench.provider.bend_claims = without
    bench.provider.userinfo = {"sub": "alice-1", "groups": ["ops"], "preferred_username": "mallory"}
    claims = await bench.identify()
    assert (claims["groups"], claims["preferred_username"]) == (["ops"], "alice")
    bench.provider.userinfo = {"sub": "somebody-else", "groups": ["admins"]}
    await bench.refused("somebody else")


@pytest.mark.parametrize(
    ("bent", "says"),
    [
        ({"issuer": "https://another.test"}, "names itself"),
        ({"issuer": None}, "cannot be read"),
        ({"token_endpoint": 7}, "cannot be read"),
    ],
)
async def test_a_provider_that_is_not_the_one_configured(bench: Bench, bent: dict[str, Any], says: str) -> None:
    bench.provider.bend_document = lambda found: found.update(bent)
    with pytest.raises(OutboundFailed, match=says):
        await bench.client.describe()


async def test_a_provider_over_https_whose_endpoints_are_not() -> None:
    class Plain:
        async def ask(self, method: str, url: str) -> Any:
            from roadstead.clients.outbound import Answer

            body = b'{"issuer":"https://idp.test","authorization_endpoint":"https://idp.test/a","token_endpoint":"http://idp.test/t","jwks_uri":"https://idp.test/k"}'
            return Answer(200, {}, body)

    outbound: Any = Plain()
    client = OidcClient(outbound, Oidc(issuer="https://idp.test", client_id="x"), "", FakeClock())
    with pytest.raises(OutboundFailed, match="not https"):
        await client.describe()


@pytest.mark.parametrize("path", ["/.well-known/openid-configuration", "/keys", "/token"])
@pytest.mark.parametrize(("status", "body"), [(500, b"{}"), (200, b"<html>"), (200, b"[]"), (200, b"\xff")])
async def test_a_provider_that_is_broken(bench: Bench, path: str, status: int, body: bytes) -> None:
    bench.provider.site.handlers[path] = says(status, body)
    with pytest.raises(OutboundFailed):
        await bench.identify()
