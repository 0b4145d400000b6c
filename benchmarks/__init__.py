"""Roadstead beside Debian's docker-registry, in one run: `python -m benchmarks`, or `make bench`.

Both serve on loopback from their own folders of the same disk. Each row of the table is measured in turns (ours, the
other, ours, the other ...), a ratio is taken of each pair, and the median of those ratios is shown: what else the
machine does at the time hits both. Ours runs as it is started by `make run`, with credentials, permissions and the
network gate asked on each request; the other runs as it comes, without authentication. `--beside COMMIT` puts an
earlier commit of ours in the other's place.

`experiments.py` says what is measured, `servers.py` how the two are started and filled, `client.py`, `loop.py` and
`wrk.py` send the load, `memory.py` watches, `table.py` compares and prints. `deliveries.py` measures triggers of ours
alone, with `receiver.py` as who is told.
"""
