"""How often each model is the breakpoint when seeds are resampled."""

import numpy as np
import pandas as pd
import pytest
from samples.runs import runs_of

from few_weights.analysis.bootstrap import RESAMPLES, bootstrap_breakpoints, uneven_seeds


def test_bootstrap_by_hand():
    """Two seeds, so four equally likely draws: twice the first, twice the second, one of each (twice)."""
    runs = runs_of({("cnn", 4): [9_900, 9_690], ("cnn", 2): [9_720, 9_600], ("vgg", 1): [9_600, 9_700]})
    table = bootstrap_breakpoints(runs, [0.97])
    shares = {(row.architecture, row.parameters): row.share for row in table.itertuples()}
    none = shares.pop(("cnn", pd.NA))
    # cnn 2 reaches it with only the first seed, cnn 4 with both; with only the second neither does.
    tolerance = 4 * np.sqrt(0.25 / RESAMPLES)
    assert shares["cnn", 1000] == pytest.approx(0.25, abs=tolerance)
    assert shares["cnn", 2000] == pytest.approx(0.5, abs=tolerance)
    assert none == pytest.approx(0.25, abs=tolerance)
    # vgg 1 reaches it exactly where cnn fails: one draw of seeds serves all models.
    assert shares["vgg", 500] == none
    assert table.groupby("architecture")["times"].sum().tolist() == [RESAMPLES, RESAMPLES]
    # The order of the runs does not matter.
    assert set(bootstrap_breakpoints(runs[::-1], [0.97])["times"]) == set(table["times"])


def test_bootstrap_needs_several_seeds_and_the_same_for_all_widths():
    assert bootstrap_breakpoints(runs_of({("cnn", 4): [9_900]}), [0.97]).empty
    runs = runs_of({("cnn", 4): [9_900, 9_900], ("cnn", 2): [9_900], ("vgg", 1): [9_900, 9_900]})
    assert uneven_seeds(runs) == ["cnn"]
    assert bootstrap_breakpoints(runs, [0.97])["architecture"].tolist() == ["vgg"]


def test_an_architecture_may_have_more_seeds_than_another():
    more = {("cnn", 4): [9_900, 9_690], ("vgg", 1): [9_600, 9_700, 9_800]}
    table = bootstrap_breakpoints(runs_of(more), [0.97])
    for architecture, width in more:
        alone = bootstrap_breakpoints(runs_of({(architecture, width): more[architecture, width]}), [0.97])
        pd.testing.assert_frame_equal(
            table[table["architecture"] == architecture].reset_index(drop=True), alone
        )


def test_a_model_is_not_the_breakpoint_of_a_sample_in_which_all_its_runs_diverged():
    runs = runs_of({("cnn", 1): [980, 980], ("cnn", 2): [980, 9_000], ("cnn", 4): [9_900, 9_900]})
    runs["diverged_in_epoch"] = pd.array([1, 2, 1, None, None, None], "Int64")
    shares = bootstrap_breakpoints(runs, [0.05]).set_index("width")["share"]
    # One sample in four draws twice the seed that diverged at width 2.
    assert shares.to_dict() == {2: pytest.approx(0.75, abs=0.02), 4: pytest.approx(0.25, abs=0.02)}
