//! Connections against each other, and against hand-made segments, on virtual time.

mod any_segments;
mod autotune;
mod bench;
mod fast_path;
mod harness;
mod swarm;
mod table;
mod transfer;

mod arrives_ack;
mod arrives_fin;
mod arrives_listen;
mod arrives_paws;
mod arrives_rst;
mod arrives_sequence;
mod arrives_syn;
mod arrives_syn_received;
mod arrives_syn_sent;
mod arrives_text;
mod arrives_time_wait;
mod arrives_urg;

mod closing;
mod congestion_control;
mod data_transfer;
mod deadlines;
mod decisions;
mod ecn;
mod ecn_accurate;
mod estimators;
mod handshake;
mod loss_recovery;
mod options;
mod options_of_a_socket;
mod pacing;
mod path_mtu;
mod requirements;
mod retransmission;
mod sack_receiver;
mod sack_sender;
mod sequence_arithmetic;
mod sizes;
mod snapshot;
mod statistics;
mod validation;
mod windows;
