//! A complete TCP/IP stack in user space, with sockets shaped like tokio's.
