"""The same by dlt, as its documentation has it: one resource, merged by its key. Nested lists become tables of their own."""

import os
import sys

os.environ.update(RUNTIME__DLTHUB_TELEMETRY="false", RUNTIME__LOG_LEVEL="ERROR")

import dlt  # noqa: E402: it reads its settings when it is imported
from vendor import pages  # noqa: E402


def main(url: str, root: str, database: str, folder: str):
    @dlt.resource(name="customer", write_disposition="merge", primary_key="id")
    def customers():
        for rows in pages(url, root):
            yield [row | {"id": row["profiles"][0]["userId"], "parent": root} for row in rows]

    # It wants a password, which the server does not ask for.
    database = database.replace("postgres://hiersync@", "postgresql://hiersync:any@")
    pipeline = dlt.pipeline(
        "mirror", pipelines_dir=folder, dataset_name="dlt_mirror", destination=dlt.destinations.postgres(credentials=database)
    )
    pipeline.run(customers()).raise_on_failed_jobs()


main(*sys.argv[1:])
