"""The API page: every operation and schema of openapi.json, readable without scripts."""

import json

from playwright.sync_api import expect

from tests.browser.browsing import a_browser, a_page, a_running_service, a_size, open_all, serious  # noqa: F401 - fixtures are used by name


def test_it_has_every_operation_and_schema(page):
    """Each path, status and schema of the description stands on the page, which loads no script."""
    described = page.request.get("/openapi.json").json()
    response = page.goto("/api")
    assert "script-src 'none'" in response.headers["content-security-policy"]
    for path, methods in described["paths"].items():
        [operation] = methods.values()
        section = page.locator(f"section#{operation['operationId']}")
        expect(section.locator("summary")).to_contain_text(path)
        expect(section.locator("tbody th")).to_have_text(list(operation["responses"]))
    for name in described["components"]["schemas"]:
        assert page.locator(f"#schema-{name}").count() == 1


def test_each_status_has_a_meaning_of_its_own(page):
    """An analyst reads what to mend from the status: no two of an operation mean the same, and none shows markup."""
    page.goto("/api")
    for section in page.locator("main section:has(tbody)").all():
        meanings = section.locator("tbody td:nth-child(2)").all_text_contents()
        assert meanings, section.get_attribute("id")
        assert len(set(meanings)) == len(meanings), meanings
        assert "`" not in "".join(meanings)


def test_the_description_of_a_call_names_the_media_types_that_it_takes(page):
    """What the page says of the Content-Type is what the service does: JSON of both kinds is read, text is not."""
    operation = page.request.get("/openapi.json").json()["paths"]["/cds-services/lumbosacral-plexus-mri-order-select"]
    body = json.dumps(operation["post"]["requestBody"]["content"]["application/json"]["example"])
    statuses = {"application/json": 200, "application/fhir+json": 200, "text/plain": 415}
    for media_type, status in statuses.items():
        sent = page.request.post(
            "/cds-services/lumbosacral-plexus-mri-order-select", data=body, headers={"Content-Type": media_type}
        )
        assert sent.status == status, media_type
        assert (media_type in operation["post"]["description"]) == (status == 200)


def test_the_example_is_the_call_as_it_is_sent(page):
    """The example can be copied: it is the JSON of the description, in its order, with its markup unescaped."""
    described = page.request.get("/openapi.json").json()
    example = described["paths"]["/cds-services/lumbosacral-plexus-mri-order-select"]["post"]["requestBody"]
    page.goto("/api")
    text = page.locator("pre[aria-label^='Example: '][aria-label$='order-select']").text_content()
    assert json.loads(text) == example["content"]["application/json"]["example"]
    assert "<div" in text


def test_a_link_opens_its_schema(page):
    """The schema of a hook call is one click from its operation."""
    page.goto("/api")
    page.locator("summary", has_text="order-select").first.click()
    page.get_by_role("link", name="HookCall").first.click()
    expect(page.locator("#schema-HookCall pre")).to_be_visible()


def test_open_parts_are_sound(size, page):
    """With all parts open the page fits its width and has no serious accessibility fault."""
    page.goto("/api")
    open_all(page)
    assert page.evaluate("document.documentElement.scrollWidth <= document.documentElement.clientWidth"), size
    assert serious(page) == []
