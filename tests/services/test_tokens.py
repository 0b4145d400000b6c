"""Signed tokens and the keys behind them: what holds, what does not, and how keys are replaced."""

from __future__ import annotations

import base64
import hmac
import json
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from cryptography.fernet import Fernet
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from joserfc import jwt
from joserfc.jwk import ECKey

from roadstead.config import Tokens
from roadstead.domain.identity import CredentialKind
from roadstead.domain.scope import Scope
from roadstead.errors import EndedToken, NotAuthenticated, StartRefused, Unavailable
from roadstead.metadata import credentials
from roadstead.metadata.schema.access import signing_keys
from roadstead.services.context import Context
from roadstead.services.secrets import SecretBox
from roadstead.services.tokens import KeyRing, presented
from tests.factories.contexts import open_test_context
from tests.jobs.bench import FakeClock

HOUR = 3600
DAY = 24 * HOUR


def sign(ring: KeyRing, **more: Any) -> str:
    return ring.sign(**{"issuer": "tcr-1", "uin": "100", "kind": "access", "seconds": 300, **more})


def part(token: str, place: int) -> dict[str, Any]:
    text = token.split(".")[place]
    found: dict[str, Any] = json.loads(base64.urlsafe_b64decode(text + "=" * (-len(text) % 4)))
    return found


def packed(value: object) -> str:
    return base64.urlsafe_b64encode(json.dumps(value).encode()).rstrip(b"=").decode()


async def ids(ctx: Context) -> list[str]:
    async with ctx.database.read() as tx:
        rows = await tx.all(sa.select(signing_keys.c.id).order_by(signing_keys.c.created_at))
    return [row.id for row in rows]


class TestWhatHolds:
    async def test_a_token_says_what_it_was_signed_for(self, ctx: Context) -> None:
        scopes = (Scope("repository", "prod/web", ("pull", "push")), Scope("registry", "catalog", ("*",)))
        token = sign(ctx.keys, scopes=scopes, credential_id="abc")
        claims = await ctx.keys.check(token, "tcr-1")
        assert (claims.iss, claims.sub, claims.kind, claims.cid) == ("tcr-1", "100", "access", "abc")
        now = int(ctx.clock().timestamp())
        assert (claims.nbf, claims.exp) == (now, now + 300)
        shown = presented(claims)
        assert (shown.kind, shown.uin, shown.credential_id, shown.scopes) == (
            CredentialKind.LONG_TERM,
            "100",
            "abc",
            scopes,
        )

    async def test_it_carries_the_claims_of_the_docker_token_specification(self, ctx: Context) -> None:
        token = sign(ctx.keys, scopes=(Scope("repository", "prod/web", ("pull",)),))
        assert part(token, 0)["alg"] == "ES256"
        claims = part(token, 1)
        assert claims["access"] == [{"type": "repository", "name": "prod/web", "actions": ["pull"]}]
        assert {"iss", "sub", "aud", "exp", "nbf", "iat", "jti"} <= set(claims)

    @pytest.mark.parametrize(
        ("more", "kind"),
        [
            ({"uin": ""}, CredentialKind.NONE),
            ({"uin": "", "credential_id": "abc"}, CredentialKind.NONE),
            ({}, CredentialKind.TEMPORARY),
            ({"credential_id": "abc"}, CredentialKind.LONG_TERM),
        ],
    )
    async def test_what_its_bearer_is(self, ctx: Context, more: dict[str, str], kind: CredentialKind) -> None:
        assert presented(await ctx.keys.check(sign(ctx.keys, **more), "tcr-1")).kind is kind

    async def test_no_scopes_are_not_all_scopes(self, ctx: Context) -> None:
        none = presented(await ctx.keys.check(sign(ctx.keys, scopes=()), "tcr-1"))
        every = presented(await ctx.keys.check(sign(ctx.keys), "tcr-1"))
        assert (none.scopes, every.scopes) == ((), None)

    async def test_it_ends(self, ctx: Context, clock: FakeClock) -> None:
        token = sign(ctx.keys)
        clock.turn(seconds=299)
        await ctx.keys.check(token, "tcr-1")
        clock.turn(seconds=1)
        for _ in range(2):
            with pytest.raises(EndedToken, match="log in again"):
                await ctx.keys.check(token, "tcr-1")

    async def test_it_is_for_one_instance(self, ctx: Context) -> None:
        token = sign(ctx.keys)
        for _ in range(2):
            with pytest.raises(NotAuthenticated, match="not meant for this instance"):
                await ctx.keys.check(token, "tcr-2")
        await ctx.keys.check(token, "tcr-1")

    async def test_it_does_not_hold_before_its_time(self, ctx: Context, clock: FakeClock) -> None:
        token = sign(ctx.keys)
        clock.now -= timedelta(seconds=5)
        await ctx.keys.check(token, "tcr-1")
        clock.now -= timedelta(seconds=1)
        with pytest.raises(NotAuthenticated):
            await ctx.keys.check(token, "tcr-1")


