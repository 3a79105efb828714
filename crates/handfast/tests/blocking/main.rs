//! The blocking sockets beside those of `std::net`: every body runs over both, the system's
//! loopback and ours on a link in memory.
#![cfg(all(feature = "blocking", feature = "host"))]
#![expect(
    clippy::disallowed_methods,
    reason = "the system's sockets live in real time, and so does what is compared with them"
)]

mod sockets;
mod tcp;
mod timing;
mod udp;

use sockets::{Ours, Std};

/// A test of each of these bodies over each kind of sockets.
macro_rules! parity {
    ($($module:ident: $($body:ident),* $(,)?;)*) => {
        mod std_net {
            use super::*;
            $($(#[test] fn $body() { $module::$body(&Std); })*)*
        }

        mod handfast_blocking {
            use super::*;
            $($(#[test] fn $body() { $module::$body(&Ours::new()); })*)*
        }
    };
}

parity! {
    tcp:
        what_is_written_is_read_and_each_direction_ends_by_itself,
        addresses_agree,
        a_blocking_write_takes_all_of_it,
        parts_are_gathered_and_scattered,
        peeking_leaves_what_is_there,
        options_are_kept,
        clones_share_one_connection,
        the_first_address_that_answers_is_taken,
        a_closed_port_refuses,
        a_port_in_use_is_said_so_and_free_again_after,
        an_address_of_somebody_else_is_not_available,
        unread_data_resets_the_peer,
        writing_to_who_is_gone_fails,
        writing_after_shutdown_is_a_broken_pipe,
        incoming_goes_on,
        megabytes_both_ways_at_once;
    timing:
        a_limit_of_nothing_is_refused,
        a_read_gives_up_in_time_and_goes_on_later,
        a_write_gives_up_in_time_and_tells_how_far_it_came,
        nothing_waits_that_must_not,
        an_accepted_stream_waits_though_its_listener_does_not,
        a_reader_that_waits_is_woken_by_data_by_the_end_and_by_a_shutdown,
        an_accept_that_waits_is_woken,
        two_readers_of_one_connection_share_what_comes,
        ten_thousand_ping_pongs_lose_no_wake;
    udp:
        datagrams_keep_their_bounds,
        a_connected_socket_hears_its_peer_alone,
        receiving_waits_as_told,
        nobody_there_is_an_error_of_a_connected_socket,
        options_of_datagrams_are_kept;
}
