"""How people come in at the console for the first time: with a password of their own, and with a second factor."""

from __future__ import annotations

import pyotp

from tests.console.browser import Person

_OWN = "Battery-staple-8"


def chooses_a_password(somebody: Person, name: str, given: str) -> None:
    """The person has signed in with a given password, which opens nothing before there is another one."""
    somebody.fill(somebody.say("Account name or number"), name)
    somebody.fill(somebody.say("Password"), given)
    somebody.press("Sign in")
    somebody.fill(somebody.say("New password"), _OWN)
    assert not somebody.findings()
    somebody.press("Sign in")


def has_a_second_factor(somebody: Person, name: str) -> None:
    """The person sets up a second factor, and comes in by one of its recovery codes."""
    somebody.open("account")
    card = somebody.page.locator(".card").filter(has_text=somebody.say("Second factor")).last
    card.get_by_label(somebody.say("Password")).fill(_OWN)
    somebody.press("Set up")
    secret = card.locator(".command pre").inner_text().strip()
    card.get_by_label(somebody.say("Code of the second factor")).fill(pyotp.TOTP(secret).now())
    somebody.press("Confirm")
    somebody.sees(somebody.say("Recovery codes"))
    code = somebody.page.locator("dialog code").first.inner_text()
    assert not somebody.findings()
    somebody.press("I have kept them")
    somebody.page.locator(".account summary").click()
    somebody.press("Sign out")
    somebody.fill(somebody.say("Account name or number"), name)
    somebody.fill(somebody.say("Password"), _OWN)
    somebody.press("Sign in")
    somebody.fill(somebody.say("Code of the second factor, or a recovery code"), code)
    somebody.press("Sign in")
    left = "{count} recovery codes are left. Each lets you in once in place of a code, if the app is lost."
    somebody.sees(somebody.say(left, count=9))
