from __future__ import annotations

import json
from pathlib import Path

import jsonschema
import pytest
from botocore.exceptions import ClientError

from batchdrop.route import schema
from tests.unit.local.conftest import Run, Shop, aws

ROUTE = """\
destination: datagroup
account: {notification_method: none}
secret: people-main
deadline: 12h
"""
SECRET = {"api_key": "k-hushed", "username": "u-hushed", "password": "p-hushed"}


@pytest.fixture
def files(tmp_path: Path) -> Path:
    (tmp_path / "route.yaml").write_text(ROUTE)
    (tmp_path / "secret.json").write_text(json.dumps(SECRET))
    return tmp_path


def test_a_route_and_its_secret_are_put_where_the_functions_read_them(run: Run, shop: Shop, files: Path) -> None:
    done = run("routes", "put", "people", "--file", files / "route.yaml", "--secret", files / "secret.json")
    assert done.code == 0, done.err
    stored = aws("ssm").get_parameter(Name="/shop/routes/people")["Parameter"]["Value"]
    assert json.loads(stored)["deadline"] == "12h"
    secret = aws("secretsmanager").get_secret_value(SecretId="shop/people-main")["SecretString"]
    assert json.loads(secret) == SECRET


def test_putting_a_route_again_replaces_route_and_secret(run: Run, shop: Shop, files: Path) -> None:
    words = ("routes", "put", "people", "--file", files / "route.yaml", "--secret", files / "secret.json")
    run(*words)
    (files / "secret.json").write_text(json.dumps(SECRET | {"password": "new"}))
    assert run(*words).code == 0
    assert "new" in aws("secretsmanager").get_secret_value(SecretId="shop/people-main")["SecretString"]


def test_a_name_that_begins_with_a_dash_is_told_what_a_name_may_be(run: Run, shop: Shop, files: Path) -> None:
    done = run("routes", "put", "--file", files / "route.yaml", "--", "-a")
    assert done.code == 1
    assert "at most 63, a letter or digit first" in done.err


def test_a_route_without_its_secret_is_put_with_a_word_about_it(run: Run, shop: Shop, files: Path) -> None:
    done = run("routes", "put", "people", "--file", files / "route.yaml")
    assert done.code == 0
    assert 'secret "people-main" does not exist yet' in done.err


def test_a_wrong_route_is_refused_with_every_wrong_field(run: Run, shop: Shop, files: Path) -> None:
    (files / "route.yaml").write_text("destination: datagroup\nsecret: x\ndeadline: soon\npoll: {first: 0s}\n")
    done = run("routes", "put", "people", "--file", files / "route.yaml")
    assert done.code == 1
    assert "deadline" in done.err
    assert aws("ssm").describe_parameters()["Parameters"] == []


@pytest.mark.parametrize(
    ("secret", "told"),
    [
        ({"api_key": "k-hushed", "username": "u-hushed"}, 'field "password" is missing'),
        ({**SECRET, "password": "p-hushed \n"}, 'field "password" has spaces around it'),
        ({**SECRET, "password": 7}, 'field "password" is no text; put its value in quotes'),
        ({**SECRET, "other": ["o-hushed"]}, 'field "other" is no text; put its value in quotes, or leave it out'),
        (["k-hushed"], "a secret is an object with the fields"),
    ],
)
def test_a_wrong_secret_is_refused_by_field_and_never_shown(
    run: Run, shop: Shop, files: Path, secret: object, told: str
) -> None:
    (files / "secret.json").write_text(json.dumps(secret))
    done = run("routes", "put", "people", "--file", files / "route.yaml", "--secret", files / "secret.json")
    assert done.code == 1
    assert told in done.err
    assert "-hushed" not in done.err + done.out


def test_a_secret_file_that_is_not_json_is_told_by_line_and_never_shown(run: Run, shop: Shop, files: Path) -> None:
    (files / "secret.json").write_text('{"api_key": "k-hushed"\n "x"}')
    done = run("routes", "put", "people", "--file", files / "route.yaml", "--secret", files / "secret.json")
    assert done.code == 1
    assert "line 2: this is not valid JSON" in done.err
    assert "k-hushed" not in done.err


def test_routes_are_listed_and_shown(run: Run, shop: Shop, files: Path) -> None:
    run("routes", "put", "people", "--file", files / "route.yaml")
    assert run("routes", "list").out == "route\tdestination\tsecret\npeople\tdatagroup\tpeople-main\n"
    assert run("routes", "list", "--json").json["routes"][0]["name"] == "people"
    assert "deadline: 12h" in run("routes", "show", "people").out
    assert run("routes", "show", "people", "--json").json["secret"] == "people-main"


