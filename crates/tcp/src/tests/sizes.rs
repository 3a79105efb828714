//! What a connection costs: the figures behind "ten thousand idle connections".

use crate::connection::Active;
use crate::tcb::Tcb;
use crate::{Connection, SynReceived, TimeWait};
use core::mem::size_of;

#[test]
fn connections_and_records_stay_small() {
    std::eprintln!(
        "Connection {} and {} (Tcb {}), Active {}, SynReceived {}, TimeWait {}",
        size_of::<Connection>(),
        Connection::BOXED,
        size_of::<Tcb>(),
        size_of::<Active>(),
        size_of::<SynReceived>(),
        size_of::<TimeWait>()
    );
    assert!(size_of::<Connection>() <= 240);
    const { assert!(Connection::BOXED <= 144) };
    assert!(size_of::<SynReceived>() <= 64);
    assert!(size_of::<TimeWait>() <= 48);
}
