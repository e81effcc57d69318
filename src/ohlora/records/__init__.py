"""What a trial leaves on disk, and a whole sweep read back as one table.

A sweep's table is a folder: `journal/*.jsonl`, one shard a process, one line a record; and
`trials.parquet`, rows gathered, perhaps handed on without the journal they came from. The table is the
union of both, each trial once: for `read_table`, for `gather`, and for the sweep that asks what is done.
"""
