"""Sample drops for the demo: realistic, the same every time, awkward where real files are."""

from __future__ import annotations

import csv
import json
import random
from collections.abc import Iterator
from pathlib import Path

_FIRST = ("Zoë", "Noël", "José", "Łukasz", "Søren", "Anna", "Bob", "Chloé", "Đorđe", "Ümit")
_LAST = ("O'Neill", "Müller", "García", "Świątek", "van der Berg", "Smith", "Nguyễn", "D'Angelo")
_STREETS = ('12 "Old Mill" Lane', "Rue de l'Église 3, Bât. B", "Calle Mayor, 7", "Hauptstraße 1\n2. Stock", "Elm St. 9")
_ZIPS = ("01234", "00501", "75001", "SW1A 1AA", "08001")


def mailing_list(path: Path, rows: int = 5_000) -> None:
    """A CSV as marketing departments export it: quotes, commas, accents, line breaks in cells, leading zeros."""
    chance = random.Random(1)
    with path.open("w", encoding="utf-8-sig", newline="") as file:
        out = csv.writer(file)
        out.writerow(("email", "first_name", "last_name", "street", "zip", "loyalty_no"))
        for n in range(rows):
            name = chance.choice(_FIRST), chance.choice(_LAST)
            out.writerow((f"person{n}@example.org", *name, chance.choice(_STREETS), chance.choice(_ZIPS), f"{n:09d}"))


def subscribers(path: Path, rows: int = 200_000) -> None:
    """NDJSON of two hundred thousand records, with numbers no float could hold."""
    chance = random.Random(2)
    with path.open("w", encoding="utf-8") as file:
        for n in range(rows):
            spent = f"{chance.randrange(10**6)}.{chance.randrange(100):02d}"
            name = chance.choice(_FIRST)
            file.write(f'{{"email":"user{n}@example.org","first_name":"{name}","spent":{spent},"id":{10**17 + n}}}\n')


def broken_list(path: Path) -> None:
    """A CSV in which three of eight rows cannot be sent."""
    path.write_text(
        "email,first_name,zip\n"
        "anna@example.org,Anna,01234\n"
        "bob@example.org,Bob,00501,one cell too many\n"
        "chloe@example.org,Chloé,75001\n"
        "short@example.org\n"
        "jose@example.org,José,08001\n"
        "lukasz@example.org,Łukasz,00-001\n"
        'zoe@example.org,"Zoë, ""the first""",1000\n'
        "too,many,cells,again\n",
        encoding="utf-8",
    )


def catalogue(path: Path, rows: int = 1_000, prefix: str = "item") -> None:
    """A product catalogue for a recommender, CSV. One price is no number; two things are sold by weight."""
    chance = random.Random(3)
    odd = {10: ("12", "n/a"), 500: ("2.5", "3.20"), 999: ("0.75", "18.00")}
    with path.open("w", encoding="utf-8", newline="") as file:
        out = csv.writer(file)
        out.writerow(("itemId", "name", "quantity", "origin", "price"))
        for n in range(rows):
            usual = str(chance.randrange(100)), f"{chance.randrange(1, 500)}.{chance.randrange(100):02d}"
            quantity, price = odd.get(n, usual)
            out.writerow((f"{prefix}{n:05d}", f'Nº {n}, "fresh"', quantity, chance.choice(("España", "IT")), price))


def activities(path: Path, rows: int = 2_000) -> None:
    """User activities, NDJSON; three of them the vendor's simulator fails, as they ask it to."""
    with path.open("w", encoding="utf-8") as file:
        for n in range(rows):
            failing = {"$fail": True} if n in (17, 444, 1_999) else {}
            file.write(json.dumps(_activity(n) | failing, ensure_ascii=False) + "\n")


def people_set(directory: Path) -> None:
    """A set with its control file: people from two sources."""
    directory.mkdir(exist_ok=True)
    control = {
        "dataImportControlFileVersion": 0,
        "model": "haplo:person",
        "files": {"people.json": {"read": "json"}, "staff.json": {"read": "json"}},
        "instructions": [
            {"action": "new", "destination": "user"},
            {"source": "name", "destination": "user", "name": "name"},
            {"source": "email", "destination": "user", "name": "email"},
        ],
    }
    (directory / "control.json").write_text(json.dumps(control, indent=2))
    for name, people in (("people.json", _people(300)), ("staff.json", _people(40))):
        (directory / name).write_text(json.dumps(list(people), ensure_ascii=False), encoding="utf-8")


def shop_set(directory: Path) -> None:
    """The files of a shop: categories, products, pages and the attributes' definitions."""
    directory.mkdir(exist_ok=True)
    content: dict[str, list[dict[str, object]]] = {
        "categories": [{"id": f"c{n}", "titles": {"default": f"Catégorie {n}"}, "enabled": True} for n in range(20)],
        "products": [{"id": f"p{n:04d}", "titles": {"default": f"Product {n}"}, "price": "9.90"} for n in range(500)],
        "pages": [{"id": "about", "titles": {"default": "Über uns"}}],
        "definitions": [{"id": "colour", "type": "text"}],
    }
    for name, records in content.items():
        (directory / f"{name}.json").write_text(json.dumps(records, ensure_ascii=False), encoding="utf-8")


def _activity(n: int) -> dict[str, object]:
    at = 1_767_225_600_000 + n * 1000
    event = {"$event_name": "store-visit", "$ts": at, "$properties": {"shop": "Paris – Opéra"}}
    who = {"$user_account_id": f"customer-{n}", "$compartment_id": 1000}
    return {"$type": "TOUCH", "$session_status": "NO_SESSION", "$ts": at, **who, "$events": [event]}


def _people(count: int) -> Iterator[dict[str, str]]:
    chance = random.Random(count)
    for n in range(count):
        yield {"name": f"{chance.choice(_FIRST)} {chance.choice(_LAST)}", "email": f"p{count}-{n}@example.org"}
