"""The served API against its own description: whatever is sent, it answers as described and never fails inside.

schemathesis makes requests from /openapi.json, right ones and wrong ones. So that they get past the first look-up,
names of what exists are put into some of them.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec
import pytest
import requests
import schemathesis
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.errors import FlakyStrategyDefinition
from schemathesis.checks import CHECKS, load_all_checks
from schemathesis.generation import GenerationMode

from roadstead.services.table import OPERATIONS
from tests.servers.postgres import PostgresServer
from tests.servers.roadstead import RoadsteadServer, on_postgres

EXAMPLES = 6
_ATTEMPTS = 3
CHECKED = (
    "not_a_server_error",
    "status_code_conformance",
    "content_type_conformance",
    "response_headers_conformance",
    "response_schema_conformance",
)
DATABASES = ("sqlite", "postgresql")


@dataclass
class Described:
    """A served product, its description, and what exists there."""

    schema: Any
    session: requests.Session
    known: dict[str, str]
    server: RoadsteadServer


@pytest.fixture(scope="module")
def described(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Described]:
    """A product of this module's own: what is sent here may delete and close anything."""
    database = {}
    if request.param == "postgresql":
        postgres: PostgresServer = request.getfixturevalue("postgres_server")
        database = on_postgres(postgres.create_database())
    folder: Path = tmp_path_factory.mktemp("described") / "data"
    server = RoadsteadServer(folder, database)
    server.start()
    made = server.credentials
    with requests.Session() as session:
        session.auth = (made.secret_id, made.secret_key)
        session.trust_env = False
        root = session.get(f"{server.url}/api/v1").json()
        loaded = schemathesis.openapi.from_dict(session.get(f"{server.url}/openapi.json").json())
        loaded.config.update(base_url=server.url)
        known = {"RegistryId": root["Instance"]["RegistryId"], "NamespaceName": "library", "RepositoryName": "app"}
        assert session.post(f"{server.url}/api/v1/CreateRepository", json=known).status_code == 200
        yield Described(loaded, session, known, server)
    assert server.stop() == 0, server.log.read_text()
    assert "Traceback" not in server.log.read_text(errors="replace")


# Each on one of the databases: the services' own tests hold that both do the same.
ASKED = sorted((DATABASES[turn % len(DATABASES)], name) for turn, name in enumerate(sorted(OPERATIONS)))


@pytest.mark.parametrize("mode", GenerationMode)
@pytest.mark.parametrize(("described", "name"), ASKED, indirect=["described"], scope="module")
def test_what_is_answered_is_what_is_described(described: Described, name: str, mode: GenerationMode) -> None:
    load_all_checks()
    checks = CHECKS.get_by_names(list(CHECKED))
    operation = described.schema[f"/api/v1/{name}"]["POST"]
    fields = {field.encode_name for field in msgspec.structs.fields(OPERATIONS[name].request)}
    known = {field: value for field, value in described.known.items() if field in fields}
    some = st.one_of(st.just(set(known)), st.sets(st.sampled_from(sorted(known)))) if known else st.just(set())

    @given(case=operation.as_strategy(generation_mode=mode), names=some)
    @settings(max_examples=EXAMPLES, deadline=None, suppress_health_check=list(HealthCheck), database=None)
    def ask(case: Any, names: set[str]) -> None:
        if isinstance(case.body, dict):
            case.body |= {each: known[each] for each in names}
        case.call_and_validate(session=described.session, checks=checks)

    for _ in range(_ATTEMPTS):
        try:
            ask()
        except FlakyStrategyDefinition:
            # Once in some thousand tests schemathesis draws less for the same choices: nothing that we have answered.
            continue
        return
    raise AssertionError(f"schemathesis makes no consistent requests for {name}")
