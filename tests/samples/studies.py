"""Studies, checked as the Snakefile checks them."""

from few_weights.data.find_facts import facts_of_study
from few_weights.plan.study_file.resolve import checked_values, resolve_study


def resolve(config):
    """A study from its YAML's mapping, or from what was read of files."""
    return resolve_study(config, facts_of_study)


def resolve_values(config):
    """A study's values by the keys of its YAML, with every default; and the facts of its `data`."""
    values, facts = checked_values(config, facts_of_study)
    return values | {"data": facts}
