use crate::harness::{FAMILIES, Pair, Side, read};
use bytes::Bytes;
use handfast_base::{Duration, Rng};
use handfast_stack::{ConnectOptions, ListenOptions, SocketId};
use handfast_tcp::State;

/// What one end of a connection still has to do.
struct End {
    id: SocketId,
    to_send: Bytes,
    got: Vec<u8>,
    is_shut: bool,
}

impl End {
    /// Sends, reads and closes as far as it can now; true when all is done.
    fn turn(&mut self, host: &mut crate::harness::Host, now: handfast_base::Instant) -> bool {
        self.got.extend(read(host, self.id, now));
        let mut tcp = host.stack.tcp_mut(self.id, now).expect("held");
        if !self.to_send.is_empty() {
            tcp.send(&mut self.to_send).expect("alive");
        }
        if self.to_send.is_empty() && !self.is_shut {
            tcp.shutdown_write().expect("open until now");
            self.is_shut = true;
        }
        let tcp = host.stack.tcp(self.id).expect("held");
        assert_eq!(tcp.error(), None);
        let at_end = tcp.is_read_closed() && !tcp.has_unread();
        self.is_shut && at_end && matches!(tcp.state(), State::TimeWait | State::Closed)
    }
}

#[test]
fn open_transfer_close_under_loss_returns_everything() {
    for (seed, family) in (1..).zip(FAMILIES) {
        let mut net = Pair::new(family);
        let mut rng = Rng::new(seed);
        let mut dice = rng.fork();
        net.keep = Box::new(move |_| !dice.chance(0.05));
        let options = ListenOptions::on(net.b.at(80));
        let listener = net.b.stack.tcp_listen(options).unwrap();
        let remote = net.b.at(80);
        for cycle in 0..300u32 {
            let lens = [rng.below(20_000), rng.below(20_000)];
            let data = lens.map(|len| {
                let mut octets = vec![0; len as usize];
                rng.fill(&mut octets);
                Bytes::from(octets)
            });
            let client = net
                .a
                .stack
                .tcp_connect(remote, ConnectOptions::default(), net.now)
                .unwrap();
            let mut server = None;
            let mut a = End {
                id: client,
                to_send: data[0].clone(),
                got: Vec::new(),
                is_shut: false,
            };
            let mut done = [false; 2];
            for _ in 0..20_000 {
                net.run_for(Duration::from_millis(20));
                if net.a.state(client) != State::SynSent {
                    done[0] = a.turn(&mut net.a, net.now);
                }
                if server.is_none() {
                    server = net.b.stack.tcp_accept(listener).map(|id| End {
                        id,
                        to_send: data[1].clone(),
                        got: Vec::new(),
                        is_shut: false,
                    });
                }
                if let Some(b) = &mut server {
                    done[1] = b.turn(&mut net.b, net.now);
                }
                if done == [true; 2] {
                    break;
                }
            }
            let b = server.expect("accepted");
            assert_eq!(done, [true; 2], "cycle {cycle} of {family:?}");
            assert!(
                a.got == data[1] && b.got == data[0],
                "cycle {cycle} of {family:?}"
            );
            assert!(net.a.stack.tcp_close(a.id, net.now) && net.b.stack.tcp_close(b.id, net.now));
            net.seen.clear();
        }
        net.run_for(Duration::from_secs(300));
        for host in [&net.a, &net.b] {
            let usage = host.stack.usage();
            assert_eq!(
                (usage.connections, usage.half_open, usage.time_wait),
                (0, 0, 0)
            );
            assert_eq!((usage.memory, usage.timers), (0, 0));
        }
        assert!(net.a.stack.metrics().tcp.retransmissions > 100);
    }
}

#[test]
fn the_same_seed_gives_the_same_packets() {
    for family in FAMILIES {
        let run = || {
            let mut net = Pair::new(family);
            let mut dice = Rng::new(5);
            net.keep = Box::new(move |_| !dice.chance(0.1));
            let listener = net.b.listen(80);
            let remote = net.b.at(80);
            for _ in 0..20 {
                net.a
                    .stack
                    .tcp_connect(remote, ConnectOptions::default(), net.now)
                    .unwrap();
            }
            net.run_for(Duration::from_secs(20));
            while let Some(id) = net.b.stack.tcp_accept(listener) {
                let mut data = Bytes::from(vec![1; 50_000]);
                net.b
                    .stack
                    .tcp_mut(id, net.now)
                    .unwrap()
                    .send(&mut data)
                    .unwrap();
            }
            net.run_for(Duration::from_secs(20));
            assert!(net.seen.iter().any(|s| s.from == Side::B && s.text > 1000));
            net.seen
                .iter()
                .map(|s| (s.from, s.ip, s.tcp, s.text))
                .collect::<Vec<_>>()
        };
        assert!(run() == run());
    }
}
