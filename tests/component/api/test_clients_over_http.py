"""The client master over HTTP: import with a report, list, look up."""

import httpx

from tests.component.api.conftest import Api
from tests.support.gstins import fictitious_gstin

HEADER = "gstin,name,filing_frequency,tags,email,mobile,portal_username,status,remarks\n"


def file_of(*rows: str) -> bytes:
    return (HEADER + "\n".join(rows) + "\n").encode()


def good_row(number: int, **cells: str) -> str:
    values = {"gstin": fictitious_gstin(number), "name": f"Client {number:05d}", "frequency": "monthly", **cells}
    username = values.get("username", f"user{number}")
    return f"{values['gstin']},{values['name']},{values['frequency']},south;north,,,{username},active,x"


async def check(http: httpx.AsyncClient, content: bytes, **params: str) -> httpx.Response:
    return await http.post(
        "/v1/client-imports",
        content=content,
        headers={"content-type": "text/csv"},
        params={"file_name": "c.csv"} | params,
    )


async def imported(http: httpx.AsyncClient, *rows: str) -> dict[str, object]:
    checked = (await check(http, file_of(*rows))).json()
    answer = await http.post(f"/v1/client-imports/{checked['id']}/commit", json={"rows": "valid"})
    assert answer.status_code == 202, answer.text
    body: dict[str, object] = answer.json()
    return body


async def test_an_import_is_a_dry_run_until_it_is_committed(http: httpx.AsyncClient) -> None:
    checked = await check(http, file_of(good_row(1), good_row(2)))
    assert checked.status_code == 202
    assert checked.json()["counts"] == {"rows": 2, "create": 2, "update": 0, "unchanged": 0, "error": 0}
    assert checked.json()["columns_unknown"] == ["remarks"]
    assert (await http.get("/v1/clients")).json()["total_size"] == 0
    done = await http.post(f"{checked.headers['location']}/commit", json={"rows": "valid"})
    assert done.json()["state"] == "done"
    assert (await http.get("/v1/clients")).json()["total_size"] == 2


async def test_every_bad_row_is_reported_and_exactly_the_good_ones_are_saved(http: httpx.AsyncClient) -> None:
    wrong_check = fictitious_gstin(3)[:-1] + ("A" if fictitious_gstin(3)[-1] != "A" else "B")
    rows = [
        good_row(1),
        good_row(3, gstin=wrong_check),
        good_row(1, name="Again"),
        good_row(4, name=""),
        good_row(5, frequency="weekly"),
        good_row(6, username="two words"),
        good_row(7),
    ]
    checked = (await check(http, file_of(*rows))).json()
    report = (await http.get(f"/v1/client-imports/{checked['id']}/rows", params={"result": "error"})).json()
    codes = {row["row"]: [(error["column"], error["code"]) for error in row["errors"]] for row in report["items"]}
    assert codes == {
        3: [("gstin", "gstin_invalid")],
        4: [("gstin", "duplicate_in_file")],
        5: [("name", "required")],
        6: [("filing_frequency", "unknown_value")],
        7: [("portal_username", "invalid")],
    }
    assert report["total_size"] == 5
    assert report["items"][0]["errors"][0]["detail"] == f"Check character should be {fictitious_gstin(3)[-1]}."
    await http.post(f"/v1/client-imports/{checked['id']}/commit", json={"rows": "valid"})
    saved = (await http.get("/v1/clients")).json()
    assert {client["gstin"] for client in saved["items"]} == {fictitious_gstin(1), fictitious_gstin(7)}


async def test_the_same_file_twice_changes_nothing_the_second_time(http: httpx.AsyncClient) -> None:
    rows = [good_row(n) for n in range(1, 30)]
    assert (await imported(http, *rows))["counts"] == {
        "rows": 29,
        "create": 29,
        "update": 0,
        "unchanged": 0,
        "error": 0,
    }
    before = (await http.get("/v1/clients")).json()["items"]
    assert (await imported(http, *rows))["counts"] == {
        "rows": 29,
        "create": 0,
        "update": 0,
        "unchanged": 29,
        "error": 0,
    }
    assert (await http.get("/v1/clients")).json()["items"] == before


