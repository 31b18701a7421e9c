"""Each destination once through the embedded AWS: its strict simulator finds nothing wrong, and rejects come home."""

from __future__ import annotations

import json

from local.simulators.haplo import HaploSimulator
from local.simulators.mediarithmics import MediarithmicsSimulator
from local.simulators.ometria import OmetriaSimulator
from local.simulators.sherpa import SherpaSimulator
from tests.e2e.rig import Rig

CONTROL = {
    "dataImportControlFileVersion": 0,
    "model": "haplo:person",
    "files": {"DEFAULT": {"read": "json"}},
    "instructions": [{"action": "new", "destination": "profile"}],
}


def test_sherpa_names_rejects_at_their_lines_after_conversion_and_splitting(rig: Rig) -> None:
    rows = [
        f'{{"itemId": "i{n}", "price": {"1.50" if n not in (7, 23) else json.dumps("high")}}}' for n in range(1, 31)
    ]
    with SherpaSimulator(seconds_per_state=0.1) as vendor:
        vendor.options.types["items"]["price"] = "double"
        rig.route("sherpa", vendor, input={"id": "itemId"}, account__format="json", account__max_records=10)
        report = rig.report(rig.drop("sherpa", "items.ndjson", "\n".join(rows)), 90)
        assert vendor.violations == []
    assert (report["outcome"], len(report["batches"])) == ("completed_with_rejects", 3)
    assert [(row["line"], row["id"], row["outcome"]) for row in report["rejects"]] == [
        (7, "i7", "rejected"),
        (23, "i23", "rejected"),
    ]
    assert (report["counts"]["accepted"], report["counts"]["rejected"]) == (28, 2)


def test_mediarithmics_names_rejects_at_their_lines(rig: Rig) -> None:
    rows = [json.dumps({"$user_account_id": f"u{n}", "$type": "TOUCH", "$fail": n == 5}) for n in range(1, 11)]
    with MediarithmicsSimulator(seconds_per_state=0.1) as vendor:
        rig.route("mediarithmics", vendor, input={"id": "$user_account_id"})
        report = rig.report(rig.drop("mediarithmics", "visits.ndjson", "\n".join(rows)), 90)
        assert vendor.violations == []
    assert report["outcome"] == "completed_with_rejects"
    assert [(row["line"], row["id"]) for row in report["rejects"]] == [(5, "u5")]
    assert (report["counts"]["accepted"], report["counts"]["rejected"]) == (9, 1)


def test_a_set_for_ometria_is_one_zip_and_one_for_haplo_is_handed_over(rig: Rig) -> None:
    with OmetriaSimulator(seconds_per_state=0.1) as ometria, HaploSimulator(seconds_per_state=0.1) as haplo:
        rig.route("ometria", ometria)
        rig.route("haplo", haplo)
        rig.drop("ometria", "shop/products.csv", "id,price\np1,1.50\np2,2.00\n")
        rig.drop("ometria", "shop/categories.json", '[{"id": "c1"}]')
        rig.drop("haplo", "people/control.json", json.dumps(CONTROL))
        rig.drop("haplo", "people/staff.json", '[{"name": "Ann"}, {"name": "Bo"}]')
        shop, people = rig.drop("ometria", "shop/_READY", b""), rig.drop("haplo", "people/_READY", b"")

        first, second = rig.report(shop, 90), rig.report(people, 90)

        assert ometria.violations == haplo.violations == []
        assert (len(ometria.commits), len(haplo.commits)) == (1, 1)
    assert (first["outcome"], first["counts"]["records"], first["counts"]["accepted"]) == ("completed", 3, 3)
    assert (second["outcome"], second["counts"]["unconfirmed"]) == ("handed_over", 2)
