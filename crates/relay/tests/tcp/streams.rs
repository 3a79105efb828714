//! What is written on one side is read on the other, and ends as it ended there.

use crate::world::{OUTSIDE, World, listen, soon};
use handfast::{Readiness, TcpStream};
use handfast_relay::{End, Opened, RelayEvent};
use std::io::{self, ErrorKind};
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::time::timeout;

/// Octets that differ from place to place.
fn pattern(len: usize) -> Vec<u8> {
    (0..len).map(|i| (i * 31 + (i >> 8) * 7) as u8).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_echo_comes_back_whole_in_both_families() {
    for (family, (inside, _)) in OUTSIDE.iter().enumerate() {
        let world = World::new().await;
        let (server, at) = listen(family).await;
        let echo = tokio::spawn(async move {
            let (mut stream, _) = server.accept().await.unwrap();
            let (mut r, mut w) = stream.split();
            tokio::io::copy(&mut r, &mut w).await.unwrap();
            w.shutdown().await.unwrap();
        });
        let data = pattern(3 << 20);
        let stream = soon(TcpStream::connect(&world.net(), at)).await.unwrap();
        let (mut r, mut w) = stream.into_split();
        let send = async {
            w.write_all(&data).await.unwrap();
            w.shutdown().await.unwrap();
        };
        let mut back = Vec::new();
        let (_, read) = soon(async { tokio::join!(send, r.read_to_end(&mut back)) }).await;
        read.unwrap();
        assert!(back == data, "{} of {}", back.len(), data.len());
        echo.await.unwrap();
        let report = world.events.report().await;
        assert_eq!(report.destination, at);
        assert_eq!(report.destination.ip().to_string(), *inside);
        assert_eq!(report.opened, Opened::ByProgram);
        assert_eq!(report.end, End::Closed);
        let len = data.len() as u64;
        assert_eq!((report.octets_up, report.octets_down), (len, len));
        let info = report.info.expect("a snapshot");
        assert_eq!(info.octets_received, len);
        assert_eq!(info.unsent, 0, "taken when all was acknowledged");
        let told = world.events.all();
        assert!(matches!(told[0], RelayEvent::TcpAsked { destination, .. } if destination == at));
        assert!(matches!(told[1], RelayEvent::TcpAnswered { .. }));
        assert_eq!(told.len(), 3);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn either_side_may_close_first_and_hear_the_other_out() {
    const LEN: usize = 1 << 20;
    for family in 0..2 {
        let world = World::new().await;
        let (server, at) = listen(family).await;
        // The program has said all it has to say; the server begins only then.
        let answer = tokio::spawn(async move {
            let (mut stream, _) = server.accept().await.unwrap();
            let mut all = Vec::new();
            stream.read_to_end(&mut all).await.unwrap();
            stream.write_all(&pattern(LEN)).await.unwrap();
            (all, server)
        });
        let mut stream = soon(TcpStream::connect(&world.net(), at)).await.unwrap();
        stream.write_all(b"a question").await.unwrap();
        stream.shutdown().await.unwrap();
        let mut all = Vec::new();
        soon(stream.read_to_end(&mut all)).await.unwrap();
        assert!(all == pattern(LEN));
        let (question, server) = answer.await.unwrap();
        assert_eq!(question, b"a question");

        // And the other way round.
        let listen = tokio::spawn(async move {
            let (mut stream, _) = server.accept().await.unwrap();
            stream.write_all(b"a banner").await.unwrap();
            stream.shutdown().await.unwrap();
            let mut all = Vec::new();
            stream.read_to_end(&mut all).await.unwrap();
            all
        });
        let mut stream = soon(TcpStream::connect(&world.net(), at)).await.unwrap();
        let mut all = Vec::new();
        soon(stream.read_to_end(&mut all)).await.unwrap();
        assert_eq!(all, b"a banner");
        stream.write_all(&pattern(LEN)).await.unwrap();
        stream.shutdown().await.unwrap();
        assert!(soon(listen).await.unwrap() == pattern(LEN));
        for _ in 0..2 {
            assert_eq!(world.events.report().await.end, End::Closed);
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_reset_by_the_program_reaches_the_destination() {
    for family in 0..2 {
        let world = World::new().await;
        let (server, at) = listen(family).await;
        let stream = soon(TcpStream::connect(&world.net(), at)).await.unwrap();
        let (mut accepted, _) = server.accept().await.unwrap();
        stream.write_bytes(&mut "x".into()).await.unwrap();
        assert_eq!(soon(accepted.read_u8()).await.unwrap(), b'x');
        stream.abort().unwrap();
        let error = soon(accepted.read_u8()).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::ConnectionReset);
        let report = world.events.report().await;
        assert_eq!((report.end, report.octets_up), (End::ProgramReset, 1));
        assert!(report.info.is_some());
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_reset_by_the_destination_reaches_the_program_after_what_came_before_it() {
    for family in 0..2 {
        let world = World::new().await;
        let (server, at) = listen(family).await;
        let stream = soon(TcpStream::connect(&world.net(), at)).await.unwrap();
        let (mut accepted, _) = server.accept().await.unwrap();
        accepted.write_all(b"last words").await.unwrap();
        accepted.set_zero_linger().unwrap();
        drop(accepted);
        let mut all = Vec::new();
        let error = loop {
            match soon(stream.read_bytes(100)).await {
                Ok(bytes) if bytes.is_empty() => panic!("an end of stream for a reset"),
                Ok(bytes) => all.extend_from_slice(&bytes),
                Err(e) => break e,
            }
        };
        assert_eq!(error.kind(), ErrorKind::ConnectionReset);
        // A reset may overtake what its receiver has not read (RFC 9293, section 3.10.7.4).
        assert!(b"last words".starts_with(&all), "{all:?}");
        let report = world.events.report().await;
        assert_eq!(
            (report.end, report.octets_down),
            (End::DestinationReset, 10)
        );
    }
}

/// Writes until nothing is taken any more for a while; returns how much was taken.
async fn fill(mut write: impl AsyncFnMut(&[u8]) -> io::Result<usize>) -> usize {
    let (chunk, mut total) = (vec![0; 1 << 16], 0);
    while let Ok(taken) = timeout(Duration::from_millis(500), write(&chunk)).await {
        total += taken.unwrap();
        assert!(total < 256 << 20, "something holds whatever it is given");
    }
    total
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_the_program_does_not_read_is_not_read_from_the_destination() {
    let world = World::new().await;
    let (server, at) = listen(0).await;
    let stream = soon(TcpStream::connect(&world.net(), at)).await.unwrap();
    let (mut accepted, _) = server.accept().await.unwrap();
    let filled = fill(async |chunk| accepted.write(chunk).await).await;
    let usage = world.gateway.net().with_stack(|stack, _| stack.usage());
    // Buffers that nobody reads from stay as small as they begin.
    let limit = 4 << 20;
    assert!(
        (1 << 16..limit + (1 << 20)).contains(&usage.memory),
        "{usage:?} of {filled}"
    );
    // Nothing of it is lost.
    drop(accepted);
    let mut read = 0;
    loop {
        match soon(stream.read_bytes(1 << 20)).await.unwrap().len() {
            0 => break,
            len => read += len,
        }
    }
    assert_eq!(read, filled);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_the_destination_does_not_read_is_not_read_from_the_program() {
    let world = World::new().await;
    let (server, at) = listen(1).await;
    let mut stream = soon(TcpStream::connect(&world.net(), at)).await.unwrap();
    let (mut accepted, _) = server.accept().await.unwrap();
    let filled = fill(async |chunk| stream.write(chunk).await).await;
    let usage = world.gateway.net().with_stack(|stack, _| stack.usage());
    assert!(usage.memory < 6 << 20, "{usage:?} of {filled}");
    drop(stream);
    let read = soon(tokio::io::copy(&mut accepted, &mut tokio::io::sink())).await;
    assert_eq!(read.unwrap(), filled as u64);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_reset_is_heard_though_nothing_moves_any_more() {
    // The program does not read, and the destination resets.
    let world = World::new().await;
    let (server, at) = listen(0).await;
    let stream = soon(TcpStream::connect(&world.net(), at)).await.unwrap();
    let (mut accepted, _) = server.accept().await.unwrap();
    fill(async |chunk| accepted.write(chunk).await).await;
    accepted.set_zero_linger().unwrap();
    drop(accepted);
    assert_eq!(world.events.report().await.end, End::DestinationReset);
    soon(stream.ready(Readiness::ERROR)).await.unwrap();

    // The destination does not read, and the program resets.
    let world = World::new().await;
    let (server, at) = listen(0).await;
    let mut stream = soon(TcpStream::connect(&world.net(), at)).await.unwrap();
    let (mut accepted, _) = server.accept().await.unwrap();
    fill(async |chunk| stream.write(chunk).await).await;
    stream.abort().unwrap();
    assert_eq!(world.events.report().await.end, End::ProgramReset);
    let read = soon(tokio::io::copy(&mut accepted, &mut tokio::io::sink())).await;
    assert_eq!(read.unwrap_err().kind(), ErrorKind::ConnectionReset);

    // Half closed, with nothing to say.
    let world = World::new().await;
    let mut stream = soon(TcpStream::connect(&world.net(), at)).await.unwrap();
    let (mut accepted, _) = server.accept().await.unwrap();
    stream.shutdown().await.unwrap();
    assert_eq!(soon(accepted.read(&mut [0; 8])).await.unwrap(), 0);
    stream.abort().unwrap();
    assert_eq!(world.events.report().await.end, End::ProgramReset);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_idle_connection_holds_no_buffer_and_the_end_of_the_relay_is_reported() {
    let mut world = World::new().await;
    let (server, at) = listen(0).await;
    let at_rest = world.gateway.net().with_stack(|stack, _| stack.usage());
    let mut stream = soon(TcpStream::connect(&world.net(), at)).await.unwrap();
    let (mut accepted, _) = server.accept().await.unwrap();
    for _ in 0..10 {
        stream.write_all(&pattern(100_000)).await.unwrap();
        let mut echo = vec![0; 100_000];
        soon(accepted.read_exact(&mut echo)).await.unwrap();
        accepted.write_all(&echo).await.unwrap();
        soon(stream.read_exact(&mut echo)).await.unwrap();
    }
    // The last acknowledgment may still be on its way.
    let held = async {
        loop {
            let usage = world.gateway.net().with_stack(|stack, _| stack.usage());
            if usage.memory - at_rest.memory < 2048 {
                return;
            }
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    };
    soon(held).await;
    world.close().await;
    let told = world.events.all();
    let Some(RelayEvent::TcpClosed(report)) = told.last() else {
        panic!("{told:?}");
    };
    assert_eq!((&report.end, report.octets_up), (&End::Relay, 1_000_000));
    assert_eq!(report.info.expect("a snapshot").octets_received, 1_000_000);
}
