"""Single sign-on at its door: the whole way of a browser and of a command line, and every way that is refused."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import httpx2
import msgspec
import pytest
import sqlalchemy as sa

from roadstead.errors import StartRefused
from roadstead.metadata import accounts, audit, groups
from roadstead.metadata.schema.access import identities, pending_logins, sessions, temporary_keys
from roadstead.metadata.schema.tenancy import accounts as account_table
from roadstead.metadata.schema.tenancy import group_members
from roadstead.services.context import Context
from roadstead.services.secrets import secret_hash
from roadstead.services.single_sign_on import challenge
from tests.factories.asgi import open_client
from tests.factories.contexts import initial_credentials, open_test_context
from tests.factories.providers import Provider, provider
from tests.jobs.bench import FakeClock

LOGIN, CALLBACK, KEY, END = (f"/api/v1/session/oidc/{name}" for name in ("login", "callback", "key", "end"))
VERIFIER = "v" * 43


@dataclass
class Bench:
    """A deployment, its provider, and a browser at it."""

    ctx: Context
    provider: Provider
    browser: httpx2.AsyncClient
    clock: FakeClock

    async def begin(self, **parameters: Any) -> str:
        """The query with which the provider sends the browser back."""
        answer = await self.browser.get(LOGIN, params=parameters)
        assert answer.status_code == 302, answer.text
        return self.provider.login(answer.headers["location"])

    async def log_in(self, **parameters: Any) -> httpx2.Response:
        return await self.browser.get(f"{CALLBACK}?{await self.begin(**parameters)}")

    async def account(self, name: str) -> accounts.Account | None:
        async with self.ctx.database.read() as tx:
            return await accounts.get(tx, name=name)

    async def groups_of(self, name: str) -> list[str]:
        account = await self.account(name)
        assert account is not None
        async with self.ctx.database.read() as tx:
            return [group.name for group in await groups.of_account(tx, account.id, last="", most=99)]

    async def rows(self, table: sa.Table) -> int:
        async with self.ctx.database.read() as tx:
            return int(await tx.scalar(sa.select(sa.func.count()).select_from(table)))

    async def refused(self, status: int, says: str, answer: httpx2.Response) -> None:
        """The page tells why, no session exists, and the audit knows."""
        assert (answer.status_code, answer.headers["content-type"]) == (status, "text/plain; charset=utf-8")
        assert says in answer.text, answer.text
        assert answer.headers["x-request-id"] in answer.text
        assert "roadstead_session" not in answer.headers.get("set-cookie", "")
        assert await self.rows(sessions) == 0
        await self.ctx.refusals.write_down(self.ctx.database)
        async with self.ctx.database.read() as tx:
            found = await audit.search(tx, audit.Search(request_id=answer.headers["x-request-id"]), 0, 9)
        (entry,) = [entry for _, entry in found.entries]
        assert (entry.outcome, entry.door) == ("refused", "api")
        assert says in msgspec.json.decode(entry.decision)["message"]


@asynccontextmanager
async def opened(folder: Path, clock: FakeClock, **rules: Any) -> AsyncIterator[Bench]:
    async with (
        provider(lambda: clock().timestamp()) as found,
        open_test_context(folder, clock, oidc=found.rules(**rules), outbound=found.outbound()) as ctx,
        open_client(ctx) as browser,
    ):
        yield Bench(ctx, found, browser, clock)


@pytest.fixture
async def bench(folder: Path, clock: FakeClock) -> AsyncIterator[Bench]:
    async with opened(folder, clock) as bench:
        yield bench


async def test_a_browser_goes_out_and_comes_back_with_a_session(bench: Bench) -> None:
    answer = await bench.log_in(next="/console?a=1&b=2")
    assert answer.status_code == 200
    assert 'content="0;url=/console?a=1&amp;b=2"' in answer.text
    cookie = re.search(r"roadstead_session=([\w-]{43}); (.*)", answer.headers["set-cookie"])
    assert cookie and "HttpOnly; SameSite=Strict" in cookie[2]
    async with bench.ctx.database.read() as tx:
        row = await tx.one(sa.select(sessions))
    account = await bench.account("alice")
    assert row is not None and account is not None
    assert (row.id, row.account_id) == (secret_hash(cookie[1]), account.id)
    assert not account.owner and account.owner_uin
    assert await bench.groups_of("alice") == ["admins", "dev"]
    assert "default-src 'none'" in answer.headers["content-security-policy"]


async def test_what_is_asked_of_the_provider(bench: Bench) -> None:
    answer = await bench.browser.get(LOGIN)
    asked = parse_qs(urlsplit(answer.headers["location"]).query)
    assert asked["redirect_uri"] == [f"http://registry.test:5000{CALLBACK}"]
    assert asked["scope"] == ["openid profile email"]
    kept = answer.headers["set-cookie"]
    assert "HttpOnly; SameSite=Lax; Max-Age=600" in kept and f"Path={CALLBACK.removesuffix('callback')}" in kept
    assert asked["state"][0] not in kept and asked["nonce"][0] not in kept
    again = parse_qs(urlsplit((await bench.browser.get(LOGIN)).headers["location"]).query)
    assert not {again[name][0] for name in ("state", "nonce", "code_challenge")} & {
        asked[name][0] for name in ("state", "nonce", "code_challenge")
    }
    assert await bench.rows(pending_logins) == 0


async def test_whoever_comes_again_is_the_same_account(bench: Bench) -> None:
    await bench.log_in()
    first = await bench.account("alice")
    # The name may change at the provider; who it is does not.
    bench.provider.claims = {"preferred_username": "alice.cooper"}
    assert (await bench.log_in()).status_code == 200
    assert await bench.account("alice.cooper") is None
    assert await bench.rows(identities) == 1 and await bench.rows(sessions) == 2
    assert await bench.account("alice") == first


async def test_another_person_of_the_same_name_is_not_let_in(bench: Bench) -> None:
    await bench.log_in()
    bench.provider.claims = {"sub": "mallory-1"}
    answer = await bench.log_in()
    assert answer.status_code == 401 and "belongs to a local account" in answer.text
    assert await bench.rows(identities) == await bench.rows(sessions) == 1


async def test_groups_follow_the_claim_and_rights_are_asked_anew(bench: Bench) -> None:
    await bench.log_in()
    account = await bench.account("alice")
    assert account is not None
    async with bench.ctx.database.write() as tx:
        by_hand = await groups.add(tx, "by-hand", "", bench.clock())
        assert by_hand is not None
        await groups.add_member(tx, by_hand.id, account.id)
    bench.provider.claims = {"groups": ["dev", "ops", "by-hand"]}
    before = await bench.account("alice")
    await bench.log_in()
    assert await bench.groups_of("alice") == ["by-hand", "dev", "ops"]
    after = await bench.account("alice")
    assert before is not None and after is not None and after.policy_revision > before.policy_revision
    bench.provider.claims = {"groups": []}
    await bench.log_in()
    assert await bench.groups_of("alice") == ["by-hand"]
    async with bench.ctx.database.read() as tx:
        assert [row.claimed for row in await tx.all(sa.select(group_members.c.claimed))] == [False]


@pytest.mark.parametrize(
    ("claim", "expected"),
    [("dev", ["dev"]), (["dev", 7, None, "", "x" * 65, "a\nb"], ["dev"]), (None, []), ({}, []), (7, [])],
)
async def test_group_claims_of_all_shapes(bench: Bench, claim: Any, expected: list[str]) -> None:
    bench.provider.claims = {"groups": claim}
    assert (await bench.log_in()).status_code == 200
    assert await bench.groups_of("alice") == expected


async def test_groups_may_be_mapped(folder: Path, clock: FakeClock) -> None:
    mapped = ("dev=developers", "cn=admins,ou=groups=operators")
    async with opened(folder, clock, group_map=mapped, groups_claim="roles") as bench:
        bench.provider.claims = {"roles": ["dev", "cn=admins,ou=groups", "others"]}
        await bench.log_in()
        assert await bench.groups_of("alice") == ["developers", "operators"]


async def test_groups_that_do_not_exist_may_be_left_out(folder: Path, clock: FakeClock) -> None:
    async with opened(folder, clock, create_groups=False) as bench:
        async with bench.ctx.database.write() as tx:
            await groups.add(tx, "admins", "", clock())
        await bench.log_in()
        assert await bench.groups_of("alice") == ["admins"]


async def test_only_some_groups_may_log_in(folder: Path, clock: FakeClock) -> None:
    async with opened(folder, clock, allowed_groups=("ops",)) as bench:
        await bench.refused(403, "none of the groups that may log in", await bench.log_in())
        assert await bench.account("alice") is None
        bench.provider.claims = {"groups": ["ops"]}
        assert (await bench.log_in()).status_code == 200


async def test_accounts_need_not_be_made(folder: Path, clock: FakeClock) -> None:
    async with opened(folder, clock, create_accounts=False) as bench:
        await bench.refused(401, "no account for alice", await bench.log_in())
        assert await bench.account("alice") is None


@pytest.mark.parametrize("name", [None, "", 7, "a b", "-x", "12345", "x" * 65, "a/b", "a\n"])
async def test_names_that_no_account_can_have(bench: Bench, name: Any) -> None:
    bench.provider.claims = {"preferred_username": name}
    await bench.refused(401, "gives no name for an account", await bench.log_in())


async def local(bench: Bench, name: str) -> int:
    async with bench.ctx.database.write() as tx:
        owner = await accounts.owner(tx)
        assert owner is not None
        made = await accounts.add(
            tx, uin="200099", owner_uin=owner.uin, name=name, password_hash="-", now=bench.clock()
        )
        assert made is not None
        return made.id


async def test_a_local_account_may_be_adopted(folder: Path, clock: FakeClock) -> None:
    async with opened(folder, clock, adopt_accounts=True) as bench:
        number = await local(bench, "alice")
        assert (await bench.log_in()).status_code == 200
        async with bench.ctx.database.read() as tx:
            assert await tx.scalar(sa.select(sessions.c.account_id)) == number
        bench.provider.claims = {"sub": "the-owner", "preferred_username": "admin"}
        answer = await bench.log_in()
        assert answer.status_code == 401 and "local account" in answer.text


async def test_a_local_account_is_not_taken_over(bench: Bench) -> None:
    await local(bench, "alice")
    await bench.refused(401, "belongs to a local account", await bench.log_in())


async def test_a_disabled_account_stays_out(bench: Bench) -> None:
    await bench.log_in()
    async with bench.ctx.database.write() as tx:
        await tx.run(sa.delete(sessions))
        await tx.run(sa.update(account_table).where(account_table.c.name == "alice").values(enabled=False))
    await bench.refused(401, "is disabled", await bench.log_in())


async def test_another_browser_cannot_finish_a_login(bench: Bench) -> None:
    query = await bench.begin()
    async with open_client(bench.ctx) as other:
        await bench.refused(401, "has not begun the login", await other.get(f"{CALLBACK}?{query}"))
    assert bench.provider.asked_for("/token") == 0


async def test_the_cookie_of_another_login_does_not_help(bench: Bench) -> None:
    query = await bench.begin()
    async with open_client(bench.ctx) as other:
        answer = await other.get(LOGIN)
        (value,) = [cookie.value for cookie in other.cookies.jar]
        assert answer.status_code == 302
    state = parse_qs(query)["state"][0]
    cookie = f"roadstead_sso_{secret_hash(state)[:12]}={value}"
    async with open_client(bench.ctx) as forged:
        await bench.refused(
            401, "its state differs", await forged.get(f"{CALLBACK}?{query}", headers={"cookie": cookie})
        )


@pytest.mark.parametrize("cookie", ["", "x", "gAAAAA", "=" * 50])
async def test_a_cookie_that_was_not_sealed_here(bench: Bench, cookie: str) -> None:
    query = await bench.begin()
    name = f"roadstead_sso_{secret_hash(parse_qs(query)['state'][0])[:12]}"
    async with open_client(bench.ctx) as other:
        answer = await other.get(f"{CALLBACK}?{query}", headers={"cookie": f"{name}={cookie}"})
    await bench.refused(401, "has not begun the login", answer)


async def test_a_code_is_good_once(bench: Bench) -> None:
    query = await bench.begin()
    kept = dict(bench.browser.cookies)
    assert (await bench.browser.get(f"{CALLBACK}?{query}")).status_code == 200
    assert (await bench.browser.get(f"{CALLBACK}?{query}")).status_code == 401
    async with open_client(bench.ctx) as again:
        again.cookies.update(kept)
        answer = await again.get(f"{CALLBACK}?{query}")
    assert answer.status_code == 401 and "no such code" in answer.text


async def test_a_login_that_takes_too_long(bench: Bench) -> None:
    query = await bench.begin()
    bench.clock.now += timedelta(seconds=601)
    await bench.refused(401, "too long", await bench.browser.get(f"{CALLBACK}?{query}"))


async def test_what_the_provider_says_of_a_refusal_is_told(bench: Bench) -> None:
    state = parse_qs(await bench.begin())["state"][0]
    answer = await bench.browser.get(
        CALLBACK, params={"state": state, "error": "access_denied", "error_description": "<b>not you</b>"}
    )
    await bench.refused(401, "access_denied: <b>not you</b>", answer)


async def test_a_token_of_another_login(bench: Bench) -> None:
    bench.provider.claims = {"nonce": "another"}
    await bench.refused(401, "nonce", await bench.log_in())


async def test_who_keeps_failing_has_to_wait(bench: Bench) -> None:
    bench.provider.claims = {"nonce": "another"}
    statuses = [(await bench.log_in()).status_code for _ in range(14)]
    assert statuses[:10] == [401] * 10 and statuses[-1] == 429


@pytest.mark.parametrize(
    "target", ["https://evil.test/", "//evil.test", "/\\evil.test", "console", "/a\nb", "/" + "x" * 600, ""]
)
async def test_nobody_is_led_elsewhere(bench: Bench, target: str) -> None:
    answer = await bench.log_in(next=target)
    assert 'content="0;url=/"' in answer.text and "evil" not in answer.text


async def test_a_page_cannot_be_broken_by_its_target(bench: Bench) -> None:
    answer = await bench.log_in(next='/"><script>alert(1)</script>')
    assert answer.status_code == 200 and "<script>" not in answer.text


async def test_the_login_is_audited(bench: Bench) -> None:
    answer = await bench.log_in()
    async with bench.ctx.database.read() as tx:
        found = await audit.search(tx, audit.Search(action="cam:SingleSignOn"), 0, 9)
    ((_, entry),) = found.entries
    account = await bench.account("alice")
    assert account is not None
    assert (entry.operator, entry.request_id) == (account.uin, answer.headers["x-request-id"])
    assert msgspec.json.decode(entry.data) == {
        "Issuer": bench.provider.issuer,
        "Subject": "alice-1",
        "Groups": ["admins", "dev"],
    }


async def command_line(bench: Bench, **parameters: Any) -> httpx2.Response:
    asked = {"port": "40123", "state": "mine", "challenge": challenge(VERIFIER), **parameters}
    return await bench.log_in(**asked)


async def test_a_command_line_gets_a_key_for_an_hour(bench: Bench) -> None:
    answer = await command_line(bench)
    target = urlsplit(answer.headers["location"])
    assert (answer.status_code, target.netloc) == (303, "127.0.0.1:40123")
    query = parse_qs(target.query)
    assert query["state"] == ["mine"]
    assert "roadstead_session" not in answer.headers["set-cookie"] and await bench.rows(sessions) == 0
    body = {"Code": query["code"][0], "Verifier": VERIFIER}
    taken = await bench.browser.post(KEY, json=body)
    assert taken.status_code == 200
    found = taken.json()
    assert found["ExpiredTime"] == int((bench.clock() + timedelta(hours=1)).timestamp())
    async with bench.ctx.database.read() as tx:
        row = await tx.one(sa.select(temporary_keys))
    account = await bench.account("alice")
    assert row is not None and account is not None
    assert (row.secret_id, row.account_id) == (found["TmpSecretId"], account.id)
    assert row.token_hash == secret_hash(found["Token"])
    assert bench.ctx.secrets.unseal(row.secret_key).decode() == found["TmpSecretKey"]
    assert (await bench.browser.post(KEY, json=body)).status_code == 401
    assert await bench.rows(temporary_keys) == 1
    key = (found["TmpSecretId"], found["TmpSecretKey"])
    for token in ("", "x"):
        wrong = await bench.browser.post(END, auth=key, headers={"x-tc-token": token})
        assert wrong.status_code == 401 and await bench.rows(temporary_keys) == 1
    ended = await bench.browser.post(END, auth=key, headers={"x-tc-token": found["Token"]})
    assert (ended.status_code, await bench.rows(temporary_keys)) == (200, 0)
    again = await bench.browser.post(END, auth=key, headers={"x-tc-token": found["Token"]})
    assert again.status_code == 401


async def test_only_a_temporary_key_is_given_up(bench: Bench) -> None:
    made = initial_credentials(bench.ctx)
    refused = await bench.browser.post(END, auth=(made.secret_id, made.secret_key))
    assert refused.status_code == 409 and "roadstead key delete" in refused.text
    nobody = await bench.browser.post(END)
    assert nobody.status_code == 401 and "X-TC-Token" in nobody.text


async def test_a_code_that_another_program_has_caught_is_worth_nothing(bench: Bench) -> None:
    code = parse_qs(urlsplit((await command_line(bench)).headers["location"]).query)["code"][0]
    answer = await bench.browser.post(KEY, json={"Code": code, "Verifier": "w" * 43})
    assert answer.status_code == 401 and answer.headers["content-type"] == "application/problem+json"
    # And the true one cannot use it any more: somebody else has seen it.
    assert (await bench.browser.post(KEY, json={"Code": code, "Verifier": VERIFIER})).status_code == 401
    assert await bench.rows(temporary_keys) == 0


async def test_a_code_that_nobody_takes_in_time(bench: Bench) -> None:
    code = parse_qs(urlsplit((await command_line(bench)).headers["location"]).query)["code"][0]
    bench.clock.now += timedelta(seconds=61)
    assert (await bench.browser.post(KEY, json={"Code": code, "Verifier": VERIFIER})).status_code == 401
    await command_line(bench)
    await command_line(bench)
    bench.clock.now += timedelta(seconds=61)
    await command_line(bench)
    assert await bench.rows(pending_logins) == 1


@pytest.mark.parametrize(
    "parameters",
    [{"port": "80"}, {"port": "99999"}, {"port": "x"}, {"state": "a b"}, {"state": ""}, {"challenge": "short"}],
)
async def test_a_command_line_that_asks_for_nonsense(bench: Bench, parameters: dict[str, str]) -> None:
    asked = {"port": "40123", "state": "mine", "challenge": challenge(VERIFIER), **parameters}
    assert (await bench.browser.get(LOGIN, params=asked)).status_code == 400


@pytest.mark.parametrize("body", [b"", b"[]", b"{}", b'{"Code":1,"Verifier":"x"}', b"\xff", b"[" * 5000])
async def test_a_key_that_is_asked_for_with_nonsense(bench: Bench, body: bytes) -> None:
    answer = await bench.browser.post(KEY, content=body, headers={"content-type": "application/json"})
    assert answer.status_code == 400
    assert (await bench.browser.post(KEY, content=body, headers={"content-type": "text/plain"})).status_code == 400


@pytest.mark.parametrize(
    ("method", "path", "status"), [("POST", LOGIN, 405), ("GET", KEY, 405), ("GET", "/api/v1/session/oidc/x", 400)]
)
async def test_addresses_and_methods_that_mean_nothing(bench: Bench, method: str, path: str, status: int) -> None:
    assert (await bench.browser.request(method, path)).status_code == status


async def test_without_a_provider_the_password_is_named(ctx: Context) -> None:
    async with open_client(ctx) as browser:
        for path in (LOGIN, CALLBACK):
            answer = await browser.get(path)
            assert answer.status_code == 404 and "log in with a password" in answer.text


async def test_a_login_page_may_ask_whether_there_is_a_provider(bench: Bench) -> None:
    answer = await bench.browser.get("/api/v1/session/oidc/")
    assert answer.json() == {"Offered": True, "Issuer": bench.provider.issuer}


async def test_a_login_page_is_told_that_there_is_none(ctx: Context) -> None:
    async with open_client(ctx) as browser:
        assert (await browser.get("/api/v1/session/oidc/")).json() == {"Offered": False, "Issuer": ""}


async def test_a_provider_that_is_away_is_told_as_such(bench: Bench) -> None:
    bench.provider.bend_document = lambda found: found.update(issuer="https://another.test")
    answer = await bench.browser.get(LOGIN)
    assert answer.status_code == 502 and "names itself" in answer.text


@pytest.mark.parametrize(
    ("rules", "says"),
    [
        ({"client_id": ""}, "client_id"),
        ({"issuer": "http://idp.test"}, "https"),
        ({"issuer": "idp.test"}, "https"),
        ({"group_map": ("dev",)}, "CLAIMED=GROUP"),
        ({"client_secret_file": "/nowhere/secret"}, "client_secret_file"),
    ],
)
async def test_settings_that_cannot_be_used(tmp_path: Path, rules: dict[str, Any], says: str) -> None:
    from roadstead.config import Oidc

    chosen = Oidc(**{"issuer": "https://idp.test", "client_id": "x", **rules})
    with pytest.raises(StartRefused, match=says):
        async with open_test_context(tmp_path, oidc=chosen):
            pass


def test_the_secret_may_be_in_a_file(tmp_path: Path) -> None:
    from roadstead.config import Oidc
    from roadstead.services.single_sign_on import secret_of

    (tmp_path / "secret").write_text("hush\n")
    assert secret_of(Oidc(issuer="https://x", client_id="x", client_secret_file=str(tmp_path / "secret"))) == "hush"


async def test_a_browser_that_is_refused_is_shown_the_way_back(bench: Bench) -> None:
    query = "error=access_denied&error_description=<b>no</b>"
    answer = await bench.browser.get(f"{CALLBACK}?{query}", headers={"accept": "text/html,*/*"})
    assert (answer.status_code, answer.headers["content-type"]) == (401, "text/html; charset=utf-8")
    assert answer.headers["content-security-policy"].startswith("default-src 'none'")
    assert '<a href="/console/">' in answer.text and answer.headers["x-request-id"] in answer.text
    assert "<b>" not in answer.text
