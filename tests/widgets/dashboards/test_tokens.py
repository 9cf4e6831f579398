"""The right token opens, wrong ones are counted by address."""

from types import SimpleNamespace

import pytest
from tornado.web import HTTPError

from absslab.widgets.dashboards.tokens import TokenIdentity


def request(token, address="192.0.2.1"):
    return SimpleNamespace(
        get_argument=lambda name, default="": token,
        request=SimpleNamespace(remote_ip=address, headers={}),
        log=SimpleNamespace(debug=lambda *_: None),
        get_secure_cookie=lambda *_, **__: None,
    )


@pytest.fixture
def identity():
    return TokenIdentity(token="the token", cookie_name="visitor")


def test_the_right_token_opens_and_no_other(identity):
    assert identity.get_token(request("the token")) == "the token"
    assert identity.process_login_form(request("the token")) is not None
    for wrong in ("", "the toke", "the token ", "ä"):
        assert identity.get_token(request(wrong)) is None
        assert identity.process_login_form(request(wrong)) is None


def test_tokens_are_compared_in_constant_time(identity, monkeypatch):
    compared = []
    monkeypatch.setattr(
        "secrets.compare_digest", lambda *pair: compared.append(pair) or pair[0] == pair[1]
    )
    for token in ("the token", "the toke", "x"):
        identity.get_token(request(token))
        identity.process_login_form(request(token))
    assert [pair[0] for pair in compared] == [
        *2 * [b"the token"],
        *2 * [b"the toke"],
        *2 * [b"x"],
    ]


def test_guesses_are_slowed_down_for_their_address_alone(identity):
    for number in range(10):
        assert identity.get_token(request(f"guess {number}")) is None
    identity.get_token(request("one too many"))
    assert identity.get_token(request("the token")) is None
    with pytest.raises(HTTPError, match="429"):
        identity.process_login_form(request("the token"))
    assert identity.get_token(request("the token", "192.0.2.2")) == "the token"


def test_a_visitor_with_a_cookie_is_not_counted(identity, monkeypatch):
    monkeypatch.setattr(identity, "get_user_cookie", lambda handler: "a visitor")
    for number in range(20):
        assert identity.get_token(request(f"an old token {number}")) is None
    assert identity.process_login_form(request("the token")) is not None


def test_a_token_too_long_to_be_guessed_has_no_brake():
    identity = TokenIdentity(token="x" * 32, cookie_name="visitor")
    for number in range(20):
        assert identity.get_token(request(f"guess {number}")) is None
    assert identity.get_token(request("x" * 32)) == "x" * 32


def test_without_a_token_everybody_is_let_in():
    identity = TokenIdentity(token="")
    assert not identity.auth_enabled
    assert identity.process_login_form(request("")) is not None
