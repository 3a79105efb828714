//! An engine whose owner polls it when it has asked for that, and at no other time.

use handfast::base::Instant;
use handfast::link::{Link, memory};
use handfast::stack::udp::UdpOptions;
use handfast::stack::{Stack, StackConfig};
use handfast::wire::Batch;
use handfast::{Engine, Environment, Net, UdpSocket};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Wake, Waker};

struct Stopped;

impl Environment for Stopped {
    fn now(&self) -> Instant {
        Instant::ZERO
    }

    fn wake(&self, _deadline: Option<Instant>) {}
}

#[derive(Default)]
struct Flag(AtomicBool);

impl Wake for Flag {
    fn wake(self: Arc<Self>) {
        self.0.store(true, Ordering::SeqCst);
    }
}

#[test]
fn what_waits_behind_a_full_link_leaves_as_the_link_gets_room() {
    const QUEUE: usize = 64;
    let (mut near, mut far) = memory::pair(&memory::Config {
        queue: QUEUE,
        ..memory::Config::default()
    });
    let woken = Arc::new(Flag::default());
    near.set_waker(&Waker::from(woken.clone()));
    let engine = Engine::new(
        Stack::new(StackConfig::default(), [1; 32]),
        Box::new(Stopped),
    );
    let engine = Arc::new(engine);
    let address = "192.0.2.1/24".parse().unwrap();
    engine.attach(Box::new(near), &[address]).unwrap();
    let any = "192.0.2.1:0".parse().unwrap();
    let socket = UdpSocket::bind_with(&Net::new(engine.clone()), any, UdpOptions::default());
    let socket = socket.unwrap();
    // A full queue, as much again on its way there, and some more in the stack.
    let sent = 2 * QUEUE + 10;
    for n in 0..sent {
        let to = "192.0.2.2:9".parse().unwrap();
        socket.try_send_to(&n.to_be_bytes(), to).unwrap();
    }
    let (mut arrived, mut batch) = (0, Batch::new(QUEUE));
    while far.receive(Instant::ZERO, &mut batch).unwrap() > 0 {
        arrived += batch.len();
        batch.clear();
        let mut poll = woken.0.swap(false, Ordering::SeqCst);
        while poll {
            poll = engine.poll().more;
        }
    }
    assert_eq!(arrived, sent);
}
