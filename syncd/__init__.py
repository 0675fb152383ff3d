"""syncd: the target is a pure function of the labelled tasks in the source, kept true continuously.

source ──signals──▶ ledger (durable set of dirty tasks) ──▶ read whole task ──▶ digest ──▶ target   {project}/tasks/{task}.json
                                                                               └────▶ mirrors  {project}/{format}/…
                                              all written? ──▶ ledger settles the task ──▶ journal, state.json

Where to look: model (values) · errors · config (YAML) · ledger (what is durable) · sources/ targets/ formats/ (one file each)
· labelstudio/ (all we know of Label Studio) · pipeline (one lane's straight line) · daemon (lanes, schedule, signals)
· reader (for jobs downstream) · cli.
"""

__version__ = "0.1.0"