async def test_a_commit_may_be_repeated(http: httpx.AsyncClient, api: Api) -> None:
    checked = (await check(http, file_of(good_row(1), good_row(2)))).json()
    path = f"/v1/client-imports/{checked['id']}/commit"
    first = (await http.post(path, json={})).json()
    await api.database["client_imports"].update_one({"_id": checked["id"]}, {"$set": {"state": "committing"}})
    again = (await http.post(path, json={})).json()
    assert (first["counts"], again["counts"]) == (first["counts"], first["counts"])
    assert (await http.get("/v1/clients")).json()["total_size"] == 2


async def test_changed_cells_update_a_client_and_keep_its_id(http: httpx.AsyncClient) -> None:
    await imported(http, good_row(1))
    before = (await http.get("/v1/clients")).json()["items"][0]
    changed = await imported(http, good_row(1, name="Renamed", frequency="quarterly"))
    after = (await http.get("/v1/clients")).json()["items"][0]
    assert changed["counts"] == {"rows": 1, "create": 0, "update": 1, "unchanged": 0, "error": 0}
    assert (after["id"], after["name"], after["registration_kind"]) == (before["id"], "Renamed", "qrmp")


async def test_a_client_that_changed_since_the_check_stops_the_commit(http: httpx.AsyncClient, api: Api) -> None:
    await imported(http, good_row(1))
    checked = (await check(http, file_of(good_row(1, name="Renamed"), good_row(2)))).json()
    await api.database["clients"].update_one({"gstin": fictitious_gstin(1)}, {"$inc": {"etag": 1}})
    refused = await http.post(f"/v1/client-imports/{checked['id']}/commit", json={})
    assert (refused.status_code, refused.json()["code"]) == (412, "version_conflict")
    assert (await http.get("/v1/clients")).json()["total_size"] == 1


async def test_a_formula_is_stored_as_text_and_comes_back_escaped(http: httpx.AsyncClient) -> None:
    formula = "=HYPERLINK(1)"
    await imported(http, good_row(1, name=formula))
    assert (await http.get("/v1/clients")).json()["items"][0]["name"] == formula
    checked = (await check(http, file_of(good_row(2, name=formula, frequency="weekly")))).json()
    errors = (await http.get(f"/v1/client-imports/{checked['id']}/errors.csv")).text
    assert f"'{formula}" in errors
    assert f",{formula}" not in errors


async def test_a_mended_file_of_errors_can_come_back(http: httpx.AsyncClient) -> None:
    checked = (await check(http, file_of(good_row(2, name="=1+1", frequency="weekly")))).json()
    errors = (await http.get(f"/v1/client-imports/{checked['id']}/errors.csv")).content
    mended = (await check(http, errors.replace(b"weekly", b"monthly"))).json()
    await http.post(f"/v1/client-imports/{mended['id']}/commit", json={})
    assert (await http.get("/v1/clients")).json()["items"][0]["name"] == "=1+1"


async def test_a_file_that_is_no_table_of_clients_is_refused_whole(http: httpx.AsyncClient) -> None:
    for content, code in (
        (b"name\nX\n", "required"),
        (b"gstin,name,name\n", "duplicate_in_file"),
        (b"gstin,name\n", "required"),
        (b"gstin,name\n\xff\xfe,x\n", "invalid"),
        (b'gstin,name\n"broken,x\n', "invalid"),
        (b"gstin,name\n" + b"a,b\n" * 20_001, "too_many"),
    ):
        refused = await check(http, content)
        assert refused.status_code == 422, content[:30]
        assert refused.json()["errors"][0]["code"] == code


async def test_an_import_file_may_have_ten_mebibytes_and_not_one_byte_more(http: httpx.AsyncClient) -> None:
    head, row = b"gstin,name,remarks\n", b"x,y," + b"z" * 3995 + b"\n"
    rows, rest = divmod(10 * 1024 * 1024 - len(head), len(row))
    fits = head + row * rows + b"z" * rest
    assert (await check(http, fits)).status_code == 202
    assert (await check(http, fits + b"\n")).status_code == 413


async def test_an_import_file_of_blank_lines_is_refused_before_it_is_taken_apart(http: httpx.AsyncClient) -> None:
    answer = await check(http, b"gstin,name\n" + b"\n" * 5_000_000)
    assert answer.status_code == 422
    assert answer.json()["errors"][0]["code"] == "too_many"