def test_a_route_that_is_not_there_is_named(run: Run, shop: Shop) -> None:
    done = run("routes", "show", "nobody")
    assert done.code == 1
    assert 'there is no route "nobody"' in done.err


def test_a_route_file_is_checked_without_any_stack(run: Run, files: Path) -> None:
    assert run("routes", "check", files / "route.yaml").code == 0
    (files / "route.yaml").write_text(ROUTE.replace("datagroup", "datagruop"))
    done = run("routes", "check", files / "route.yaml", "--json")
    assert done.code == 1
    assert done.json["problems"][0]["field"] == "destination"
    assert "datagroup" in done.json["problems"][0]["message"]


@pytest.mark.parametrize(
    ("name", "text", "told"),
    [
        ("route.yaml", ROUTE + "secret: other\n", 'line 5: the key "secret" stands twice'),
        ("route.yaml", ROUTE + "input: {id: a, id: b}\n", 'line 5: the key "id" stands twice'),
        ("route.json", '{"destination": "datagroup", "secret": "a", "secret": "b"}', 'the key "secret" stands twice'),
        ("route.yaml", " \n", "is empty"),
        ("route.yaml", "a: " + "[" * 5000, "not valid YAML"),
    ],
)
def test_a_file_that_could_be_read_in_two_ways_is_refused(
    run: Run, files: Path, name: str, text: str, told: str
) -> None:
    (files / name).write_text(text)
    done = run("routes", "check", files / name)
    assert done.code == 1
    assert told in done.err


def test_the_schema_a_route_names_for_its_editor_is_not_kept(run: Run, shop: Shop, files: Path) -> None:
    route = {"$schema": "docs/route.schema.json", "destination": "datagroup", "secret": "s"}
    (files / "route.json").write_text(json.dumps(route))
    assert run("routes", "put", "people", "--file", files / "route.json").code == 0
    assert run("routes", "show", "people", "--json").json == {"destination": "datagroup", "secret": "s"}
    jsonschema.Draft202012Validator(schema()).validate(route)


def test_a_word_in_yaml_stays_the_word_it_is(run: Run, shop: Shop, files: Path) -> None:
    text = "destination: sherpa\naccount: {dataset: items, table_id: 00123}\nsecret: s\n"
    (files / "route.yaml").write_text(text + "input: {id: itemId, drop: [no, 2026-01-01]}\n")
    assert run("routes", "put", "items", "--file", files / "route.yaml").code == 0
    shown = run("routes", "show", "items", "--json").json
    assert (shown["account"]["table_id"], shown["input"]["drop"]) == ("00123", ["no", "2026-01-01"])
    (files / "again.yaml").write_text(run("routes", "show", "items").out)
    run("routes", "put", "again", "--file", files / "again.yaml")
    assert run("routes", "show", "again", "--json").json == shown


def test_a_file_that_is_not_yaml_is_told_by_line(run: Run, files: Path) -> None:
    (files / "route.yaml").write_text("destination: datagroup\naccount: {\n")
    done = run("routes", "check", files / "route.yaml")
    assert done.code == 1
    assert "line 3: this is not valid YAML" in done.err


def test_a_route_put_by_hand_that_is_none_is_listed_with_the_reason(run: Run, shop: Shop, files: Path) -> None:
    run("routes", "put", "people", "--file", files / "route.yaml")
    for name, text in (("hand", ROUTE), ("list", "[]"), ("wrong", '{"destination": "datagroup", "sercet": "x"}')):
        aws("ssm").put_parameter(Name=f"/shop/routes/{name}", Value=text, Type="String")
    done = run("routes", "list")
    assert done.code == 0, done.err
    assert [line.split("\t")[0] for line in done.out.splitlines()] == ["route", "hand", "list", "people", "wrong"]
    assert 'route "hand" cannot be used: it is not a JSON object' in done.err
    assert 'route "wrong" cannot be used: sercet: unknown option' in done.err
    told = {route["name"]: "unusable" in route for route in run("routes", "list", "--json").json["routes"]}
    assert told == {"hand": True, "list": True, "people": False, "wrong": True}


def test_who_may_not_see_whether_the_secret_is_there_puts_the_route_all_the_same(
    run: Run, shop: Shop, files: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(**_: object) -> None:
        raise ClientError({"Error": {"Code": "AccessDeniedException", "Message": "no"}}, "DescribeSecret")

    monkeypatch.setattr(aws("secretsmanager"), "describe_secret", refuse)
    done = run("routes", "put", "people", "--file", files / "route.yaml")
    assert done.code == 0
    assert "may not exist yet: these AWS credentials cannot tell (secretsmanager:DescribeSecret)" in done.err