class TestForgeries:
    async def signing_key(self, ctx: Context) -> ECKey:
        key = ctx.keys._signing
        assert key is not None
        return key

    async def refuse(self, ctx: Context, token: str) -> None:
        with pytest.raises(NotAuthenticated, match="not issued by this registry"):
            await ctx.keys.check(token, "tcr-1")

    async def test_a_changed_token(self, ctx: Context) -> None:
        head, body, signature = sign(ctx.keys).split(".")
        claims = part(f"{head}.{body}", 1)
        other = sign(ctx.keys, uin="200").split(".")[2]
        for token in (
            f"{head}.{packed({**claims, 'sub': '200'})}.{signature}",
            f"{head}.{body}.{other}",
            f"{head}.{body}.",
            f"{head}.{body}",
            f"{head}.{body}.{signature}.{signature}",
            f"{packed({**part(f'{head}.x', 0), 'typ': 'x'})}.{body}.{signature}",
        ):
            await self.refuse(ctx, token)

    async def test_a_token_without_a_signature(self, ctx: Context) -> None:
        head, body, signature = sign(ctx.keys).split(".")
        kid = part(f"{head}.x", 0)["kid"]
        for algorithm in ("none", "None", ""):
            forged = packed({"alg": algorithm, "kid": kid})
            await self.refuse(ctx, f"{forged}.{body}.")
            await self.refuse(ctx, f"{forged}.{body}.{signature}")

    async def test_the_public_key_taken_for_a_shared_secret(self, ctx: Context) -> None:
        key = await self.signing_key(ctx)
        claims = part(sign(ctx.keys), 1)
        secrets = [json.dumps(key.as_dict(private=False)), key.as_pem(private=False).decode()]
        for secret in secrets:
            signed = f"{packed({'alg': 'HS256', 'kid': key.kid})}.{packed(claims)}"
            mark = hmac.digest(secret.encode(), signed.encode(), "sha256")
            await self.refuse(ctx, f"{signed}.{base64.urlsafe_b64encode(mark).rstrip(b'=').decode()}")

    async def test_a_key_that_nobody_here_knows(self, ctx: Context) -> None:
        claims = part(sign(ctx.keys), 1)
        mine = ECKey.generate_key("P-256", {"kid": "mine"}, private=True)
        for header in (
            {"alg": "ES256", "kid": "mine"},
            {"alg": "ES256", "kid": (await self.signing_key(ctx)).kid},
            {"alg": "ES256"},
            {"alg": "ES256", "kid": "mine", "jwk": mine.as_dict(private=False)},
        ):
            try:
                forged = jwt.encode(header, claims, mine)
            except ValueError:
                continue
            await self.refuse(ctx, forged)

    async def test_claims_that_say_too_little(self, ctx: Context) -> None:
        key = await self.signing_key(ctx)
        whole = part(sign(ctx.keys), 1)
        for claims in ({}, {"exp": 1}, {**whole, "exp": "never"}, {**whole, "sub": None}, {**whole, "access": [1]}):
            await self.refuse(ctx, jwt.encode({"alg": "ES256", "kid": key.kid}, claims, key))

    @pytest.mark.parametrize(
        "token",
        [
            "",
            ".",
            "..",
            "a.b.c",
            "é.é.é",
            packed([]) + ".b.c",
            packed({"kid": {}}) + ".b.c",
            base64.urlsafe_b64encode(b"[" * 40_000).decode() + ".b.c",
            base64.urlsafe_b64encode(b'{"kid":' * 40_000).decode() + ".b.c",
            ".".join([packed({"alg": "dir", "enc": "A128GCM"}), "", "b", "c", "d"]),
        ],
    )
    async def test_nonsense(self, ctx: Context, token: str) -> None:
        await self.refuse(ctx, token)

    @settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=60, deadline=None)
    @given(st.data())
    async def test_any_text_is_refused_and_nothing_worse(self, ctx: Context, data: st.DataObject) -> None:
        pieces = st.text(max_size=8) | st.recursive(
            st.none() | st.integers() | st.text(max_size=4),
            lambda inner: (
                st.lists(inner, max_size=2)
                | st.dictionaries(st.sampled_from(["kid", "alg", "typ", "crit", "b64"]), inner, max_size=3)
            ),
            max_leaves=4,
        ).map(packed)
        await self.refuse(ctx, ".".join(data.draw(st.lists(pieces, max_size=5))))