async def test_portal_user_names_are_stored_encrypted_and_never_shown(http: httpx.AsyncClient, api: Api) -> None:
    await imported(http, good_row(1, username="secretuser"))
    client = (await http.get("/v1/clients")).json()["items"][0]
    stored = await api.database["credentials"].find_one({"client": client["id"]})
    assert stored is not None
    for name in ("credentials", "client_imports", "clients"):
        async for document in api.database[name].find():
            assert "secretuser" not in repr(document)
    tenant = await api.database["tenants"].find_one({"_id": "t_one"})
    assert tenant is not None
    vault = api.kek.decryptor("t_one", {1: tenant["data_key_wrapped"]})
    assert vault.decrypt(stored["username_enc"], client["id"], "username_enc") == b"secretuser"


async def test_an_import_does_not_replace_a_portal_user_on_file(http: httpx.AsyncClient, api: Api) -> None:
    await imported(http, good_row(1, username="first"))
    before = await api.database["credentials"].find_one()
    await imported(http, good_row(1, username="second", name="Renamed"))
    assert await api.database["credentials"].find_one() == before


async def test_an_import_can_be_discarded(http: httpx.AsyncClient, api: Api) -> None:
    checked = (await check(http, file_of(good_row(1)))).json()
    assert (await http.delete(f"/v1/client-imports/{checked['id']}")).status_code == 204
    assert (await http.get(f"/v1/client-imports/{checked['id']}")).status_code == 404
    assert await api.database["client_imports"].count_documents({}) == 0


async def test_clients_are_found_by_name_part_gstin_pan_and_tag(http: httpx.AsyncClient) -> None:
    await imported(http, *(good_row(n, name=f"Firm {n} Textiles") for n in range(1, 12)))
    number = fictitious_gstin(5)
    for params, count in (
        ({"q": "textil"}, 11),
        ({"q": "firm 5 "}, 1),
        ({"q": number}, 1),
        ({"q": number[2:12].lower()}, 1),
        ({"q": ".*"}, 0),
        ({"tag": "south"}, 11),
        ({"tag": "east"}, 0),
        ({"status": "archived"}, 0),
        ({"state_code": "29", "filing_frequency": "monthly"}, 11),
    ):
        assert (await http.get("/v1/clients", params=params)).json()["total_size"] == count, params


async def test_pages_of_clients_hold_each_client_once(http: httpx.AsyncClient) -> None:
    await imported(http, *(good_row(n) for n in range(1, 24)))
    for sort in ("gstin", "name"):
        seen: list[str] = []
        params = {"page_size": "5", "sort": sort}
        while True:
            page = (await http.get("/v1/clients", params=params)).json()
            assert page["total_size"] == 23
            seen += [client["id"] for client in page["items"]]
            if "next_page_token" not in page or page["next_page_token"] is None:
                break
            params["page_token"] = page["next_page_token"]
        assert (len(seen), len(set(seen))) == (23, 23)


async def test_one_client_can_be_created_and_not_twice(http: httpx.AsyncClient) -> None:
    body = {"gstin": fictitious_gstin(1), "name": "One", "filing_frequency": "quarterly", "tags": ["b", "a"]}
    made = await http.post("/v1/clients", json=body)
    assert made.status_code == 201
    assert (await http.get(made.headers["location"])).json() == made.json()
    again = await http.post("/v1/clients", json=body)
    assert (again.status_code, again.json()["code"]) == (409, "already_exists")
    assert again.json()["client_id"] == made.json()["id"]
    wrong = await http.post("/v1/clients", json=body | {"gstin": "29AAAAA0000A1Z0"})
    assert (wrong.status_code, wrong.json()["code"]) == (422, "gstin_invalid")


async def test_a_pasted_list_is_matched_line_by_line(http: httpx.AsyncClient) -> None:
    await imported(http, good_row(1), good_row(2))
    lines = [fictitious_gstin(2), "nonsense", fictitious_gstin(9), fictitious_gstin(1).lower()]
    answer = (await http.post("/v1/client-lookups", json={"lines": lines})).json()
    assert [match["line"] for match in answer["matched"]] == [1, 4]
    assert [(line["line"], line["code"]) for line in answer["unknown"]] == [(2, "gstin_invalid"), (3, "client_unknown")]
