"""A benchmark that does not flatter.

Capacity comes from a *closed loop*: so many clients send the next request when the last one is answered. A server that
stands still is then simply not asked, so closed-loop latencies hide every stall. Latency therefore comes from an *open
loop*: requests are due at random moments (Poisson) that do not care for the server, and each latency counts from the
moment that its request was due. A percentile is reported only where enough samples lie beyond it.
"""
