//! A sans-IO TCP/IP stack: interfaces, routes, demultiplexing, listeners, UDP, ICMP.
