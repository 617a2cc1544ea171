"""The measurement apparatus: real processes on this machine, whose delays the models predict.

Clients, a routing element and servers are processes that exchange updates of 100 bytes over QUIC,
on loopback. Distances are emulated by delays on each way. Round-trip times and service rates are
measured while the system is idle; the models and the splits follow from these measurements alone;
then each split is executed and the mean delay measured, as Mancuso et al. do (Section V-A).

The elements, which are processes, are the modules ``server``, ``router`` and ``client``, with
``element``, ``quic``, ``clock`` and ``service`` below them: these import neither NumPy nor CVXPY,
so that they start fast. They need the extra ``testbed``.
"""
