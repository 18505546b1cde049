"""The real-time loop: one tick, one inbox, and a show that goes on.

Joins performance, take, decoder and display while somebody plays; nothing downstream is handed
upstream. Devices and command line meet it in `cli`.
"""
