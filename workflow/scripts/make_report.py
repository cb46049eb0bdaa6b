"""Make a study's report, and Snakemake's provenance report, from existing results, without training.

To run it by hand, in the root of the repository:

    .venv/bin/python workflow/scripts/make_report.py --configfile config/article.yaml
"""

import argparse
import subprocess
import sys
from pathlib import Path

from few_weights.errors import entry_point
from few_weights.plan.study_file.resolve import results_folder

ROOT = Path(__file__).parents[2]


@entry_point
def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--configfile", required=True, type=Path, help="the study's YAML")
    parser.add_argument("--cores", default="all", help="the number of cores, or all; default: all")
    arguments = parser.parse_args()

    folder = results_folder(arguments.configfile)
    snakemake = [sys.executable, "-m", "snakemake", "--configfile", str(arguments.configfile)]
    # Snakemake itself looks for it in the working directory, and there may be none.
    snakemake += ["--workflow-profile", str(ROOT / "profiles" / "default")]
    made = subprocess.run(
        [*snakemake, "--snakefile", str(ROOT / "workflow" / "report.smk"), "--cores", arguments.cores]
    )
    if made.returncode != 0:
        sys.exit(made.returncode)
    # It shows how each file was made, which Snakemake only knows for a study that was run here to the end.
    provenance = folder / "provenance.html"
    report = subprocess.run(
        [*snakemake, "--snakefile", str(ROOT / "Snakefile"), "--report", str(provenance)],
        capture_output=True,
        text=True,
    )
    if report.returncode == 0:
        print(f"Provenance: {provenance.resolve()}")
    else:
        provenance.unlink(missing_ok=True)
        print(
            "No provenance.html: Snakemake only makes it for studies that were run here to the end "
            f"({report.stderr.strip().splitlines()[-1] if report.stderr.strip() else 'no reason given'})."
        )


if __name__ == "__main__":
    main()