class TestKeys:
    async def test_a_young_key_stays(self, ctx: Context, clock: FakeClock) -> None:
        before = await ids(ctx)
        clock.turn(seconds=30 * DAY)
        await ctx.keys.refresh()
        assert await ids(ctx) == before and len(before) == 1

    async def test_an_old_key_is_replaced_and_still_checks_what_it_signed(
        self, folder: Path, clock: FakeClock
    ) -> None:
        rules = Tokens(refresh_seconds=10 * DAY, rotate_seconds=HOUR)
        async with open_test_context(folder, clock, tokens=rules) as ctx:
            old = sign(ctx.keys, seconds=10 * DAY)
            clock.turn(seconds=HOUR + 1)
            await ctx.keys.refresh()
            new = sign(ctx.keys, seconds=10 * DAY)
            assert part(old, 0)["kid"] != part(new, 0)["kid"]
            assert len(await ids(ctx)) == 2
            for token in (old, new):
                await ctx.keys.check(token, "tcr-1")

    async def test_no_token_outlives_its_key(self, folder: Path, clock: FakeClock) -> None:
        """The longest token signed in the last moment before a rotation is checked by a process that starts later."""
        rules = Tokens(access_seconds=60, temporary_seconds=2 * HOUR, refresh_seconds=HOUR, rotate_seconds=HOUR)
        async with open_test_context(folder, clock, tokens=rules) as ctx:
            clock.turn(seconds=HOUR + 1)
            last = sign(ctx.keys, seconds=2 * HOUR)
            await ctx.keys.refresh()
            clock.turn(seconds=2 * HOUR - 1)
            async with open_test_context(folder, clock, tokens=rules) as other:
                await other.keys.check(last, "tcr-1")

    async def test_ended_keys_are_forgotten(self, folder: Path, clock: FakeClock) -> None:
        rules = Tokens(refresh_seconds=HOUR, rotate_seconds=HOUR)
        async with open_test_context(folder, clock, tokens=rules) as ctx:
            for _ in range(6):
                clock.turn(seconds=2 * HOUR)
                await ctx.keys.refresh()
            assert len(await ids(ctx)) == 2

    async def test_a_process_learns_of_another_ones_new_key_when_it_meets_it(
        self, folder: Path, clock: FakeClock
    ) -> None:
        async with open_test_context(folder, clock) as one, open_test_context(folder, clock) as other:
            clock.turn(seconds=31 * DAY)
            await other.keys.refresh()
            token = sign(other.keys)
            assert (await one.keys.check(token, "tcr-1")).sub == "100"
            assert part(sign(one.keys), 0)["kid"] == part(token, 0)["kid"]

    async def test_private_keys_are_kept_encrypted(self, ctx: Context) -> None:
        async with ctx.database.read() as tx:
            (row,) = await tx.all(sa.select(signing_keys))
        assert b'"d"' not in row.private_key and '"d"' not in row.public_key
        assert '"d"' in ctx.secrets.unseal(row.private_key).decode()

    async def test_keys_that_another_box_sealed_are_told_at_the_start(self, ctx: Context) -> None:
        box = SecretBox(Fernet.generate_key().decode())
        ring = KeyRing(ctx.database, box, ctx.settings.tokens, ctx.clock)
        with pytest.raises(StartRefused, match=r"secret\.key"):
            await ring.refresh()

    async def test_before_its_first_refresh_a_ring_signs_nothing(self, ctx: Context) -> None:
        ring = KeyRing(ctx.database, ctx.secrets, ctx.settings.tokens, ctx.clock)
        with pytest.raises(Unavailable):
            sign(ring)
        token = sign(ctx.keys)
        assert (await ring.check(token, "tcr-1")).sub == "100"

    async def test_what_is_remembered_does_not_grow_without_end(
        self, ctx: Context, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr("roadstead.services.tokens._REMEMBERED", 5)
        tokens = [sign(ctx.keys, uin=str(number)) for number in range(9)]
        for token in [*tokens, *tokens]:
            await ctx.keys.check(token, "tcr-1")
        assert len(ctx.keys._verified) <= 5

    async def test_the_database_says_which_keys_still_check(self, ctx: Context, clock: FakeClock) -> None:
        async with ctx.database.read() as tx:
            (key,) = await credentials.signing_keys_valid(tx, clock())
        assert key.ends_at is None and key.created_at == clock()
