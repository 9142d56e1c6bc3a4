"""`syncbucket`, the terminal client of Sync Bucket. It speaks only HTTP: for people, cron jobs and gateways alike."""
