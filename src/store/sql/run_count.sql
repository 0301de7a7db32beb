-- Adds to an open run's counters. No row: the run is closed and the lease is lost.
update hiersync.sync_run
set
    requests = requests + $3,
    throttled = throttled + $4,
    retried = retried + $5,
    pages = pages + $6,
    rows_seen = rows_seen + $7,
    inserted = inserted + $8,
    updated = updated + $9,
    unchanged = unchanged + $10,
    retired = retired + $11,
    restored = restored + $12,
    wait_ms = wait_ms + $13,
    fetch_ms = fetch_ms + $14,
    write_ms = write_ms + $15
where source_id = $1 and run_id = $2 and outcome is null
