use super::wait::{Patience, wait};
use crate::{Host, Interest};
use std::future::{pending, poll_fn};
use std::sync::mpsc;
use std::task::{Poll, Waker};
use std::thread;
use std::time::Duration;

#[test]
fn a_thread_that_waits_looks_when_it_is_woken_and_never_else() {
    let host = Host::builder().start().unwrap();
    let net = host.net();
    let (tell, told) = mpsc::channel::<Waker>();
    let waiting = thread::spawn(move || {
        let mut looks = 0;
        wait(
            &net,
            None,
            poll_fn(|cx| {
                looks += 1;
                tell.send(cx.waker().clone()).unwrap();
                if looks == 3 {
                    return Poll::Ready(looks);
                }
                Poll::Pending
            }),
        )
    });
    for _ in 0..2 {
        let waker = told.recv().unwrap();
        // A token of the application's own wakes nobody.
        waiting.thread().unpark();
        assert!(told.recv_timeout(Duration::from_millis(50)).is_err());
        waker.wake();
    }
    assert_eq!(waiting.join().unwrap(), Some(3));
}

#[test]
fn a_wake_during_the_look_is_not_lost_and_the_applications_token_stays_its_own() {
    let host = Host::builder().start().unwrap();
    thread::current().unpark();
    let mut looks = 0;
    let done = wait(
        &host.net(),
        None,
        poll_fn(|cx| {
            looks += 1;
            cx.waker().wake_by_ref();
            match looks {
                100 => Poll::Ready(()),
                _ => Poll::Pending,
            }
        }),
    );
    assert_eq!((done, looks), (Some(()), 100));
    // Returns at once, for the token is still there.
    thread::park();
}

#[test]
fn the_deadline_is_kept_and_what_is_ready_is_had_after_it() {
    let host = Host::builder().start().unwrap();
    let net = host.net();
    let begin = net.now();
    let limit = Duration::from_millis(30);
    assert_eq!(wait(&net, Some(begin + limit), pending::<()>()), None);
    assert!(net.now() - begin >= limit);
    assert_eq!(wait(&net, Some(begin), async { 7 }), Some(7));
    let forever = Patience::default();
    forever
        .set_timeout(Interest::Read, Some(Duration::MAX))
        .unwrap();
    assert!(forever.deadline(&net, Interest::Read) > Some(net.now()));
    assert_eq!(forever.deadline(&net, Interest::Write), None);
}

#[test]
fn silence_is_a_connection_that_is_not_answered_in_time() {
    use super::TcpStream;
    use handfast_link::memory;
    let (left, _silent) = memory::pair(&memory::Config::default());
    let address = "10.0.0.1/24".parse().unwrap();
    let host = Host::builder().link(left, [address]).start().unwrap();
    let at = "10.0.0.2:80".parse().unwrap();
    let limit = Duration::from_millis(50);
    let silence = TcpStream::connect_timeout(&host.net(), &at, limit).unwrap_err();
    assert_eq!(silence.kind(), std::io::ErrorKind::TimedOut);
    // The attempt is abandoned.
    let connections = host.net().with_stack(|stack, _| stack.usage().connections);
    assert_eq!(connections, 0);
}
