"""The back-test: how many cards a site would have seen, from its FHIR Bulk Data export, in counts alone.

`export_files` finds and reads the files, `scan` finds the monitored orders and spills their patients' entries to hash
parts, `replay` decides each order as of its moment, `tally` adds up, `summary` and `report` tell. `local` runs this
on one machine and `spark` on a cluster: both call the same scan and replay.
"""
