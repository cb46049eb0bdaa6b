"""What the documentation says there is, is there."""

import re
from pathlib import Path

import yaml

from few_weights.data.datasets import KNOWN
from few_weights.data.sources import SOURCES

ROOT = Path(__file__).parents[2]
SCHEMA = yaml.safe_load((ROOT / "workflow" / "schemas" / "study.schema.yaml").read_text())


def keys_of(schema):
    """Every key that a schema allows, at every depth."""
    if isinstance(schema, list):
        return set().union(*map(keys_of, schema))
    if not isinstance(schema, dict):
        return set()
    return set(schema.get("properties", {})) | set().union(*map(keys_of, schema.values()))


def test_every_key_of_a_study_is_explained():
    explained = set(re.findall(r"`([a-z_0-9.]+)`", (ROOT / "config" / "README.md").read_text()))
    explained |= {name.split(".")[-1] for name in explained}
    keys = keys_of(SCHEMA) - {"width"}  # it stands inside an example
    assert keys <= explained, keys - explained


def test_every_explained_key_exists():
    text = (ROOT / "config" / "README.md").read_text()
    rows = re.findall(r"^\| `([a-z_]+)` \|", text, re.MULTILINE)
    optimizers = SCHEMA["$defs"]["optimizer"]["properties"]["name"]["enum"]
    assert set(rows) - set(KNOWN) <= keys_of(SCHEMA) | set(optimizers)


def test_every_data_set_is_described_as_it_is():
    table = (ROOT / "config" / "README.md").read_text().partition("## Data")[2]
    for name, facts in KNOWN.items():
        shape = " x ".join(map(str, facts.image_shape)).removesuffix(" x 1")
        examples = f"{facts.train_examples:,} + {facts.test_examples:,}"
        known = ", ".join(f"`{source}`" for source in SOURCES[name])
        assert f"| `{name}` | {examples} of {shape}, {facts.classes} | {known}, `{{file: PATH}}` |" in table


def test_the_example_is_a_valid_study():
    from samples.studies import resolve

    example = re.search(r"```yaml\n(.*?)```", (ROOT / "config" / "README.md").read_text(), re.DOTALL)
    resolve(yaml.safe_load(example[1]))


def test_commands_and_files_of_the_readme_exist():
    text = (ROOT / "README.md").read_text()
    targets = set(re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    assert set(re.findall(r"(?:^|`)make ([a-z]+)", text, re.MULTILINE)) <= targets
    for path in re.findall(r"\]\(((?!http)[^)#]+)\)", text):
        assert (ROOT / path).exists(), path
