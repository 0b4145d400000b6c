"""Policies, actions, paths and circumstances drawn from so small an alphabet that they often meet."""

from __future__ import annotations

import json
from typing import Any

from hypothesis import strategies as st

ACTIONS = ("tcr:PullRepository", "tcr:PushRepository", "tcr:DescribeRepositories", "cam:CreatePolicy")
REGIONS = ("here", "there")
OWNER = "100"

_words = st.sampled_from(["aa", "ab", "ba", "b", "abba"])
paths = st.one_of(
    st.builds("repository/tcr-a/{}/{}".format, _words, _words),
    st.builds("repository/tcr-a/{}/{}/{}".format, _words, _words, _words),
    st.builds("{}/tcr-{}".format, st.sampled_from(["instance", "repository"]), _words),
    st.builds("repository/tcr-a/{}/*".format, _words),
)
_wild = st.sampled_from(["", "*", "/*", "?", "a*", "*/b", "*b*", "/?b", "a*/*"])
path_patterns = st.one_of(
    st.just("*"),
    paths,
    st.builds("{}{}".format, paths, _wild),
    st.builds("repository/tcr-a/{}{}".format, _words, _wild),
    st.builds("repository/{}{}".format, st.sampled_from(["tcr-a", "*", "tcr-?"]), _wild),
)
resources = st.one_of(
    st.just("*"),
    st.builds(
        "qcs::{}:{}:{}:{}".format,
        st.sampled_from(["tcr", "tcr", "tcr", "cam", "*"]),
        st.sampled_from(["", "", "", "*", "here", "*ere", "nowhere"]),
        st.sampled_from(["", "", "", "uin/100", "uin/*", "uin/999"]),
        path_patterns,
    ),
)
actions = st.sampled_from(
    [*ACTIONS, "tcr:*", "*", "tcr:Pull*", "TCR:DESCRIBE*".replace("TCR", "tcr"), "tcr:P???Repository"]
)
addresses = st.sampled_from(["10.0.0.1", "10.9.9.9", "192.0.2.1", "2001:db8::1", "local"])
conditions = st.one_of(
    st.just({}),
    st.just({}),
    st.builds(
        lambda name, values: {name: {"qcs:ip": values}},
        st.sampled_from(["ip_equal", "ip_not_equal", "ip_equal_if_exist"]),
        st.lists(st.sampled_from(["10.0.0.0/16", "10.0.0.1", "2001:db8::/32"]), min_size=1, max_size=2),
    ),
    st.builds(
        lambda name, value: {name: {"qcs:current_time": value}},
        st.sampled_from(["date_less_than", "date_greater_than_equal"]),
        st.sampled_from(["2026-01-01T00:00:00", "2027-01-01T00:00:00"]),
    ),
)


def one_or_more(values: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    """A single one or a list, as documents write both."""
    return st.one_of(values, st.lists(values, min_size=1, max_size=3))


statements = st.builds(
    lambda effect, action, resource, condition: {
        "effect": effect,
        "action": action,
        "resource": resource,
        **({"condition": condition} if condition else {}),
    },
    st.sampled_from(["allow", "allow", "deny"]),
    one_or_more(actions),
    one_or_more(resources),
    conditions,
)
documents = one_or_more(statements).map(lambda found: json.dumps({"version": "2.0", "statement": found}))
policies = st.lists(documents, max_size=4).map(
    lambda found: [(f"policy-{place}", text) for place, text in enumerate(found)]
)
