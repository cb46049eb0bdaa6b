"""Everything that the documents name exists, and every key and data set is documented."""

import re
from pathlib import Path

import pytest
import yaml
from samples.studies import resolve

from few_weights.data.datasets import KNOWN
from few_weights.data.sources import SOURCES

ROOT = Path(__file__).parents[2]
SCHEMA = yaml.safe_load((ROOT / "workflow" / "schemas" / "study.schema.yaml").read_text())
CONFIG_PAGE = (ROOT / "config" / "README.md").read_text()
PAGES = [
    ROOT / "README.md",
    *(
        page
        for folder in (".github", "config", "workflow", "results/reference")
        for page in sorted((ROOT / folder).rglob("*.md"))
    ),
]


def keys_of(schema) -> set[str]:
    """Every key that a schema allows, at every depth."""
    if isinstance(schema, list):
        return set().union(*map(keys_of, schema))
    if not isinstance(schema, dict):
        return set()
    return set(schema.get("properties", {})) | set().union(*map(keys_of, schema.values()))


def headings_of(page: str) -> set[str]:
    """The anchors of a Markdown page, as GitHub forms them from its headings."""
    headings = re.findall(r"^#+ (.*)$", page, re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def test_every_key_of_a_study_is_documented():
    documented = set(re.findall(r"`([a-z_0-9.]+)`", CONFIG_PAGE))
    documented |= {name.split(".")[-1] for name in documented}
    keys = keys_of(SCHEMA) - {"width"}  # only part of an example
    assert keys <= documented, keys - documented


def test_every_documented_key_exists():
    rows = re.findall(r"^\| `([a-z_]+)` \|", CONFIG_PAGE, re.MULTILINE)
    optimizers = SCHEMA["$defs"]["optimizer"]["properties"]["name"]["enum"]
    assert set(rows) - set(KNOWN) <= keys_of(SCHEMA) | set(optimizers)


def test_every_data_set_is_documented_with_its_sizes_and_sources():
    table = CONFIG_PAGE.partition("## Data")[2]
    for name, facts in KNOWN.items():
        shape = " x ".join(map(str, facts.image_shape)).removesuffix(" x 1")
        examples = f"{facts.train_examples:,} + {facts.test_examples:,}"
        known = ", ".join(f"`{source}`" for source in SOURCES[name])
        assert f"| `{name}` | {examples} of {shape}, {facts.classes} | {known}, `{{file: PATH}}` |" in table


def test_the_example_is_a_valid_study():
    example = re.search(r"```yaml\n(.*?)```", CONFIG_PAGE, re.DOTALL)
    resolve(yaml.safe_load(example[1]))


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_every_link_leads_somewhere(page):
    for link in re.findall(r"\]\((?!http)([^)]+)\)", page.read_text()):
        path, _, anchor = link.partition("#")
        target = page.parent / path if path else page
        assert target.exists(), link
        assert not anchor or anchor in headings_of(target.read_text()), link


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_every_make_command_of_a_page_exists(page):
    targets = set(re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    assert set(re.findall(r"(?:^|`)make ([a-z]+)", page.read_text(), re.MULTILINE)) <= targets


def test_the_readme_is_short_enough_for_a_first_visit():
    assert len((ROOT / "README.md").read_text().split()) < 1_200
