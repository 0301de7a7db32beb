-- Adds to an open run's counters, and gives its steps. No row: the run is closed and the lease is lost.
update hiersync.sync_run
set (steps, requests, throttled, retried, pages, rows_seen, inserted, updated, unchanged, retired, restored, wait_ms, fetch_ms, write_ms)
= (steps + 1, requests + $3, throttled + $4, retried + $5, pages + $6, rows_seen + $7, inserted + $8, updated + $9, unchanged + $10, retired + $11,
    restored + $12, wait_ms + $13, fetch_ms + $14, write_ms + $15)
where source_id = $1 and run_id = $2 and outcome is null
returning steps
