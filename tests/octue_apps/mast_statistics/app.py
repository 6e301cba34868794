"""Monthly statistics of a met mast: a function, datasets with tags and labels, monitor messages."""

import csv
import logging
import os

from octue.resources import Datafile, Dataset

logger = logging.getLogger(__name__)


def run(analysis):
    threshold = analysis.configuration_values["threshold"]
    mast = analysis.input_manifest.get_dataset("mast")
    months = mast.files.filter(labels__contains="calibrated").order_by(
        "tags__sequence", check_start_value=0, check_constant_increment=1
    )
    logger.info("Reading %d of %d files.", len(months), len(mast.files))

    rows = []
    for number, month in enumerate(months, start=1):
        with month.open() as stream:
            speeds = [float(row["speed"]) for row in csv.DictReader(stream)]
        rows.append(
            {
                "month": month.tags["month"],
                "mean": round(sum(speeds) / len(speeds), 3),
                "above_threshold": sum(speed > threshold for speed in speeds),
            }
        )
        analysis.send_monitor_message({"progress": number / len(months), "month": month.tags["month"]})

    folder = analysis.output_manifest.datasets["statistics"].path
    path = os.path.join(folder, "monthly.csv")
    with Datafile(path, mode="w", tags={"months": len(rows)}, labels=["statistics"]) as (datafile, stream):
        table = csv.DictWriter(stream, ["month", "mean", "above_threshold"], lineterminator="\n")
        table.writeheader()
        table.writerows(rows)
    analysis.output_manifest.datasets["statistics"] = Dataset(
        path=folder, files=[datafile], name="statistics", tags={"mast": mast.tags["mast"]}
    )

    windiest = max(rows, key=lambda row: row["mean"])
    mast_log = mast.files.filter(name__ends_with=".txt").one()
    analysis.output_values = {
        "windiest_month": windiest["month"],
        "mean_speed": windiest["mean"],
        "notes": os.path.getsize(mast_log.local_path),
        "months": rows,
    }
